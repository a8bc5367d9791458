"""The workspace: private, with a clean environment, and gone with its job however the job ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backup_jobs.scratch.workspace import SCRATCH_PREFIX, Workspace, remove_stale
from strongroom.errors import Undetermined

CHILD = """
import os, sys
from pathlib import Path
from backup_jobs.scratch.workspace import Workspace
with Workspace(Path(sys.argv[1])) as workspace:
    tool = workspace.start(["sleep", "600"])
    (workspace.path / "plaintext").write_text("x")
    if len(sys.argv) > 2 and os.fork() == 0:
        os.execvp("sleep", ["sleep", "2"])  # a fork of the job that outlives it
    print(tool.pid, workspace._keeper.pid, flush=True)
    sys.stdin.read()
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, what: str) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_private_and_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with Workspace(tmp_path) as workspace:
        assert workspace.path.name.startswith(SCRATCH_PREFIX)
        assert workspace.path.stat().st_mode & 0o777 == 0o700
        tool = workspace.start(["/bin/sh", "-c", "env; echo wrong >&2; exit 3"])
        assert workspace.wait(tool) == 3
        assert "hunter2" not in workspace.output(tool)
        assert workspace.errors(tool) == "wrong\n"
        assert (workspace.path / f"output.{tool.number}").stat().st_mode & 0o777 == 0o600
        with pytest.raises(Undetermined, match="No such file"):
            workspace.start(["/nowhere/tool"])
        slow = workspace.start(["sleep", "600"])
        assert workspace.wait(slow, timeout=0.05) is None
        workspace.signal(slow, signal.SIGTERM)
        assert workspace.wait(slow) == -signal.SIGTERM
        stubborn = workspace.start(["sleep", "600"])
    assert not workspace.path.exists()
    assert not alive(stubborn.pid)


@pytest.mark.parametrize("fork", [[], ["fork"]], ids=["alone", "with a fork that holds its pipes"])
def test_sigkill_of_the_job_leaves_nothing(tmp_path: Path, fork: list[str]) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), *fork],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with child:
        tool, keeper = map(int, child.stdout.readline().split())
        assert alive(tool) and alive(keeper) and list(tmp_path.iterdir()), "the control"
        child.kill()
    until(lambda: not alive(tool), "the tool survived")
    until(lambda: not alive(keeper), "the keeper survived")
    until(lambda: not list(tmp_path.iterdir()), "the folder survived")


def test_a_killed_keeper_takes_its_tools_along_and_the_folder_goes_later(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        tool = workspace.start(["sleep", "600"])
        os.kill(workspace._keeper.pid, signal.SIGKILL)
        assert workspace.wait(tool) == -signal.SIGKILL
        until(lambda: not alive(tool.pid), "the tool survived its keeper")
    assert workspace.path.exists()
    remove_stale(tmp_path)
    assert workspace.path.exists(), "a young folder may not be locked yet"
    os.utime(workspace.path, (1, 1))
    with Workspace(tmp_path) as living:
        os.utime(living.path, (1, 1))
        remove_stale(tmp_path)
        assert living.path.exists(), "its keeper holds the lock"
    assert not workspace.path.exists()
