"""Dynamic credentials of a database: Vault or OpenBao makes a login for each duty and ends it with its lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from infra.policies.database_roles import DatabaseRole


@dataclass(frozen=True, kw_only=True)
class DatabaseCredentialsArgs:
    """What the engine needs to make logins; `endpoint` is host:port, `roles` name -> SQL."""

    mount: pulumi.Input[str]
    connection: str
    endpoint: pulumi.Input[str]
    database: str
    username: pulumi.Input[str]
    password: pulumi.Input[str]
    roles: Mapping[str, DatabaseRole]


class DatabaseCredentials(pulumi.ComponentResource):
    """A connection, verified when it is made, and one role a duty."""

    def __init__(self, name: str, args: DatabaseCredentialsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:vault:DatabaseCredentials", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        address = pulumi.Output.concat(
            "postgresql://{{username}}:{{password}}@", args.endpoint, f"/{args.database}?sslmode=verify-full"
        )
        connection = vault.database.SecretBackendConnection(
            name,
            backend=args.mount,
            name=args.connection,
            allowed_roles=list(args.roles),
            verify_connection=True,
            postgresql=vault.database.SecretBackendConnectionPostgresqlArgs(
                connection_url=address,
                username=args.username,
                password=args.password,
                password_authentication="scram-sha-256",  # noqa: S106
            ),
            opts=child,
        )
        for role, sql in args.roles.items():
            vault.database.SecretBackendRole(
                role,
                backend=args.mount,
                name=role,
                db_name=connection.name,
                creation_statements=list(sql.creation),
                revocation_statements=list(sql.revocation),
                default_ttl=sql.ttl_seconds,
                max_ttl=sql.max_ttl_seconds,
                opts=child,
            )
        self.register_outputs({})
