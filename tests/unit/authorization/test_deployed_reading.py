"""What is deployed, read through botocore from recorded answers: the facts, and that nothing unread is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.stub import Stubber

from strongroom.authorization.deployed import Deployed, Gap, asking, decide
from strongroom.authorization.deployed.humans import humans_of, strangers
from strongroom.authorization.deployed.iam import read_identities
from strongroom.authorization.deployed.kms import read_keys
from strongroom.authorization.documents import Named
from strongroom.authorization.grants import Grant
from strongroom.authorization.prover import Ability, Facts, Human, Identity, Key, Pair, prove
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.pairs import pairs_of
from strongroom.errors import UnknownElement, UsageError
from strongroom.estate.loader import load

ROOT = Path(__file__).resolve().parents[3]
HOME = "210000000001"
ARN = f"arn:aws:iam::{HOME}:"
KEY, SECOND = (f"arn:aws:kms:us-east-1:{HOME}:key/{name}" for name in ("mrk-1", "2"))
WHEN = "2026-01-01T00:00:00Z"


def doc(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


ALL = doc({"Effect": "Allow", "Action": "*", "Resource": "*"})
TRUST = doc({"Effect": "Allow", "Principal": {"AWS": f"{ARN}user/dana"}, "Action": "sts:AssumeRole"})


@pytest.fixture(autouse=True)
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded answers are given in the order of the questions."""
    monkeypatch.setattr(asking, "AT_ONCE", 1)


def client(service: str, *answers: tuple[str, dict[str, Any] | str]) -> Any:
    """A real client whose answers are recorded; a text is an error code. What is asked beyond them fails."""
    made = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    stub = Stubber(made)
    for operation, answer in answers:
        if isinstance(answer, str):
            stub.add_client_error(operation, answer)
        else:
            stub.add_response(operation, answer)
    stub.activate()
    return made


def policy(name: str, text: str) -> dict[str, Any]:
    versions = [
        {"Document": quote(ALL), "VersionId": "v1", "IsDefaultVersion": False},
        {"Document": quote(text), "VersionId": "v2", "IsDefaultVersion": True},
    ]
    return {"PolicyName": name, "Arn": f"{ARN}policy/{name}", "DefaultVersionId": "v2", "PolicyVersionList": versions}


def attached(arn: str) -> list[dict[str, str]]:
    return [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}]


def account() -> dict[str, Any]:
    """One user in a group, one role under a boundary, as IAM gives them: documents are URL-encoded."""
    group = {"GroupName": "g", "Arn": f"{ARN}group/g", "AttachedManagedPolicies": attached(f"{ARN}policy/shared")}
    user = {
        "Arn": f"{ARN}user/dana",
        "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": quote(ALL)}],
        "GroupList": ["g"],
    }
    role = {
        "Arn": f"{ARN}role/r",
        "AssumeRolePolicyDocument": quote(TRUST),
        "AttachedManagedPolicies": attached("arn:aws:iam::aws:policy/ReadOnlyAccess"),
        "PermissionsBoundary": {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": f"{ARN}policy/ceiling",
        },
    }
    managed = [policy("shared", doc()), policy("ceiling", doc({"Effect": "Deny", "Action": "*", "Resource": "*"}))]
    return {"UserDetailList": [user], "RoleDetailList": [role], "GroupDetailList": [group], "Policies": managed}


OF_AWS = (
    ("get_policy", {"Policy": {"DefaultVersionId": "v9"}}),
    ("get_policy_version", {"PolicyVersion": {"Document": quote(doc()), "VersionId": "v9"}}),
)


def test_an_account_is_read_with_groups_boundary_and_versions_in_force():
    found = read_identities(client("iam", ("get_account_authorization_details", account()), *OF_AWS), HOME)
    dana, role = found.identities
    assert [p.document for p in dana.policies] == [ALL, doc()]
    assert (dana.groups, dana.managed) == ((f"{ARN}group/g",), (f"{ARN}policy/shared",))
    assert role.trust is not None and role.trust.document == TRUST
    assert role.boundary is not None and role.boundary.name == f"{ARN}policy/ceiling"
    assert "Deny" in str(role.boundary.document)
    assert role.managed == ()  # a policy of AWS is nobody's to write
    assert list(found.groups) == [f"{ARN}group/g"]


def test_an_element_that_stands_twice_is_refused_and_not_lost_in_decoding():
    twice = account()
    twice["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"] = quote('{"Statement": [], "Statement": []}')
    found = read_identities(client("iam", ("get_account_authorization_details", twice), *OF_AWS), HOME)
    proof = prove(Facts((Human("dana", (f"{ARN}user/dana",)),), found.identities), [])
    assert proof.verdict == "REFUTED" and "twice" in proof.counterexamples[0].reason


def test_an_attached_policy_that_is_not_shown_is_an_error():
    hidden = account() | {"Policies": []}
    with pytest.raises(UnknownElement, match="not shown"):
        read_identities(client("iam", ("get_account_authorization_details", hidden), *OF_AWS), HOME)


