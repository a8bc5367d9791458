"""Credentials of one duty: a role session on AWS, an AppRole login on OpenBao.

A job's process has one ambient identity: the profile `strongroom-<env>-<duty>` where the AWS configuration has it
(role_arn and source_profile, as usual), else an ECS task role or an OIDC subject. If that identity is the wanted role
it is used as it is; otherwise, as for a duty's role in another account, the role is assumed with the profile's source
identity and refreshed before it expires. OpenBao credentials are a file `<duty>.json` of role_id and secret_id in
the folder named by STRONGROOM_VAULT_CREDENTIALS (default $STRONGROOM_HOME/vault).
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlparse

from strongroom.errors import Denied, KeyFailure, Transient, UsageError


def home() -> Path:
    """STRONGROOM_HOME, by default .strongroom in the working folder."""
    return Path(os.environ.get("STRONGROOM_HOME", ".strongroom")).resolve()


def _session(core: Any, region: str) -> Any:
    """A boto3 session whose clients are made one at a time: two threads must not make them from one session at once."""
    import boto3

    session, making = boto3.Session(botocore_session=core, region_name=region), Lock()
    make = session.client

    def client(*arguments: Any, **options: Any) -> Any:
        with making:
            return make(*arguments, **options)

    session.client = client
    return session


def ambient_session(env: str, duty: str, region: str) -> Any:
    """The boto3 session of this process: the duty's profile where the AWS configuration has one, else the default."""
    import botocore.session

    core = botocore.session.Session()
    profile = f"strongroom-{env}-{duty}"
    if profile in core.available_profiles:
        core = botocore.session.Session(profile=profile)
    return _session(_configured(core), region)


def holder_session(env: str, duty: str, region: str) -> Any:
    """The session that assumes a duty's roles: the source of its profile, else the ambient one."""
    import botocore.session

    core = botocore.session.Session()
    profile = core.full_config.get("profiles", {}).get(f"strongroom-{env}-{duty}", {})
    source = profile.get("source_profile")
    if not source:
        return ambient_session(env, duty, region)
    return _session(_configured(botocore.session.Session(profile=source)), region)


def duty_session(env: str, duty: str, role_arn: str, region: str) -> Any:
    """A boto3 session as a duty's role; Denied when the role cannot be assumed, UsageError without credentials."""
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    ambient = ambient_session(env, duty, region)
    if is_session_of(identity(ambient), role_arn):
        return ambient
    holder = holder_session(env, duty, region)
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=holder._session.create_client,
        source_credentials=holder.get_credentials(),
        role_arn=role_arn,
        extra_args={"RoleSessionName": duty, "DurationSeconds": 3600},
    )
    core = _configured(botocore.session.Session())
    core._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    session = _session(core, region)
    identity(session)
    return session


def identity(session: Any) -> str:
    """The caller's ARN; Denied or UsageError when the credentials are not accepted."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        return str(session.client("sts").get_caller_identity()["Arn"])
    except ClientError as error:
        raise Denied(f"the credentials were refused: {error.response['Error'].get('Message', '')}") from None
    except NoCredentialsError:
        raise UsageError("no AWS credentials were found", hint="see docs/operations.md, 'Identities'") from None
    except BotoCoreError as error:
        hint = "is the cloud running? strongroom cloud status"
        raise Transient(f"AWS cannot be reached ({type(error).__name__})", hint=hint) from None


def is_session_of(caller: str, role_arn: str) -> bool:
    """Whether a caller's ARN is a session of a role; STS drops the role's path, so account and name are compared."""
    parts = caller.split(":", 5)
    if len(parts) != 6 or parts[2] != "sts" or not parts[5].startswith("assumed-role/"):
        return False
    return (parts[4], parts[5].split("/")[1]) == (role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1])


def simulated(session: Any) -> bool:
    """Whether the session talks to anything but AWS itself; evidence made there says so."""
    host = urlparse(session.client("sts").meta.endpoint_url).hostname or ""
    return not host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def vault_client(duty: str) -> Any:
    """A logged-in hvac client; KeyFailure when OpenBao cannot be reached, Denied when it refuses the login."""
    import hvac
    import hvac.exceptions
    import requests

    address = os.environ.get("VAULT_ADDR", "")
    if not address:
        raise UsageError("VAULT_ADDR is not set", hint="see docs/operations.md, 'OpenBao'")
    folder = Path(os.environ.get("STRONGROOM_VAULT_CREDENTIALS", home() / "vault"))
    path = folder / f"{duty}.json"
    try:
        credentials = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: no AppRole credentials of {duty} ({type(error).__name__})") from None
    client = hvac.Client(url=address, verify=os.environ.get("VAULT_CACERT", True), timeout=30)
    try:
        client.auth.approle.login(role_id=credentials["role_id"], secret_id=credentials["secret_id"])
    except (hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest):
        raise Denied(f"OpenBao refused the AppRole of {duty}", hint="mint a new secret id") from None
    except (hvac.exceptions.VaultError, requests.RequestException) as error:
        raise KeyFailure(f"OpenBao at {address} cannot be reached ({type(error).__name__})") from None
    return client


def _configured(core: Any) -> Any:
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=120, max_pool_connections=16
    )
    core.set_default_client_config(config)
    core.register_component("data_loader", _loader())
    return core


@cache
def _loader() -> Any:
    """One loader for all sessions: each would parse the service models anew, 50 ms a service."""
    import botocore.session

    return botocore.session.Session().get_component("data_loader")
