"""The one process that starts the laptop's servers, watches them, and ends them.

It brings what is (`cloud/status.json`, which it alone writes while it lives) to what is wanted (`cloud/desired.json`,
which the command line writes). Servers start concurrently, each in a thread. A server that ends unasked is noted with
the tail of its log and left dead: on a laptop a silent restart would hide the reason. A new `start` tries it again.

Servers are not bound to the supervisor's life. If it is killed they go on, and the next supervisor takes them over by
process identity.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import signal
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event, RLock

from local_cloud.servers import status
from local_cloud.servers.certificates import authority
from local_cloud.servers.contract import Server, tail
from local_cloud.servers.fork_server import ForkServer
from local_cloud.servers.layout import Layout, read_json
from local_cloud.servers.openbao import OpenBao
from local_cloud.servers.postgres import Postgres
from local_cloud.servers.processes import ProcessIdentity, identify, stop
from local_cloud.servers.simulated_aws import SimulatedAws
from local_cloud.servers.status import ServerStatus, State
from strongroom.errors import Partial, StrongroomError

_TICK_SECONDS = 0.1
_STOP_SECONDS = 10.0
#: Services that can be stopped alone; `kms` is a port of the gateway's process.
SERVICES = ("kms", "openbao")


class Supervisor:
    """Brings the servers of one home folder to the desired state until it is told to end."""

    def __init__(self, layout: Layout, servers: Iterable[Server], aws: SimulatedAws | None) -> None:
        self._layout = layout
        self._servers = {server.name: server for server in servers}
        self._aws = aws
        self._over = Event()
        self._guard = RLock()  # entries are changed by the starting threads and by the loop
        self._entries: dict[str, ServerStatus] = {}
        self._starts: dict[str, Future[None]] = {}
        self._attempt = 0
        self._started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self._identity = identify(os.getpid())
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="start")

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT, then ends every server and says so in the status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._over.set())
        self._take_over()
        while not self._over.is_set():
            self._notice_deaths()
            self._reconcile()
            self._over.wait(_TICK_SECONDS)
        self._end_all()

    def _take_over(self) -> None:
        """Adopts what an earlier supervisor left running; what it left half started is ended and started again."""
        for name, entry in status.survey(self._layout).servers.items():
            if name in self._servers and entry.state is State.STARTING:
                stop(entry.process, number=self._servers[name].stop_signal)
            elif name == "kms" or (name in self._servers and entry.state in (State.RUNNING, State.STOPPED)):
                self._entries[name] = entry
        self._publish()

    def _notice_deaths(self) -> None:
        with self._guard:
            for name, entry in list(self._entries.items()):
                found = entry.confirmed()
                if found.state is State.DEAD and entry.state is State.RUNNING:
                    when = dt.datetime.now(dt.UTC).strftime("%H:%M:%S")
                    self._set(replace(found, note=f"{found.note} about {when} UTC; {tail(entry.log)}"))
                    if name == "gateway" and "kms" in self._entries:
                        self._set(replace(self._entries["kms"], state=State.DEAD, note="the gateway ended"))

    def _reconcile(self) -> None:
        desired = read_json(self._layout.desired) or {}
        again = int(desired.get("attempt", 0)) != self._attempt
        for name, server in self._servers.items():
            if name in self._starts and not self._starts[name].done():
                continue
            wanted = desired.get(name, "up") == "up"
            entry = self._entries.get(name)
            running = entry is not None and entry.state is State.RUNNING
            failed = entry is not None and entry.state in (State.FAILED, State.DEAD)
            if wanted and not running and (again or not failed):
                self._set(ServerStatus(name, State.STARTING, self._layout.log(name)))
                self._starts[name] = self._pool.submit(self._start, server)
            elif not wanted and running and entry is not None:
                stop(entry.process, number=server.stop_signal, grace_seconds=_STOP_SECONDS)
                self._set(replace(entry, state=State.STOPPED, process=None))
        self._reconcile_kms(wanted=desired.get("kms", "up") == "up")
        if again:
            self._attempt = int(desired.get("attempt", 0))
            self._publish()

    def _reconcile_kms(self, *, wanted: bool) -> None:
        gateway = self._entries.get("gateway")
        if self._aws is None or gateway is None or gateway.state is not State.RUNNING or gateway.process is None:
            return
        entry = self._entries.get("kms")
        known = ServerStatus("kms", State.RUNNING, gateway.log, address=f"https://127.0.0.1:{self._aws.kms_port()}")
        if entry is None or (entry.state is State.RUNNING) != wanted:
            try:
                self._aws.let_kms(gateway.process, serve=wanted)
                self._set(replace(known, state=State.RUNNING if wanted else State.STOPPED))
            except StrongroomError as error:  # the next round tries again
                self._set(replace(known, state=State.FAILED if wanted else State.RUNNING, note=str(error)))

    def _start(self, server: Server) -> None:
        began = time.monotonic()

        def record(process: ProcessIdentity) -> None:
            self._set(replace(self._entries[server.name], process=process))
            if self._over.is_set():  # either _end_all sees the process in its entry, or this does
                stop(process, number=server.stop_signal)
                raise Partial("the laptop's cloud is being stopped")

        try:
            running = server.start(record)
        except Exception as error:
            # a thread's failure must reach the reader of `cloud status`, whatever it is
            reason = str(error) if isinstance(error, StrongroomError) else f"{type(error).__name__}: {error}"
            self._set(replace(self._entries[server.name], state=State.FAILED, process=None, note=reason))
            return
        entry = self._entries[server.name]
        self._set(replace(entry, state=State.RUNNING, process=running.identity, address=running.address))
        print(f"{server.name} ready after {time.monotonic() - began:.2f} s", flush=True)  # noqa: T201 the log

    def _end_all(self) -> None:
        with self._guard:
            entries = [entry for entry in self._entries.values() if entry.name in self._servers]

        def end(entry: ServerStatus) -> None:
            stop(entry.process, number=self._servers[entry.name].stop_signal, grace_seconds=_STOP_SECONDS)

        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(end, entries))
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._guard:
            for entry in list(self._entries.values()):
                self._set(replace(entry, state=State.STOPPED, process=None, note=""))

    def _set(self, entry: ServerStatus) -> None:
        with self._guard:
            self._entries[entry.name] = entry
            self._publish()

    def _publish(self) -> None:
        with self._guard:
            found = status.Survey(self._identity, dict(self._entries), self._started, self._attempt)
            status.write(self._layout, found)


def main() -> None:
    """python -m local_cloud.servers.supervisor --home FOLDER: supervises until SIGTERM."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--home", type=Path, required=True)
    layout = Layout(parser.parse_args().home.absolute())
    certificates = authority(layout)
    aws = SimulatedAws(layout, certificates)
    servers: list[Server] = [aws, OpenBao(layout, certificates), Postgres(layout, certificates)]
    if ForkServer.installed():
        servers.append(ForkServer(layout))
    Supervisor(layout, servers, aws).run()


if __name__ == "__main__":
    main()
