"""Vault and OpenBao policies of the duties and the deployer; everything not named is denied by the server.

Only `update` is ever granted on encrypt, never `create`: a mistyped key name must not make a key. Nobody holds a path
under sys/mounts, transit/export, transit/backup, transit/restore or keys/<name>/trim.
"""

from __future__ import annotations

import json
from typing import TypedDict

from strongroom.estate import duties
from strongroom.estate.keyring import KeySpec, keyring
from strongroom.estate.model import Estate, Vault

DATABASE_DUTIES = ("application", "rotator", "re-encryptor", "backup-writer")


class Rule(TypedDict, total=False):
    """What a path allows; a parameter with an empty list is denied or allowed whatever its value."""

    capabilities: list[str]
    denied_parameters: dict[str, list[str]]
    allowed_parameters: dict[str, list[str | bool]]


Paths = dict[str, Rule]
#: switches that would let key material out or keys be destroyed, and the fence that makes old ciphertext unreadable
FORBIDDEN_SWITCHES = ("exportable", "allow_plaintext_backup", "deletion_allowed", "min_decryption_version")
#: of these those that the provider always sends, as false
_SENT_SWITCHES = FORBIDDEN_SWITCHES[:3]


def vault_policy(estate: Estate, duty: str) -> str:
    """The policy of a duty as canonical JSON; ValueError when the estate has no vault."""
    if estate.vault is None:
        raise ValueError("the estate declares no vault")
    paths: Paths = {
        "auth/token/lookup-self": {"capabilities": ["read"]},
        "auth/token/renew-self": {"capabilities": ["update"]},
        "auth/token/revoke-self": {"capabilities": ["update"]},
    }
    for spec in keyring(estate):
        if spec.provider == "transit":
            paths |= _key_paths(estate.vault.transit, spec, duty)
    if duty in DATABASE_DUTIES:
        for store in estate.created("postgres"):
            paths[f"{estate.vault.database}/creds/{database_role(store, duty)}"] = {"capabilities": ["read"]}
    if duty == "auditor":
        paths |= _configuration(estate.vault)
    if duty == "backup-writer" and _backs_up_vault(estate):
        paths["sys/storage/raft/snapshot"] = {"capabilities": ["read"]}
    return json.dumps({"path": paths}, sort_keys=True, separators=(",", ":"))


def deployer_policy(estate: Estate) -> str:
    """The policy under which the layers deploy: mounts, keys, logins and policies of the estate, and no use of a key.

    It is HCL, since the server drops true and false from the lists of a JSON policy. While the estate protects its
    keys, neither a key nor its mount can be deleted, nor key material let out. Whoever writes policies can grant
    themselves what they say; so its token belongs to a pipeline that takes two people (a quorum of the estate), not to
    a person. A control group could not hold it: the server answers 200 and has written nothing until somebody approves,
    and the provider would take that for done.
    """
    if estate.vault is None:
        raise ValueError("the estate declares no vault")
    manage = Rule(capabilities=["create", "read", "update", "delete"])
    mounts = [estate.vault.transit, estate.vault.database, *(["pki"] if estate.vault.pki_common_name else [])]
    key_material = manage if not estate.protection.keys else Rule(capabilities=["create", "read", "update"])
    closed: dict[str, list[str | bool]] = {name: [False] for name in _SENT_SWITCHES}
    paths: Paths = {
        "auth/token/lookup-self": {"capabilities": ["read"]},
        "auth/token/renew-self": {"capabilities": ["update"]},
        "sys/mounts": {"capabilities": ["read"]},
        "sys/auth": {"capabilities": ["read"]},
        # the API of mounts of logins asks for sudo
        "sys/auth/approle": {"capabilities": ["create", "read", "update", "delete", "sudo"]},
        "sys/auth/approle/tune": {"capabilities": ["read", "update", "sudo"]},
        f"{estate.vault.transit}/keys/+": key_material,
        f"{estate.vault.transit}/keys/+/config": {
            "capabilities": ["create", "update"],
            "allowed_parameters": closed | {"*": []},
        },
        f"{estate.vault.database}/config/*": manage,
        f"{estate.vault.database}/roles/*": manage,
    }
    for mount in mounts:
        kept = key_material if mount == estate.vault.transit else manage
        paths |= {f"sys/mounts/{mount}": kept, f"sys/mounts/{mount}/tune": {"capabilities": ["read", "update"]}}
    for duty in duties.VAULT:
        paths |= {
            f"sys/policies/acl/{duty}": manage,
            f"auth/approle/role/{duty}": manage,
            f"auth/approle/role/{duty}/role-id": {"capabilities": ["read"]},
            f"auth/approle/role/{duty}/secret-id": {"capabilities": ["create", "update"]},
        }
    if estate.vault.pki_common_name:
        paths["pki/*"] = manage
    return _hcl(paths)


