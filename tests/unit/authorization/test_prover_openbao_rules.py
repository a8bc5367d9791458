"""Each rule of OpenBao in a minimal configuration: with it the pair is refuted by a derivation that names it, without
it proved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from strongroom.authorization import VaultPolicy
from strongroom.authorization.prover import Ability, Facts, Human, Pair, Proof, prove
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.openbao_facts import (
    Entity,
    Group,
    Login,
    Mount,
    OpenBao,
    TokenRole,
    TransitKey,
)

EVE, VICTIM = "bao:auth/approle/role/eve", "bao:auth/approle/role/restorer"
KEY = TransitKey("transit", "notes")
OPENS = VaultPolicy("restorer", 'path "transit/decrypt/notes" { capabilities = ["update"] }')


def pair(action: str, resource: str) -> list[Pair]:
    return [Pair("the pair", Ability("it", (action,), (resource,)))]


OPEN = pair("bao:update", "bao:transit/decrypt/notes")
DESTROY = pair("bao:destroy", "bao:transit/keys/notes")
TAKE = pair("bao:read", "bao:database/creds/portal.restorer")


def policy(*paths: str, **more: Any) -> str:
    """A policy that allows `capabilities path` each."""
    stanzas: dict[str, Any] = {}
    for text in paths:
        capabilities, _, path = text.rpartition(" ")
        stanzas[path] = {"capabilities": capabilities.split(), **more}
    return json.dumps({"path": stanzas})


def server(text: str, **more: Any) -> OpenBao:
    """One where eve has the policy, the restorer opens the key, and everything a rule may concern is there."""
    given: dict[str, Any] = {
        "policies": (VaultPolicy("eve", text), OPENS),
        "logins": (
            Login(EVE, ("eve",), "approle", "eve"),
            Login(VICTIM, ("restorer",), "approle"),
            Login("bao:auth/users/users/vera", ("restorer",), "users"),
        ),
        "auth": (
            Mount("approle", "approle"),
            Mount("corp", "jwt"),
            Mount("token", "token"),
            Mount("users", "userpass"),
        ),
        "mounts": (Mount("database", "database"), Mount("transit", "transit")),
        "entities": (Entity("eve", "e-1"), Entity("vera", "e-2", ("restorer",))),
        "groups": (Group("openers", "g-1", ("restorer",), ("vera",)), Group("everybody", "g-2", (), ("eve", "vera"))),
        "keys": (KEY,),
        "token_roles": (TokenRole("ci", allowed=("restorer",)), TokenRole("as-vera", entity_aliases=("vera",))),
        "database_roles": ("database/roles/portal.restorer",),
        "workflows": ("nightly",),
        "audits": ("file",),
        "shares": 3,
        "threshold": 2,
        "unauthenticated_root": False,
    }
    return OpenBao(**(given | more))


def asked(bao: OpenBao, pairs: Sequence[Pair], *identities: str) -> Proof:
    facts = Facts(humans=[Human("eve", (EVE, *identities))], identities=[], openbao=bao)
    proof = prove(facts, pairs)
    if proof.certificate is not None:
        assert check(facts, pairs, json.loads(json.dumps(proof.certificate))) == []
    return proof


def path_of(proof: Proof) -> list[str]:
    """The rules of the derivation."""
    return [step.rule for held in proof.counterexamples[0].held for step in held.way]


CAN = "create update"
MARKED = {
    "key-is-exportable": {"exportable": True},
    "key-has-backups": {"exportable": True, "allow_plaintext_backup": True},
    "key-is-deletable": {"deletion_allowed": True},
    "key-import-version": {"imported": True},
}
#: rule -> what eve's policy allows, the pair it breaks, and what else the server has
ROWS: list[tuple[str, tuple[str, ...], list[Pair], dict[str, Any]]] = [
    ("policy-write", ("update sys/policies/acl/eve",), OPEN, {}),
    ("policy-write", ("update sys/policy/e*",), OPEN, {}),
    ("secret-id-mint", ("update auth/approle/role/restorer/secret-id",), OPEN, {}),
    ("secret-id-mint", ("create auth/+/role/+/secret-id",), OPEN, {}),
    ("secret-id-custom", ("update auth/approle/role/restorer/custom-secret-id",), OPEN, {}),
    ("approle-unbind", ("update auth/approle/role/restorer/bind-secret-id",), OPEN, {}),
    ("approle-policies", ("update auth/approle/role/eve",), OPEN, {}),
    ("login-reissue", ("update auth/approle/role/eve/policies",), OPEN, {}),
    ("approle-create", ("create auth/approle/role/ci-*",), OPEN, {}),
    ("password-reset", ("update auth/users/users/vera/password",), OPEN, {}),
    ("user-create", ("create auth/users/users/+",), OPEN, {}),
    ("login-method-write", ("update auth/corp/role/any",), OPEN, {}),
    ("auth-enable", ("update sudo sys/auth/*", "create auth/mine/*"), OPEN, {}),
    ("token-any", ("update sudo auth/token/create",), OPEN, {}),
    ("token-any", ("update sudo auth/token/create-orphan",), OPEN, {}),
    ("token-by-role", ("update auth/token/create/ci",), OPEN, {}),
    ("token-by-alias", ("update auth/token/create/as-vera",), OPEN, {}),
    ("token-role-use", ("update auth/token/roles/x", "update auth/token/create/x"), OPEN, {"token_roles": ()}),
    ("entity-policies", ("update identity/entity/name/eve",), OPEN, {}),
    ("entity-policies", ("update identity/entity/id/e-1",), OPEN, {}),
    ("entity-reissue", ("update identity/entity",), OPEN, {"groups": ()}),
    ("entity-alias", ("update identity/entity-alias",), OPEN, {}),
    ("entity-alias", ("update identity/entity-alias/id/*",), OPEN, {}),
    ("entity-merge", ("update identity/entity/merge",), OPEN, {}),
    ("group-policies", ("update identity/group/name/everybody",), OPEN, {}),
    ("group-reissue", ("update identity/group/id/g-2",), OPEN, {}),
    ("group-join", ("update identity/group/name/openers",), OPEN, {}),
    ("group-alias", ("update identity/group-alias",), OPEN, {}),
    ("group-create", ("update identity/group/name/x",), OPEN, {}),
    ("key-make-exportable", ("update transit/keys/notes/config", "read transit/export/encryption-key/notes"), OPEN, {}),
    ("key-export", ("read transit/export/*",), OPEN, {"keys": (replace(KEY, exportable=True),)}),
    ("key-is-exportable", ("read transit/export/+/notes/1",), OPEN, {"keys": (replace(KEY, exportable=True),)}),
    ("key-byok-export", ("read transit/byok-export/*",), OPEN, {"keys": (replace(KEY, exportable=True),)}),
    (
        "key-backup",
        ("read transit/backup/notes",),
        OPEN,
        {"keys": (replace(KEY, exportable=True, allow_plaintext_backup=True),)},
    ),
    (
        "key-has-backups",
        ("read transit/backup/+",),
        OPEN,
        {"keys": (replace(KEY, exportable=True, allow_plaintext_backup=True),)},
    ),
    ("key-allow-backup", ("update transit/keys/+/config", "read transit/backup/notes"), OPEN, {}),
    ("key-replace", ("update transit/restore/notes",), OPEN, {}),
    ("key-replace", ("update transit/restore",), OPEN, {}),
    (
        "key-import-version",
        ("update transit/keys/notes/import_version",),
        OPEN,
        {"keys": (replace(KEY, imported=True),)},
    ),
    ("moved-decrypt", ("update sudo sys/remount", "update mine/decrypt/*"), OPEN, {}),
    ("raw-storage", ("read sudo sys/raw/*",), OPEN, {}),
    ("snapshot-restore", ("update sys/storage/raft/snapshot-force",), OPEN, {}),
    ("plugin-register", ("update sudo sys/plugins/catalog/*",), OPEN, {}),
    ("workflow-write", ("update sys/workflows/manage/nightly",), OPEN, {}),
    ("workflow-read", ("read sys/workflows/manage/+",), OPEN, {}),
    ("key-overwrite", ("update transit/restore/+",), DESTROY, {}),
    ("key-allow-deletion", ("update transit/keys/+/config", "delete transit/keys/notes"), DESTROY, {}),
    ("key-delete", ("delete transit/keys/notes",), DESTROY, {"keys": (replace(KEY, deletion_allowed=True),)}),
    (
        "key-is-deletable",
        ("delete transit/keys/notes/soft-delete",),
        DESTROY,
        {"keys": (replace(KEY, deletion_allowed=True),)},
    ),
    ("key-trim", ("update transit/keys/notes/trim",), DESTROY, {}),
    ("key-fence", ("update transit/keys/notes/config",), DESTROY, {}),
    ("mount-delete", ("delete sys/mounts/transit",), DESTROY, {}),
    ("mount-moved", ("update sudo sys/remount",), DESTROY, {}),
    ("storage-replace", ("update sys/storage/raft/snapshot",), DESTROY, {}),
    ("database-config", ("update database/config/portal",), TAKE, {}),
    ("database-role", ("update database/static-roles/x", "read database/static-creds/x"), TAKE, {}),
    ("database-creds", ("create database/roles/x", "read database/creds/x"), TAKE, {}),
    ("password-policy", ("update sys/policies/password/x",), TAKE, {}),
    ("audit-disable", ("delete sudo sys/audit/file",), pair("bao:blind", "bao:sys/audit/file"), {}),
    ("seal", ("update sys/seal",), pair("bao:halt", "bao:sys"), {}),
    ("lease-revoke", ("update sudo sys/leases/revoke-prefix/*",), pair("bao:halt", "bao:sys/leases"), {}),
]


@pytest.mark.parametrize(("rule", "allows", "pairs", "more"), ROWS, ids=lambda value: str(value)[:60])
def test_a_rule_refutes_and_without_what_it_asks_for_all_is_proved(
    rule: str, allows: tuple[str, ...], pairs: list[Pair], more: dict[str, Any]
) -> None:
    proof = asked(server(policy(*allows), **more), pairs)
    assert proof.verdict == "REFUTED"
    assert rule in used(server(policy(*allows), **more), pairs)
    for left_out in allows:
        rest = [text for text in allows if text != left_out]
        if (rule, left_out) != STILL:
            assert asked(server(policy(*rest), **more), pairs).verdict == "PROVED", f"without {left_out}"


#: rule and permission without which another way is still open: the same path makes old versions unreadable
STILL = ("key-allow-deletion", "delete transit/keys/notes")


def used(bao: OpenBao, pairs: Sequence[Pair]) -> set[str]:
    """The rules that gave any gain."""
    from strongroom.authorization.prover.closure import close
    from strongroom.authorization.prover.index import Index

    facts = Facts(humans=[Human("eve", (EVE,))], identities=[], openbao=bao)
    return {step.rule for step in close(Index(facts), facts.humans[0]).steps.values()}
