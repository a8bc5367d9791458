"""A process is its id, its start time and the boot it runs in: a recycled id is another process.

Everything that the laptop's cloud stops, it stops by such an identity, never by name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class ProcessIdentity:
    """One process for good. `started` is opaque text: clock ticks since boot on Linux, `ps` start time elsewhere."""

    pid: int
    started: str
    boot: str

    def to_json(self) -> dict[str, Any]:
        """The three fields."""
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any] | None) -> ProcessIdentity | None:
        """The identity, or None if the document has none."""
        try:
            assert document is not None
            return ProcessIdentity(int(document["pid"]), str(document["started"]), str(document["boot"]))
        except (AssertionError, KeyError, TypeError, ValueError):
            return None

    def alive(self) -> bool:
        """Whether exactly this process still runs; a zombie does not. Reaps it if it is our own child."""
        _reap(self.pid)
        return self.boot == _boot_id() and _start_time(self.pid) == self.started

    def send(self, number: int) -> bool:
        """Sends a signal to exactly this process; False if it is gone.

        A pid descriptor closes the gap between the check and the signal where the system has them.
        """
        if not hasattr(os, "pidfd_open"):
            if not self.alive():
                return False
            os.kill(self.pid, number)
            return True
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(descriptor, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a running process, or None if there is none with this id."""
    started = _start_time(pid)
    return None if started is None else ProcessIdentity(pid, started, _boot_id())


def spawn(
    arguments: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    cwd: Path | str = "/",
    user: int | None = None,
    group: int | None = None,
    inherit: Iterable[int] = (),
) -> ProcessIdentity:
    """Starts a process in its own session, output appended to `log` (0600), standard input closed.

    It outlives its parent, so that a killed supervisor does not take the simulated account with it.
    """
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=[] if user is not None else None,
            pass_fds=tuple(inherit),
            umask=0o077,
        )
    finally:
        os.close(handle)
    identity = identify(process.pid)
    # it is watched and reaped by identity from here on; Popen must not warn that it still runs
    process.returncode = 0
    return identity or ProcessIdentity(process.pid, "ended at once", _boot_id())


def stop(
    identity: ProcessIdentity | None,
    *,
    number: int = signal.SIGTERM,
    grace_seconds: float = 10.0,
) -> str:
    """Ends one process: `gone` if it did not run, `stopped` if it went when asked, `killed` if it had to be."""
    if identity is None or not identity.send(number):
        return "gone"
    if wait_until_gone(identity, grace_seconds):
        return "stopped"
    identity.send(signal.SIGKILL)
    wait_until_gone(identity, 10.0)
    return "killed"


def wait_until_gone(identity: ProcessIdentity, seconds: float) -> bool:
    """Polls until the process ended; False when the time is over."""
    deadline = time.monotonic() + seconds
    while identity.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def clean_environment(**extra: str) -> dict[str, str]:
    """What every server inherits: a search path, a locale, UTC; nothing else of the caller's environment.

    PYTHONDONTWRITEBYTECODE is left out with the rest: without bytecode the imports of the gateway take seconds more.
    """
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC", **extra}


def _reap(pid: int) -> None:
    """Collects an ended child of ours, so that it does not stay as a zombie; anybody else's is left alone."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _output(["sysctl", "-n", "kern.boottime"])


def _start_time(pid: int) -> str | None:
    """Field 22 of /proc/<pid>/stat, or `ps`'s start time where there is no /proc; None for no process or a zombie."""
    if Path("/proc/self/stat").exists():
        try:
            # the command's name in brackets may hold blanks and brackets: fields count from the last one
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    state, _, started = _output(["ps", "-o", "state=,lstart=", "-p", str(pid)]).strip().partition(" ")
    return started.strip() if started and not state.startswith("Z") else None


def _output(arguments: list[str]) -> str:
    return subprocess.run(arguments, capture_output=True, text=True, check=False).stdout