LISTED = (
    ("list_aliases", {"Aliases": [{"AliasName": "alias/aws/s3", "TargetKeyId": "of-aws"}]}),
    (
        "list_keys",
        {"Keys": [{"KeyId": a.rpartition("/")[2], "KeyArn": a} for a in (KEY, SECOND, f"{SECOND[:-1]}of-aws")]},
    ),
)
REPLICA = f"arn:aws:kms:eu-west-1:{HOME}:key/mrk-1"
OF_REGIONS = {"PrimaryKey": {"Arn": KEY, "Region": "us-east-1"}, "ReplicaKeys": [{"Arn": REPLICA}]}
PRIMARY = ("describe_key", {"KeyMetadata": {"KeyId": "mrk-1", "MultiRegionConfiguration": OF_REGIONS}})
GRANT = {
    "GrantId": "g",
    "GranteePrincipal": f"{ARN}role/r",
    "Operations": ["Decrypt"],
    "RetiringPrincipal": f"{ARN}user/d",
}


def test_keys_are_read_with_grants_and_a_refused_one_is_named():
    kms = client(
        "kms", *LISTED, ("get_key_policy", {"Policy": ALL}), ("list_grants", {"Grants": [GRANT]}), PRIMARY,
        ("get_key_policy", "AccessDeniedException"),
    )  # fmt: skip
    (key,), unread = read_keys(kms, HOME)
    assert key.multi_region and key.arn == KEY and key.policy.document == ALL
    assert key.grants[0].operations == {"Decrypt"} and key.grants[0].retiring == f"{ARN}user/d"
    assert unread == {
        SECOND: "GetKeyPolicy was refused: AccessDeniedException",
        REPLICA: "it is the same key in a Region that was not read",
    }


def test_a_grant_that_is_not_understood_leaves_its_key_unread():
    kms = client(
        "kms", *LISTED, ("get_key_policy", {"Policy": ALL}), ("list_grants", {"Grants": [GRANT]}),
        PRIMARY,
        ("get_key_policy", {"Policy": ALL}),
        ("list_grants", {"Grants": [GRANT | {"Operations": ["Teleport"]}]}),
    )  # fmt: skip
    keys, unread = read_keys(kms, HOME)
    assert [key.arn for key in keys] == [KEY] and "Teleport" in unread[SECOND]


def identity(name: str, trust: str | None = None) -> Identity:
    kind = name.partition("/")[0]
    arn = f"{ARN}{name}"
    return Identity(arn, HOME, kind, trust=Named(f"trust of {name}", trust) if trust else None)  # type: ignore[arg-type]


def test_all_accounts_of_one_person_are_one_human():
    estate = load(ROOT / "stacks" / "estate.dev.yaml")
    same = {"signing_key": "K1"}
    people = {
        name: person.model_copy(update=same if name in ("runner.key-admin", "runner.application") else {})
        for name, person in estate.people.items()
    }
    present = [Identity(p.iam, HOME, "user") for p in people.values() if p.iam]
    humans, unread = humans_of(estate.model_copy(update={"people": people}), present)
    merged = next(h for h in humans if h.name == "runner.key-admin+runner.application")
    assert len(merged.identities) == 2 and unread == []


