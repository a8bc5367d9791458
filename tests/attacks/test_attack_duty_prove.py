"""`duty prove` over the deployed estate: its true answer; escapes planted there are found, replayed, and mended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attacked_estate import ROOT, AttackedEstate, environment_of
from typer.testing import CliRunner

from strongroom.cli import duty
from strongroom.cli.laptop_logins import give_logins

pytestmark = pytest.mark.cloud
ADMIN = "runner.key-admin"
OPENS = "open fields-clinical without its duty"
KEY_ADMIN = ("destroy keys and use them", "rotate and decrypt", OPENS)
Ask = Callable[..., Any]


@pytest.fixture
def ask(estate: AttackedEstate, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs a command of `duty`; its answer as JSON, or its error."""
    monkeypatch.chdir(ROOT)
    with environment_of(estate.variables):
        give_logins(estate.home)

    def run(*arguments: str, exit_code: int) -> Any:
        with environment_of(estate.variables):
            result = CliRunner().invoke(duty.app, [*arguments, "--json"])
        code = getattr(result.exception, "exit_code", result.exit_code)
        assert code == exit_code, f"{result.output} {result.exception!r}"
        return json.loads(result.stdout)

    return run


def statement(action: str, resource: str) -> str:
    allowed = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


@contextmanager
def allowed(estate: AttackedEstate, action: str, resource: str) -> Iterator[None]:
    """The key-admin may do one thing more, under no ceiling; made as bootstrap-admin."""
    iam, name = estate.client("admin@workload", "iam"), "key-admin"
    ceiling = iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    iam.put_role_policy(RoleName=name, PolicyName="planted", PolicyDocument=statement(action, resource))
    if ceiling:
        iam.delete_role_permissions_boundary(RoleName=name)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="planted")
        if ceiling:
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=ceiling)


@contextmanager
def named_in_key(estate: AttackedEstate, key: str, *actions: str) -> Iterator[None]:
    """A key's policy names the key-admin for one thing more, and nothing limits the key-admin."""
    kms, arn = estate.key_client("deployer.keys", key), estate.keys[key]
    ours = kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    wrong = json.loads(ours)
    let_in = {"Effect": "Allow", "Principal": {"AWS": estate.role_arn("key-admin")}, "Resource": "*"}
    wrong["Statement"].append({**let_in, "Action": list(actions)})
    with allowed(estate, actions[0], arn):
        kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=json.dumps(wrong))
        try:
            yield
        finally:
            kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=ours)


def state_of(estate: AttackedEstate) -> Any:
    """What a replay could leave behind: trust, policies, keys of users, key policies, grants."""
    iam, found = estate.client("admin@workload", "iam"), []
    for page in iam.get_paginator("get_account_authorization_details").paginate():
        for kind in ("UserDetailList", "RoleDetailList", "Policies"):
            found += [json.dumps(item, sort_keys=True, default=str) for item in page[kind]]
    users = [user["UserName"] for user in iam.list_users()["Users"]]
    found += [f"{user} {len(iam.list_access_keys(UserName=user)['AccessKeyMetadata'])}" for user in users]
    for name in ("fields-clinical", "recipient-primary"):
        kms = estate.key_client("auditor", name)
        found += [kms.get_key_policy(KeyId=estate.keys[name], PolicyName="default")["Policy"]]
        found += [str(len(kms.list_grants(KeyId=estate.keys[name])["Grants"]))]
    return sorted(found)


ESCAPES: dict[str, Callable[[AttackedEstate], AbstractContextManager[None]]] = {
    "trust-write": lambda e: allowed(e, "iam:UpdateAssumeRolePolicy", e.role_arn("application")),
    "access-key": lambda e: allowed(
        e, "iam:CreateAccessKey", f"arn:aws:iam::{e.account('workload')}:user/strongroom/runner.application"
    ),
    "key-policy": lambda e: named_in_key(e, "fields-clinical", "kms:PutKeyPolicy"),
    "grant": lambda e: named_in_key(e, "fields-clinical", "kms:CreateGrant"),
}


def broken_by(answer: Any, who: str) -> dict[str, list[str]]:
    return {found["pair"]: found["derivation"] for found in answer["broken"] if found["who"] == who}


