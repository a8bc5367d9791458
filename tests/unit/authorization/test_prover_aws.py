"""The prover on AWS: escapes it must find, clean configurations it must prove, certificates that are checked again."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from strongroom.authorization import Grant, Named
from strongroom.authorization.prover import (
    Ability,
    Account,
    Carrier,
    Facts,
    Human,
    Identity,
    Key,
    Pair,
    Quorum,
    Reach,
    prove,
)
from strongroom.authorization.prover.checker import check

HOME, OTHER = "210000000001", "210000000002"
KEY_ARN = f"arn:aws:kms:us-east-1:{HOME}:key/fields"
SECOND_ARN = f"arn:aws:kms:us-east-1:{HOME}:key/other"
ADMIN = f"arn:aws:iam::{HOME}:user/admin"
DATA = f"arn:aws:iam::{HOME}:role/restorer"
PAIRS = [
    Pair(
        "administer and decrypt",
        Ability("administer", ("kms:ScheduleKeyDeletion",), (KEY_ARN,)),
        Ability("decrypt", ("kms:Decrypt",), (KEY_ARN,)),
    )
]


def doc(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def to(arn: str, actions: Any, **more: Any) -> dict[str, Any]:
    return allow(actions, Principal={"AWS": arn}, **more)


def key(*statements: dict[str, Any], arn: str = KEY_ARN, **more: Any) -> Key:
    return Key(arn, HOME, Named(f"policy of {arn[-6:]}", doc(*statements)), **more)


def user(arn: str = ADMIN, *statements: dict[str, Any], **more: Any) -> Identity:
    policies = [Named(f"inline of {arn.rsplit('/')[-1]}", doc(*statements))] if statements else []
    return Identity(arn, arn.split(":")[4], "user", policies, **more)


def role(arn: str = DATA, trusted: Any = None, *statements: dict[str, Any], **more: Any) -> Identity:
    trust = {"Effect": "Allow", "Principal": trusted or {"AWS": ADMIN}, "Action": "sts:AssumeRole"}
    policies = [Named(f"inline of {arn.rsplit('/')[-1]}", doc(*statements))] if statements else []
    return Identity(arn, arn.split(":")[4], "role", policies, trust=Named(f"trust of {arn[-8:]}", doc(trust)), **more)


SCHEDULE = to(ADMIN, ["kms:ScheduleKeyDeletion", "kms:DescribeKey"])
USE = to(DATA, "kms:Decrypt")
NOBODYS_ROLE = role(trusted={"AWS": f"arn:aws:iam::{HOME}:user/runner"})


def facts(*identities: Identity, keys: list[Key] | None = None, **more: Any) -> Facts:
    return Facts((Human("dana", (ADMIN,)),), identities or (user(),), keys or [key(SCHEDULE, USE)], **more)


def refuted(given: Facts) -> str:
    proof = prove(given, PAIRS)
    assert proof.verdict == "REFUTED", "a false PROVED"
    assert proof.certificate is None
    return proof.counterexamples[0].words()


def proved(given: Facts, pairs: list[Pair] = PAIRS) -> None:
    proof = prove(given, pairs)
    assert proof.verdict == "PROVED", proof.counterexamples[0].words()
    assert proof.certificate is not None
    assert check(given, pairs, json.loads(json.dumps(proof.certificate))) == []


# the eight cases of the prototype


def test_a_clean_split_is_proved() -> None:
    proved(facts(user(), NOBODYS_ROLE))


def test_who_may_put_the_key_policy_can_decrypt() -> None:
    words = refuted(facts(user(), NOBODYS_ROLE, keys=[key(SCHEDULE, USE, to(ADMIN, "kms:PutKeyPolicy"))]))
    assert "rewrites the key's policy" in words


def test_who_may_create_grants_can_decrypt() -> None:
    words = refuted(facts(user(), NOBODYS_ROLE, keys=[key(SCHEDULE, USE, to(ADMIN, "kms:CreateGrant"))]))
    assert "makes itself a grant" in words
    services = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    proved(facts(user(), NOBODYS_ROLE, keys=[key(SCHEDULE, USE, to(ADMIN, "kms:CreateGrant", Condition=services))]))


def test_allow_not_principal_is_not_understood_and_refutes() -> None:
    odd = {"Effect": "Allow", "NotPrincipal": {"AWS": DATA}, "Action": "kms:Decrypt", "Resource": "*"}
    assert "NotPrincipal with Allow" in refuted(facts(user(), NOBODYS_ROLE, keys=[key(SCHEDULE, odd)]))


def test_a_deny_in_another_keys_policy_masks_nothing() -> None:
    masking = {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    other = key(masking, arn=SECOND_ARN)
    words = refuted(facts(user(), keys=[key(SCHEDULE, to(ADMIN, "kms:Decrypt")), other]))
    assert "may kms:Decrypt" in words


def test_an_existing_grant_counts() -> None:
    grant = Grant("g1", KEY_ARN, ADMIN, frozenset({"Decrypt"}), {"EncryptionContextEquals": {"tenant": "north"}})
    assert "grant g1" in refuted(facts(user(), NOBODYS_ROLE, keys=[key(SCHEDULE, USE, grants=[grant])]))


def test_a_chain_of_roles_is_followed() -> None:
    middle = f"arn:aws:iam::{HOME}:role/middle"
    chain = facts(user(), role(middle), role(DATA, {"AWS": middle}))
    words = refuted(chain)
    assert words.count("assumes the role") == 2
    assert words.index("role/middle") < words.index("role/restorer")
    counterexample = prove(chain, PAIRS).counterexamples[0]
    assert [step.rule for held in counterexample.held for step in held.way] == ["assume-role", "assume-role"]


def test_without_delegation_an_identity_policy_opens_nothing() -> None:
    proved(facts(user(ADMIN, allow("kms:*")), NOBODYS_ROLE))
    delegating = to(f"arn:aws:iam::{HOME}:root", "kms:*")
    refuted(facts(user(ADMIN, allow("kms:*")), keys=[key(SCHEDULE, USE, delegating)]))


# further edges

LAMBDA = {"Service": "lambda.amazonaws.com"}
FUNCTION = f"arn:aws:lambda:us-east-1:{HOME}:function:restore"
IMAGE = f"arn:aws:ecr:us-east-1:{HOME}:repository/jobs"
TASK = f"arn:aws:ecs:us-east-1:{HOME}:task-definition/restore:1"
SCHEDULED = f"arn:aws:scheduler:us-east-1:{HOME}:schedule/g/restore"
STATE = "arn:aws:s3:::strongroom-state/data/state.json"
GROUP = f"arn:aws:iam::{HOME}:group/restorers"
MANAGED = f"arn:aws:iam::{HOME}:policy/restore"
RUNNER = f"arn:aws:iam::{HOME}:user/runner"


@pytest.mark.parametrize(
    ("statements", "others", "rule"),
    [
        ([allow("iam:UpdateAssumeRolePolicy", DATA)], [NOBODYS_ROLE], "trust-write"),
        ([allow("iam:CreateAccessKey", RUNNER)], [user(RUNNER), NOBODYS_ROLE], "access-key"),
        ([allow("iam:UpdateLoginProfile", "arn:aws:iam::*:user/r*")], [user(RUNNER), NOBODYS_ROLE], "login-update"),
        (
            [allow("iam:PassRole", DATA), allow(["lambda:CreateFunction", "lambda:InvokeFunction"], FUNCTION + "*")],
            [role(trusted=LAMBDA)],
            "pass-role-lambda",
        ),
        ([allow("lambda:UpdateFunctionCode", FUNCTION)], [role(trusted=LAMBDA)], "write-function"),
        ([allow("ecr:PutImage", IMAGE)], [role(trusted=LAMBDA)], "write-image"),
        ([allow("ecs:RunTask", TASK), allow("iam:PassRole", DATA)], [role(trusted=LAMBDA)], "write-task-override"),
        ([allow("scheduler:UpdateSchedule"), allow("iam:PassRole", DATA)], [role(trusted=LAMBDA)], "write-schedule"),
        ([allow("s3:PutObject", STATE)], [role(trusted=LAMBDA)], "write-state"),
    ],
)
def test_ways_to_become_the_role(statements: list[dict[str, Any]], others: list[Identity], rule: str) -> None:
    carriers = [
        Carrier(FUNCTION, HOME, "function", DATA),
        Carrier(IMAGE, HOME, "image", DATA),
        Carrier(TASK, HOME, "task-override", DATA),
        Carrier(SCHEDULED, HOME, "schedule", DATA),
        Carrier(STATE, HOME, "state", DATA),
    ]
    given = facts(user(ADMIN, *statements), *others, carriers=carriers)
    proof = prove(given, PAIRS)
    assert proof.verdict == "REFUTED"
    steps = [step.rule for held in proof.counterexamples[0].held for step in held.way]
    assert rule in steps
    # without the permission the same configuration is clean
    proved(facts(user(), *others, carriers=carriers))


@pytest.mark.parametrize(
    ("statement", "who", "rule"),
    [
        (allow("iam:PutUserPolicy", ADMIN), user(), "user-policy-put"),
        (allow("iam:AttachUserPolicy", ADMIN), user(), "user-policy-attach"),
        (allow("iam:PutGroupPolicy", GROUP), user(groups=[GROUP]), "group-policy-put"),
        (allow("iam:CreatePolicyVersion", MANAGED), user(managed=[MANAGED]), "policy-version"),
        (allow("iam:AddUserToGroup", GROUP), user(), "group-join"),
    ],
)
def test_ways_to_widen_oneself(statement: dict[str, Any], who: Identity, rule: str) -> None:
    delegating = key(SCHEDULE, USE, to(f"arn:aws:iam::{HOME}:root", "kms:Decrypt"))
    groups = {GROUP: [Named("of the group", doc(allow("kms:Decrypt")))]}
    able = replace(who, policies=[Named("inline", doc(statement))])
    found = prove(facts(able, keys=[delegating], groups=groups), PAIRS).counterexamples[0]
    assert [step.rule for held in found.held for step in held.way] == [rule]
    proved(facts(who, keys=[delegating], groups=groups))
    fence = Named("boundary", doc(allow([statement["Action"], "iam:AddUserToGroup", "kms:Describe*"])))
    fenced = replace(able, boundary=fence)
    proved(facts(fenced, keys=[delegating], groups=groups))


@pytest.mark.parametrize("action", ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"])
def test_a_group_can_be_joined_for_a_policy_that_is_rewritten(action: str) -> None:
    """Found by the search on the gateway: the policy was the group's alone, and narrow."""
    delegating = key(SCHEDULE, USE, to(f"arn:aws:iam::{HOME}:root", "kms:Decrypt"))
    groups = {GROUP: [Named(MANAGED, doc(allow("kms:Describe*")))]}
    joining, rewriting = allow("iam:AddUserToGroup", GROUP), allow(action, MANAGED)
    words = refuted(facts(user(ADMIN, joining, rewriting), keys=[delegating], groups=groups))
    assert "adds its user to the group" in words
    for alone in (joining, rewriting):
        proved(facts(user(ADMIN, alone), keys=[delegating], groups=groups))


