"""Quorums and an organisation's own pairs in the estate: what is wrong in them names file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.errors import EstateError
from strongroom.estate import separation
from strongroom.estate.loader import load, parse

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "stacks" / "estate.dev.yaml").read_text()
HEAD = TEXT[: TEXT.index("quorums:")] + TEXT[TEXT.index("classes:") :]
PAIR = "{name: ours, first: {actions: [kms:Decrypt], resources: [id]}"


def quorum(**given: object) -> str:
    entry = {"action": "kms:PutKeyPolicy", "resource": "id", "people": 2, "mechanism": "two keys"} | given
    return "quorums:\n  - {" + ", ".join(f'{key}: "{value}"' for key, value in entry.items() if value != "") + "}\n"


def mistake(text: str) -> EstateError:
    with pytest.raises(EstateError) as caught:
        parse(HEAD + text, "estate.yaml")
    return caught.value


def test_a_quorum_is_read_and_names_all_roles_of_a_duty():
    estate = load(ROOT / "stacks" / "estate.dev.yaml")
    assert {declared.resource for declared in estate.quorums} >= {"bootstrap", "deployer.keys", "deployer.access"}
    assert len(separation.roles_of(estate, "deployer.access")) == 3
    assert separation.roles_of(estate, "bootstrap")[0].endswith(":role/OrganizationAccountAccessRole")
    assert all("simulated" in declared.mechanism for declared in estate.quorums)


@pytest.mark.parametrize("resource", ["id", "arn:aws:kms:us-east-1:210000000001:key/1"])
def test_keys_by_name_and_arn(resource: str):
    assert parse(HEAD + quorum(resource=resource), "x").quorums[0].people == 2


def test_an_action_of_openbao_on_a_path():
    assert parse(HEAD + quorum(action="bao:update", resource="bao:sys/policies/acl/x"), "x").quorums


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (quorum(people=1), "quorums.0.people", "greater than or equal to 2"),
        (quorum(mechanism=" "), "quorums.0.mechanism", "at least 1 character"),
        (quorum(mechanism=""), "quorums.0.mechanism", "is missing"),
        (quorum(colour="red"), "quorums.0.colour", "unknown key"),
        (quorum(action="kms:*"), "quorums.0.action", "should match pattern"),
        (quorum(resource="storage-klinical"), "quorums.0.resource", "is no KMS key of this estate"),
        (quorum(resource="fields-psychotherapy"), "quorums.0.resource", "is no KMS key of this estate"),
        (quorum(action="sts:AssumeRole", resource="deployer.kees"), "quorums.0.resource", "needs a duty"),
        (quorum(action="sts:AssumeRole", resource="id"), "quorums.0.resource", "needs a duty"),
        (quorum(action="sts:AssumeRole", resource="arn:aws:iam::1:role/*"), "quorums.0.resource", "without a star"),
        (quorum(action="bao:update", resource="id"), "quorums.0.resource", "needs a path bao:"),
        (quorum(resource="bao:sys/policy"), "quorums.0.resource", "no action of OpenBao"),
        (quorum(action="s3:PutObject", resource="images"), "quorums.0.resource", "needs an ARN"),
        (quorum() + quorum().partition("\n")[2], "quorums.1", "already under quorum 0"),
    ],
)  # fmt: skip
def test_a_wrong_quorum_is_named(text: str, key: str, message: str):
    error = mistake(text)
    assert error.key == key and message in error.message, str(error)
    assert error.line and error.line > HEAD.count("\n")


@pytest.mark.parametrize(
    ("entry", "key", "message"),
    [
        (f"{PAIR}}}", "never_together.0", "either second or only"),
        (f"{PAIR}, only: [rotator], second: {{actions: [kms:Sign], resources: [id]}}}}", "never_together.0", "either"),
        (f"{PAIR}, only: [rotater]}}", "never_together.0.only.0", "no such duty"),
        (f"{PAIR}, only: [], same: true}}", "never_together.0.same", "there is no second"),
        (f"{PAIR.replace('[id]', '[idd]')}, only: []}}", "never_together.0.first.resources.0", "is no KMS key"),
        (f"{PAIR.replace('[id]', '[fields-psychotherapy]')}, only: []}}", "never_together.0.first.resources.0", "no "),
        (f"{PAIR.replace('[id]', '[strongroom-dev.far]')}, only: []}}", "never_together.0.first.resources.0", "copy"),
        (f"{PAIR.replace('[id]', '[]')}, only: []}}", "never_together.0.first.resources", "at least 1 item"),
        (f"{PAIR}, only: []}}\n  - {PAIR}, only: []}}", "never_together.1.name", "stands twice"),
    ],
)  # fmt: skip
def test_a_wrong_pair_is_named(entry: str, key: str, message: str):
    error = mistake(f"never_together:\n  - {entry}\n")
    assert error.key == key and message in error.message, str(error)


@pytest.mark.parametrize(
    "resource",
    ["id", "images", "images/scans/1.dcm", "strongroom-dev", "strongroom-dev.vaulted", "bao:transit/decrypt/x"],
)
def test_pairs_name_keys_stores_objects_repositories_copies_and_paths(resource: str):
    found = parse(HEAD + f"never_together:\n  - {PAIR.replace('[id]', f'[{resource!r}]')}, only: []}}\n", "x")
    assert found.never_together[0].first.resources == (resource,)
