"""`duty prove` over the deployed estate: its true answer; an escape planted there is found, works, and is mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import stocked as shelf
from attacked_estate import ROOT, AttackedEstate, environment_of, refused
from typer.testing import CliRunner

from strongroom.cli import duty

pytestmark = pytest.mark.cloud
KEY_ADMIN = ("destroy keys and use them", "rotate and decrypt", "open fields-clinical without its duty")


def ask(estate: AttackedEstate, monkeypatch: pytest.MonkeyPatch, *arguments: str, exit_code: int) -> Any:
    monkeypatch.chdir(ROOT)
    with environment_of(estate.variables):
        result = CliRunner().invoke(duty.app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return json.loads(result.output)


def statement(action: str, resource: str) -> str:
    allowed = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


@contextmanager
def planted(estate: AttackedEstate, target: str) -> Iterator[None]:
    """The key-admin may write the trust policy of another duty, under no ceiling; made as bootstrap-admin."""
    iam, name = estate.client("admin@workload", "iam"), "key-admin"
    ceiling = iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    trust = iam.get_role(RoleName=target)["Role"]["AssumeRolePolicyDocument"]
    may = statement("iam:UpdateAssumeRolePolicy", estate.role_arn(target))
    iam.put_role_policy(RoleName=name, PolicyName="planted", PolicyDocument=may)
    if ceiling:
        iam.delete_role_permissions_boundary(RoleName=name)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="planted")
        iam.update_assume_role_policy(RoleName=target, PolicyDocument=json.dumps(trust))
        if ceiling:
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=ceiling)


def carries_out(estate: AttackedEstate) -> Any:
    """The derivation, step by step, with the key-admin's own session."""
    who = estate.role_arn("key-admin")
    let_in = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [let_in]})
    estate.client("key-admin", "iam").update_assume_role_policy(RoleName="application", PolicyDocument=trust)
    became = estate.assume(estate.session("key-admin"), estate.role_arn("application"))
    kms = estate.make(became, "kms")
    try:
        made = kms.generate_data_key(
            KeyId=estate.keys["fields-clinical"], KeySpec="AES_256", EncryptionContext=shelf.BRANCH
        )
        return kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=shelf.BRANCH)
    finally:
        kms.close()


def broken_by(answer: Any, who: str) -> dict[str, list[str]]:
    return {found["pair"]: found["derivation"] for found in answer["broken"] if found["who"] == who}


def test_ours_is_refuted_for_who_writes_policies_and_for_nobody_else(
    estate: AttackedEstate, monkeypatch: pytest.MonkeyPatch
):
    answer = ask(estate, monkeypatch, "prove", exit_code=9)
    assert answer["verdict"] == "REFUTED" and answer["certificate"] is None
    assert {found["who"] for found in answer["broken"]} == {"bootstrap-admin", "deployer"}
    assert len([name for name in answer["people"] if name.startswith("runner.")]) == 10
    assert answer["not_understood"] == []


def test_a_planted_escape_is_found_with_its_derivation_and_works(
    estate: AttackedEstate, monkeypatch: pytest.MonkeyPatch
):
    only = ("prove", "--person", "runner.key-admin")
    with planted(estate, "application"):
        found = broken_by(ask(estate, monkeypatch, *only, exit_code=9), "runner.key-admin")
        assert carries_out(estate)["Plaintext"]
    assert set(KEY_ADMIN) <= set(found)
    assumes, writes, opens = found["open fields-clinical without its duty"]
    assert "runner.key-admin assumes the role" in assumes
    assert "key-admin writes itself into the role's trust policy" in writes and "planted" in writes
    assert f"{estate.role_arn('application')} may kms:Decrypt on {estate.keys['fields-clinical']}" in opens
    refused(lambda: carries_out(estate))


def test_a_key_that_the_auditor_may_not_read_is_named(estate: AttackedEstate, monkeypatch: pytest.MonkeyPatch):
    kms, key = estate.key_client("deployer.keys", "id"), estate.keys["id"]
    ours = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    blind = json.loads(ours)
    blind["Statement"] = [item for item in blind["Statement"] if item["Sid"] != "AuditorReads"]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(blind))
    try:
        answer = ask(estate, monkeypatch, "prove", "--person", "runner.rotator", exit_code=9)
    finally:
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=ours)
    assert answer["broken"] == []
    assert "key id: GetKeyPolicy was refused: AccessDeniedException" in answer["not_read"]


def test_who_can_open_a_backup(estate: AttackedEstate, monkeypatch: pytest.MonkeyPatch):
    answer = ask(estate, monkeypatch, "who-can", "kms:Decrypt", "recipient-primary", exit_code=0)
    assert set(answer) == {"bootstrap-admin", "deployer", "runner.restorer"}
    by_arn = ask(estate, monkeypatch, "who-can", "kms:Decrypt", estate.keys["recipient-primary"], exit_code=0)
    assert by_arn == answer
