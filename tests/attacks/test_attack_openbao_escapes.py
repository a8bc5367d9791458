"""Escapes in OpenBao: each is carried out under a wrong policy and refuted by name; under ours refused, and proved."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import hvac
import hvac.exceptions
import pytest
from attacked_estate import AttackedEstate
from bao_world import CONTEXT, KEY, PLAIN, World, b64, stanza
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding

from strongroom.authorization.deployed.openbao import read_openbao
from strongroom.authorization.prover import Ability, Facts, Human, Pair, Proof, openbao_targets, prove
from strongroom.authorization.prover.checker import check
from strongroom.estate import duties

pytestmark = pytest.mark.cloud
LOOSE = {"token_bound_cidrs": "127.0.0.0/8"}


@dataclass(frozen=True)
class Way:
    """A wrong policy of eve, the rules of the derivation, and the deed: True once the key's data are open or lost."""

    name: str
    policy: str
    rules: tuple[str, ...]
    deed: Callable[[World, hvac.Client], bool]
    destroys: bool = False
    prepare: Callable[[World], None] | None = None

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def rewrite_policy(w: World, eve: hvac.Client) -> bool:
    eve.sys.create_or_update_acl_policy(w.eve, stanza(f"{w.mount}/decrypt/*", "update"))
    return w.opened(eve)


def mint(w: World, eve: hvac.Client) -> bool:
    role = eve.auth.approle.read_role_id(w.opener)["data"]["role_id"]
    return w.opened(w.client_of(role, eve.auth.approle.generate_secret_id(w.opener)["data"]["secret_id"]))


def choose_secret(w: World, eve: hvac.Client) -> bool:
    role = eve.auth.approle.read_role_id(w.opener)["data"]["role_id"]
    eve.write_data(f"auth/approle/role/{w.opener}/custom-secret-id", data={"secret_id": f"chosen-by-eve-{w.number}"})
    return w.opened(w.client_of(role, f"chosen-by-eve-{w.number}"))


