"""Mounts, auth methods, policies and AppRoles: what exists in OpenBao and who may reach it."""

from __future__ import annotations

from local_cloud.plugins.shapes import (
    BOOLEAN,
    DURATION,
    INTEGER,
    SET,
    TEXTS,
    TRIMMED,
    Field,
    Record,
    Suffix,
)
from local_cloud.plugins.table import Autoname, Gone, Operation, Prop, Properties, ResourceType
from local_cloud.plugins.vault_rows import bare, body, plain_row

PATH = Suffix(r"^/|/$")


def _entry(op: Operation, listing: str) -> Properties:
    entry = op.client.read(listing).get(f"{op.id}/")
    if entry is None:
        raise Gone(f"{listing}/{op.id}")
    return dict(entry)


# secrets engines

_TUNING = {
    "allowedResponseHeaders": Prop("allowed_response_headers", codec=SET),
    "auditNonHmacRequestKeys": Prop("audit_non_hmac_request_keys", codec=SET, computed=True),
    "auditNonHmacResponseKeys": Prop("audit_non_hmac_response_keys", codec=SET, computed=True),
    "defaultLeaseTtlSeconds": Prop("default_lease_ttl", codec=INTEGER, computed=True),
    "listingVisibility": Prop("listing_visibility", computed=True),
    "maxLeaseTtlSeconds": Prop("max_lease_ttl", codec=INTEGER, computed=True),
    "passthroughRequestHeaders": Prop("passthrough_request_headers", codec=SET),
}


def _create_mount(op: Operation) -> str:
    path = bare(op.inputs["path"])
    request = op.api("type", "description", "local", "sealWrap", "options")
    op.client.write(f"sys/mounts/{path}", {**request, "config": op.api(*_TUNING)})
    return path


def _read_mount(op: Operation) -> Properties:
    mount = _entry(op, "sys/mounts")
    found = {"allowedResponseHeaders": None, "passthroughRequestHeaders": None} | op.wire({**mount, **mount["config"]})
    return found | {"path": op.id, "accessor": mount["accessor"], "options": mount.get("options") or {}}


def _update_mount(op: Operation) -> None:
    path = bare(op.inputs["path"])
    if path != op.id:
        # Moved, not made anew: a replaced engine would lose its keys.
        moved = op.client.write("sys/remount", {"from": op.id, "to": path})["migration_id"]
        op.poll(lambda: _migrated(op, moved), f"mount {op.id} is moved to {path}")
        op.id = path
    changed = op.changed & {*_TUNING, "description", "options"}
    if changed:
        op.client.write(f"sys/mounts/{path}/tune", body(op, changed))


def _migrated(op: Operation, migration: str) -> bool:
    status = op.client.read(f"sys/remount/status/{migration}")["migration_info"]["status"]
    return bool(status != "in-progress")


# auth methods

_TUNE = Record(
    {
        "allowedResponseHeaders": Field("allowed_response_headers", SET),
        "auditNonHmacRequestKeys": Field("audit_non_hmac_request_keys", SET),
        "auditNonHmacResponseKeys": Field("audit_non_hmac_response_keys", SET),
        "defaultLeaseTtl": Field("default_lease_ttl", DURATION),
        "listingVisibility": Field("listing_visibility"),
        "maxLeaseTtl": Field("max_lease_ttl", DURATION),
        "passthroughRequestHeaders": Field("passthrough_request_headers", SET),
        "tokenType": Field("token_type"),
    }
)


def _create_auth(op: Operation) -> str:
    path = bare(op.inputs["path"])
    op.client.write(f"sys/auth/{path}", {**op.api("type", "description", "local"), "config": _tune(op)})
    return path


def _tune(op: Operation) -> Properties:
    return dict(_TUNE.to_api(op.inputs.get("tune") or {}))


def _read_auth(op: Operation) -> Properties:
    auth = _entry(op, "sys/auth")
    tuned = _TUNE.from_api(op.client.read(f"sys/auth/{op.id}/tune"))
    asked = op.get("tune") or {}
    return op.wire(auth, "type", "description", "local") | {
        "path": op.id,
        "accessor": auth["accessor"],
        # Only what the program tunes: the rest is the server's own choice.
        "tune": {name: value for name, value in tuned.items() if name in asked},
    }


