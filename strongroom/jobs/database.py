"""Database connections of a duty: TLS with the server verified, credentials fetched for this connection only.

`Store.secret_ref` says where credentials come from: `vault:<mount>/creds/<role>` (dynamic, `{duty}` is filled in) or
the ARN of a Secrets Manager secret with `username` and `password`. The server's CA is PGSSLROOTCERT, on RDS the
bundle of the Region. Passwords go to libpq in memory or through a 0600 password file, never into argv.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from strongroom.errors import Denied, KeyFailure, ManifestError, Transient
from strongroom.estate.manifest import Store
from strongroom.jobs.contract import Context


@dataclass(frozen=True)
class Login:
    """How to reach a database as a duty; `parameters` are libpq's, without the password."""

    parameters: dict[str, str]
    password: str = field(repr=False)

    def connect(self, **options: Any) -> Any:
        """A psycopg connection; Transient when the server cannot be reached, Denied when it refuses the login."""
        import psycopg

        try:
            return psycopg.connect(password=self.password, **{**self.parameters, **options})
        except psycopg.OperationalError as error:
            place = f"{self.parameters['host']}:{self.parameters['port']}/{self.parameters['dbname']}"
            if "authentication failed" in str(error):
                raise Denied(f"PostgreSQL {place} refused the login of {self.parameters['user']}") from None
            raise Transient(f"PostgreSQL {place} cannot be reached", hint="strongroom cloud status") from None


def login(ctx: Context, store: Store, duty: str) -> Login:
    """Fetches credentials of a duty for a store of kind postgres."""
    if store.kind != "postgres" or not store.endpoint:
        raise ManifestError(f"store {store.name!r} is no reachable database", hint="deploy the layer data")
    user, password = _credentials(ctx, store, duty)
    host, _, port = store.endpoint.rpartition(":")
    parameters = {
        "host": host or store.endpoint,
        "port": port if host else "5432",
        "dbname": store.database,
        "user": user,
        "sslmode": "verify-full",
        "connect_timeout": "10",
        "application_name": f"strongroom {duty}",
    }
    if "PGSSLROOTCERT" in os.environ:
        parameters["sslrootcert"] = os.environ["PGSSLROOTCERT"]
    return Login(parameters, password)


def _credentials(ctx: Context, store: Store, duty: str) -> tuple[str, str]:
    reference = store.secret_ref.replace("{duty}", duty)
    if reference.startswith("vault:"):
        return _from_vault(ctx.vault(duty), reference.removeprefix("vault:"))
    if reference.startswith("arn:aws:secretsmanager:"):
        client = ctx.session(duty, store.account).client("secretsmanager")
        return _from_secrets_manager(client, reference)
    raise ManifestError(f"store {store.name!r}: secret_ref {store.secret_ref!r} is neither vault: nor a secret's ARN")


def _from_vault(client: Any, path: str) -> tuple[str, str]:
    import hvac.exceptions
    import requests

    try:
        answer = client.read(path)
    except hvac.exceptions.Forbidden:
        raise Denied(f"OpenBao refused {path}") from None
    except (hvac.exceptions.VaultError, requests.RequestException) as error:
        raise KeyFailure(f"OpenBao gave no database credentials at {path} ({type(error).__name__})") from None
    if answer is None:
        raise ManifestError(f"OpenBao has no role {path}", hint="deploy the layer data")
    return answer["data"]["username"], answer["data"]["password"]


def _from_secrets_manager(client: Any, arn: str) -> tuple[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        secret = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    except ClientError as error:
        raise Denied(f"{arn}: {error.response['Error'].get('Message', '')}") from None
    except BotoCoreError as error:
        raise Transient(f"Secrets Manager cannot be reached ({type(error).__name__})") from None
    return secret["username"], secret["password"]
