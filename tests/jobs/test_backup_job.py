"""Backup, copy, drill, rewrap and restore over real parts, and what each says when a part is broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from backup_estate import BackupEstate

from backup_jobs import restore
from backup_jobs.backup import BackupJob
from backup_jobs.copies import CopyJob
from backup_jobs.drill import DrillJob
from backup_jobs.recipients import RewrapSlotsJob
from backup_jobs.sources import declared
from backup_jobs.sources.postgres import PostgresSource
from strongroom.errors import Corrupt, KeyFailure, UsageError
from strongroom.jobs.clock import SystemClock
from strongroom.jobs.runner import RunReport, run_job

pytestmark = pytest.mark.cloud


@pytest.fixture(autouse=True)
def reach_portal(monkeypatch):
    """The endpoint is a connection string here; credentials by role are tested with the laptop cloud."""
    original = declared._stored

    def stored(ctx, duty, store):
        return PostgresSource(store.name, store.endpoint) if store.kind == "postgres" else original(ctx, duty, store)

    monkeypatch.setattr(declared, "_stored", stored)


@pytest.fixture(scope="module")
def backed_up(estate: BackupEstate) -> RunReport:
    with pytest.MonkeyPatch.context() as patch:
        original = declared._stored

        def stored(ctx, duty, store):
            return PostgresSource(store.name, estate.dsn) if store.kind == "postgres" else original(ctx, duty, store)

        patch.setattr(declared, "_stored", stored)
        return run(estate, BackupJob())


@pytest.fixture(scope="module")
def copied(estate: BackupEstate, backed_up: RunReport) -> RunReport:
    return run(estate, CopyJob())


def run(estate: BackupEstate, job: Any, *, refused: tuple[str, ...] = (), **options: Any) -> RunReport:
    return run_job(job, estate.context(job.duty, refused=refused, **options), home=estate.home, leases=None)


def drill(estate: BackupEstate, source: str | list[str], *, before_check: Any = None, **options: Any) -> RunReport:
    escrow = {"escrow_key": str(estate.private_escrow), "escrow_passphrase": str(estate.passphrase_file)}
    return run(estate, DrillJob(before_check), source=source, **{**escrow, **options})


def a_pack(estate: BackupEstate, source: str) -> Path:
    """The file of a pack that only the newest snapshot of `source` uses, in the disk copy."""
    root = estate.home / "copies" / "disk"
    refs = json.loads(sorted((root / "refs" / source).iterdir())[-1].read_text())
    packs = [pack for body in refs["runs"].values() for pack in body["packs"]]
    largest = max(packs, key=lambda pack: (root / "packs" / pack[:2] / f"{pack}.pack").stat().st_size)
    return root / "packs" / largest[:2] / f"{largest}.pack"


def test_backup_is_read_back_and_marked(estate: BackupEstate, backed_up: RunReport) -> None:
    assert (backed_up.exit_code, backed_up.proof.value) == (0, "VERIFIED"), backed_up.to_json()
    assert {result.detail["source"] for result in backed_up.results} == {"images", "device-data", "openbao", "portal"}
    rows = next(r.counts["rows"] for r in backed_up.results if r.detail["source"] == "portal")
    assert rows == 40 + 2000 + 40 + 5  # patients, visits, subject keys, branch key wrappings


def test_second_backup_stores_only_what_is_new(estate: BackupEstate, backed_up: RunReport) -> None:
    again = run(estate, BackupJob(), source=["images", "device-data"])
    assert again.exit_code == 0
    assert sum(r.counts["new_bytes"] for r in again.results) < 3000


def test_verification_without_the_restorer_is_overdue_and_the_next_drill_marks(estate, backed_up) -> None:
    report = run(estate, BackupJob(), source="device-data", refused=("restorer",))
    assert (report.exit_code, report.proof.value) == (3, "UNVERIFIED")
    assert "marked verified" in drill(estate, "device-data", copy="primary", recipient="near").message


def test_adhoc_sources(estate: BackupEstate, backed_up: RunReport, tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "scan.dcm").write_bytes(b"x" * 1000)
    report = run(estate, BackupJob(), source=[str(scans), estate.dsn])
    assert report.exit_code == 0, report.problems
    names = [r.detail["source"] for r in report.results]
    opened = restore.open_snapshot(estate.context("restorer"), names[0])
    restore.run(opened, str(tmp_path / "back"), SystemClock())
    assert (tmp_path / "back" / "scan.dcm").read_bytes() == b"x" * 1000
    assert run(estate, BackupJob(), source="notices").exit_code == 2  # messages in flight cannot be backed up


def test_every_source_from_every_copy(estate: BackupEstate, copied: RunReport) -> None:
    assert copied.exit_code == 0, copied.to_json()
    report = drill(estate, "portal")
    assert (report.exit_code, report.proof.value) == (0, "VERIFIED"), report.message
    assert len({(r.detail["copy"], r.detail["recipient"]) for r in report.results}) == 6
    full = [r for r in report.results if r.detail["depth"] == "full"]
    assert {r.detail["copy"] for r in full} == {"primary", "vaulted", "disk"}
    for result in full:
        assert {"open", "verify", "provision", "fetch", "load", "check"} == set(result.detail["phases"])
        assert result.counts["rows"] > 0
    others = drill(estate, "images", copy="vaulted", recipient="far", depth="full")
    assert others.exit_code == 0, others.message
    fields = [s for s in estate.statements("drill") if s["source"] == "portal" and s["depth"] == "full"]
    assert all(s["counts"]["fields_opened"] == 3 and s["verdict"] == "PASS" for s in fields)


def test_openbao_is_rehearsed_into_a_clean_server(estate: BackupEstate, copied: RunReport) -> None:
    report = drill(estate, "openbao", copy="primary", recipient="near", depth="full")
    assert report.exit_code == 0, (report.message, report.problems)
    assert report.results[0].counts["slots_opened"] == 1


def test_without_shares_openbao_is_undetermined(estate: BackupEstate, copied: RunReport, tmp_path: Path) -> None:
    report = drill(
        estate, "openbao", copy="primary", recipient="near", depth="full", unseal_shares=str(tmp_path / "no")
    )
    assert report.exit_code == 10
    assert report.results[0].detail["verdict"] == "UNDETERMINED"


def test_a_changed_row_is_named_by_table(estate: BackupEstate, copied: RunReport) -> None:
    def change(_kind: str, dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            connection.execute("UPDATE visits SET at = '2031-01-01' WHERE id = 77")

    report = drill(estate, "portal", before_check=change, copy="primary", recipient="near", depth="full")
    assert report.exit_code == 6
    assert "public.visits" in report.message
    assert report.results[0].reasons == ("digest-differs",)


def test_a_lost_row_and_an_unreadable_field(estate: BackupEstate, copied: RunReport) -> None:
    def change(_kind: str, dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            connection.execute("DELETE FROM visits WHERE id = 78")
            connection.execute(
                "UPDATE patients SET mrn = set_byte(mrn, length(mrn) - 1, get_byte(mrn, length(mrn) - 1) # 1)"
            )

    report = drill(estate, "portal", before_check=change, copy="primary", recipient="near", depth="full")
    assert report.exit_code == 6
    assert set(report.results[0].reasons) == {"digest-differs", "count-differs", "field-unreadable"}


def test_a_changed_file_is_named(estate: BackupEstate, copied: RunReport) -> None:
    def change(_kind: str, folder: Path) -> None:
        path = folder / "notes.txt"
        status = path.stat()
        path.write_bytes(path.read_bytes().replace(b"device", b"devixe", 1))
        import os

        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))

    report = drill(estate, "device-data", before_check=change, copy="vaulted", recipient="far", depth="full")
    assert report.exit_code == 6
    assert "notes.txt" in report.message


def test_flipped_byte_names_the_pack_and_the_copier_heals_it(estate: BackupEstate, copied: RunReport) -> None:
    pack = a_pack(estate, "device-data")
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    broken = drill(estate, "device-data", copy="disk")
    assert broken.exit_code == 6
    assert pack.name in broken.message
    healed = run(estate, CopyJob(), copy="disk")
    assert healed.exit_code == 0
    assert pack.name in healed.message
    assert "copy-healed" in {code for s in estate.statements("copy") for code in s["reasons"]}
    assert drill(estate, "device-data", copy="disk").exit_code == 0


def test_missing_pack_is_named(estate: BackupEstate, copied: RunReport) -> None:
    pack = a_pack(estate, "images")
    data = pack.read_bytes()
    pack.unlink()
    broken = drill(estate, "images", copy="disk")
    assert (broken.exit_code, broken.results[0].reasons[0]) == (6, "missing-object")
    assert pack.name in broken.message
    assert run(estate, CopyJob(), copy="disk").exit_code == 0
    assert pack.read_bytes() == data


def test_withheld_key_ends_with_5_and_escrow_restores(estate: BackupEstate, copied: RunReport, tmp_path: Path) -> None:
    ctx = estate.context("restorer")
    estate.kms.disable_key(KeyId=estate.keys["far"])
    try:
        assert drill(estate, "images", copy="vaulted", recipient="far").exit_code == 5
        with pytest.raises(KeyFailure, match=r"far: .*disabled"):
            restore.open_snapshot(ctx, "images", copy="vaulted")
        escrow = {"escrow_key": str(estate.private_escrow), "escrow_passphrase": str(estate.passphrase_file)}
        opened = restore.open_snapshot(estate.context("restorer", **escrow), "images", copy="vaulted")
        assert opened.recipient == "escrow"
        report = restore.run(opened, str(tmp_path / "images"), SystemClock())
        assert report.facts["items"] == 3
    finally:
        estate.kms.enable_key(KeyId=estate.keys["far"])


def test_restore_of_a_database_is_compared(estate: BackupEstate, copied: RunReport, portal_server, tmp_path) -> None:
    opened = restore.open_snapshot(estate.context("restorer"), "portal", copy="primary")
    plan = restore.plan(opened, "postgresql:///x")
    assert (plan.kind, plan.signature, plan.recipient) == ("postgres", "valid", "near")
    with pytest.raises(UsageError, match="backed up"):
        restore.run(opened, estate.dsn, SystemClock())
    dsn = portal_server.create(f"restore_{estate.nonce}")
    report = restore.run(opened, dsn, SystemClock())
    assert set(report.phases) == {"load", "compare"}
    with pytest.raises(UsageError, match="not empty"):
        restore.run(opened, dsn, SystemClock())


def test_rewrap_writes_new_generations_only(estate: BackupEstate, copied: RunReport) -> None:
    packs = [entry.name for entry in estate.storage("primary").list("packs/")]
    estate.vault.secrets.transit.rotate_key(estate.transit.rpartition("/")[2])
    report = run(estate, RewrapSlotsJob(), recipient="transit")
    assert (report.exit_code, report.proof.value) == (0, "VERIFIED"), (report.message, report.problems)
    assert [entry.name for entry in estate.storage("primary").list("packs/")] == packs
    slots = [entry.name for entry in estate.storage("primary").list("keys/")]
    assert any(name.endswith("transit.2.slot") for name in slots)
    census = [s for s in estate.statements("census") if s["key_ref"] == estate.transit][-1]
    assert set(census["refs_by_version"]) == {"1", "2"}
    assert census["counts"]["superseded"] == census["refs_by_version"]["1"]
    assert run(estate, RewrapSlotsJob(), recipient="transit").plan.units == ()
    estate.vault.secrets.transit.update_key_configuration(estate.transit.rpartition("/")[2], min_decryption_version=2)
    assert drill(estate, "device-data", copy="primary", recipient="transit").exit_code == 0


def test_evidence_holds_no_contents(estate: BackupEstate, copied: RunReport) -> None:
    from strongroom.evidence.dsse import read_unverified

    storage = estate.storage("evidence")
    listed = [read_unverified(storage.get(entry.name))[0].payload for entry in storage.list("evidence/")]
    everything = b"".join(listed)
    for secret in (b"MRN-CANARY", b"visits", b"notes.txt", b"1990-01-01"):
        assert secret not in everything
    assert b'"predicateType"' in everything  # the control: statements were read


def test_a_forged_path_never_leaves_the_target(tmp_path: Path) -> None:
    from backup_jobs.sources.tree import safe_path

    for name in ("../x", "/etc/passwd", "a/../../b", "a//b", "", "a\0b"):
        with pytest.raises(Corrupt):
            safe_path(tmp_path, name)