def test_joining_a_group_is_a_choice() -> None:
    """What a group denies binds nobody who may join it; what it allows does not come without what it denies."""
    joining = user(ADMIN, allow("iam:AddUserToGroup", GROUP))
    opened = key(SCHEDULE, to(ADMIN, "kms:Decrypt"))
    closing = {**allow("kms:Decrypt"), "Effect": "Deny"}
    groups = {GROUP: [Named("of the group", doc(closing))]}
    refuted(facts(joining, NOBODYS_ROLE, keys=[opened], groups=groups))
    delegating = key(SCHEDULE, USE, to(f"arn:aws:iam::{HOME}:root", "kms:*"))
    both = {
        GROUP: [Named("of the group", doc(allow("kms:*"), closing, {**allow("kms:PutKeyPolicy"), "Effect": "Deny"}))]
    }
    narrow = {GROUP: [Named("of the group", doc(allow("kms:Decrypt"), closing))]}
    proved(facts(joining, NOBODYS_ROLE, keys=[delegating], groups=narrow))
    refuted(facts(joining, NOBODYS_ROLE, keys=[delegating], groups=both))  # it may still make grants


def test_a_boundary_that_can_be_dropped_is_none() -> None:
    delegating = key(SCHEDULE, USE, to(f"arn:aws:iam::{HOME}:root", "kms:Decrypt"))
    fence = Named("boundary", doc(allow(["iam:*", "kms:Describe*"])))
    wide = user(ADMIN, allow(["iam:DeleteUserPermissionsBoundary", "kms:Decrypt"]), boundary=fence)
    assert "drops the user's boundary" in refuted(facts(wide, keys=[delegating]))


