"""The database engine: the connection OpenBao administers, and the roles whose credentials it makes."""

from __future__ import annotations

from local_cloud.plugins.shapes import BOOLEAN, INTEGER, LIST, SET, TEXTS, Field, Record, Suffix
from local_cloud.plugins.table import Autoname, Invalid, Operation, Prop, Properties, ResourceType
from local_cloud.plugins.vault_rows import body, parts_of, path_of, plain_row

_BACKEND = {"backend": Prop(codec=Suffix(r"^/|/$"), replaces=True, required=True)}
_CONNECTION = "{backend}/config/{name}"
_POSTGRESQL = Record(
    {
        "connectionUrl": Field("connection_url"),
        "disableEscaping": Field("disable_escaping", BOOLEAN),
        "maxConnectionLifetime": Field("max_connection_lifetime", INTEGER),
        "maxIdleConnections": Field("max_idle_connections", INTEGER),
        "maxOpenConnections": Field("max_open_connections", INTEGER, absent=4),
        "password": Field("password"),
        "passwordAuthentication": Field("password_authentication"),
        "privateKey": Field("private_key"),
        "tlsCa": Field("tls_ca"),
        "tlsCertificate": Field("tls_certificate"),
        "username": Field("username"),
        "usernameTemplate": Field("username_template"),
    }
)
#: What OpenBao never tells again.
_UNTOLD = ("password", "privateKey")


def _write(op: Operation) -> str:
    if op.inputs.get("postgresql") is None:
        raise Invalid("a connection needs postgresql: other databases are not supported here")
    path = path_of(_CONNECTION, op.inputs)
    request = {"plugin_name": "postgresql-database-plugin", **body(op, _OWN)}
    op.client.write(path, {**request, **_POSTGRESQL.to_api(op.inputs["postgresql"]), **(op.inputs.get("data") or {})})
    return path


def _read(op: Operation) -> Properties:
    told = op.client.read(op.id)
    details, asked = told["connection_details"], op.get("postgresql") or {}
    postgresql = {name: value for name, value in _POSTGRESQL.from_api(details).items() if name in asked or not asked}
    postgresql |= {name: asked[name] for name in _UNTOLD if name in asked}
    found = {"allowedRoles": None, "rootRotationStatements": None} | op.wire(told)
    found["rootRotationStatements"] = told.get("root_credentials_rotate_statements")
    return found | parts_of(_CONNECTION, op.id) | {"postgresql": postgresql}


_OWN = {
    "allowedRoles": Prop("allowed_roles", codec=SET),
    "passwordPolicy": Prop("password_policy"),
    "pluginName": Prop("plugin_name", computed=True),
    "rootRotationStatements": Prop("root_rotation_statements", codec=LIST),
    "verifyConnection": Prop("verify_connection", codec=BOOLEAN, default=True, kept=True),
}

TYPES = (
    ResourceType(
        "vault:database/secretBackendConnection:SecretBackendConnection",
        "vault",
        create=_write,
        read=_read,
        update=_write,
        delete=lambda op: op.client.delete(op.id),
        id=_CONNECTION,
        inputs={
            **_BACKEND,
            **_OWN,
            "data": Prop(codec=TEXTS, secret=True, kept=True),
            "name": Prop(replaces=True, autoname=Autoname(255)),
            "postgresql": Prop(codec=_POSTGRESQL, secret=True),
        },
    ),
    plain_row(
        "vault:database/secretBackendRole:SecretBackendRole",
        "{backend}/roles/{name}",
        {
            **_BACKEND,
            "creationStatements": Prop("creation_statements", codec=LIST, required=True),
            "credentialConfig": Prop("credential_config", codec=TEXTS, computed=True),
            "credentialType": Prop("credential_type", computed=True),
            "dbName": Prop("db_name", replaces=True, required=True),
            "defaultTtl": Prop("default_ttl", codec=INTEGER),
            "maxTtl": Prop("max_ttl", codec=INTEGER),
            "name": Prop(replaces=True, autoname=Autoname(255)),
            "renewStatements": Prop("renew_statements", codec=LIST),
            "revocationStatements": Prop("revocation_statements", codec=LIST),
            "rollbackStatements": Prop("rollback_statements", codec=LIST),
        },
    ),
)
