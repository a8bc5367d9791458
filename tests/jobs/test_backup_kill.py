"""SIGKILL of a backup: nothing of it survives on host or server, earlier backups restore, the next run completes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from backup_estate import BackupEstate

from backup_jobs.backup import BackupJob
from backup_jobs.drill import DrillJob
from backup_jobs.repository import catalogue
from backup_jobs.sources import declared
from backup_jobs.sources.postgres import PostgresSource
from strongroom.jobs.runner import run_job

pytestmark = pytest.mark.cloud


@pytest.fixture(autouse=True)
def reach_portal(monkeypatch):
    monkeypatch.setattr(declared, "_stored", lambda _c, _d, store: PostgresSource(store.name, store.endpoint))


def until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def sessions(estate: BackupEstate) -> list[str]:
    """Sessions of a backup in the portal, by application name."""
    with psycopg.connect(estate.dsn, application_name="watcher") as connection:
        return [
            name
            for (name,) in connection.execute(
                "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name IN ('pg_dump', 'strongroom-backup')"
            )
        ]


def processes(*needles: bytes) -> list[bytes]:
    """Command lines that hold every needle."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes()
        except OSError:
            continue
        if all(needle in line for needle in needles):
            found.append(line)
    return found


def backup(estate: BackupEstate):
    return run_job(BackupJob(), estate.context("backup-writer", source="portal"), home=estate.home, leases=None)


@pytest.mark.parametrize("stage", ["dump", "packs", "commit"])
def test_nothing_survives_and_the_next_run_completes(stage, estate, production_vault, tmp_path) -> None:
    vault = (production_vault.address, str(production_vault.certificate), production_vault.token)
    estate.save(tmp_path / "estate.json", *vault)
    database = psycopg.conninfo.conninfo_to_dict(estate.dsn)["dbname"].encode()
    assert backup(estate).exit_code == 0
    storage = estate.storage("primary")
    committed = {info.run for info in catalogue.runs(storage, "portal")}
    # a lock on one table holds pg_dump and the digests in the middle of the dump
    with psycopg.connect(estate.dsn) as holder:
        if stage == "dump":
            holder.execute("LOCK TABLE visits IN ACCESS EXCLUSIVE MODE")
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        child = subprocess.Popen(
            [sys.executable, "-m", "killed_backup", str(tmp_path / "estate.json"), stage],
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "STRONGROOM_SCRATCH": str(scratch)},
        )
        try:
            if stage == "dump":
                until(lambda: "pg_dump" in sessions(estate), "pg_dump never connected")
                assert processes(b"pg_dump", database)
            else:
                assert child.stdout.readline().decode().strip() == stage
            if stage != "commit":  # by then the source is closed already
                assert list(scratch.iterdir()), "the control: the dump lies in a scratch folder while the job lives"
                assert sessions(estate)
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.stdout.close()
            child.wait()
        assert child.returncode == -signal.SIGKILL
        until(lambda: not sessions(estate), f"sessions survived: {sessions(estate)}")
        until(lambda: not processes(b"pg_dump", database), "pg_dump survived")
        until(lambda: not processes(b"keeper.py", str(scratch).encode()), "the keeper survived")
        until(lambda: not list(scratch.iterdir()), "the plaintext dump survived")
        holder.rollback()
    assert {info.run for info in catalogue.runs(storage, "portal")} == committed
    assert catalogue.residue(storage), "the control: the killed run left something behind"
    options = {"source": "portal", "copy": "primary", "recipient": "near", "depth": "full"}
    drilled = run_job(DrillJob(), estate.context("restorer", **options), home=estate.home, leases=None)
    assert drilled.exit_code == 0, drilled.message
    following = backup(estate)
    assert (following.exit_code, following.proof.value) == (0, "VERIFIED")
    assert {info.run for info in catalogue.runs(storage, "portal")} > committed
