"""A workspace: a private folder (0700) and the tools running in it, both gone when the job is, even by SIGKILL."""

from __future__ import annotations

import fcntl
import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from backup_jobs.scratch import keeper
from strongroom.errors import Undetermined

#: Every scratch folder and scratch database begins with this; nothing else is ever dropped or overwritten.
SCRATCH_PREFIX = "strongroom_scratch_"
_STALE_AFTER = 60.0  # seconds; a younger folder may not be locked yet
#: What tools may see of the environment; PGPASSWORD and AWS credentials are not in it.
_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "PGSSLROOTCERT", "ICU_DATA")


@dataclass(frozen=True)
class Tool:
    """A tool that was started: its number in the workspace and its process id."""

    number: int
    pid: int
    name: str
    _ends: queue.Queue[dict[str, Any]] = field(repr=False, compare=False)


class Workspace:
    """A folder `strongroom_scratch_<nonce>` under `base` with a keeper process; use as a context manager.

    `base` is STRONGROOM_SCRATCH or the system's temporary folder. Entering first removes folders of jobs that died
    together with their keeper (a power cut).
    """

    def __init__(self, base: Path | None = None) -> None:
        self._base = base or Path(os.environ.get("STRONGROOM_SCRATCH") or tempfile.gettempdir())
        self.nonce = secrets.token_hex(6)
        self.path = self._base / f"{SCRATCH_PREFIX}{self.nonce}"
        self._ends: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Workspace:
        """Makes the folder and starts the keeper; Undetermined when either is impossible."""
        remove_stale(self._base)
        try:
            self.path.mkdir(mode=0o700)
        except OSError as error:
            raise Undetermined(f"{self.path}: {os.strerror(error.errno or 0)}", hint="set STRONGROOM_SCRATCH") from None
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={},
        )
        assert self._keeper.stdout is not None
        if b"ready" not in self._keeper.stdout.readline():
            self.__exit__(None, None, None)
            shutil.rmtree(self.path, ignore_errors=True)
            raise Undetermined("the keeper process of the workspace did not start")
        threading.Thread(target=self._listen, name="keeper", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops every tool and removes the folder; returns when both are gone."""
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None and self._keeper.stdout is not None
        with suppress(BrokenPipeError):
            self._keeper.stdin.close()
        self._keeper.wait()
        self._keeper = None

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        user: tuple[int, int] | None = None,
        stop: int = signal.SIGTERM,
    ) -> Tool:
        """Starts a tool as (uid, gid) `user` with a clean environment plus `env`; Undetermined when it cannot run."""
        with self._lock:
            number = len(self._ends)
            ends = self._ends[number] = queue.Queue()
        uid, gid = user or (None, None)
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment = {**kept, "LC_ALL": "C", **(env or {})}
        self._ask({"id": number, "argv": list(argv), "env": environment, "uid": uid, "gid": gid, "stop": int(stop)})
        answer = ends.get()
        if "pid" not in answer:
            raise Undetermined(f"{argv[0]} cannot be run: {answer.get('reason', 'the keeper is gone')}")
        return Tool(number, int(answer["pid"]), Path(argv[0]).name, ends)

    def wait(self, tool: Tool, timeout: float | None = None) -> int | None:
        """The tool's exit status (negative: the signal that ended it), or None after `timeout` seconds."""
        try:
            answer = tool._ends.get(timeout=timeout)
        except queue.Empty:
            return None
        tool._ends.put(answer)
        return int(answer["exit"])

    def signal(self, tool: Tool, number: int) -> None:
        """Signals a running tool."""
        self._ask({"id": tool.number, "signal": int(number)})

    def output(self, tool: Tool) -> str:
        """What the tool wrote to standard output."""
        return (self.path / f"output.{tool.number}").read_text(errors="replace")

    def errors(self, tool: Tool) -> str:
        """What the tool wrote to standard error; may hold data of rows, so it is never shown as it is."""
        return (self.path / f"errors.{tool.number}").read_text(errors="replace")

    def _ask(self, request: dict[str, Any]) -> None:
        if self._keeper is None or self._keeper.stdin is None:
            raise Undetermined("the workspace is closed")
        try:
            with self._lock:
                self._keeper.stdin.write(json.dumps(request).encode() + b"\n")
                self._keeper.stdin.flush()
        except BrokenPipeError:
            raise Undetermined("the keeper process of the workspace is gone") from None

    def _listen(self) -> None:
        assert self._keeper is not None and self._keeper.stdout is not None
        with self._keeper.stdout as lines:
            for line in lines:
                answer = json.loads(line)
                self._ends[answer["id"]].put(answer)
        for ends in list(self._ends.values()):  # nobody waits for ever on a keeper that was killed
            ends.put({"exit": -int(signal.SIGKILL)})


def remove_stale(base: Path) -> None:
    """Removes scratch folders of this user whose keeper no longer holds its lock."""
    for folder in base.glob(f"{SCRATCH_PREFIX}*"):
        with suppress(OSError):
            status = folder.lstat()
            if status.st_uid != os.geteuid() or time.time() - status.st_mtime < _STALE_AFTER or folder.is_symlink():
                continue
            with (folder / keeper.LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
