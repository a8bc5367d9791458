"""Start, stop and reset of the laptop's cloud, as the command line asks for them.

After a crash `start` looks at what survived. As long as the gateway's process lives, so do the simulated accounts: a
new supervisor takes over, and databases or OpenBao that ended are started again on their data. If the gateway is gone,
so are the accounts: what is left is stopped, the state is archived, and a clean generation begins.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from local_cloud.servers import generation, status
from local_cloud.servers.layout import Layout, private_folder, read_json, write_private_json
from local_cloud.servers.postgres_programs import remove_copied_programs
from local_cloud.servers.processes import clean_environment, spawn, stop
from local_cloud.servers.status import State, Survey
from local_cloud.servers.supervisor import SERVICES
from strongroom.errors import Degraded, LeaseHeld, Transient, UsageError

_READY_SECONDS = 90.0
_LOCK_SECONDS = 60.0
_SUPERVISOR_SECONDS = 30.0  # it gives each server ten
_POLL_SECONDS = 0.05
#: What a start waits for; the fork server goes on importing in the background.
_AWAITED = ("gateway", "kms", "openbao", "postgres")


@dataclass
class Outcome:
    """What a command did: the state afterwards, lines for a person, and whether everything ran already."""

    survey: Survey
    messages: list[str] = field(default_factory=list)
    already: bool = False


def start(home: Path) -> Outcome:
    """Brings every server up and returns when all but the fork server are ready.

    Running servers are left alone. Raises Transient, naming the log, when a server does not become ready.
    """
    layout = Layout(home.absolute())
    with _alone(layout):
        before = status.survey(layout)
        if before.supervised and not before.problems() and _all_up(before):
            return Outcome(before, already=True)
        messages = [] if before.supervisor is None else [f"found: {line}" for line in before.problems()]
        if generation.exists(layout) and not before.generation_alive:
            _stop_everything(layout, before)
            archived = generation.end(layout, dt.datetime.now(dt.UTC))
            if archived:
                messages.append(
                    "the simulated AWS accounts ended with their process; everything that spoke of them is archived "
                    f"in {layout.archive / archived}, and a clean generation begins"
                )
        private_folder(layout.logs)
        attempt = _ask(layout, **dict.fromkeys(SERVICES, "up"))
        if not status.survey(layout).supervised:
            spawn(
                [sys.executable, "-P", "-m", "local_cloud.servers.supervisor", "--home", layout.home],
                log=layout.log("supervisor"),
                environment=clean_environment(**_own_home()),
            )
        return Outcome(_await_all(layout, attempt), messages)


def stop_all(home: Path) -> Outcome:
    """Stops every server, whether or not the supervisor still lives; processes that are not ours are left alone."""
    layout = Layout(home.absolute())
    if not layout.cloud.exists():
        return Outcome(Survey(None, {}), ["nothing runs"], already=True)
    with _alone(layout):
        before = status.survey(layout)
        running = [s.name for s in before.servers.values() if s.process is not None and s.process.alive()]
        _stop_everything(layout, before)
        messages = [f"stopped {', '.join(running)}"] if running else ["nothing runs"]
        return Outcome(status.survey(layout), messages, already=not running)


def set_service(home: Path, service: str, *, up: bool) -> Outcome:
    """Stops or starts `kms` or `openbao` alone and returns when its port refuses or serves.

    Raises UsageError for another name or when the cloud does not run, Transient when it does not happen in time.
    """
    layout = Layout(home.absolute())
    if service not in SERVICES:
        raise UsageError(f"no service {service!r}", hint=f"one of {', '.join(SERVICES)}")
    with _alone(layout):
        before = status.survey(layout)
        if not before.supervised:
            raise UsageError("the laptop's cloud is not running", hint="run `strongroom cloud start`")
        wanted = State.RUNNING if up else State.STOPPED
        already = before.servers[service].state is wanted
        _ask(layout, **{service: "up" if up else "down"})
        deadline = time.monotonic() + _READY_SECONDS
        while (found := status.survey(layout)).servers[service].state is not wanted:
            entry = found.servers[service]
            if entry.state is State.FAILED or time.monotonic() > deadline:
                raise Transient(f"{service} is {entry.state.value}: {entry.note}", hint=f"read {entry.log}")
            time.sleep(_POLL_SECONDS)
        return Outcome(found, [f"{service} is {wanted.value}"], already)


def reset(home: Path) -> None:
    """Stops everything and removes the home folder with all its generations, certificates and copied programs."""
    layout = Layout(home.absolute())
    if not layout.home.exists():
        return
    if layout.cloud.exists():
        stop_all(layout.home)
    elif any(layout.home.iterdir()) and not layout.ca.exists() and not layout.lock.exists():
        raise UsageError(
            f"{layout.home} is not a folder of the laptop's cloud", hint="look at it and remove it by hand"
        )
    remove_copied_programs(layout.software)
    shutil.rmtree(layout.home)


def _all_up(found: Survey) -> bool:
    return all(name in found.servers and found.servers[name].state is State.RUNNING for name in _AWAITED)


def _ask(layout: Layout, **services: str) -> int:
    """Writes what is wanted, and a higher count so that dead servers are tried again; that count."""
    desired = read_json(layout.desired) or {}
    attempt = int(desired.get("attempt", 0)) + 1
    write_private_json(layout.desired, {**desired, **services, "attempt": attempt})
    return attempt


def _await_all(layout: Layout, attempt: int) -> Survey:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        found = status.survey(layout)
        if found.attempt >= attempt:
            if _all_up(found):
                return found
            failed = [line for line in found.problems() if not line.startswith("fork-server")]
            if failed and not any(server.state is State.STARTING for server in found.servers.values()):
                raise Degraded("; ".join(failed), hint="mend the cause and run `strongroom cloud start` again")
        if time.monotonic() > deadline:
            running = {name for name, server in found.servers.items() if server.state is State.RUNNING}
            waiting = [name for name in _AWAITED if name not in running]
            raise Transient(
                f"not ready within {_READY_SECONDS:.0f} s: {', '.join(waiting)}", hint=f"read the logs in {layout.logs}"
            )
        time.sleep(_POLL_SECONDS)


def _stop_everything(layout: Layout, found: Survey) -> None:
    """Ends the supervisor, which ends its servers; then whatever of them is left, by recorded identity."""
    stop(found.supervisor, grace_seconds=_SUPERVISOR_SECONDS)
    left = status.survey(layout)
    for server in left.servers.values():
        stop(server.process)
    if left.servers:
        stopped = {
            name: status.ServerStatus(name, State.STOPPED, server.log, address=server.address)
            for name, server in left.servers.items()
        }
        status.write(layout, Survey(None, stopped, left.started, left.attempt))


def _own_home() -> dict[str, str]:
    return {"HOME": os.environ["HOME"]} if "HOME" in os.environ else {}


@contextlib.contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Holds `start.lock`, so that two starts do not begin two generations. LeaseHeld after a minute."""
    private_folder(layout.home)
    deadline = time.monotonic() + _LOCK_SECONDS
    with layout.lock.open("a") as handle:
        layout.lock.chmod(0o600)
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LeaseHeld("another start, stop or reset is under way", hint="wait for it") from None
                time.sleep(_POLL_SECONDS)
        yield
