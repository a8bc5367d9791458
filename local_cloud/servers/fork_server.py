"""The process that has Pulumi's packages imported and forks programs and plugins (`local_cloud.host`)."""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

from local_cloud.servers.contract import Record, Running, wait_until_ready
from local_cloud.servers.layout import Layout, private_folder
from local_cloud.servers.processes import clean_environment, spawn, stop
from strongroom.errors import Transient

_MODULE = "local_cloud.host"
_READY_SECONDS = 120.0  # the first import of a fresh set-up compiles pulumi_aws


class ForkServer:
    """Answers on the socket `run/host.sock`. `start` of the cloud does not wait for it: only stacks need it."""

    name = "fork-server"
    stop_signal = signal.SIGTERM
    holds_generation = False

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @staticmethod
    def installed() -> bool:
        """Whether this environment has the engine and Pulumi's SDK (the extra `deploy`)."""
        return find_spec(_MODULE) is not None and find_spec("pulumi") is not None

    def start(self, record: Record) -> Running:
        """Starts it and returns when its socket is there."""
        socket = private_folder(self._layout.home / "run") / "host.sock"
        socket.unlink(missing_ok=True)
        log = self._layout.log(self.name)
        identity = spawn(
            [sys.executable, "-P", "-m", _MODULE, "--home", self._layout.home],
            log=log,
            # programs run with the environment of each request; HOME is for libraries that look there on import
            environment=clean_environment(HOME=os.environ.get("HOME", str(Path.home()))),
        )
        record(identity)
        try:
            wait_until_ready(self.name, identity, socket.is_socket, log=log, seconds=_READY_SECONDS)
        except Transient:
            stop(identity)
            raise
        return Running(identity, f"unix:{socket}")
