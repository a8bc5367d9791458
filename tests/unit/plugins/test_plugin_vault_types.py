"""Every Vault type lives its whole life over gRPC against a real OpenBao."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_cloud.plugins.vault import VaultProvider
from local_cloud.plugins.wire import Secret, has_secret

pytestmark = pytest.mark.cloud


def mount(engine: Any, kind: str) -> str:
    return engine.create("vault:index/mount:Mount", f"{kind}-base", {"path": f"{kind}-base", "type": kind}).id


def connection(engine: Any, **more: Any) -> dict[str, Any]:
    return {
        "backend": mount(engine, "database"),
        "name": "portal",
        "allowedRoles": ["backup-writer"],
        "verifyConnection": False,
        "postgresql": {
            "connectionUrl": "postgresql://{{username}}:{{password}}@127.0.0.1:5432/portal?sslmode=require",
            "username": "openbao",
            "password": Secret("a password nobody sees"),
            **more,
        },
    }


CASES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "vault:index/mount:Mount": lambda engine: {
        "inputs": {"path": "transit-life", "type": "transit", "description": "keys of fields"},
        "change": {"description": "keys", "maxLeaseTtlSeconds": 3600},
        "replacement": {"type": "kv"},
        "outputs": ("accessor",),
    },
    "vault:index/authBackend:AuthBackend": lambda engine: {
        "inputs": {"path": "approle-life", "type": "approle", "tune": {"maxLeaseTtl": "1h"}},
        "change": {"description": "duties", "tune": {"maxLeaseTtl": "90m"}},
        "replacement": {"path": "other"},
        "outputs": ("accessor",),
    },
    "vault:index/policy:Policy": lambda engine: {
        "inputs": {"policy": 'path "transit/rewrap/*" { capabilities = ["update"] }\n'},
        "change": {"policy": 'path "transit/keys/*" { capabilities = ["read"] }'},
        "replacement": {"name": "other"},
    },
    "vault:appRole/authBackendRole:AuthBackendRole": lambda engine: {
        "inputs": {
            "backend": engine.create("vault:index/authBackend:AuthBackend", "base", {"type": "approle"}).id,
            "roleName": "rotator",
            "tokenPolicies": ["rotator", "default"],
            "tokenTtl": 1200,
            "tokenMaxTtl": 3600,
            "secretIdNumUses": 0,
        },
        "change": {"tokenPolicies": ["rotator"], "tokenTtl": 600, "secretIdBoundCidrs": ["127.0.0.1/32"]},
        "replacement": {"roleName": "other"},
        "outputs": ("roleId",),
    },
    "vault:transit/secretBackendKey:SecretBackendKey": lambda engine: {
        "inputs": {"backend": mount(engine, "transit"), "name": "fields-psychotherapy", "derived": True},
        "change": {"deletionAllowed": True},
        "replacement": {"type": "chacha20-poly1305"},
        "outputs": ("keys", "latestVersion", "supportsEncryption"),
    },
    "vault:database/secretBackendConnection:SecretBackendConnection": lambda engine: {
        "inputs": connection(engine),
        "change": {"allowedRoles": ["backup-writer", "restorer"]},
        "replacement": {"name": "other"},
    },
    "vault:database/secretBackendRole:SecretBackendRole": lambda engine: {
        "inputs": {
            "backend": (base := engine.create(
                "vault:database/secretBackendConnection:SecretBackendConnection", "base", connection(engine)
            )).outputs["backend"],
            "name": "backup-writer",
            "dbName": base.outputs["name"],
            "creationStatements": ["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"],
            "defaultTtl": 3600,
            "maxTtl": 7200,
        },
        "change": {"defaultTtl": 1800, "revocationStatements": ['DROP ROLE "{{name}}"']},
        "replacement": {"dbName": "other"},
    },
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert": lambda engine: {
        "inputs": {
            "backend": mount(engine, "pki"),
            "type": "internal",
            "commonName": "Strongroom dev",
            "keyType": "ec",
            "keyBits": 256,
            "ttl": "24h",
            "altNames": ["strongroom.test"],
        },
        "replacement": {"commonName": "Other"},
        "outputs": ("certificate", "issuerId", "issuingCa", "keyId", "serialNumber"),
    },
    "vault:pkiSecret/secretBackendRole:SecretBackendRole": lambda engine: {
        "inputs": {
            "backend": mount(engine, "pki"),
            "name": "database",
            "allowedDomains": ["portal.internal"],
            "allowSubdomains": True,
            "keyType": "ec",
            "keyBits": 256,
            "maxTtl": "720h",
        },
        "change": {"maxTtl": "2592000", "allowedDomains": ["portal.internal", "images.internal"]},
        "replacement": {"name": "other"},
    },
}  # fmt: skip


def test_every_type_of_the_table_has_a_case() -> None:
    assert set(CASES) == set(VaultProvider.table)


@pytest.mark.parametrize("token", CASES)
def test_whole_life(vault: Any, token: str) -> None:
    case = CASES[token](vault)
    if case.get("change", {}).get("maxTtl") == "2592000":
        # 720 hours in other words is no difference.
        del case["change"]["maxTtl"]
    vault.whole_life(token, **case)
    vault.clean_up()


def test_a_transit_key_that_was_rotated_shows_its_versions_and_no_difference(vault: Any) -> None:
    inputs = {"backend": mount(vault, "transit"), "name": "turned", "deletionAllowed": True}
    made = vault.create("vault:transit/secretBackendKey:SecretBackendKey", "turned", inputs)
    vault.servicer.client(None).write(f"{made.id}/rotate", {})
    assert vault.read(made)
    assert made.outputs["latestVersion"] == 2
    assert [version["id"] for version in made.outputs["keys"]] == ["1", "2"]
    assert not vault.diff(made, inputs).diffs
    vault.clean_up()


def test_a_mount_is_moved_and_keeps_its_keys(vault: Any) -> None:
    made = vault.create("vault:index/mount:Mount", "moved", {"path": "before", "type": "transit"})
    client = vault.servicer.client(None)
    client.write("before/keys/kept", {})
    assert not vault.diff(made, {"path": "after", "type": "transit"}).replaces
    vault.update(made, {"path": "after", "type": "transit"})
    assert client.read("after/keys/kept")["latest_version"] == 1
    made.id = "after"
    vault.clean_up()


def test_a_database_password_is_secret_in_state_and_absent_from_messages(vault: Any) -> None:
    made = vault.create(
        "vault:database/secretBackendConnection:SecretBackendConnection", "c", connection(vault, maxOpenConnections=3)
    )
    assert has_secret(made.outputs["postgresql"])
    wrong = {**connection_inputs(made), "verifyConnection": True}
    with pytest.raises(Exception, match=r"INVALID_ARGUMENT|UNKNOWN") as caught:
        vault.update(made, wrong)
    assert "a password nobody sees" not in str(caught.value)
    vault.clean_up()


def connection_inputs(made: Any) -> dict[str, Any]:
    return {name: value for name, value in made.inputs.items() if name != "pluginName"}