def everybody(answer: Any) -> list[str]:
    """Everybody but whoever holds the root token, which this harness keeps for its wrong variants."""
    return [word for name in answer["people"] if "policies root" not in name for word in ("--person", name)]


def test_ours_is_proved_and_says_what_it_takes_for_granted(ask: Ask, tmp_path: Path):
    file = tmp_path / "duties.json"
    rooted = ask("prove", exit_code=9)  # a root token that somebody kept is found, and nothing else
    assert {found["who"] for found in rooted["broken"]} == set(rooted["people"]) - set(everybody(rooted))
    answer = ask("prove", *everybody(rooted), "--certificate", str(file), exit_code=0)
    assert answer["verdict"] == "PROVED UNDER ASSUMPTIONS" and answer["simulated"] is True
    assert answer["not_read"] == answer["not_understood"] == answer["broken"] == []
    assumed = {quorum["resource"].rpartition("/")[2] for quorum in answer["assumed_quorums"]}
    assert assumed >= {"OrganizationAccountAccessRole", "deployer.keys", "deployer.access", "deployer"}
    assert {item["mechanism"] for item in answer["certificate"]["assumptions"]} == {
        quorum["mechanism"] for quorum in answer["assumed_quorums"]
    }
    assert len([name for name in answer["people"] if name.startswith("runner.")]) == 10
    assert ask("check", str(file), *everybody(rooted), exit_code=0) == {
        "holds": True,
        "changed": [],
        "broken": [],
        "not_read": [],
    }


def test_without_the_quorums_exactly_those_who_write_policies_are_left(ask: Ask):
    answer = ask("prove", "--without-quorums", exit_code=9)
    assert answer["verdict"] == "REFUTED" and answer["certificate"] is None and answer["assumed_quorums"] == []
    assert {found["who"] for found in answer["broken"]} & set(everybody(answer)) == {"bootstrap-admin", "deployer"}
    assert answer["not_understood"] == answer["not_read"] == []


@pytest.mark.parametrize("name", ESCAPES)
def test_a_planted_escape_is_found_replayed_and_refused_once_it_is_gone(
    estate: AttackedEstate, ask: Ask, tmp_path: Path, name: str
):
    about = ("--person", ADMIN, "--pair", OPENS)
    saved = tmp_path / "answer.json"
    before = state_of(estate)
    with ESCAPES[name](estate):
        answer = ask("prove", *about, exit_code=9)
        saved.write_text(json.dumps(answer))
        (found,) = answer["broken"]
        assert name in {step["rule"] for held in found["held"] for step in held["steps"]}
        planted = state_of(estate)
        replayed = ask("replay", str(saved), *about, exit_code=0)
        assert replayed["replayed"] and all(move["done"] for move in replayed["moves"])
        assert "kms:Decrypt: answered with" in replayed["moves"][-1]["answer"]
        assert state_of(estate) == planted  # what it changed is put back
    assert state_of(estate) == before
    stale = ask("replay", str(saved), *about, exit_code=9)
    assert not stale["replayed"] and not stale["moves"][len(found["held"][0]["steps"])].get("done")
    assert state_of(estate) == before


def test_a_planted_escape_breaks_every_pair_it_leads_to(estate: AttackedEstate, ask: Ask):
    with ESCAPES["trust-write"](estate):
        found = broken_by(ask("prove", "--person", ADMIN, exit_code=9), ADMIN)
    assert set(KEY_ADMIN) <= set(found)
    assumes, writes, opens = found[OPENS]
    assert "runner.key-admin assumes the role" in assumes
    assert "key-admin writes itself into the role's trust policy" in writes and "planted" in writes
    assert f"{estate.role_arn('application')} may kms:Decrypt on {estate.keys['fields-clinical']}" in opens


