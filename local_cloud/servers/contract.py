"""What the supervisor knows of a server: how to start it until it is ready, and how to ask it to end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local_cloud.servers.processes import ProcessIdentity
from strongroom.errors import Transient

_POLL_SECONDS = 0.03
_TAIL_LINES = 4


@dataclass(frozen=True)
class Running:
    """A server that is ready: its process and where it listens (`https://127.0.0.1:1234`)."""

    identity: ProcessIdentity
    address: str


#: Called with the process as soon as it exists, so that a killed supervisor leaves no process that nobody knows.
Record = Callable[[ProcessIdentity], None]


class Server(Protocol):
    """One child of the supervisor."""

    name: str
    #: The signal that asks for a clean end.
    stop_signal: signal.Signals
    #: Without it the simulated account is gone: its end is the end of the generation.
    holds_generation: bool

    def start(self, record: Record) -> Running:
        """Starts the process and returns when it serves; Transient, naming the log, if it does not."""
        ...


def wait_until_ready(
    name: str,
    identity: ProcessIdentity,
    ready: Callable[[], bool],
    *,
    log: Path,
    seconds: float,
) -> None:
    """Polls `ready` until it says so. Transient, with the log's path, if the process ends or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not identity.alive():
            raise Transient(f"{name} ended while starting: {tail(log)}", hint=f"read {log}")
        if time.monotonic() > deadline:
            raise Transient(f"{name} was not ready within {seconds:.0f} s", hint=f"read {log}")
        time.sleep(_POLL_SECONDS)


def tail(log: Path) -> str:
    """The last lines of a log as one line of text; the servers' logs hold no data and no secrets."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return "no log"
    return " | ".join(line.strip() for line in lines[-_TAIL_LINES:]) or "empty log"
