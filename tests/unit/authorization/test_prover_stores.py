"""The prover over resources with a policy of their own, and over keys that are used through a service."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from strongroom.authorization import Named
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
    Store,
    prove,
)
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.patterns import covers, overlap
from strongroom.authorization.prover.proof import certificate
from strongroom.authorization.prover.services import suits
from strongroom.errors import UnknownElement

HOME, OTHER = "210000000001", "210000000002"
ANA, BEN = f"arn:aws:iam::{HOME}:user/ana", f"arn:aws:iam::{HOME}:user/ben"
BUCKET, SECRET = "arn:aws:s3:::backups", f"arn:aws:secretsmanager:us-east-1:{HOME}:secret:approle-AbCdEf"
KEY = f"arn:aws:kms:us-east-1:{HOME}:key/storage"
PACKS = Ability("read packs", ("s3:GetObject",), (f"{BUCKET}/packs/*",))


def doc(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def deny(actions: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(actions, resource, **more), "Effect": "Deny"}


def user(arn: str, *statements: dict[str, Any], **more: Any) -> Identity:
    return Identity(arn, HOME, "user", [Named(f"of {arn[-3:]}", doc(*statements))] if statements else [], **more)


def bucket(*statements: dict[str, Any], **more: Any) -> Store:
    policy = Named("bucket policy", doc(*statements)) if statements else None
    return Store(BUCKET, HOME, "bucket", policy, **{"acls": False, **more})


def facts(*identities: Identity, **more: Any) -> Facts:
    return Facts([Human(who.arn[-3:], (who.arn,)) for who in identities], identities, **more)


def holders(given: Facts, ability: Ability) -> set[str]:
    """Who comes to hold an ability; the second checker says the same."""
    pairs = [Pair("nobody may", ability)]
    proof = prove(given, pairs)
    assert all(found.human for found in proof.counterexamples), proof.counterexamples[0].words()
    reach = Reach(given)
    written = json.loads(json.dumps(certificate(given, pairs, reach.closures)))
    broken = {line.split(" breaks ")[0] for line in check(given, pairs, written)}
    assert broken == {found.human for found in proof.counterexamples}
    return broken


def test_an_object_is_decided_by_its_buckets_policy() -> None:
    reading = user(ANA, allow("s3:GetObject", f"{BUCKET}/*"))
    assert holders(facts(reading, user(BEN), stores=[bucket()]), PACKS) == {"ana"}
    closed = bucket(deny("s3:GetObject", f"{BUCKET}/packs/*", Principal="*"))
    assert holders(facts(reading, user(BEN), stores=[closed]), PACKS) == set()
    only_ben = bucket(allow("s3:GetObject", f"{BUCKET}/packs/a/*", Principal={"AWS": BEN}))
    assert holders(facts(user(ANA), user(BEN), stores=[only_ben]), PACKS) == {"ben"}
    assert set(Reach(facts(reading, stores=[bucket()])).who_can("s3:GetObject", f"{BUCKET}/packs/00/x.pack")) == {"ana"}


def test_an_ability_over_a_pattern_is_held_if_one_object_of_it_is_reached() -> None:
    one = user(ANA, allow("s3:GetObject", f"{BUCKET}/packs/ab/*.pack"))
    assert holders(facts(one, stores=[bucket()]), PACKS) == {"ana"}
    all_but_this = bucket(deny("s3:GetObject", f"{BUCKET}/packs/ab/*", Principal="*"))
    assert holders(facts(one, stores=[all_but_this]), PACKS) == set()
    wider = user(ANA, allow("s3:GetObject", f"{BUCKET}/packs/*"))
    assert holders(facts(wider, stores=[all_but_this]), PACKS) == {"ana"}


def test_not_resource_of_a_pattern() -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": f"{BUCKET}/packs/*"}
    assert holders(facts(user(ANA, statement), stores=[bucket()]), PACKS) == set()
    narrower = {**statement, "NotResource": f"{BUCKET}/packs/ab/*"}
    assert holders(facts(user(ANA, narrower), stores=[bucket()]), PACKS) == {"ana"}
    reading = allow("s3:GetObject", f"{BUCKET}/*")
    unless = {"Effect": "Deny", "Action": "s3:GetObject", "NotResource": f"{BUCKET}/index/*"}
    assert holders(facts(user(ANA, reading, unless), stores=[bucket()]), PACKS) == set()
    may_some = {**unless, "NotResource": f"{BUCKET}/packs/00/*"}
    assert holders(facts(user(ANA, reading, may_some), stores=[bucket()]), PACKS) == {"ana"}


def test_a_bucket_stands_for_its_objects_where_the_action_is_about_objects() -> None:
    reading = user(ANA, allow("s3:GetObject", f"{BUCKET}/*"))
    assert holders(facts(reading, stores=[bucket()]), Ability("read", ("s3:GetObject",), (BUCKET,))) == {"ana"}
    # an object action on the bucket's own ARN reaches no object
    useless = user(ANA, allow("s3:DeleteObject", BUCKET))
    assert holders(facts(useless, stores=[bucket()]), Ability("delete", ("s3:DeleteObject",), (BUCKET,))) == set()
    assert suits("s3:PutLifecycleConfiguration", BUCKET)
    assert not suits("s3:PutLifecycleConfiguration", f"{BUCKET}/x")
    assert not suits("kms:Decrypt", BUCKET)


def test_a_weakened_control_counts_where_the_pair_names_it() -> None:
    shorten = Ability("delete", ("s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration"), (BUCKET,))
    expiring = user(ANA, allow("s3:PutLifecycleConfiguration", BUCKET))
    assert holders(facts(expiring, stores=[bucket()]), shorten) == {"ana"}


def test_who_writes_a_stores_policy_lets_an_account_of_its_own_in_unless_a_resource_control_policy_forbids() -> None:
    """A boundary that denies reading does not help; an RCP on the organisation does, with IfExists or without."""
    fence = Named(f"arn:aws:iam::{HOME}:policy/fence", doc(allow("s3:PutBucketPolicy"), deny("s3:GetObject")))
    owner = user(ANA, allow("s3:PutBucketPolicy", BUCKET), boundary=fence)
    given = facts(owner, stores=[bucket()], accounts=(Account(HOME),), organisation="o-clinic")
    assert holders(given, PACKS) == {"ana"}
    everyone = allow("*", Principal="*")
    ours = {
        "StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-clinic"},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }
    closing = deny("s3:*", Principal="*", Condition=ours)
    closed = replace(given, accounts=(Account(HOME, rcps=[[Named("only ours", doc(everyone, closing))]]),))
    assert holders(closed, PACKS) == set()


def test_a_request_without_credentials_has_no_key_of_a_principal() -> None:
    """`Bool aws:PrincipalIsAWSService false` does not hold without credentials, so such a Deny leaves a gap."""
    opened = bucket(allow("s3:GetObject", f"{BUCKET}/*", Principal="*"))
    leaky = {"StringNotEquals": {"aws:PrincipalOrgID": "o-clinic"}, "Bool": {"aws:PrincipalIsAWSService": "false"}}
    tight = {**leaky, "BoolIfExists": leaky["Bool"]}
    del tight["Bool"]
    for condition, found in ((leaky, {"ana"}), (tight, set())):
        control = Named("rcp", doc(allow("*", Principal="*"), deny("s3:*", Principal="*", Condition=condition)))
        accounts = (Account(HOME, rcps=[[control]]), Account(OTHER))
        refusing = user(ANA, deny("s3:GetObject"))
        given = facts(refusing, stores=[opened], accounts=accounts, organisation="o-clinic")
        assert holders(given, PACKS) == found


def test_a_resource_control_policy_binds_only_the_services_that_know_them() -> None:
    """It would be a false PROVED to believe that an RCP keeps anybody from writing a trust policy."""
    writer = user(ANA, allow("iam:UpdateAssumeRolePolicy"))
    trust = Named("trust", json.dumps({"Version": "2012-10-17", "Statement": []}))
    reader = Identity(
        f"arn:aws:iam::{HOME}:role/r", HOME, "role", [Named("r", doc(allow("s3:GetObject")))], trust=trust
    )
    frozen = Named("rcp", doc(allow("*", Principal="*"), deny("iam:*", Principal="*")))
    given = Facts(
        [Human("ana", (ANA,))], [writer, reader], stores=[bucket()], accounts=(Account(HOME, rcps=[[frozen]]),)
    )
    assert holders(given, PACKS) == {"ana"}


def test_access_control_lists_count_unless_they_are_known_to_be_off() -> None:
    lists = user(ANA, allow("s3:PutObjectAcl", f"{BUCKET}/*"))
    assert holders(facts(lists, stores=[bucket(acls=True)]), PACKS) == {"ana"}
    assert holders(facts(lists, stores=[bucket()]), PACKS) == set()
    guarded = bucket(deny("s3:GetObject", f"{BUCKET}/*", Principal="*"), acls=True)
    assert holders(facts(lists, stores=[guarded]), PACKS) == set()


def test_the_root_user_unlocks_a_bucket_that_denies_it() -> None:
    root = Identity(f"arn:aws:iam::{HOME}:root", HOME, "root")
    locked = bucket(deny("s3:*", [BUCKET, f"{BUCKET}/*"], Principal="*"))
    given = Facts([Human("ana", (root.arn,))], [root], stores=[locked])
    assert holders(given, PACKS) == {"ana"}
    scp = Named("scp", doc(allow("*"), deny(["s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "organizations:*"])))
    assert holders(replace(given, accounts=(Account(HOME, scps=[[scp]]),)), PACKS) == set()


def through(given: Facts, action: str = "kms:Decrypt") -> set[str]:
    return set(Reach(given).who_can_through(action, KEY))


def test_use_through_a_service_is_a_fact_of_its_own() -> None:
    via = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:CallerAccount": HOME}}
    key = Key(KEY, HOME, Named("key", doc(allow("kms:Decrypt", Principal={"AWS": ANA}, Condition=via))))
    reader = user(ANA, allow("s3:GetObject", f"{BUCKET}/*"))
    given = facts(reader, user(BEN), keys=[key], stores=[bucket(key=KEY)])
    assert Reach(given).who_can("kms:Decrypt", KEY) == {}
    held = Reach(given).who_can_through("kms:Decrypt", KEY)["ana"][0]
    assert held.through == BUCKET
    assert f"may kms:Decrypt on {KEY} through {BUCKET}" in held.lines()[-1]
    direct = Ability("decrypt", ("kms:Decrypt",), (KEY,))
    assert holders(given, direct) == set()
    assert holders(given, replace(direct, through=True)) == {"ana"}
    # without the data there is nothing to use the key for
    assert through(facts(user(ANA), keys=[key], stores=[bucket(key=KEY)])) == set()


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}}, set()),
        ({"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}, set()),
        ({"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}, {"ana"}),
        ({"Bool": {"aws:ViaAWSService": "true"}}, {"ana"}),
        ({"Bool": {"aws:ViaAWSService": "false"}}, set()),
        ({"StringEquals": {"kms:CallerAccount": OTHER}}, set()),
    ],
)
def test_conditions_on_the_service_are_decided(condition: dict[str, Any], found: set[str]) -> None:
    key = Key(KEY, HOME, Named("key", doc(allow("kms:Decrypt", Principal={"AWS": ANA}, Condition=condition))))
    given = facts(user(ANA, allow("s3:GetObject", f"{BUCKET}/*")), keys=[key], stores=[bucket(key=KEY)])
    assert through(given) == found


def test_a_secret_hands_over_its_login_only_with_its_key() -> None:
    role = Identity(
        f"arn:aws:iam::{HOME}:role/r",
        HOME,
        "role",
        [Named("r", doc(allow("s3:GetObject", f"{BUCKET}/*")))],
        trust=Named("trust", doc()),
    )
    reader = user(ANA, allow("secretsmanager:GetSecretValue", SECRET))
    via = {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}
    carrier = Carrier(SECRET, HOME, "secret", role.arn, key=KEY)

    def given(*who: str) -> Facts:
        opened = [allow("kms:Decrypt", Principal={"AWS": arn}, Condition=via) for arn in who]
        key = Key(KEY, HOME, Named("key", doc(*opened)))
        return Facts([Human("ana", (ANA,))], [reader, role], [key], [carrier], [bucket()])

    assert holders(given(ANA), PACKS) == {"ana"}
    assert holders(given(BEN), PACKS) == set()
    assert holders(replace(given(BEN), carriers=[replace(carrier, key="")]), PACKS) == {"ana"}


def test_what_takes_several_people_is_nobodys_alone() -> None:
    owner = user(ANA, allow("s3:PutBucketPolicy", BUCKET))
    quorum = Quorum("s3:PutBucketPolicy", f"{BUCKET}*", 2, "a protected environment")
    assert holders(facts(owner, stores=[bucket()]), PACKS) == {"ana"}
    assert holders(facts(owner, stores=[bucket()], quorums=(quorum,)), PACKS) == set()
    writing = Ability("own", ("s3:PutBucketPolicy",), (BUCKET,))
    assert holders(facts(owner, stores=[bucket()], quorums=(quorum,)), writing) == set()


def test_what_is_asked_about_and_not_among_the_facts_refutes() -> None:
    given = facts(user(ANA), stores=[bucket()])
    asked = Pair("nobody", Ability("read", ("s3:GetObject",), ("arn:aws:s3:::elsewhere/*",)))
    assert "was not read" in prove(given, [asked]).counterexamples[0].reason
    absurd = Pair("nobody", Ability("read", ("kms:Decrypt",), (BUCKET,)))
    assert "no action is about" in prove(given, [absurd]).counterexamples[0].reason
    with pytest.raises(UnknownElement, match="was not read"):
        Reach(given).who_can("s3:GetObject", "arn:aws:s3:::elsewhere/x")
    unread = Carrier(f"arn:aws:lambda:us-east-1:{HOME}:function:f", HOME, "function", f"arn:aws:iam::{HOME}:role/gone")
    assert "was not read" in prove(replace(given, carriers=[unread]), []).counterexamples[0].reason
    stranger = replace(given, humans=[Human("eve", (f"arn:aws:iam::{HOME}:user/eve",))])
    assert "not among the identities" in prove(stranger, []).counterexamples[0].reason
    odd = replace(given, stores=[replace(bucket(), kind="tape")])
    assert "'tape' is not known" in prove(odd, []).counterexamples[0].reason


@pytest.mark.parametrize(
    ("wide", "narrow", "meets", "contains"),
    [
        ("*", "arn:aws:s3:::b/*", True, True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/packs/*", True, True),
        ("arn:aws:s3:::b/packs/*", "arn:aws:s3:::b/*", True, False),
        ("arn:aws:s3:::b/p?cks/*", "arn:aws:s3:::b/packs/x", True, True),
        ("arn:aws:s3:::b/p?cks/*", "arn:aws:s3:::b/p*", True, False),
        ("arn:aws:s3:::b/x*", "arn:aws:s3:::b/y*", False, False),
        ("arn:aws:s3:::b/*x", "arn:aws:s3:::b/*y", False, False),
        ("arn:aws:s3:::b/*a*", "arn:aws:s3:::b/b*", True, False),
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/ana/*", True, False),
        ("arn:aws:s3*", "arn:aws:s3:::b/*", True, False),
        ("arn:aws:s3:::b*", "arn:aws:s3:::b/packs", True, True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b", True, True),
        ("arn:aws:s3:::b", "arn:aws:s3:::bc", False, False),
        ("arn:aws:iam::1:role/a*", "arn:aws:iam::12:role/a*", False, False),
    ],
)
def test_patterns_are_compared(wide: str, narrow: str, meets: bool, contains: bool) -> None:
    assert overlap(wide, narrow) == overlap(narrow, wide) == meets
    assert covers(wide, narrow) == contains