def _update_auth(op: Operation) -> None:
    if op.changed & {"tune", "description"}:
        op.client.write(f"sys/auth/{op.id}/tune", {**body(op, ["description"]), **_tune(op)})


# policies


def _put_policy(op: Operation) -> str:
    op.client.write(f"sys/policies/acl/{op.inputs['name']}", {"policy": op.inputs["policy"]})
    return str(op.inputs["name"])


def _read_policy(op: Operation) -> Properties:
    return {"name": op.id, "policy": op.client.read(f"sys/policies/acl/{op.id}")["policy"]}


# AppRoles


def _role_id(op: Operation) -> Properties:
    return {"roleId": op.client.read(f"{op.id}/role-id")["role_id"]}


TYPES = (
    ResourceType(
        "vault:index/mount:Mount",
        "vault",
        create=_create_mount,
        read=_read_mount,
        update=_update_mount,
        delete=lambda op: op.client.delete(f"sys/mounts/{op.id}"),
        id="path",
        inputs={
            "description": Prop("description"),
            "local": Prop("local", codec=BOOLEAN, replaces=True),
            "options": Prop("options", codec=TEXTS, computed=True),
            "path": Prop(codec=PATH, required=True),
            "sealWrap": Prop("seal_wrap", codec=BOOLEAN, replaces=True, computed=True),
            "type": Prop("type", replaces=True, required=True),
            **_TUNING,
        },
        outputs=("accessor",),
    ),
    ResourceType(
        "vault:index/authBackend:AuthBackend",
        "vault",
        create=_create_auth,
        read=_read_auth,
        update=_update_auth,
        delete=lambda op: op.client.delete(f"sys/auth/{op.id}"),
        id="path",
        inputs={
            "description": Prop("description"),
            "disableRemount": Prop(codec=BOOLEAN, kept=True),
            "local": Prop("local", codec=BOOLEAN, replaces=True),
            "path": Prop(codec=PATH, replaces=True, default=lambda inputs: inputs.get("type")),
            "tune": Prop(codec=_TUNE, computed=True),
            "type": Prop("type", replaces=True, required=True),
        },
        outputs=("accessor",),
    ),
    ResourceType(
        "vault:index/policy:Policy",
        "vault",
        create=_put_policy,
        read=_read_policy,
        update=_put_policy,
        delete=lambda op: op.client.delete(f"sys/policies/acl/{op.id}"),
        id="name",
        inputs={
            "name": Prop(replaces=True, autoname=Autoname(128, lower=True)),
            "policy": Prop(codec=TRIMMED, required=True),
        },
    ),
    plain_row(
        "vault:appRole/authBackendRole:AuthBackendRole",
        "auth/{backend}/role/{roleName}",
        {
            "backend": Prop(codec=PATH, replaces=True, default="approle"),
            "bindSecretId": Prop("bind_secret_id", codec=BOOLEAN, default=True),
            "localSecretIds": Prop("local_secret_ids", codec=BOOLEAN, replaces=True),
            "roleId": Prop("role_id", computed=True),
            "roleName": Prop(replaces=True, required=True),
            "secretIdBoundCidrs": Prop("secret_id_bound_cidrs", codec=SET),
            "secretIdNumUses": Prop("secret_id_num_uses", codec=INTEGER),
            "secretIdTtl": Prop("secret_id_ttl", codec=INTEGER),
            "tokenBoundCidrs": Prop("token_bound_cidrs", codec=SET),
            "tokenExplicitMaxTtl": Prop("token_explicit_max_ttl", codec=INTEGER),
            "tokenMaxTtl": Prop("token_max_ttl", codec=INTEGER),
            "tokenNoDefaultPolicy": Prop("token_no_default_policy", codec=BOOLEAN),
            "tokenNumUses": Prop("token_num_uses", codec=INTEGER),
            "tokenPeriod": Prop("token_period", codec=INTEGER),
            "tokenPolicies": Prop("token_policies", codec=SET),
            "tokenTtl": Prop("token_ttl", codec=INTEGER),
            "tokenType": Prop("token_type", default="default"),
        },
        more=_role_id,
    ),
)
