"""Plugins come from the pool of the fork server, or are executables started as Pulumi's own engine starts them.

An executable pulumi-resource-<package> gets the engine's address as its argument and prints its port.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from local_cloud.engine import values
from local_cloud.engine.launch import HostClient
from local_cloud.engine.provider import Provider
from local_cloud.engine.values import Properties
from strongroom.errors import StrongroomError, UsageError

#: Packages whose plugin runs in the pool, and the class that serves them.
POOLED = {"aws": "local_cloud.plugins.aws:AwsProvider", "vault": "local_cloud.plugins.vault:VaultProvider"}
FOLDER = Path(__file__).resolve().parent.parent / "plugins"


def canonical(configuration: Properties) -> str:
    """A digest that is equal for equal configurations; secrets take part in it but cannot be read from it."""
    text = json.dumps(values.reveal(configuration), sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


class PluginSource:
    """Gives out plugins for one deployment; equal configurations share one."""

    def __init__(
        self,
        host: HostClient,
        engine_address: Callable[[], str],
        *,
        pooled: Mapping[str, str] = POOLED,
        folders: tuple[Path, ...] = (FOLDER,),
    ) -> None:
        self._host = host
        self._engine_address = engine_address
        self._pooled = pooled
        self._folders = folders
        self._pool = ""
        self._lock = threading.Lock()

    def acquire(self, package: str, configuration: Properties) -> Provider:
        """A plugin that is not configured yet; UsageError if the package has none here."""
        with self._lock:
            if (servicer := self._pooled.get(package)) is not None:
                return Provider(package, self._from_pool(package, servicer, configuration), lambda: None)
            process, address = self._start(package)
            return Provider(package, address, lambda: _end(process))

    def _from_pool(self, package: str, servicer: str, configuration: Properties) -> str:
        self._pool = self._pool or self._host.pool_socket(dict(os.environ))
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._pool)
            with connection.makefile("rw") as stream:
                stream.write(json.dumps({"servicer": servicer, "key": canonical(configuration)}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline() or '{"error": "the pool has ended"}')
        if "error" in answer:
            raise StrongroomError(f"plugin {package}: {answer['error']}")
        return str(answer["address"])

    def _start(self, package: str) -> tuple[subprocess.Popen[str], str]:
        name = f"pulumi-resource-{package}"
        path = os.pathsep.join([*(str(folder) for folder in self._folders), os.environ.get("PATH", "")])
        executable = shutil.which(name, path=path)
        if executable is None:
            raise UsageError(f"there is no plugin {name}", hint="the laptop's cloud offers aws and vault")
        process = subprocess.Popen(
            [executable, self._engine_address()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port.isdigit():
            process.kill()
            process.wait()
            raise StrongroomError(f"plugin {name} ended before it printed its port")
        threading.Thread(target=_drain, args=(process,), daemon=True).start()
        return process, f"127.0.0.1:{port}"


def _drain(process: subprocess.Popen[str]) -> None:
    """Reads what a plugin prints after its port, so that it never blocks on a full pipe."""
    assert process.stdout is not None
    with process.stdout:
        for _ in process.stdout:
            continue


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
