"""What tokens may possibly do in OpenBao: quorums, parameters, templates, expiry, denials that can be dropped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strongroom.authorization import VaultPolicy
from strongroom.authorization.deployed.openbao_people import with_logins
from strongroom.authorization.prover import Ability, Carrier, Facts, Human, Pair, Proof, Quorum, prove
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.openbao_facts import Entity, Group, Login, Mount, OpenBao, TransitKey
from strongroom.estate.loader import load

EVE, SECOND = "bao:auth/approle/role/eve", "bao:auth/approle/role/second"
OPEN = [Pair("open", Ability("open", ("bao:update",), ("bao:transit/decrypt/notes",)))]
EXPORT = [Pair("export", Ability("export", ("bao:own",), ("bao:transit/keys/notes",)))]


def bao(text: str, **more: Any) -> OpenBao:
    given: dict[str, Any] = {
        "policies": (VaultPolicy("eve", text),),
        "logins": (Login(EVE, ("eve",), "approle", "eve"), Login(SECOND, (), "approle", "second")),
        "auth": (Mount("approle", "approle"), Mount("token", "token")),
        "mounts": (Mount("transit", "transit"),),
        "entities": (Entity("eve", "1"), Entity("second", "2"), Entity("third", "3")),
        "groups": (Group("approvers", "g", (), ("second", "third")),),
        "keys": (TransitKey("transit", "notes"),),
        "unauthenticated_root": False,
    }
    return OpenBao(**(given | more))


def decided(server: OpenBao | None, pairs: list[Pair], *identities: str, **more: Any) -> Proof:
    facts = Facts(humans=[Human("eve", (EVE, *identities))], identities=[], openbao=server, **more)
    proof = prove(facts, pairs)
    if proof.certificate is not None:
        assert check(facts, pairs, json.loads(json.dumps(proof.certificate))) == []
    return proof


def controlled(approvals: int) -> str:
    factor = f'factor "f" {{ identity {{ group_names = ["approvers"] approvals = {approvals} }} }}'
    return f'path "transit/decrypt/notes" {{ capabilities = ["update"] control_group = {{ {factor} }} }}'


@pytest.mark.parametrize(
    ("approvals", "held", "verdict"),
    [
        (1, (), "PROVED"),
        (1, (SECOND,), "REFUTED"),
        (2, (SECOND,), "PROVED"),
        (2, (SECOND, "bao:entity/third"), "REFUTED"),
        (1, ("bao:root",), "REFUTED"),
    ],
)
def test_a_control_group_holds_unless_one_person_is_enough_of_its_approvers(approvals, held, verdict) -> None:
    proof = decided(bao(controlled(approvals)), OPEN, *held)
    assert proof.verdict == verdict
    if proof.certificate:
        assert [item["approvals"] for item in proof.certificate["quorums_read"]] == [approvals]


def test_the_own_entity_is_no_approver_and_whoever_fills_the_group_has_as_many_as_asked_for() -> None:
    member = bao(controlled(1), groups=(Group("approvers", "g", (), ("eve",)),))
    assert decided(member, OPEN).verdict == "PROVED"
    joins = controlled(3) + ' path "identity/group/name/approvers" { capabilities = ["update"] }'
    assert decided(bao(joins), OPEN).verdict == "REFUTED"


def test_an_open_policy_beside_a_control_group_leaves_no_quorum() -> None:
    free = VaultPolicy("free", 'path "transit/decrypt/notes" { capabilities = ["update"] }')
    both = bao(
        controlled(1),
        policies=(VaultPolicy("eve", controlled(1)), free),
        logins=(Login(EVE, ("eve", "free"), "approle", "eve"),),
    )
    assert decided(both, OPEN).verdict == "REFUTED"


def test_a_certificate_that_hides_a_control_group_is_refused() -> None:
    server = bao(controlled(1))
    facts = Facts(humans=[Human("eve", (EVE,))], identities=[], openbao=server)
    proof = prove(facts, OPEN)
    assert proof.certificate is not None
    assert check(facts, OPEN, {**proof.certificate, "quorums_read": []})
    assert check(facts, OPEN, {**proof.certificate, "gained": {"eve": []}})


def config(constraints: str) -> str:
    export = 'path "transit/export/*" { capabilities = ["read"] }'
    return f'path "transit/keys/notes/config" {{ capabilities = ["update"] {constraints} }}\n{export}'


@pytest.mark.parametrize(
    ("constraints", "verdict"),
    [
        ("", "REFUTED"),
        ('denied_parameters = { "exportable" = [] }', "PROVED"),
        ('denied_parameters = { "*" = [] }', "PROVED"),
        ('denied_parameters = { "exportable" = [true, "true"] }', "REFUTED"),  # 1 and "T" are true as well
        ('allowed_parameters = { "auto_rotate_period" = [] }', "PROVED"),
        ('allowed_parameters = { "exportable" = [false] "*" = [] }', "PROVED"),
        ('allowed_parameters = { "exportable" = ["true"] }', "REFUTED"),
        ('allowed_parameters = { "*" = [] }', "REFUTED"),
        ('required_parameters = ["auto_rotate_period"]', "REFUTED"),
        ('min_wrapping_ttl = "1m"', "REFUTED"),
    ],
)
def test_parameters_are_decided_where_the_escape_fixes_them(constraints: str, verdict: str) -> None:
    assert decided(bao(config(constraints)), EXPORT).verdict == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('path "transit/decrypt/{{identity.entity.name}}" { capabilities = ["update"] }', "REFUTED"),
        ('path "kv/{{identity.entity.name}}/*" { capabilities = ["update"] }', "PROVED"),
        (
            (
                'path "transit/decrypt/*" { capabilities = ["update"] }\n'
                'path "transit/decrypt/{{identity.entity.name}}" { capabilities = ["deny"] }'
            ),
            "REFUTED",
        ),
    ],
)
def test_a_template_may_stand_for_whatever_helps(text: str, verdict: str) -> None:
    assert decided(bao(text), OPEN).verdict == verdict


def test_a_stanza_that_expires_counts_before_and_after() -> None:
    opens = 'path "transit/decrypt/*" { capabilities = ["update"] }'
    denies = 'path "transit/decrypt/notes" { capabilities = ["deny"] expiration = "2030-01-01T00:00:00Z" }'
    assert decided(bao(f"{opens}\n{denies}"), OPEN).verdict == "REFUTED"
    brief = 'path "transit/decrypt/*" { capabilities = ["update"] expiration = "2030-01-01T00:00:00Z" }'
    assert decided(bao(brief), OPEN).verdict == "REFUTED"


def test_a_declared_quorum_holds_an_edge_back_and_is_an_assumption() -> None:
    writes = 'path "sys/policies/acl/*" { capabilities = ["update"] }'
    assert decided(bao(writes), OPEN).verdict == "REFUTED"
    pipeline = Quorum("bao:update", "bao:sys/policies/acl/*", 2, "the pipeline")
    proof = decided(bao(writes), OPEN, quorums=(pipeline,))
    assert proof.certificate is not None and proof.certificate["assumptions"][0]["mechanism"] == "the pipeline"
    alone = Quorum("bao:update", "bao:sys/policies/acl/*", 1, "nobody")
    assert decided(bao(writes), OPEN, quorums=(alone,)).verdict == "REFUTED"


def test_what_was_not_read_or_understood_refutes() -> None:
    typing_error = [Pair("p", Ability("a", ("bao:destory",), ("bao:transit/keys/notes",)))]
    for server, pairs, held in (
        (None, OPEN, ()),
        (bao(""), OPEN, ("bao:auth/approle/role/unknown",)),
        (bao(""), typing_error, ()),
        (bao('path "x" { capabilities = ["dance"] }'), OPEN, ()),
    ):
        proof = decided(server, pairs, *held)
        assert proof.verdict == "REFUTED" and proof.counterexamples[0].pair == "not understood"


def test_a_secret_in_aws_that_holds_a_login_is_a_way_in() -> None:
    from strongroom.authorization.documents import Named
    from strongroom.authorization.prover import Identity

    user = "arn:aws:iam::210000000001:user/eve"
    secret = "arn:aws:secretsmanager:us-east-1:210000000001:secret:login"
    reads = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    policy = Named("reads", json.dumps({"Version": "2012-10-17", "Statement": [reads]}))
    opener = 'path "transit/decrypt/notes" { capabilities = ["update"] }'
    facts = Facts(
        humans=[Human("eve", (user,))],
        identities=[Identity(user, "210000000001", "user", (policy,))],
        carriers=[Carrier(secret, "210000000001", "secret", EVE)],
        openbao=bao(opener),
    )
    proof = prove(facts, OPEN)
    assert proof.verdict == "REFUTED" and "reads the credentials" in proof.counterexamples[0].words()


def test_people_hold_the_logins_of_their_duties_and_every_other_login_is_somebody(project_estate: Any) -> None:
    server = bao(
        "",
        logins=(
            Login("bao:auth/approle/role/restorer", ("restorer",), "approle"),
            Login("bao:token/a1", ("deployer",)),
            Login("bao:token/a2", ("root",)),
            Login("bao:auth/approle/role/ghost", ("x",), "approle"),
        ),
        entities=(Entity("mallory", "m"),),
        shares=3,
        threshold=2,
    )
    people = [Human("runner.restorer", ("arn",)), Human("deployer", ())]
    humans, unread = with_logins(people, project_estate, server)
    held = {human.name: [name for name in human.identities if "share" not in name] for human in humans}
    assert unread == []
    assert held["runner.restorer"] == ["arn", "bao:auth/approle/role/restorer"]
    assert held["deployer"] == ["bao:token/a1"]
    others = sorted(names[0] for name, names in held.items() if name.startswith("whoever"))
    assert others == ["bao:auth/approle/role/ghost", "bao:entity/mallory", "bao:token/a2"]
    assert all({f"bao:share/{n}" for n in (1, 2, 3)} <= set(human.identities) for human in humans)
    quorum = Quorum("bao:login", "bao:policy/deployer", 2, "the pipeline")
    humans, _ = with_logins(people, project_estate, server, (quorum,))
    assert "bao:token/a1" not in humans[1].identities


@pytest.fixture
def project_estate() -> Any:
    from pathlib import Path

    return load(Path(__file__).parents[3] / "stacks" / "estate.dev.yaml")
