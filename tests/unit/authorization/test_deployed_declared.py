"""What the estate declares, as the prover takes it: quorums by ARN, starts under quorum, pairs of an organisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strongroom.authorization.deployed.declared import declared_pairs, quorums_of
from strongroom.authorization.deployed.humans import humans_of
from strongroom.authorization.documents import Named
from strongroom.authorization.prover import Facts, Human, Identity, Key, Quorum, prove
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.duties import Ability, Pair
from strongroom.errors import ManifestError
from strongroom.estate.loader import load, parse
from strongroom.estate.manifest import Copy, Manifest, Repository, Store
from strongroom.estate.manifest import Key as ManifestKey

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "stacks" / "estate.dev.yaml").read_text()
DEV = load(ROOT / "stacks" / "estate.dev.yaml")
HOME = "210000000001"
KEY = f"arn:aws:kms:us-east-1:{HOME}:key/1"
ROLE = f"arn:aws:iam::{HOME}:role/strongroom/dev/deployer.keys"
PROVIDER = f"arn:aws:iam::{HOME}:oidc-provider/ci.example"
MANIFEST = Manifest(
    env="dev",
    environment_kind="sandbox",
    accounts={},
    keys=(ManifestKey(name="id", purpose="id", provider="aws-kms", ref=KEY),),
    stores=(Store(name="images", kind="bucket", data_class="imaging", arn="arn:aws:s3:::images"),
            Store(name="device-data", kind="folder", data_class="imaging")),
    repositories=(
        Repository(
            id="strongroom-dev",
            id_key="id",
            copies=(
                Copy(name="primary", backend="s3", url="s3://one/prefix", recipients=("escrow",)),
                Copy(name="vaulted", backend="s3", url="s3://two", recipients=("escrow",)),
                Copy(name="disk", backend="local", url="copies/disk", recipients=("escrow",)),
            ),
            lock_days=1,
            lock_mode="GOVERNANCE",
        ),
    ),
    evidence=None,
    digests={},
)  # fmt: skip


def doc(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def entrance(action: Any, principal: dict[str, str] | None = None, **more: Any) -> Identity:
    statement = {"Effect": "Allow", "Principal": principal or {"Federated": PROVIDER}, "Action": action, **more}
    return Identity(ROLE, HOME, "role", trust=Named("trust", doc(statement)))


def start(role: Identity, *quorums: Quorum) -> tuple[str, ...]:
    humans, _ = humans_of(DEV, [role], quorums)
    return next(tuple(human.identities) for human in humans if human.name.endswith(f"as {ROLE}"))


WEB, SAML, PLAIN = (
    Quorum(f"sts:{name}", ROLE, 2, "two reviewers")
    for name in ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "AssumeRole")
)


def test_quorums_are_resolved_to_every_role_of_a_duty():
    found = quorums_of(DEV, MANIFEST)
    assert len([q for q in found if q.resource.endswith("/deployer.access")]) == 3
    assert len([q for q in found if q.resource.endswith("OrganizationAccountAccessRole")]) == 3
    assert all(q.people == 2 and "simulated" in q.mechanism for q in found)
    by_key = parse(TEXT.replace("resource: bootstrap", "resource: id").replace("sts:AssumeRole", "kms:PutKeyPolicy", 1),
                   "x")  # fmt: skip
    assert Quorum("kms:PutKeyPolicy", KEY, 2, DEV.quorums[0].mechanism) in quorums_of(by_key, MANIFEST)


def test_a_ci_subject_begins_as_its_role_unless_entering_takes_several():
    subject = entrance("sts:AssumeRoleWithWebIdentity")
    assert start(subject) == (ROLE,)
    assert start(subject, WEB) == ()
    assert start(subject, PLAIN, SAML) == (ROLE,)
    assert start(subject, Quorum(WEB.action, f"{ROLE}2", 2, "x")) == (ROLE,)


@pytest.mark.parametrize("action", ["sts:*", "*", ["sts:AssumeRoleWith*"], "sts:assumerolewith*"])
def test_every_way_in_must_be_under_quorum(action: Any):
    assert start(entrance(action), WEB) == (ROLE,)
    assert start(entrance(action), WEB, SAML) == ()


def test_services_and_outside_accounts_enter_by_assume_role():
    for principal in ({"Service": "ecs-tasks.amazonaws.com"}, {"AWS": "999999999999"}):
        assert start(entrance("sts:AssumeRole", principal), WEB, SAML) == (ROLE,)
        assert start(entrance("sts:AssumeRole", principal), PLAIN) == ()


def facts(*quorums: Quorum) -> Facts:
    """The deployer may assume a role that opens the key."""
    user = Identity(f"arn:aws:iam::{HOME}:user/d", HOME, "user", (
        Named("own", doc({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE})),))  # fmt: skip
    role = entrance("sts:AssumeRole", {"AWS": user.arn})
    use = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt", "Resource": "*"}
    key = Key(KEY, HOME, Named("key", doc(use)))
    return Facts((Human("d", (user.arn,)),), (user, role), (key,), quorums=quorums)


OPENS = [Pair("opens", Ability("open", ("kms:Decrypt",), (KEY,)))]


def test_an_edge_under_quorum_gives_one_person_nothing_and_stands_in_the_certificate():
    assert prove(facts(), OPENS).verdict == "REFUTED"
    proof = prove(facts(PLAIN), OPENS)
    assert proof.verdict == "PROVED" and proof.certificate is not None
    assert proof.certificate["assumptions"][0]["mechanism"] == "two reviewers"
    assert check(facts(PLAIN), OPENS, proof.certificate) == []
    assert check(facts(), OPENS, proof.certificate) != []


def pairs_with(entry: str) -> Any:
    return declared_pairs(parse(TEXT + f"never_together:\n  - {entry}\n", "x"), MANIFEST, {"rotator": ["r"]})


def test_an_organisations_pair_becomes_one_of_the_provers():
    first = "first: {actions: [kms:Decrypt], resources: [id]}"
    only = pairs_with(f"{{name: ours, {first}, only: [rotator]}}")[0]
    assert (only.name, only.second, only.holders) == ("ours", None, ("r",))
    assert tuple(only.first.resources) == (KEY,)
    both = pairs_with(f"{{name: ours, {first}, second: {{actions: [kms:Sign], resources: [id]}}, same: true}}")[0]
    assert both.same and both.second is not None and both.holders == ()


@pytest.mark.parametrize(
    ("name", "arns"),
    [
        ("images", ("arn:aws:s3:::images",)),
        ("images/scans/1.dcm", ("arn:aws:s3:::images/scans/1.dcm",)),
        ("strongroom-dev", ("arn:aws:s3:::one", "arn:aws:s3:::two")),
        ("strongroom-dev.vaulted/packs/00/x", ("arn:aws:s3:::two/packs/00/x",)),
        ("bao:transit/decrypt/x", ("bao:transit/decrypt/x",)),
    ],
)
def test_resources_by_name(name: str, arns: tuple[str, ...]):
    made = pairs_with(f"{{name: ours, first: {{actions: [s3:GetObject], resources: [{name!r}]}}, only: []}}")
    assert tuple(made[0].first.resources) == arns


@pytest.mark.parametrize("name", ["device-data", "strongroom-dev.disk", "storage-clinical"])
def test_what_is_not_deployed_or_not_decided_by_aws_is_an_error(name: str):
    with pytest.raises(ManifestError, match="not deployed"):
        pairs_with(f"{{name: ours, first: {{actions: [s3:GetObject], resources: [{name!r}]}}, only: []}}")
