"""`strongroom duty`: verdict, certificate file and exit codes over facts made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from strongroom.authorization.deployed import Deployed, Gap, stores
from strongroom.authorization.documents import Named
from strongroom.authorization.prover import Facts, Human, Identity, Key
from strongroom.authorization.prover import checker as second
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.pairs import pairs_of
from strongroom.cli import duty, duty_reading
from strongroom.errors import ManifestError, Undetermined, UsageError
from strongroom.estate.loader import load
from strongroom.estate.manifest import Key as ManifestKey
from strongroom.estate.manifest import Manifest

ROOT = Path(__file__).resolve().parents[3]
HOME = "210000000001"
KEY = f"arn:aws:kms:us-east-1:{HOME}:key/1"
ADMIN, USER = (f"arn:aws:iam::{HOME}:user/{name}" for name in ("admin", "app"))
OPENS = "open fields-clinical without its duty"


def deployed(*opens: str, gaps: tuple[Gap, ...] = ()) -> Deployed:
    allow = {"Effect": "Allow", "Principal": {"AWS": ADMIN}, "Action": "kms:DisableKey", "Resource": "*"}
    use = {"Effect": "Allow", "Principal": {"AWS": list(opens)}, "Action": "kms:Decrypt", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow, use]})
    people = (Human("runner.key-admin", (ADMIN,)), Human("runner.application", (USER,)))
    identities = (Identity(ADMIN, HOME, "user"), Identity(USER, HOME, "user"))
    return Deployed(Facts(people, identities, (Key(KEY, HOME, Named("key", policy)),)), gaps)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Any:
    keys = (
        ManifestKey(name="fields-clinical", purpose="field-root", provider="aws-kms", ref=KEY),
        ManifestKey(name="recipient-transit", purpose="recipient", provider="transit", ref="transit/recipient"),
    )
    manifest = Manifest(
        env="dev",
        environment_kind="sandbox",
        accounts={},
        keys=keys,
        stores=(),
        repositories=(),
        evidence=None,
        digests={},
    )
    estate = load(ROOT / "stacks" / "estate.dev.yaml")

    def run(given: Deployed, *arguments: str) -> Any:
        monkeypatch.setattr(stores, "stores_by_purpose", lambda *_: {})
        monkeypatch.setattr(duty_reading, "deployed", lambda env, **_: (estate, manifest, given))
        return CliRunner().invoke(duty.app, list(arguments))

    return run


def test_proved_writes_a_certificate_that_the_second_checker_accepts(ask: Any, tmp_path: Path):
    file = tmp_path / "duties.json"
    result = ask(deployed(USER), "prove", "--certificate", str(file))
    assert result.exit_code == 0 and "PROVED (simulated): " in result.output and "checked again" in result.output
    given, certificate = deployed(USER).facts, json.loads(file.read_text())
    pairs = pairs_of({"fields-clinical": ("field-root", KEY)}, {"application": ["runner.application"]})
    assert check(given, pairs, certificate) == []
    assert check(deployed(USER, ADMIN).facts, pairs, certificate) != []


def test_refuted_says_in_words_why_and_writes_nothing(ask: Any, tmp_path: Path):
    file = tmp_path / "duties.json"
    result = ask(deployed(USER, ADMIN), "prove", "--certificate", str(file))
    assert result.exit_code == 9 and not file.exists()
    assert f"{ADMIN} may kms:Decrypt on fields-clinical" in result.output
    assert "no pair is broken by: runner.application" in result.output
    answer = json.loads(ask(deployed(USER, ADMIN), "prove", "--json").output)
    assert {found["who"] for found in answer["broken"]} == {"runner.key-admin"}
    assert OPENS in {found["pair"] for found in answer["broken"]}


def test_what_could_not_be_read_refutes(ask: Any, tmp_path: Path):
    file = tmp_path / "duties.json"
    blind = deployed(USER, gaps=(Gap("key id: GetKeyPolicy was refused", f"{KEY}2"),))
    result = ask(blind, "prove", "--certificate", str(file))
    assert result.exit_code == 9 and not file.exists()
    assert "not read: key id: GetKeyPolicy was refused" in result.output


def test_a_checker_that_disagrees_leaves_it_undetermined(ask: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(second, "check", lambda *_: ["a gain is missing"])
    result = ask(deployed(USER), "prove")
    assert isinstance(result.exception, Undetermined) and result.exception.exit_code == 10


def test_who_can_takes_names_and_arns_and_says_when_nobody_can(ask: Any):
    for resource in ("fields-clinical", KEY):
        assert set(json.loads(ask(deployed(USER), "who-can", "kms:Decrypt", resource, "--json").output)) == {
            "runner.application"
        }
    assert "nobody can come to do kms:Sign" in ask(deployed(USER), "who-can", "kms:Sign", KEY).output


def test_who_can_refuses_what_it_cannot_answer(ask: Any):
    assert isinstance(ask(deployed(), "who-can", "s3:GetObject", KEY).exception, UsageError)
    assert isinstance(ask(deployed(), "who-can", "kms:Decrypt", "recipient-transit").exception, UsageError)
    assert isinstance(ask(deployed(), "who-can", "kms:Decrypt", "nothing").exception, ManifestError)
    blind = deployed(gaps=(Gap("account audit: refused"),))
    assert isinstance(ask(blind, "who-can", "kms:Decrypt", KEY).exception, Undetermined)


def test_list_shows_every_duty_with_its_holders(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    rows = json.loads(CliRunner().invoke(duty.app, ["list", "--json"]).output)
    rotator = next(row for row in rows if row["duty"] == "rotator")
    assert rotator["holders"] == ["runner.rotator"] and "rotate-keys" in rotator["jobs"]
    assert {"deployer.keys", "auditor"} <= {row["duty"] for row in rows}
