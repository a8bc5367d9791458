"""No job is green when it did nothing it was asked for: unknown names, nothing to do, commits nobody can believe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from backup_estate import BackupEstate

from backup_jobs import opening, restore
from backup_jobs.backup import BackupJob
from backup_jobs.copies import CopyJob
from backup_jobs.drill import DrillJob
from backup_jobs.recipients import RewrapSlotsJob
from backup_jobs.repository import catalogue
from key_rotation.fields import RewrapFields
from strongroom.errors import IntegrityFailure, UsageError
from strongroom.jobs.runner import RunReport, run_job
from strongroom.storage.local import LocalStorage

pytestmark = pytest.mark.cloud
PASSWORD = "hunter2-canary"


def run(estate: BackupEstate, job: Any, **options: Any) -> RunReport:
    return run_job(job, estate.context(job.duty, **options), home=estate.home, leases=None)


def test_a_copy_of_nothing_is_not_verified(estate: BackupEstate) -> None:
    report = run(estate, CopyJob())
    assert (report.exit_code, report.proof.value) == (4, "UNVERIFIED"), report.message
    assert "primary" in " ".join([report.message, *report.problems])


def test_a_drill_of_nothing_is_not_verified(estate: BackupEstate) -> None:
    report = run(estate, DrillJob(), copy="primary")
    assert (report.exit_code, report.proof.value) == (4, "UNVERIFIED"), report.message


@pytest.mark.parametrize(
    ("job", "options", "named"),
    [
        (CopyJob, {"copy": "nope"}, "nope"),
        (CopyJob, {"copy": "primary"}, "primary"),
        (DrillJob, {"copy": "nope"}, "nope"),
        (DrillJob, {"recipient": "nope"}, "nope"),
        (DrillJob, {"copy": "primary", "recipient": "near,nope"}, "nope"),
        (DrillJob, {"depth": "ful"}, "depth"),
        (DrillJob, {"copy": "disk"}, "escrow"),
        (RewrapSlotsJob, {"copy": "nope"}, "nope"),
        (RewrapSlotsJob, {"recipient": "nope"}, "nope"),
        (RewrapFields, {"store": "nope"}, "nope"),
        (RewrapFields, {"store": "images"}, "images"),
    ],
)
def test_a_name_that_is_not_there_is_a_usage_error(estate: BackupEstate, job: Any, options: Any, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        run(estate, job(), **options)


def test_a_passphrase_file_that_is_not_there_is_a_usage_error(estate: BackupEstate, tmp_path: Any) -> None:
    options = {"escrow_key": str(estate.private_escrow), "escrow_passphrase": str(tmp_path / "none")}
    with pytest.raises(UsageError, match="passphrase"):
        opening.unwrapper(estate.context("restorer", **options), "restorer", "escrow")


def test_an_unknown_level_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="brunch"):
        RewrapFields("brunch")


def test_the_password_of_a_drilled_address_is_recorded_nowhere(estate: BackupEstate) -> None:
    address = f"postgresql://reader:{PASSWORD}@127.0.0.1:1/elsewhere"
    report = run(estate, DrillJob(), source=[address], copy="primary", recipient="near")
    assert report.exit_code == 4  # it was never backed up
    shown = json.dumps(report.to_json()) + json.dumps(estate.statements("drill"))
    assert "elsewhere-" in shown and PASSWORD not in shown
    for path in estate.home.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_an_address_is_drilled_under_the_name_its_backup_has(estate: BackupEstate, tmp_path: Any) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "scan.dcm").write_bytes(b"x" * 1000)
    assert run(estate, BackupJob(), source=[str(scans)]).exit_code == 0
    by_address = run(estate, DrillJob(), source=str(scans), copy="primary", recipient="near", depth="full")
    assert (by_address.exit_code, by_address.results[0].counts["items"]) == (0, 1), by_address.message
    name = by_address.results[0].detail["source"]
    assert run(estate, DrillJob(), source=name, copy="primary", recipient="near").exit_code == 0
    plan = restore.plan(
        restore.open_snapshot(estate.context("restorer"), name), f"postgresql://u:{PASSWORD}@localhost/empty"
    )
    assert "localhost" in plan.target and PASSWORD not in json.dumps(plan.to_json())


def test_a_suspect_is_one_name_not_its_letters(estate: BackupEstate) -> None:
    assert run(estate, CopyJob(), suspect="a/b,c/d", copy="disk").exit_code == 0
    with pytest.raises(UsageError, match="same source"):
        run(estate, BackupJob(), source=["images", "images"])


def test_a_damaged_commit_in_a_copy_is_named_and_healed(estate: BackupEstate) -> None:
    assert run(estate, BackupJob(), source="device-data").exit_code == 0
    assert run(estate, CopyJob(), copy="disk").exit_code == 0
    path = sorted((estate.home / "copies" / "disk" / "commits" / "device-data").iterdir())[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    with pytest.raises(IntegrityFailure, match=path.name):
        catalogue.read_commit(LocalStorage(path.parents[2]), "device-data", path.stem, None)
    report = run(estate, CopyJob(), copy="disk")
    assert report.exit_code == 0 and path.name in report.message, (report.message, report.problems)
    assert path.read_bytes() == whole


def test_a_commit_that_nobody_can_believe_is_named(estate: BackupEstate) -> None:
    forged = "commits/device-data/20200101T000000Z-00000000.dsse"
    estate.storage("primary").put(forged, b'{"payload": "", "signatures": []}')
    assert run(estate, BackupJob(), source="device-data").exit_code == 0
    for job, options in ((CopyJob(), {"copy": "disk"}), (DrillJob(), {"copy": "primary", "source": "device-data"})):
        report = run(estate, job, **options)
        assert (report.exit_code, report.proof.value) == (6, "UNVERIFIED"), report.message
        assert forged in report.message


def test_an_empty_source_is_partial_unless_it_may_be(estate: BackupEstate, tmp_path: Path) -> None:
    """An unmounted disk is an empty folder: backing it up must not look like a good night."""
    (tmp_path / "unmounted").mkdir()
    report = run(estate, BackupJob(), source=str(tmp_path / "unmounted"))
    assert report.exit_code == 3 and "empty-source" in report.results[0].reasons
    assert run(estate, BackupJob(), source=str(tmp_path / "unmounted"), allow_empty="1").exit_code == 0