def _hcl(paths: Paths) -> str:
    """A policy as HCL text, paths in order; lists are written as in JSON."""
    lines: list[str] = []
    for path, rule in sorted(paths.items()):
        lines += [f"path {json.dumps(path)} {{", f"  capabilities = {json.dumps(rule['capabilities'])}"]
        if allowed := rule.get("allowed_parameters"):
            values = [f"    {json.dumps(name)} = {json.dumps(listed)}" for name, listed in sorted(allowed.items())]
            lines += ["  allowed_parameters = {", *values, "  }"]
        lines.append("}")
    return "\n".join(lines) + "\n"


def database_role(store: str, duty: str) -> str:
    """The name of a duty's dynamic database role."""
    return f"{store}.{duty}"


def secret_ref(vault: Vault, store: str) -> str:
    """How the manifest names a database's credentials: the duty that connects stands for `{duty}`."""
    return f"vault:{vault.database}/creds/{store}.{{duty}}"


def _backs_up_vault(estate: Estate) -> bool:
    sources = {source for repository in estate.repositories.values() for source in repository.sources}
    return any(estate.stores[name].kind == "vault" for name in sources)


def _configuration(vault: Vault) -> Paths:
    """Lists and reads who may do what: no data, no credentials, no secret id.

    `sudo` is what the server asks for to list tokens and audit devices. With it the auditor sees accessors, which name
    tokens and open nothing, and where audit logs lie; it may neither revoke a token nor change a device.
    """
    see, names, both = Rule(capabilities=["read"]), Rule(capabilities=["list"]), Rule(capabilities=["read", "list"])
    paths: Paths = {"sys/auth": see, "sys/mounts": see}
    for path in ("sys/policies/acl", "identity/entity/id", "identity/group/id", "auth/token/roles"):
        paths |= {path: names, f"{path}/+": see}
    for kind in ("role", "users"):
        # with the slash: else `auth/+/role/+`, which a listing matches too, would decide
        paths |= {f"auth/+/{kind}/": names, f"auth/+/{kind}/+": see}
    for path in ("sys/namespaces", "sys/external-keys/configs", "sys/workflows/manage"):
        paths[path] = both
    return paths | {
        "auth/token/accessors": {"capabilities": ["list", "sudo"]},
        "auth/token/lookup-accessor": {"capabilities": ["update"]},
        "sys/audit": {"capabilities": ["read", "sudo"]},
        f"{vault.transit}/keys": names,
        f"{vault.transit}/keys/+": see,
        f"{vault.database}/roles": names,
        f"{vault.database}/static-roles": names,
    }


def _key_paths(mount: str, spec: KeySpec, duty: str) -> Paths:
    key, update, read = spec.name, Rule(capabilities=["update"]), Rule(capabilities=["read"])
    rotate: Paths = {f"{mount}/keys/{key}": read, f"{mount}/keys/{key}/rotate": update}
    seal: Paths = {f"{mount}/keys/{key}": read, f"{mount}/encrypt/{key}": update}
    make: Paths = {f"{mount}/datakey/plaintext/{key}": update}
    unseal: Paths = {f"{mount}/keys/{key}": read, f"{mount}/decrypt/{key}": update}
    if duty == "key-admin":
        config = Rule(capabilities=["update"], denied_parameters={name: [] for name in FORBIDDEN_SWITCHES})
        return {**rotate, f"{mount}/keys/{key}/config": config}
    if duty == "rotator":
        fence = Rule(capabilities=["update"], allowed_parameters={"min_encryption_version": []})
        return {**rotate, f"{mount}/rewrap/{key}": update, f"{mount}/keys/{key}/config": fence}
    if spec.purpose == "field-root" and duty in ("application", "re-encryptor"):
        return {**seal, **make, **unseal}
    if spec.purpose == "recipient":
        return {"backup-writer": {**seal, **make}, "application": seal, "re-encryptor": seal, "restorer": unseal}.get(
            duty, {}
        )
    return {}
