"""Only the very process that was recorded is stopped; a recycled id is somebody else's."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local_cloud.servers.processes import ProcessIdentity, clean_environment, identify, spawn, stop, wait_until_gone

_SLEEPS = "import time; time.sleep(60)"
_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def begin(tmp_path: Path, program: str = _SLEEPS) -> ProcessIdentity:
    return spawn([sys.executable, "-c", program], log=tmp_path / "log", environment=clean_environment())


def test_a_process_is_known_and_stopped(tmp_path: Path) -> None:
    process = begin(tmp_path)
    assert process.alive()
    assert identify(process.pid) == process
    assert ProcessIdentity.from_json(process.to_json()) == process
    assert stop(process) == "stopped"
    assert not process.alive()
    assert stop(process) == "gone"


def test_a_recycled_id_is_not_killed() -> None:
    bystander = subprocess.Popen([sys.executable, "-c", _SLEEPS])
    try:
        real = identify(bystander.pid)
        assert real is not None
        stale = dataclasses.replace(real, started="1")
        other_boot = dataclasses.replace(real, boot="another boot")
        assert [stale.alive(), other_boot.alive()] == [False, False]
        assert [stop(stale), stop(other_boot)] == ["gone", "gone"]
        assert bystander.poll() is None
        assert real.alive()
    finally:
        bystander.kill()
        bystander.wait()


def test_the_right_identity_of_the_same_process_does_kill_it(tmp_path: Path) -> None:
    """The negative control of the test above: with its true start time the process goes."""
    process = begin(tmp_path)
    assert stop(dataclasses.replace(process)) == "stopped"


def test_a_deaf_process_is_killed_after_the_grace(tmp_path: Path) -> None:
    process = begin(tmp_path, _DEAF)
    while b"deaf" not in (tmp_path / "log").read_bytes():
        assert process.alive()
    assert stop(process, grace_seconds=0.2) == "killed"


def test_a_zombie_is_gone(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, not yet collected
    assert identify(child.pid) is None
    child.wait()


def test_servers_inherit_nothing_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-environment")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    process = begin(tmp_path, "import os; print(sorted(os.environ))")
    assert wait_until_gone(process, 10)
    text = (tmp_path / "log").read_text()
    assert "PATH" in text and "AWS_" not in text and "DONTWRITE" not in text
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_it_outlives_its_parent_in_a_session_of_its_own(tmp_path: Path) -> None:
    process = begin(tmp_path)
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
    finally:
        stop(process, number=signal.SIGKILL)


@pytest.mark.parametrize("document", [None, {}, {"pid": 1}, {"pid": "x", "started": "1", "boot": "b"}])
def test_a_foreign_document_is_no_identity(document: dict[str, object] | None) -> None:
    assert ProcessIdentity.from_json(document) is None
