"""Backups of every source; one of them is killed in mid-run, and what it left is garbage, never a backup."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from demo.stage import ENV, Stage, require
from demo.steps.portal import master_connection

TITLE = "Backup, killed in mid-run"
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.01


def show(stage: Stage) -> str:
    """A child is killed between its packs and its commit; the next run completes and is read back by the restorer."""
    left = _killed(stage)
    report = stage.run_well("backup")
    require(report.proof.value == "VERIFIED", f"the backup was not read back: {report.message}")
    runs = _committed_runs(stage)
    require(report.run_id in runs and left["run"] not in runs, "the killed run is taken for a backup")
    again = stage.run_well("backup")
    new, whole = (sum(result.counts.get(name, 0) for result in again.results) for name in ("new_bytes", "bytes"))
    require(new < whole / 2, f"the next backup stored {new} of {whole} bytes again")
    stage.display.line(
        f"SIGKILL after {left['slots']} slots and {left['packs']} packs: no commit, no pg_dump, no session survives"
    )
    stage.display.line(f"the next run: {report.message}")
    stage.display.line(f"and one more: {new / 1e6:.2f} MB new, the rest is already there, verified and locked")
    return f"killed run left {left['slots'] + left['packs']} objects and no backup; next run verified"


def _killed(stage: Stage) -> dict[str, Any]:
    """Runs `strongroom job run backup` in its own process group and kills it while it stores packs."""
    storage = stage.data("restorer", "primary")
    log = stage.home / "cloud" / "logs" / "killed-backup.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [stage.python / "strongroom", "job", "run", "backup", "-e", ENV],
            cwd=stage.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        try:
            while child.poll() is None and time.monotonic() < deadline:
                if next(storage.list("packs/"), None) is not None:
                    break
                time.sleep(_POLL_SECONDS)
        finally:
            alive = child.poll() is None
            if alive:
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    require(alive, f"the backup ended with {child.returncode} before it could be killed; read {log}")
    _await_end_of_tools(stage)
    slots = [entry.name for entry in storage.list("keys/")]
    packs = [entry.name for entry in storage.list("packs/")]
    require(slots and packs, "the backup was killed before it had stored anything")
    require(next(storage.list("commits/"), None) is None, "the killed run has committed; it was killed too late")
    return {"run": slots[0].split("/")[1], "slots": len(slots), "packs": len(packs)}


def _await_end_of_tools(stage: Stage) -> None:
    """No pg_dump of ours and no session of the writer may outlive the run; they get five seconds."""
    deadline = time.monotonic() + 5
    while tools := [*_dumps(), *_sessions(stage)]:
        require(time.monotonic() < deadline, f"survived the killed backup: {', '.join(tools)}")
        time.sleep(0.05)


def _dumps() -> list[str]:
    """Processes named pg_dump whose working files lie in a scratch folder of a job."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it ended while the table was read
        if Path(os.fsdecode(words[0])).name == "pg_dump" and b"strongroom_scratch_" in b" ".join(words):
            found.append(f"pg_dump {path.parent.name}")
    return found


def _sessions(stage: Stage) -> list[str]:
    query = "SELECT pid FROM pg_stat_activity WHERE application_name IN ('strongroom backup-writer', 'pg_dump')"
    with master_connection(stage) as connection:
        return [f"session {pid}" for (pid,) in connection.execute(query).fetchall()]


def _committed_runs(stage: Stage) -> set[str]:
    from backup_jobs import opening
    from backup_jobs.repository import catalogue

    trust = opening.trust(stage.context("restorer"))
    return {info.run for info in catalogue.runs(stage.data("restorer", "primary"), "", trust)}