def test_whom_nobody_declared_still_acts():
    estate = load(ROOT / "stacks" / "estate.dev.yaml")
    foreign = doc({"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "sts:AssumeRole"})
    task = doc({"Effect": "Allow", "Principal": {"Service": ["ecs-tasks.amazonaws.com"]}, "Action": "sts:AssumeRole"})
    humans, unread = humans_of(
        estate, [identity("user/stranger"), identity("role/vendor", foreign), identity("role/task", task)]
    )
    found = {human.name: human.identities for human in humans}
    assert found[f"undeclared user {ARN}user/stranger"] == (f"{ARN}user/stranger",)
    assert found[f"999999999999 as {ARN}role/vendor"] == (f"{ARN}role/vendor",)
    assert found[f"ecs-tasks.amazonaws.com as {ARN}role/task"] == (f"{ARN}role/task",)
    assert any("runner.rotator is declared and not deployed" in reason for reason in unread)


def split(*more: dict[str, Any], **given: Any) -> Deployed:
    """dana administers, eve decrypts: clean unless a statement is added to the key's policy."""
    dana, eve = identity("user/dana"), identity("user/eve")
    own = [
        {"Effect": "Allow", "Principal": {"AWS": dana.arn}, "Action": "kms:DisableKey", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": eve.arn}, "Action": "kms:Decrypt", "Resource": "*"},
    ]
    key = Key(KEY, HOME, Named("key", doc(*own, *more)))
    facts = Facts((Human("dana", (dana.arn,)), Human("eve", (eve.arn,))), (dana, eve), (key,))
    return Deployed(facts, given.get("gaps", ()))


PAIRS = pairs_of({"fields-clinical": ("field-root", KEY)}, {"application": ["eve"]})


def test_a_clean_split_is_proved_and_checked_again():
    proof = decide(split(), PAIRS)
    assert proof.verdict == "PROVED" and proof.certificate is not None
    assert check(split().facts, PAIRS, proof.certificate) == []


def test_a_gap_refutes_with_its_reason_and_gives_no_certificate():
    proof = decide(split(gaps=(Gap("key id: GetKeyPolicy was refused", SECOND),)), PAIRS)
    assert (proof.verdict, proof.certificate) == ("REFUTED", None)
    assert proof.counterexamples[-1].words() == "not read: key id: GetKeyPolicy was refused"


def test_only_gaps_about_the_key_or_the_whole_matter_to_a_question_about_one_key():
    deployed = split(gaps=(Gap("one", SECOND), Gap("all")))
    assert [gap.reason for gap in deployed.gaps_about(KEY)] == ["all"]
    assert len(deployed.gaps_about(SECOND)) == 2


def test_the_question_may_be_about_one_person():
    wide = {"Effect": "Allow", "Principal": {"AWS": f"{ARN}user/dana"}, "Action": "kms:Decrypt", "Resource": "*"}
    assert decide(split(wide), PAIRS).verdict == "REFUTED"
    assert decide(split(wide).about(["eve"]), PAIRS).verdict == "PROVED"
    with pytest.raises(UsageError, match="nobody is called 'zoe'"):
        split().about(["zoe"])


@pytest.mark.parametrize(
    ("action", "broken"),
    [
        ("kms:Decrypt", {"destroy keys and use them", "open fields-clinical without its duty"}),
        ("kms:PutKeyPolicy", {"destroy keys and change who may use them", "own key policies and decrypt"}),
        ("kms:CreateGrant", {"destroy keys and change who may use them", "own key policies and decrypt"}),
        ("kms:ListGrants", {"audit and change"}),
    ],
)
def test_each_pair_is_broken_by_the_permission_it_is_about(action: str, broken: set[str]):
    more = {"Effect": "Allow", "Principal": {"AWS": f"{ARN}user/dana"}, "Action": action, "Resource": "*"}
    assert broken <= {found.pair for found in prove(split(more).facts, PAIRS).counterexamples}


def test_rotating_signing_and_wrapping_are_kept_apart_from_their_counterparts():
    keys = {"signing-rotator": ("signing", KEY), "recipient-primary": ("recipient", KEY)}
    pairs = pairs_of(keys, {"rotator": ["dana"], "restorer": ["eve"]})
    for action, pair in (
        ("kms:Encrypt", "write backups and open them"),
        ("kms:ReEncryptFrom", "rotate and decrypt"),
        ("kms:Sign", "sign with signing-rotator without its duty"),
    ):
        more = {"Effect": "Allow", "Principal": {"AWS": f"{ARN}user/eve"}, "Action": action, "Resource": "*"}
        assert pair in {found.pair for found in prove(split(more).facts, pairs).counterexamples}, action
    assert prove(split().facts, pairs).verdict == "PROVED"


def test_who_may_write_a_new_version_of_its_boundary_is_not_bound_by_it():
    """Before the edge stood in the rules, this was a false PROVED."""
    ceiling = f"{ARN}policy/ceiling"
    only = {"Effect": "Allow", "Action": "iam:CreatePolicyVersion", "Resource": ceiling}
    dana = Identity(f"{ARN}user/dana", HOME, "user", (Named("own", ALL),), boundary=Named(ceiling, doc(only)))
    rooted = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}
    facts = Facts((Human("dana", (dana.arn,)),), (dana,), (Key(KEY, HOME, Named("key", doc(rooted))),))
    pair = Pair("open", Ability("open", ("kms:Decrypt",), (KEY,)))
    assert "writes a new version of the boundary" in prove(facts, [pair]).counterexamples[0].words()


@pytest.mark.parametrize(
    "who",
    [
        "999999999999",
        "arn:aws:iam::999999999999:root",
        "arn:aws:iam::999999999999:role/x/y",
        "arn:aws:sts::999999999999:assumed-role/y/s",
        "arn:aws:iam::999999999999:user/u",
    ],
)
def test_an_account_outside_that_a_key_policy_names_is_somebody(who: str):
    given = split({"Effect": "Allow", "Principal": {"AWS": who}, "Action": "kms:Decrypt", "Resource": "*"}).facts
    humans, identities = strangers(given.keys, {HOME})
    outside = Facts([*given.humans, *humans], [*given.identities, *identities], given.keys)
    broken = prove(outside, PAIRS).counterexamples
    assert {(c.human, c.pair) for c in broken} == {
        ("account 999999999999, outside", "open fields-clinical without its duty")
    }


def test_an_account_outside_that_holds_a_grant_is_somebody():
    grant = Grant("g", KEY, "arn:aws:iam::999999999999:role/x", frozenset({"Decrypt"}))
    key = Key(KEY, HOME, Named("key", doc()), (grant, Grant("s", KEY, "rds.amazonaws.com", frozenset({"Decrypt"}))))
    humans, identities = strangers([key], {HOME})
    assert [human.name for human in humans] == ["account 999999999999, outside"]
    assert prove(Facts(humans, identities, [key]), PAIRS).verdict == "REFUTED"
    assert strangers(split().facts.keys, {HOME}) == ([], [])