def unbind(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/approle/role/{w.opener}", data={"bind_secret_id": False, **LOOSE})
    return w.opened(w.client_of(eve.auth.approle.read_role_id(w.opener)["data"]["role_id"]))


def make_role(w: World, eve: hvac.Client) -> bool:
    own = {"token_policies": w.opener, "role_id": f"own-{w.number}", "bind_secret_id": False, **LOOSE}
    eve.write_data(f"auth/approle/role/ci-{w.number}", data=own)
    return w.opened(w.client_of(f"own-{w.number}"))


def widen_own_role(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/approle/role/{w.eve}/policies", data={"token_policies": [w.eve, w.opener]})
    return w.opened(w.login(w.eve))


def reset_password(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/userpass/users/{w.user}/password", data={"password": "mine"})
    return w.opened(w.by_password(w.user, "mine"))


def make_user(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/userpass/users/eves-{w.number}", data={"password": "mine", "token_policies": w.opener})
    return w.opened(w.by_password(f"eves-{w.number}", "mine"))


def open_door(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"sys/auth/door-{w.number}", data={"type": "userpass"})
    eve.write_data(f"auth/door-{w.number}/users/eve", data={"password": "mine", "token_policies": w.opener})
    return w.opened(w.by_password("eve", "mine", f"door-{w.number}"))


def make_token(path: str) -> Callable[[World, hvac.Client], bool]:
    def deed(w: World, eve: hvac.Client) -> bool:
        made = eve.write_data(path.replace("{n}", str(w.number)), data={"policies": [w.opener]})
        return w.opened(w.client(made["auth"]["client_token"]))

    return deed


def token_role(w: World) -> None:
    w.root.write_data(f"auth/token/roles/ci-{w.number}", data={"allowed_policies": w.opener})


def write_token_role(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/token/roles/ci-{w.number}", data={"allowed_policies": w.opener})
    return make_token("auth/token/create/ci-{n}")(w, eve)


def forbidden_beside(w: World) -> None:
    """Eve's AppRole has the opener's policy and one that denies it."""
    denies = stanza(f"{w.mount}/decrypt/{KEY}", "deny")
    w.root.sys.create_or_update_acl_policy(f"denies-{w.number}", denies)
    w.approle(w.eve, w.eve, w.opener, f"denies-{w.number}")


def drop_policy(w: World, eve: hvac.Client) -> bool:
    eve.delete(f"sys/policies/acl/denies-{w.number}")
    return w.opened(eve)


def own_entity(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/entity/id/{w.entity_of(eve)}", data={"policies": [w.opener]})
    return w.opened(eve)


def opening_entity(w: World) -> None:
    """An entity with the opener's policy, and a group with it of which the entity is a member."""
    w.login(w.eve)  # who never logged in has no entity
    made = w.root.write_data("identity/entity", data={"name": f"vera-{w.number}", "policies": [w.opener]})["data"]["id"]
    w.root.write_data(
        "identity/group", data={"name": f"openers-{w.number}", "policies": [w.opener], "member_entity_ids": [made]}
    )


def alias_of(w: World, eve: hvac.Client) -> dict[str, Any]:
    found = w.root.read(f"identity/entity/id/{w.entity_of(eve)}")["data"]["aliases"][0]
    return dict(found)


def move_alias(w: World, eve: hvac.Client) -> bool:
    vera = w.root.read(f"identity/entity/name/vera-{w.number}")["data"]["id"]
    alias = alias_of(w, eve)
    body = {"name": alias["name"], "mount_accessor": alias["mount_accessor"], "canonical_id": vera}
    eve.write_data(f"identity/entity-alias/id/{alias['id']}", data=body)
    return w.opened(w.login(w.eve))


def merge(w: World, eve: hvac.Client) -> bool:
    vera = w.root.read(f"identity/entity/name/vera-{w.number}")["data"]["id"]
    body = {"from_entity_ids": [w.entity_of(eve)], "to_entity_id": vera, "force": True}
    eve.write_data("identity/entity/merge", data=body)
    return w.opened(w.login(w.eve))


def make_entity(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/entity/name/mine-{w.number}", data={"policies": [w.opener]})
    made = w.root.read(f"identity/entity/name/mine-{w.number}")["data"]["id"]
    body = {"from_entity_ids": [w.entity_of(eve)], "to_entity_id": made, "force": True}
    eve.write_data("identity/entity/merge", data=body)
    return w.opened(w.login(w.eve))


def join(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/group/name/openers-{w.number}", data={"member_entity_ids": [w.entity_of(eve)]})
    return w.opened(eve)


def join_in_capitals(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/group/name/OPENERS-{w.number}", data={"member_entity_ids": [w.entity_of(eve)]})
    return w.opened(eve)


def everybody(w: World) -> None:
    entity = w.entity_of(w.login(w.eve))
    w.root.write_data("identity/group", data={"name": f"all-{w.number}", "member_entity_ids": [entity]})


def fill_group(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/group/name/all-{w.number}", data={"policies": [w.opener]})
    return w.opened(eve)


def make_group(w: World, eve: hvac.Client) -> bool:
    body = {"policies": [w.opener], "member_entity_ids": [w.entity_of(eve)]}
    eve.write_data(f"identity/group/name/mine-{w.number}", data=body)
    return w.opened(eve)


def denying_group(w: World) -> None:
    forbidden_beside(w)
    w.approle(w.eve, w.eve, w.opener)
    body = {"member_entity_ids": [w.entity_of(w.login(w.eve))], "policies": [f"denies-{w.number}"]}
    w.root.write_data("identity/group", data={"name": f"barred-{w.number}", **body})


def leave(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/group/name/barred-{w.number}", data={"member_entity_ids": []})
    return w.opened(eve)


def configure(w: World, eve: hvac.Client, **switches: Any) -> None:
    eve.write_data(f"{w.mount}/keys/{KEY}/config", data=switches)


def export(w: World, eve: hvac.Client) -> bool:
    configure(w, eve, exportable=True)
    keys = eve.read(f"{w.mount}/export/encryption-key/{KEY}")["data"]["keys"]
    return w.opened_outside(base64.b64decode(keys["1"]))


def export_wrapped(w: World, eve: hvac.Client) -> bool:
    mine = rsa.generate_private_key(65537, 4096)
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    body = {"public_key": mine.public_key().public_bytes(*form).decode(), "type": "rsa-4096"}
    eve.write_data(f"{w.mount}/keys/mine/import", data=body)
    wrapped = base64.b64decode(eve.read(f"{w.mount}/byok-export/mine/{KEY}")["data"]["keys"]["1"])
    between = mine.decrypt(wrapped[:512], padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))
    return w.opened_outside(aes_key_unwrap_with_padding(between, wrapped[512:]))


def exportable(w: World) -> None:
    configure(w, w.root, exportable=True)


def backup(w: World, eve: hvac.Client) -> bool:
    configure(w, eve, exportable=True, allow_plaintext_backup=True)
    taken = json.loads(base64.b64decode(eve.read(f"{w.mount}/backup/{KEY}")["data"]["backup"]))
    return w.opened_outside(base64.b64decode(taken["policy"]["keys"]["1"]["key"]))


def known_backup(w: World) -> str:
    """A key that eve made elsewhere and knows."""
    w.root.write_data(f"{w.mount}/keys/known", data={"type": "aes256-gcm96", "derived": True})
    w.root.write_data(f"{w.mount}/keys/known/config", data={"exportable": True, "allow_plaintext_backup": True})
    return str(w.root.read(f"{w.mount}/backup/known")["data"]["backup"])


def replace_key(w: World, eve: hvac.Client) -> bool:
    known = known_backup(w)
    eve.write_data(f"{w.mount}/restore/{KEY}", data={"backup": known, "force": True})
    material = json.loads(base64.b64decode(known))["policy"]["keys"]["1"]["key"]
    return w.opened_outside(base64.b64decode(material), w.seal())


def overwrite_key(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"{w.mount}/restore/{KEY}", data={"backup": known_backup(w), "force": True})
    return w.lost()


def delete_key(w: World, eve: hvac.Client) -> bool:
    configure(w, eve, deletion_allowed=True)
    eve.delete(f"{w.mount}/keys/{KEY}")
    return w.lost()


def rotated(w: World) -> None:
    w.root.write_data(f"{w.mount}/keys/{KEY}/rotate", data={})


def trimmable(w: World) -> None:
    rotated(w)
    configure(w, w.root, min_encryption_version=2, min_decryption_version=2)


def trim(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"{w.mount}/keys/{KEY}/trim", data={"min_available_version": 2})
    return w.lost()


def fence(w: World, eve: hvac.Client) -> bool:
    configure(w, eve, min_decryption_version=2)
    return w.lost()


def delete_mount(w: World, eve: hvac.Client) -> bool:
    eve.delete(f"sys/mounts/{w.mount}")
    return w.lost()


def remount(w: World, eve: hvac.Client) -> bool:
    moved = eve.write_data("sys/remount", data={"from": w.mount, "to": f"mine-{w.number}"})["data"]["migration_id"]
    for _ in range(1000):
        if w.root.read(f"sys/remount/status/{moved}")["data"]["migration_info"]["status"] == "success":
            break
    return w.opened(eve, f"mine-{w.number}")


def approvers(w: World) -> None:
    """Opening takes one approval of a group; one of its members is eve's own second login."""
    second = f"second-{w.number}"
    w.root.sys.create_or_update_acl_policy(second, stanza("sys/control-group/authorize", "update"))
    w.approle(second, second)
    entity = w.entity_of(w.login(second))
    w.root.write_data("identity/group", data={"name": f"approvers-{w.number}", "member_entity_ids": [entity]})


CONTROLLED = """
path "{mount}/decrypt/recipient-transit" {
  capabilities = ["update"]
  control_group = {
    ttl = "1h"
    factor "another" {
      controlled_capabilities = ["update"]
      identity { group_names = ["approvers-{n}"] approvals = 1 }
    }
  }
}
"""


def ask(w: World, eve: hvac.Client) -> dict[str, Any]:
    """Token and accessor of a request that waits for approval."""
    body = {"ciphertext": w.sealed, "context": b64(CONTEXT)}
    return dict(eve.adapter.request("post", f"/v1/{w.mount}/decrypt/{KEY}", json=body)["wrap_info"])


def approve_oneself(w: World, eve: hvac.Client) -> bool:
    waiting = ask(w, eve)
    w.login(f"second-{w.number}").write_data("sys/control-group/authorize", data={"accessor": waiting["accessor"]})
    answer = eve.sys.unwrap(waiting["token"])
    return bool(base64.b64decode(answer["data"]["plaintext"]) == PLAIN)


ROLE_ID = stanza("auth/approle/role/{opener}/role-id", "read")
DECRYPT = "{mount}/decrypt/recipient-transit"
WAYS = [
    Way("rewrites its own policy", stanza("sys/policies/acl/{eve}", "update"), ("policy-write",), rewrite_policy),
    Way(
        "mints a secret id",
        ROLE_ID + stanza("auth/approle/role/{opener}/secret-id", "update"),
        ("secret-id-mint",),
        mint,
    ),
    Way(
        "chooses a secret id",
        ROLE_ID + stanza("auth/approle/role/+/custom-secret-id", "update"),
        ("secret-id-custom",),
        choose_secret,
    ),
    Way(
        "lets a login do without secret",
        ROLE_ID + stanza("auth/approle/role/{opener}", "update"),
        ("approle-unbind",),
        unbind,
    ),
    Way("makes an AppRole", stanza("auth/approle/role/ci-*", "create"), ("approle-create",), make_role),
    Way(
        "widens its own AppRole",
        stanza("auth/approle/role/{eve}/policies", "update"),
        ("approle-policies", "login-reissue"),
        widen_own_role,
    ),
    Way(
        "resets a password",
        stanza("auth/userpass/users/{user}/password", "update"),
        ("password-reset",),
        reset_password,
    ),
    Way("makes a user", stanza("auth/userpass/users/eves-*", "create"), ("user-create",), make_user),
    Way(
        "opens a login of its own",
        stanza("sys/auth/door-*", "update", "sudo") + stanza("auth/door-{n}/*", "create", "update"),
        ("auth-enable", "auth-fill"),
        open_door,
    ),
    Way(
        "makes any token",
        stanza("auth/token/create", "update", "sudo"),
        ("token-any",),
        make_token("auth/token/create"),
    ),
    Way(
        "makes any orphan",
        stanza("auth/token/create-orphan", "update", "sudo"),
        ("token-any",),
        make_token("auth/token/create-orphan"),
    ),
    Way(
        "makes a token by a role",
        stanza("auth/token/create/ci-{n}", "update"),
        ("token-by-role",),
        make_token("auth/token/create/ci-{n}"),
        prepare=token_role,
    ),
    Way(
        "writes a token role",
        stanza("auth/token/roles/ci-{n}", "update", "create") + stanza("auth/token/create/ci-{n}", "update"),
        ("token-role-write", "token-role-use"),
        write_token_role,
    ),
    Way(
        "leaves out what denies",
        stanza("auth/token/create", "update"),
        ("token-subset",),
        make_token("auth/token/create"),
        prepare=forbidden_beside,
    ),
    Way(
        "deletes the policy that denies",
        stanza("sys/policies/acl/denies-*", "delete"),
        ("policy-delete",),
        drop_policy,
        prepare=forbidden_beside,
    ),
    Way(
        "gives its entity policies",
        stanza("identity/entity/id/*", "update"),
        ("entity-policies", "entity-reissue"),
        own_entity,
        prepare=opening_entity,
    ),
    Way(
        "moves its login to another entity",
        stanza("identity/entity-alias/id/*", "update"),
        ("entity-alias",),
        move_alias,
        prepare=opening_entity,
    ),
    Way(
        "merges with another entity",
        stanza("identity/entity/merge", "update"),
        ("entity-merge",),
        merge,
        prepare=opening_entity,
    ),
    Way(
        "makes an entity and merges with it",
        stanza("identity/entity/name/mine-*", "update", "create") + stanza("identity/entity/merge", "update"),
        ("entity-create", "entity-enter"),
        make_entity,
    ),
    Way(
        "joins a group",
        stanza("identity/group/name/openers-{n}", "update"),
        ("group-join",),
        join,
        prepare=opening_entity,
    ),
    Way(
        "joins a group in capitals",
        stanza("identity/group/name/*", "update", denied_parameters={"policies": []})
        + stanza("identity/group/name/openers-{n}", "deny"),
        ("group-join",),
        join_in_capitals,
        prepare=opening_entity,
    ),
    Way(
        "gives its group policies",
        stanza("identity/group/name/all-{n}", "update"),
        ("group-policies", "group-reissue"),
        fill_group,
        prepare=everybody,
    ),
    Way("makes a group", stanza("identity/group/name/mine-*", "update", "create"), ("group-create",), make_group),
    Way(
        "leaves a group that is barred",
        stanza("identity/group/name/barred-{n}", "update", denied_parameters={"policies": []}),
        ("group-leave",),
        leave,
        prepare=denying_group,
    ),
    Way(
        "exports a key",
        stanza("{mount}/keys/*", "update") + stanza("{mount}/export/*", "read"),
        ("key-make-exportable", "key-export"),
        export,
    ),
    Way(
        "exports a key wrapped",
        stanza("{mount}/keys/mine/import", "update") + stanza("{mount}/byok-export/*", "read"),
        ("key-is-exportable", "key-byok-export"),
        export_wrapped,
        prepare=exportable,
    ),
    Way(
        "backs a key up in plain",
        stanza("{mount}/keys/+/config", "update") + stanza("{mount}/backup/*", "read"),
        ("key-make-exportable", "key-allow-backup", "key-backup"),
        backup,
    ),
    Way("replaces a key by its own", stanza("{mount}/restore/*", "update"), ("key-replace",), replace_key),
    Way("overwrites a key", stanza("{mount}/restore/*", "update"), ("key-overwrite",), overwrite_key, destroys=True),
    Way(
        "allows deletion and deletes",
        stanza("{mount}/keys/+/config", "update", denied_parameters={"min_decryption_version": []})
        + stanza("{mount}/keys/+", "delete"),
        ("key-allow-deletion", "key-delete"),
        delete_key,
        destroys=True,
    ),
    Way(
        "trims versions", stanza("{mount}/keys/+/trim", "update"), ("key-trim",), trim, destroys=True, prepare=trimmable
    ),
    Way(
        "makes old versions unreadable",
        stanza("{mount}/keys/+/config", "update"),
        ("key-fence",),
        fence,
        destroys=True,
        prepare=rotated,
    ),
    Way("deletes the mount", stanza("sys/mounts/{mount}", "delete"), ("mount-delete",), delete_mount, destroys=True),
    Way(
        "moves the mount to where it may use it",
        stanza("sys/remount", "update", "sudo") + stanza("mine-{n}/decrypt/*", "update"),
        ("mount-move", "moved-decrypt"),
        remount,
    ),
]


@pytest.fixture(scope="module")
def server(bao_client: hvac.Client) -> Iterator[hvac.Client]:
    """The dev server with the ways of logging in that the attacks are about."""
    have = bao_client.sys.list_auth_methods()["data"]
    for kind in ("approle", "userpass"):
        if f"{kind}/" not in have:
            bao_client.sys.enable_auth_method(kind)
    return bao_client


@pytest.fixture
def world(server: hvac.Client) -> Iterator[Callable[[str], World]]:
    made: list[World] = []

    def make(policy: str) -> World:
        made.append(World(server, policy))
        return made[-1]

    yield make
    for one in made:
        one.close()


def pairs(w: World, destroys: bool) -> list[Pair]:
    if destroys:
        return [Pair("destroy", Ability("destroy", ("bao:destroy",), (f"bao:{w.mount}/keys/{KEY}",)))]
    return [Pair("open", Ability("open", ("bao:update",), (f"bao:{w.mount}/decrypt/{KEY}",)))]


def answer(w: World, destroys: bool, *identities: str) -> Proof:
    facts = w.facts(*identities)
    proof = prove(facts, pairs(w, destroys))
    if proof.certificate is not None:
        assert check(facts, pairs(w, destroys), json.loads(json.dumps(proof.certificate))) == []
    return proof


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_an_escape_works_and_is_refuted_and_under_our_policy_neither(way: Way, world: Callable[[str], World]) -> None:
    wrong = world(way.policy)
    if way.prepare:
        way.prepare(wrong)
    proof = answer(wrong, way.destroys)
    assert proof.verdict == "REFUTED"
    derivation = [step.rule for held in proof.counterexamples[0].held for step in held.way]
    assert set(way.rules) <= set(derivation), proof.counterexamples[0].words()
    assert way.deed(wrong, wrong.login(wrong.eve)), "the escape did not work"
    ours = world("")
    if way.prepare:
        way.prepare(ours)
        ours.approle(ours.eve, ours.eve)  # none of the prepared policies beside ours
    ours.use_ours("key-admin")
    proof = answer(ours, way.destroys)
    assert proof.verdict == "PROVED", proof.counterexamples[0].words()
    with pytest.raises(hvac.exceptions.Forbidden):
        way.deed(ours, ours.login(ours.eve))
    assert not ours.lost() or way.prepare is trimmable


#: duty -> may open the recipient's key, by its duty
OURS = {duty: duty == "restorer" for duty in duties.VAULT}


@pytest.mark.parametrize("duty", OURS)
def test_our_policy_of_a_duty_is_proved(duty: str, world: Callable[[str], World]) -> None:
    w = world("")
    w.use_ours(duty)
    assert answer(w, True).verdict == "PROVED"
    assert answer(w, False).verdict == ("REFUTED" if OURS[duty] else "PROVED")


@pytest.mark.parametrize(
    "policy",
    [
        stanza("auth/approle/role/{opener}/role-id", "read"),
        stanza("auth/token/create", "update"),
        stanza("sys/policies/acl/*", "read", "list") + stanza("sys/mounts/*", "read"),
        stanza("{mount}/keys/+/rotate", "update") + stanza("{mount}/rewrap/*", "update"),
        stanza("identity/entity/id/{{identity.entity.id}}", "read") + stanza("cubbyhole/*", "create", "read", "delete"),
        stanza("sys/policies/acl/*", "update")
        + stanza("sys/policies/acl/eve-{n}", "deny")
        + stanza("sys/policies/acl/default", "deny"),
    ],
)
def test_a_harmless_policy_is_proved(policy: str, world: Callable[[str], World]) -> None:
    assert answer(world(policy), False).verdict == "PROVED"


def test_two_holders_of_shares_make_a_root_token(estate: AttackedEstate) -> None:
    """On the deployed server, with real shares: two people together may, one alone may not."""
    root, path = estate.vault("root"), "v1/sys/generate-root-token"
    root.sys.create_or_update_acl_policy("ceremony", stanza("sys/generate-root-token/+", "update"))
    made = root.auth.token.create(policies=["ceremony"], no_default_policy=True, no_parent=True)["auth"]
    client = estate.vault_token(made["client_token"])
    body = Pair("open", Ability("open", ("bao:update",), (f"bao:transit/decrypt/{KEY}",)))
    bao, unread = read_openbao(estate.vault("auditor"), ["transit"])
    assert unread == [] and (bao.shares, bao.threshold, bao.unauthenticated_root) == (3, 2, False)

    def verdict(*shares: int) -> Proof:
        held = (f"bao:token/{made['accessor']}", *(f"bao:share/{number}" for number in shares))
        return prove(Facts(humans=[Human("eve", held)], identities=[], openbao=bao), [body])

    try:
        assert verdict(1).verdict == "PROVED"
        broken = verdict(1, 3)
        assert [step.rule for held in broken.counterexamples[0].held for step in held.way] == ["root-generate"]
        started = client.adapter.request("post", f"/{path}/attempt", json={})["data"]
        for number in (1, 3):
            share = json.loads((estate.home / "vault" / "unseal" / f"{number}.json").read_text())["share"]
            step = {"key": share, "nonce": started["nonce"]}
            answered = client.adapter.request("post", f"/{path}/update", json=step)["data"]
        hidden = base64.b64decode(answered["encoded_token"] + "==")
        token = bytes(one ^ other for one, other in zip(hidden, started["otp"].encode(), strict=True)).decode()
        found = estate.vault_token(token)
        assert found.auth.token.lookup_self()["data"]["policies"] == ["root"]
        found.auth.token.revoke_self()
        found.adapter.session.close()
    finally:
        client.adapter.session.close()
        root.auth.token.revoke(made["client_token"])
        root.delete("sys/policies/acl/ceremony")


def test_a_rule_that_is_missing_is_noticed(world: Callable[[str], World], monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without its rule an escape that works would be proved absent."""
    w = world(stanza("auth/approle/role/ci-*", "create"))
    monkeypatch.setattr(openbao_targets, "RULES", [r for r in openbao_targets.RULES if r.name != "approle-create"])
    assert answer(w, False).verdict == "PROVED"
    assert make_role(w, w.login(w.eve))


def test_a_control_group_whose_approver_is_the_same_person_is_no_quorum(world: Callable[[str], World]) -> None:
    w = world(CONTROLLED + stanza("sys/control-group/request", "update"))
    approvers(w)
    eve = w.login(w.eve)
    alone = answer(w, False)
    assert alone.verdict == "PROVED"
    assert alone.certificate is not None
    read = [item for item in alone.certificate["quorums_read"] if item["policy"] == w.eve]
    assert [(item["groups"], item["approvals"]) for item in read] == [([f"approvers-{w.number}"], 1)]
    waiting = ask(w, eve)
    with pytest.raises(hvac.exceptions.VaultError):  # nobody has approved
        eve.sys.unwrap(waiting["token"])
    second = f"bao:auth/approle/role/second-{w.number}"
    assert answer(w, False, second).verdict == "REFUTED"
    assert approve_oneself(w, eve)
