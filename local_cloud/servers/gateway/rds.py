"""RDS: behind an instance stands a real database of the laptop's PostgreSQL, reached at the endpoint RDS answers.

The supervisor writes home/cloud/postgres.json: `{"host", "port", "admin_user", "admin_password_file", "ca_file"}`.
Without it an instance is only a record, as moto makes it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from moto.rds.models import DBInstance, rds_backends
from moto.secretsmanager.models import FakeSecret
from psycopg import sql

from .access import Demand
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_demands import key_demand

_SHOWING = ("CreateDBInstance", "DescribeDBInstances", "ModifyDBInstance", "RebootDBInstance", "StartDBInstance")


class Databases:
    """The rules of database instances."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rules(self) -> list[Rule]:
        """Key check before creation, the database after it, and the endpoint in every answer."""
        return [
            Rule("rds", "CreateDBInstance", before=self._check_user),
            Rule("rds", "CreateDBInstance", before=self._check_key, after=self._created),
            Rule("rds", "ModifyDBInstance", after=self._modified),
            Rule("rds", "DeleteDBInstance", after=self._deleted),
            *(Rule("rds", operation, after=self._shown) for operation in _SHOWING),
        ]

    def _server(self) -> dict[str, Any] | None:
        try:
            described = json.loads((self._cloud.folder / "postgres.json").read_bytes())
        except FileNotFoundError:
            return None
        return dict(described)

    @contextmanager
    def _admin(self, server: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
        password = Path(server["admin_password_file"]).read_text().strip()
        with psycopg.connect(
            host=server["host"],
            port=server["port"],
            user=server["admin_user"],
            password=password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=10,
            sslmode="verify-full",
            sslrootcert=server["ca_file"],
        ) as connection:
            yield connection

    def _instance(self, call: Call) -> DBInstance | None:
        found = rds_backends[call.account][call.region].databases.get(call.params["DBInstanceIdentifier"].lower())
        return found if isinstance(found, DBInstance) else None

    def _check_user(self, call: Call) -> Refuse | None:
        """The server's own roles are not to be had: their password would change hands."""
        server, user = self._server(), str(call.params.get("MasterUsername", "postgres"))
        if server is not None and (user == server["admin_user"] or user.startswith(("pg_", "rds"))):
            return Refuse("InvalidParameterValue", f"MasterUsername {user} cannot be used as it is a reserved word")
        return None

    def _check_key(self, call: Call) -> Refuse | None:
        """RDS grants itself the use of the key: the caller must be able to describe it and to create that grant."""
        if not call.params.get("KmsKeyId"):
            return None
        via = replace(call, via_service=f"rds.{call.region}.amazonaws.com")
        try:
            key = self._cloud.keys.find(call.params["KmsKeyId"], call.account, call.region)
        except Refuse as unknown:
            return Refuse("KMSKeyNotAccessibleFault", unknown.message)
        for action in ("DescribeKey", "CreateGrant"):
            demand = key_demand(self._cloud, via, action, key)
            context = {**demand.context, "kms:GrantIsForAWSResource": True}
            wanted = Demand(demand.action, demand.resource, context, demand.owner, demand.policy, demand.grants)
            refusal = self._cloud.access.refusal(via, wanted)
            if refusal is not None:
                return Refuse("KMSKeyNotAccessibleFault", refusal.message)
        if key.state != "Enabled":
            return Refuse("KMSKeyNotAccessibleFault", f"{key.arn} is not enabled")
        return None

    def _created(self, call: Call, response: Response) -> Response:
        server, instance = self._server(), self._instance(call)
        if response.status != 200 or server is None or instance is None or call.params.get("Engine") != "postgres":
            return response
        user = call.params.get("MasterUsername", "postgres")
        password = call.params.get("MasterUserPassword") or secrets.token_urlsafe(24)
        database = call.params.get("DBName")
        with self._admin(server) as connection:
            self._role(connection, user, password)
            present = connection.execute("select 1 from pg_database where datname = %s", (database,)).fetchone()
            if database and not present:
                create = sql.SQL("create database {} owner {}")
                connection.execute(create.format(sql.Identifier(database), sql.Identifier(user)))
        old, instance.port = instance.port, int(server["port"])
        self._keep_secret(instance, user, password)
        port = f"<Port>{old}</Port>".encode(), f"<Port>{instance.port}</Port>".encode()
        response.body = _bytes(response).replace(*port)
        return response

    @staticmethod
    def _role(connection: psycopg.Connection[Any], user: str, password: str) -> None:
        present = connection.execute("select 1 from pg_roles where rolname = %s", (user,)).fetchone()
        verb = "alter" if present else "create"
        # the verifier, not the password, so that no statement of the server ever holds it
        verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
        text = sql.SQL(verb + " role {} login createdb createrole password {}")
        connection.execute(text.format(sql.Identifier(user), sql.Literal(verifier)))

    def renew(self, secret: FakeSecret, version: str) -> None:
        """A new password of an instance's master user, as a new version of the secret that RDS keeps for it."""
        every = (rds_backends[secret.account_id][secret.region].databases).values()
        held = (one for one in every if isinstance(one, DBInstance) and one.manage_master_user_password)
        instance = next((one for one in held if one.master_user_secret.secret.arn == secret.arn), None)
        if instance is None:
            raise Refuse("InvalidRequestException", f"the database instance of {secret.name} no longer exists")
        user, password, server = str(instance.master_username), secrets.token_urlsafe(24), self._server()
        if server is not None:
            with self._admin(server) as connection:
                self._role(connection, user, password)
        text = json.dumps({"username": user, "password": password})
        row = {"version_id": version, "version_stages": ["AWSCURRENT"], "secret_string": text}
        secret.reset_default_version({**row, "createdate": int(self._cloud.clock().timestamp())}, version)
        secret.secret_string = text

    @staticmethod
    def _keep_secret(instance: DBInstance, user: str, password: str) -> None:
        if not instance.manage_master_user_password:
            return
        secret = instance.master_user_secret.secret
        text = json.dumps({"username": user, "password": password})
        for version in secret.versions.values():
            if "AWSCURRENT" in version.get("version_stages", ()):
                version["secret_string"] = text
        secret.secret_string = text

    def _modified(self, call: Call, response: Response) -> Response:
        server, instance = self._server(), self._instance(call)
        password = call.params.get("MasterUserPassword")
        if call.params.get("RotateMasterUserPassword"):
            password = secrets.token_urlsafe(24)
        if response.status == 200 and server is not None and instance is not None and password:
            user = str(instance.master_username)
            with self._admin(server) as connection:
                self._role(connection, user, password)
            self._keep_secret(instance, user, password)
        return response

    def _deleted(self, call: Call, response: Response) -> Response:
        """The database goes with its instance; moto has already checked deletion protection."""
        server = self._server()
        if response.status == 200 and server is not None:
            body = _bytes(response).decode()
            name = body.partition("<DBName>")[2].partition("</DBName>")[0]
            if name:
                with self._admin(server) as connection:
                    drop = sql.SQL("drop database if exists {} with (force)")
                    connection.execute(drop.format(sql.Identifier(name)))
        return response

    def _shown(self, call: Call, response: Response) -> Response:
        server = self._server()
        if response.status == 200 and server is not None:
            suffix = f".aaaaaaaaaa.{call.region}.rds.amazonaws.com"
            body = _bytes(response).decode()
            for name in list(rds_backends[call.account][call.region].databases):
                body = body.replace(f"{name}{suffix}", str(server["host"]))
            response.body = body.encode()
        return response


def _bytes(response: Response) -> bytes:
    assert isinstance(response.body, bytes), "moto answers whole bodies"
    return response.body
