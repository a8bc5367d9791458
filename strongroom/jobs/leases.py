"""Leases: at most one run of a job at a time, by conditional put on an object `leases/<job>.json`.

A lease is advisory: what protects data is that every write is conditional. A holder that is provably dead (same boot
of the same host, and no process with that id and start time) is replaced at once, any other after its time to live.
Each take-over raises the fencing token, which evidence records.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from strongroom.errors import Exists, IntegrityFailure, LeaseHeld, Missing, StrongroomError
from strongroom.jobs.contract import Clock
from strongroom.storage.contract import Storage, Version

TIME_TO_LIVE = timedelta(minutes=30)


@dataclass(frozen=True)
class Holder:
    """The process that holds a lease."""

    run_id: str
    host: str
    boot_id: str
    pid: int
    started: str
    expires: str
    token: int


def process_start(pid: int) -> str | None:
    """The start time of a process in clock ticks since boot (field 22 of /proc/<pid>/stat), None if there is none.

    Where there is no /proc, a living process answers '' so that it is never taken for dead.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return ""
        return ""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] == "Z" else fields[19]


def boot_id() -> str:
    """An id of this boot of this host; '' where the system tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def is_dead(holder: Holder) -> bool:
    """True only if the holder ran in this boot of this host and its process is gone."""
    if not holder.boot_id or holder.boot_id != boot_id() or holder.host != socket.gethostname():
        return False
    return process_start(holder.pid) != holder.started


@contextmanager
def lease(storage: Storage, job: str, run_id: str, clock: Clock) -> Iterator[Holder]:
    """Holds the lease of a job for a block; LeaseHeld (exit 7) names the run that has it.

    The object stays after release with an expiry in the past: duties may put but not delete.
    """
    name = f"leases/{job}.json"
    version, current = _read(storage, name)
    if current and not is_dead(current) and datetime.fromisoformat(current.expires) > clock.now():
        raise LeaseHeld(
            f"job {job} is running as {current.run_id} (process {current.pid} on {current.host})",
            hint=f"wait for it, or until {current.expires}",
        )
    holder = Holder(
        run_id=run_id,
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=os.getpid(),
        started=process_start(os.getpid()) or "",
        expires=(clock.now() + TIME_TO_LIVE).isoformat(),
        token=(current.token if current else 0) + 1,
    )
    try:
        if version is None:
            mine = storage.put(name, _encode(holder), if_absent=True)
        else:
            mine = storage.put(name, _encode(holder), if_match=version)
    except Exists:
        raise LeaseHeld(f"another run of {job} took the lease at the same moment", hint="run again later") from None
    try:
        yield holder
    finally:
        _release(storage, name, mine, holder, clock)


def _release(storage: Storage, name: str, mine: Version, holder: Holder, clock: Clock) -> None:
    ended = Holder(**{**asdict(holder), "expires": clock.now().isoformat()})
    try:
        storage.put(name, _encode(ended), if_match=mine)
    except StrongroomError:
        # Somebody took it over, or storage is away: the lease ends by its time to live either way.
        return


def _read(storage: Storage, name: str) -> tuple[Version | None, Holder | None]:
    try:
        entry = storage.head(name)
        data = storage.get(name)
    except Missing:
        return None, None
    try:
        return entry.version, Holder(**json.loads(data))
    except (ValueError, TypeError):
        raise IntegrityFailure(f"{name} is not a lease", hint="remove the object and run again") from None


def _encode(holder: Holder) -> bytes:
    return json.dumps(asdict(holder), sort_keys=True).encode()
