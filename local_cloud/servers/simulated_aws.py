"""The process that simulates AWS: moto behind the gateway, and the end of a generation when it ends.

KMS has a port of its own, so that it can be cut off alone: SIGUSR1 closes that listener, SIGUSR2 opens it again on the
same port.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from local_cloud.servers import identities, ports
from local_cloud.servers.certificates import Authority
from local_cloud.servers.contract import Record, Running, wait_until_ready
from local_cloud.servers.layout import Layout, private_folder, read_json, write_private_json
from local_cloud.servers.processes import ProcessIdentity, clean_environment, spawn, stop
from strongroom.errors import StrongroomError, Transient

_READY_SECONDS = 60.0
_KMS_SECONDS = 10.0
_POLL_SECONDS = 0.03


class SimulatedAws:
    """The gateway's process; how to reach it stands in `cloud/gateway.json` {port, kms_port, pid}."""

    name = "gateway"
    stop_signal = signal.SIGTERM
    holds_generation = True

    def __init__(self, layout: Layout, authority: Authority) -> None:
        self._layout = layout
        self._authority = authority

    def start(self, record: Record) -> Running:
        """Writes new identities, starts the gateway and returns when both its ports take connections."""
        ready_file = self._layout.ready_file(self.name)
        ready_file.unlink(missing_ok=True)
        write_private_json(self._layout.identities, [*identities.users(), identities.outsider()])
        folder = private_folder(self._layout.cloud / "gateway")
        issued = self._authority.issue("server", folder)
        log = self._layout.log(self.name)
        arguments: list[str | Path] = [
            "--home",
            self._layout.home,
            "--certificate",
            issued.certificate,
            "--key",
            issued.key,
        ]
        arguments += ["--ca", self._layout.ca_pem, "--port", "0", "--kms-port", "0"]
        arguments += ["--identities", self._layout.identities, "--accounts", ",".join(identities.ACCOUNTS)]
        identity = spawn(
            [sys.executable, "-P", "-m", "local_cloud.servers.gateway", *arguments],
            log=log,
            environment=clean_environment(PYTHONUNBUFFERED="1"),
        )
        record(identity)
        try:
            wait_until_ready(self.name, identity, lambda: self._serves(identity), log=log, seconds=_READY_SECONDS)
        except StrongroomError:
            stop(identity)
            raise
        write_private_json(self._layout.begun, {"pid": identity.pid})
        return Running(identity, f"https://{ports.LOOPBACK}:{self._reach()['port']}")

    def kms_port(self) -> int:
        """The port of KMS."""
        return int(self._reach()["kms_port"])

    def let_kms(self, identity: ProcessIdentity, *, serve: bool) -> None:
        """Opens or closes KMS and returns when its port behaves so. Transient if it does not in time."""
        port = self.kms_port()
        if ports.accepts(port) == serve:
            return
        identity.send(signal.SIGUSR2 if serve else signal.SIGUSR1)
        deadline = time.monotonic() + _KMS_SECONDS
        while ports.accepts(port) != serve:
            if time.monotonic() > deadline:
                verb = "open" if serve else "close"
                raise Transient(f"the gateway did not {verb} KMS", hint=f"read {self._layout.log(self.name)}")
            time.sleep(_POLL_SECONDS)

    def _reach(self) -> dict[str, int]:
        return read_json(self._layout.ready_file(self.name)) or {}

    def _serves(self, identity: ProcessIdentity) -> bool:
        reach = self._reach()
        return reach.get("pid") == identity.pid and all(ports.accepts(reach[name]) for name in ("port", "kms_port"))