def test_a_policy_owner_under_a_boundary_can_still_let_in_an_account_of_its_own() -> None:
    """A boundary that allows no use is bypassed by a policy that names the user; an explicit Deny is not.

    Neither keeps out an account of the owner's own: only the organisation's resource control policy does.
    """
    use = {"Effect": "Deny", "Action": ["kms:Decrypt"], "Resource": "*"}
    silent = Named("boundary", doc(allow(["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"])))
    fence = Named("boundary", doc(allow(["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]), use))
    owning = [key(to(ADMIN, ["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]), USE)]
    given = facts(user(boundary=fence), NOBODYS_ROLE, keys=owning, organisation="o-clinic")
    assert "user/outsider may kms:Decrypt" in refuted(given)
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    ours = {"StringNotEquals": {"aws:PrincipalOrgID": "o-clinic"}, "Bool": {"aws:PrincipalIsAWSService": "false"}}
    outside = {**everyone, "Effect": "Deny", "Action": "kms:*", "Condition": ours}
    closed = replace(given, accounts=(Account(HOME, rcps=[[Named("only ours", doc(everyone, outside))]]),))
    proved(closed)
    assert "user/admin may kms:Decrypt" in refuted(replace(closed, identities=(user(boundary=silent), NOBODYS_ROLE)))


def test_an_unknown_organisation_decides_nothing() -> None:
    ours = {"StringNotEquals": {"aws:PrincipalOrgID": "o-clinic"}}
    outside = {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*", "Condition": ours}
    closed = [key(SCHEDULE, to(ADMIN, "kms:Decrypt"), outside)]
    refuted(facts(user(), NOBODYS_ROLE, keys=closed))
    proved(facts(user(), NOBODYS_ROLE, keys=closed, organisation="o-other"))


def test_a_key_open_to_everybody_is_open_to_every_human() -> None:
    refuted(facts(user(), keys=[key(SCHEDULE, allow("kms:Decrypt", Principal="*"))]))
    ours = {"StringEquals": {"kms:CallerAccount": OTHER}}
    proved(facts(user(), keys=[key(SCHEDULE, allow("kms:Decrypt", Principal="*", Condition=ours))]))


def test_replicas_of_multi_region_keys() -> None:
    able = user(ADMIN, allow("kms:CreateKey"))
    replicating = to(ADMIN, "kms:ReplicateKey")
    refuted(facts(able, NOBODYS_ROLE, keys=[key(SCHEDULE, USE, replicating, multi_region=True)]))
    proved(facts(able, NOBODYS_ROLE, keys=[key(SCHEDULE, USE, replicating)]))


def test_two_accounts_of_one_person_are_merged() -> None:
    runner = user(RUNNER)
    split = facts(user(), runner, keys=[key(SCHEDULE, to(RUNNER, "kms:Decrypt"))])
    proved(replace(split, humans=(Human("dana", (ADMIN,)), Human("bo", (RUNNER,)))))
    merged = replace(split, humans=(Human("dana", (ADMIN, RUNNER)),))
    assert prove(merged, PAIRS).verdict == "REFUTED"


def test_conditions_of_choice_are_taken_as_met_and_those_of_identity_are_decided() -> None:
    chosen = {"StringEquals": {"kms:EncryptionContext:tenant": "x"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    refuted(facts(user(), keys=[key(SCHEDULE, to(ADMIN, "kms:Decrypt", Condition=chosen))]))
    avoidable = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    avoidable["Condition"] = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    refuted(facts(user(), keys=[key(SCHEDULE, to(ADMIN, "kms:Decrypt"), avoidable)]))
    through = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    proved(facts(user(), keys=[key(SCHEDULE, to(ADMIN, "kms:Decrypt", Condition=through))]))
    others = {"ArnNotEquals": {"aws:PrincipalArn": DATA}}
    unless = {**avoidable, "Condition": others}
    proved(facts(user(), keys=[key(SCHEDULE, to(ADMIN, "kms:Decrypt"), unless)]))


def test_the_name_of_a_session_is_chosen_freely() -> None:
    session = f"arn:aws:sts::{HOME}:assumed-role/restorer/nightly"
    refuted(facts(user(), role(), keys=[key(SCHEDULE, to(session, "kms:Decrypt"))]))
    spared = {"Effect": "Deny", "Principal": {"AWS": session}, "Action": "kms:Decrypt", "Resource": "*"}
    refuted(facts(user(), role(), keys=[key(SCHEDULE, USE, spared)]))


def test_an_scp_holds_against_the_root_user_too() -> None:
    root = Identity(f"arn:aws:iam::{HOME}:root", HOME, "root")
    opened = key(SCHEDULE, to(f"arn:aws:iam::{HOME}:root", ["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]))
    given = Facts((Human("dana", (root.arn,)),), (root,), [opened])
    assert prove(given, PAIRS).verdict == "REFUTED"
    deny = {"Effect": "Deny", "Action": "kms:PutKeyPolicy", "Resource": "*"}
    scp = Named("no policy changes", doc(allow("*"), deny))
    ruled = replace(given, accounts=(Account(HOME, scps=[[scp]]),))
    assert "takes its account out" in refuted(ruled)
    staying = {"Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*"}
    proved(replace(given, accounts=(Account(HOME, scps=[[scp], [Named("members stay", doc(allow("*"), staying))]]),)))


def test_a_quorum_is_an_assumption_that_the_certificate_prints() -> None:
    opened = [key(SCHEDULE, USE, to(ADMIN, "kms:PutKeyPolicy"))]
    quorum = Quorum("kms:PutKeyPolicy", KEY_ARN, 2, "protected environment with a required reviewer")
    given = facts(user(), NOBODYS_ROLE, keys=opened, quorums=(quorum,))
    proved(given)
    certificate = prove(given, PAIRS).certificate
    assert certificate is not None
    assert certificate["assumptions"][0]["mechanism"] == quorum.mechanism
    refuted(replace(given, quorums=(replace(quorum, people=1),)))


def test_pairs_that_name_their_only_holders() -> None:
    only = [Pair("decrypt is the restorer's", Ability("decrypt", ("kms:Decrypt",)), holders=("bo",))]
    given = facts(user(), user(RUNNER), role(trusted={"AWS": RUNNER}))
    humans = (Human("dana", (ADMIN,)), Human("bo", (RUNNER,)))
    proved(replace(given, humans=humans), only)
    assert prove(replace(given, humans=(*humans, Human("eve", (RUNNER,)))), only).counterexamples[0].human == "eve"
    assert set(Reach(replace(given, humans=humans)).who_can("kms:Decrypt", KEY_ARN)) == {"bo"}


def test_what_is_not_understood_refutes_wherever_it_stands() -> None:
    stranger = user(f"arn:aws:iam::{HOME}:user/stranger", {**allow("s3:*"), "Conditon": {}})
    assert "unknown element Conditon" in refuted(facts(user(), stranger))
    assert "not known" in refuted(facts(user(), carriers=[Carrier(FUNCTION, HOME, "robot", DATA)]))


# the second checker


def test_the_checker_refuses_a_certificate_that_does_not_hold() -> None:
    given = facts(user(), NOBODYS_ROLE)
    proof = prove(given, PAIRS)
    assert proof.certificate is not None
    assert check(given, PAIRS, proof.certificate) == []

    def wrong(**change: Any) -> list[str]:
        assert proof.certificate is not None
        return check(given, PAIRS, {**copy.deepcopy(proof.certificate), **change})

    assert wrong(schema="x") == ["the certificate is of another schema"]
    assert wrong(facts_sha256="0" * 64) == ["the certificate is about other facts"]
    assert wrong(pairs=[]) == ["the certificate is about other pairs"]
    assert wrong(gained={"dana": []})[0].endswith("is missing")
    assert wrong(assumptions=[{"action": "kms:Decrypt", "resource": "*", "people": 2, "mechanism": ""}]) == [
        "the certificate rests on other assumptions"
    ]


@pytest.mark.parametrize(
    "statement", [to(ADMIN, "kms:PutKeyPolicy"), to(ADMIN, "kms:CreateGrant"), to(ADMIN, "kms:Decrypt")]
)
def test_the_checker_finds_what_a_lying_certificate_leaves_out(statement: dict[str, Any]) -> None:
    open_facts = facts(user(), NOBODYS_ROLE, keys=[key(SCHEDULE, USE, statement)])
    clean = prove(facts(user(), NOBODYS_ROLE), PAIRS).certificate
    assert clean is not None
    assert check(open_facts, PAIRS, {**clean, "facts_sha256": open_facts.digest()})