def test_a_false_derivation_fails_at_the_step_whose_permission_is_missing(
    estate: AttackedEstate, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    admin, application = estate.role_arn("key-admin"), estate.role_arn("application")
    user = estate.estate.people[ADMIN].iam
    steps = [
        {"gain": ["act", admin], "rule": "assume-role", "actor": user, "target": admin, "by": ""},
        {"gain": ["act", application], "rule": "trust-write", "actor": admin, "target": application, "by": ""},
    ]
    held = {"ability": "open", "identity": application, "action": "kms:Decrypt", "by": "", "steps": steps}
    found = {"pair": OPENS, "who": ADMIN, "held": [{**held, "resource": estate.keys["fields-clinical"]}]}
    file = tmp_path / "false.json"
    file.write_text(json.dumps({"broken": [found]}))
    before = state_of(estate)
    replayed = ask("replay", str(file), exit_code=9)
    assert [move.get("done") for move in replayed["moves"]] == [True, False, None]
    assert "iam:UpdateAssumeRolePolicy: AccessDenied" in replayed["moves"][1]["answer"]
    assert state_of(estate) == before
    monkeypatch.chdir(ROOT)
    with environment_of(estate.variables):
        said = CliRunner().invoke(duty.app, ["replay", str(file)]).exception
    assert f"step 2: {admin} writes itself into the role's trust policy ({application})" in str(said)


def test_without_quorums_the_deployer_opens_what_it_rules_from_an_account_outside(ask: Ask):
    about = ("--without-quorums", "--person", "deployer", "--pair", OPENS)
    planned = ask("replay", *about, "--dry-run", exit_code=0)
    assert not planned["replayed"] and "rewrites the key's policy" in planned["moves"][1]["move"]
    replayed = ask("replay", *about, exit_code=0)
    assert replayed["replayed"] and "user/outsider does kms:Decrypt" in replayed["moves"][-1]["move"]
    assert replayed["left"] == []


def test_without_quorums_the_deployer_logs_in_to_openbao_as_another_duty(ask: Ask):
    pair = "log in to OpenBao as restorer without the duty"
    replayed = ask("replay", "--without-quorums", "--person", "deployer", "--pair", pair, exit_code=0)
    assert replayed["replayed"] and replayed["left"] == []


def test_what_changed_since_a_certificate_is_named(estate: AttackedEstate, ask: Ask, tmp_path: Path):
    file = tmp_path / "duties.json"
    about = ("--person", ADMIN)
    ask("prove", *about, "--certificate", str(file), exit_code=0)
    with allowed(estate, "iam:ListUsers", "*"):
        harmless = ask("check", str(file), *about, exit_code=11)
    assert harmless["holds"] and any("role/strongroom/dev/key-admin" in line for line in harmless["changed"])
    with ESCAPES["trust-write"](estate):
        broken = ask("check", str(file), *about, exit_code=9)
    assert not broken["holds"] and any("trust-write" in line for line in broken["broken"])


def test_a_key_that_the_auditor_may_not_read_is_named(estate: AttackedEstate, ask: Ask):
    kms, key = estate.key_client("deployer.keys", "id"), estate.keys["id"]
    ours = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    blind = json.loads(ours)
    blind["Statement"] = [item for item in blind["Statement"] if item["Sid"] != "AuditorReads"]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(blind))
    try:
        answer = ask("prove", "--person", "runner.rotator", exit_code=9)
    finally:
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=ours)
    assert answer["broken"] == []
    assert "key id: GetKeyPolicy was refused: AccessDeniedException" in answer["not_read"]


@pytest.mark.parametrize(
    ("action", "resource", "who"),
    [
        ("kms:Decrypt", "recipient-primary", {"runner.restorer"}),
        ("s3:PutObject", "strongroom-dev.primary/packs/00/x.pack", {"runner.backup-writer"}),
        ("sts:AssumeRole", "restorer", {"runner.restorer"}),
        ("bao:update", "bao:transit/decrypt/recipient-transit", {"runner.restorer"}),
    ],
)
def test_who_can(estate: AttackedEstate, ask: Ask, action: str, resource: str, who: set[str]):
    answer = ask("who-can", action, resource, exit_code=0)
    assert {name for name in answer if name.startswith("runner.")} == who
    assert not {"deployer", "bootstrap-admin"} & set(answer)
    if resource in estate.keys:
        assert ask("who-can", action, estate.keys[resource], exit_code=0) == answer
        without = ask("who-can", action, resource, "--without-quorums", exit_code=0)
        assert set(without) == {*who, "deployer", "bootstrap-admin"}
