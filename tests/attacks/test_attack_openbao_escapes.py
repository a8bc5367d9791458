"""Escapes in OpenBao: each is carried out under a wrong policy and refuted by name; under ours refused, and proved."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

import hvac
import hvac.exceptions
import pytest
from attacked_estate import AttackedEstate
from bao_deeds_of_keys import CONTROLLED, approve_oneself, approvers, ask, trimmable
from bao_deeds_of_logins import make_role
from bao_ways import WAYS, Way
from bao_world import KEY, World, stanza

from strongroom.authorization.deployed.openbao import read_openbao
from strongroom.authorization.prover import Ability, Facts, Human, Pair, Proof, openbao_targets, prove
from strongroom.authorization.prover.checker import check
from strongroom.estate import duties

pytestmark = pytest.mark.cloud


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
