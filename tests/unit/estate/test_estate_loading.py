"""Reading an estate: what is declared comes out, and every mistake names file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import EstateError
from strongroom.estate import duties, names
from strongroom.estate.keyring import find, keyring, rotation_days
from strongroom.estate.loader import load, parse
from strongroom.estate.quantities import parse_duration, show_duration
from strongroom.estate.schema import estate_schema

ROOT = Path(__file__).resolve().parents[3]
DEV = ROOT / "stacks" / "estate.dev.yaml"
TEXT = DEV.read_text()


def mistake(text: str) -> EstateError:
    with pytest.raises(EstateError) as caught:
        parse(text, "estate.yaml")
    return caught.value


def line_of(text: str, fragment: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if fragment in line)


@pytest.mark.parametrize("name", ["estate.dev.yaml", "estate.prod.example.yaml"])
def test_the_estates_that_ship_are_valid(name):
    assert load(ROOT / "stacks" / name).accounts.keys() >= {"workload", "backup", "audit"}


def test_a_first_store_takes_at_most_eight_lines():
    block = TEXT[TEXT.index("  images:\n") : TEXT.index("  device-data:\n")]
    assert block.count("\n") <= 8
    assert parse(TEXT, "x").stores["images"].kind == "bucket"


IMAGES = "    class: imaging\n    objective: {rpo: 24h, rto: 2h"
VAULTED = "repositories.strongroom-dev.copies.vaulted.recipients"
CASES = [
    # (text that is replaced, replacement, fragment on the line that is named, key, message)
    (IMAGES, "    colour: red\n" + IMAGES, "colour", "stores.images.colour", "unknown key"),
    ("kind: bucket", "kind: bukket", "bukket", "stores.images.kind", "Input should be"),
    (
        "rpo: 24h, rto: 1h",
        "rpo: 24 hours, rto: 1h",
        "24 hours",
        "stores.portal.objective.rpo",
        "a duration is a number",
    ),
    ('id: "210000000002"', 'id: "21"', '"21"', "accounts.backup.id", "should match pattern"),
    ('id: "210000000002"', 'id: "210000000001"', "backup: {id", "accounts.backup.id", "is also the account 'workload'"),
    (
        "rotator: [runner.rotator]",
        "rotator: [runner.rotor]",
        "runner.rotor]",
        "duties.rotator",
        "'runner.rotor' is not among",
    ),
    ("  rotator: [runner.rotator]", "  rotater: [runner.rotator]", "rotater", "duties.rotater", "no such duty"),
    ("  rotator: [runner.rotator]\n", "", "duties:", "duties.rotator", "nobody who has an identity"),
    (
        "    class: imaging\n    objective",
        "    class: imagery\n    objective",
        "imagery",
        "stores.images.class",
        "not among the classes",
    ),
    (
        "column: note, class: psychotherapy",
        "column: note, class: imaging",
        "psy-note",
        "stores.portal.fields.3.class",
        "no field_root",
    ),
    (
        "field_id: patient-name",
        "field_id: patient-mrn",
        "column: name",
        "stores.portal.fields.1.field_id",
        "is already patients.mrn",
    ),
    ("    path: device-data\n", "", "device-data:", "stores.device-data", "a folder needs a path"),
    (
        "recipients: [recipient-vaulted, escrow]",
        "recipients: [recipient-vaulted]",
        "[recipient-vaulted]",
        VAULTED,
        "no offline recipient",
    ),
    (
        "recipients: [recipient-vaulted, escrow]",
        "recipients: [recipient-vault, escrow]",
        "recipient-vault,",
        f"{VAULTED}.0",
        "not among the recipients",
    ),
    (
        "sources: [portal,",
        "sources: [notices, portal,",
        "notices, portal",
        "repositories.strongroom-dev.sources.0",
        "messages in flight",
    ),
    ("  backup: {schedule:", "  bakup: {schedule:", "bakup", "jobs.bakup", "no such job"),
    ("holders: [custodian]", "holders: []", "holders: []", "recipients.escrow", "needs holders"),
    (
        "vault: {transit: transit, database: database}\n",
        "",
        "psychotherapy: {crypto",
        "classes.psychotherapy.field_root",
        "needs a vault section",
    ),
    ("env: dev\n", "env: dev\nenv: dev\n", "env: dev", "env", "declared twice, first in line"),
    ("  workload: {id", "  workshop: {id", "workshop", "accounts.workshop", "Input should be"),
    ("evidence:\n  lock", "evidences:\n  lock", "evidences", "evidences", "unknown key"),
]


@pytest.mark.parametrize(
    ("old", "new", "fragment", "key", "message"), CASES, ids=[c[3] + ": " + c[4][:18] for c in CASES]
)
def test_a_mistake_names_file_line_and_key(old, new, fragment, key, message):
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    error = mistake(text)
    assert error.key.startswith(key), str(error)
    assert message in error.message, str(error)
    wanted = line_of(text, fragment) if "twice" not in message else line_of(text, fragment) + 1
    assert error.line == wanted, str(error)
    assert str(error).startswith(f"estate.yaml:{wanted}: ")


def test_what_is_not_yaml_or_absent_is_said(tmp_path):
    assert mistake("a: [1,\nb: 2").line == 2
    assert mistake("- 1\n").message.endswith("is not a mapping")
    with pytest.raises(EstateError, match="cannot be read"):
        load(tmp_path / "estate.none.yaml")


PRODUCTION = (ROOT / "stacks" / "estate.prod.example.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lock: {mode: COMPLIANCE, days: 35}", "lock: {mode: GOVERNANCE, days: 35}", "production locks are COMPLIANCE"),
        ("  lock: {mode: COMPLIANCE, days: 2192}", "  lock: {mode: COMPLIANCE, days: 365}", "kept six years"),
        ("  extend-locks:", "  rewrap-slots2:", "no such job"),
        (
            '  extend-locks: {schedule: "cron(0 3 * * ? *)"}\n',
            "",
            "locked for 35 days, but its sources are kept for 2192",
        ),
        ("account: backup, recipients", "account: workload, recipients", "no copy in the backup account"),
        ("  state_bucket: true", "  state_bucket: false", "keeps its state in a bucket"),
        ("runtime:\n", "protection: {keys: false}\nruntime:\n", "stay protected"),
    ],
)
def test_production_refuses_what_a_sandbox_may(old, new, message):
    text = PRODUCTION.replace(old, new, 1)
    assert text != PRODUCTION
    assert message in mistake(text).message


def test_the_keyring_holds_one_key_a_purpose():
    found = [spec.name for spec in keyring(parse(TEXT, "x"))]
    assert len(found) == len(set(found)) == 16
    assert {f"signing-{duty}" for duty in duties.SIGNS} <= set(found)
    assert find(parse(TEXT, "x"), "recipient-vaulted").account == "backup"
    with pytest.raises(KeyError):
        find(parse(TEXT, "x"), "storage-none")


def test_names_are_fixed_by_the_estate():
    estate = parse(TEXT, "x")
    copies = estate.repositories["strongroom-dev"].copies
    assert names.copy_bucket(estate, "primary", copies["primary"]) == "strongroom-dev-backup-primary"
    assert names.copy_control_bucket(estate, "primary", copies["primary"]) == "strongroom-dev-backup-control"
    assert names.copy_control_bucket(estate, "vaulted", copies["vaulted"]) == "strongroom-dev-backup-control-vaulted"
    assert names.evidence_bucket(estate) == "strongroom-dev-evidence"
    assert names.manifest_bucket(estate) == "strongroom-dev-manifest"
    assert names.alias(estate, "id") == "alias/strongroom/dev/id"
    assert names.holder_arns(estate, "rotator") == ("arn:aws:iam::210000000001:user/strongroom/runner.rotator",)


def test_the_schema_that_editors_use_is_current():
    assert (ROOT / "docs" / "formats" / "estate.schema.json").read_text() == estate_schema(), (
        "write it anew: strongroom estate schema > docs/formats/estate.schema.json"
    )


@given(st.integers(1, 10**6), st.sampled_from("smhd"))
def test_durations_read_back(number, unit):
    duration = parse_duration(f"{number}{unit}")
    assert parse_duration(show_duration(duration)) == duration


@given(st.integers(1, 40000))
def test_rotation_periods_are_what_kms_accepts(days):
    assert 90 <= rotation_days(parse_duration(f"{days}d")) <= 2560
