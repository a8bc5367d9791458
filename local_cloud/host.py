"""The fork server: imports Pulumi's packages once, then forks one child a program and one a plugin environment.

Importing pulumi_aws costs seconds; a fork costs milliseconds. The server itself never starts gRPC or a thread,
because neither survives a fork; children do, after they were forked. It listens on <home>/run/host.sock (folder
0700). A request is one JSON line; file descriptors for output, errors and result
travel with it. An answer is one JSON
line too: {"exit": status} when a program has ended, {"socket": path} when a plugin pool is ready.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_cloud.fork_server_socket import socket_address

#: What programs and plugins of this project import; modules that are not installed are skipped.
PRELOAD = (
    *("pulumi", "pulumi.runtime", "pulumi_aws", "pulumi_policy", "pulumi_vault"),
    *(f"pulumi_aws.{name}" for name in ("cloudwatch", "ec2", "ecs", "iam", "kms", "rds", "s3", "scheduler", "sqs")),
    *("pulumi_aws.secretsmanager", "pulumi_vault.approle", "pulumi_vault.database", "pulumi_vault.pkisecret"),
    *("pulumi_vault.transit", "pydantic.main", "yaml", "boto3", "botocore.session", "hvac"),
)
#: Variables that decide what a plugin talks to and as whom: one pool of plugins for each combination.
SEAM = ("AWS_", "VAULT_", "STRONGROOM_", "SSL_CERT_")
LINE_LIMIT = 1 << 20


def seam_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that plugins depend on."""
    return {name: value for name, value in environment.items() if name.startswith(SEAM)}


class Host:
    """One fork server: a listening socket, its clients and its children."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._selector = selectors.DefaultSelector()
        self._programs: dict[int, socket.socket] = {}
        self._pools: dict[str, tuple[int, str]] = {}
        self._sockets = Path(tempfile.mkdtemp(prefix="strongroom-"))
        self._over = False

    def serve(self) -> None:
        """Answers requests until SIGTERM or until the socket's file is gone; ends every child it has."""
        address, folder = socket_address(self._home)
        listener = socket.socket(socket.AF_UNIX)
        Path(address).unlink(missing_ok=True)
        listener.bind(address)
        listener.listen(16)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(reader, selectors.EVENT_READ, self._wake)
        print("ready", flush=True)  # noqa: T201 the starter waits for this line
        try:
            while not self._over:
                for key, _ in self._selector.select():
                    key.data(key.fileobj)
        finally:
            Path(address).unlink(missing_ok=True)
            os.close(folder)
            for pid in [*self._programs, *(pid for pid, _ in self._pools.values())]:
                _kill(pid)
            for left in self._sockets.iterdir():
                left.unlink()
            self._sockets.rmdir()

    def _stop(self, *_: Any) -> None:
        self._over = True

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        self._selector.register(client, selectors.EVENT_READ, self._request)

    def _wake(self, reader: int) -> None:
        os.read(reader, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            client = self._programs.pop(pid, None)
            self._pools = {key: pool for key, pool in self._pools.items() if pool[0] != pid}
            if client is not None:
                _answer(client, {"exit": os.waitstatus_to_exitcode(status)})
                self._forget(client)

    def _request(self, client: socket.socket) -> None:
        if client in self._programs.values():  # a client that waits says nothing more: it has gone
            self._abandon(client)
            return
        data, descriptors, _, _ = socket.recv_fds(client, LINE_LIMIT, 8)
        while data and not data.endswith(b"\n"):
            more = client.recv(LINE_LIMIT)
            data = data + more if more else b""
        if not data:
            self._forget(client)
            return
        try:
            self._carry_out(client, json.loads(data), descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _carry_out(self, client: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
        match request["do"]:
            case "program":
                pid = self._fork()
                if pid == 0:
                    from local_cloud.engine.program import run_child

                    _become(descriptors, request["environment"])
                    os._exit(run_child(request, descriptors[2]))
                self._programs[pid] = client
            case "pool":
                _answer(client, {"socket": self._pool(request["environment"])})
            case "stop":
                self._over = True
                _answer(client, {})

    def _pool(self, environment: dict[str, str]) -> str:
        """The socket of the plugin pool for an environment; forks it at the first request."""
        seam = json.dumps(seam_of(environment), sort_keys=True)
        key = hashlib.sha256(seam.encode()).hexdigest()[:16]
        if key not in self._pools:
            path = str(self._sockets / f"{key}.sock")
            listener = socket.socket(socket.AF_UNIX)
            Path(path).unlink(missing_ok=True)
            listener.bind(path)
            listener.listen(16)
            pid = self._fork(keep=listener)
            if pid == 0:
                from local_cloud.plugins.pool import serve

                _replace_environment(environment)
                serve(listener, self._sockets, key)
                os._exit(0)
            listener.close()
            self._pools[key] = (pid, path)
        return self._pools[key][1]

    def _fork(self, keep: socket.socket | None = None) -> int:
        """Forks; the child has default signals and none of the server's sockets."""
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.setpgid(0, 0)  # an interrupt at the terminal reaches the engine, which ends its program in order
            for entry in list(self._selector.get_map().values()):
                if entry.fileobj is not keep and isinstance(entry.fileobj, socket.socket):
                    entry.fileobj.close()
            self._selector.close()
        return pid

    def _abandon(self, client: socket.socket) -> None:
        for pid, waiting in list(self._programs.items()):
            if waiting is client:
                del self._programs[pid]
                _kill(pid)
        self._forget(client)

    def _forget(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        client.close()


def _answer(client: socket.socket, message: dict[str, Any]) -> None:
    try:
        client.sendall(json.dumps(message).encode() + b"\n")
    except (BrokenPipeError, ConnectionResetError):
        return  # the client has gone; its own end is noticed by the selector


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return  # ended by itself


def _become(descriptors: list[int], environment: dict[str, str]) -> None:
    """Makes the first two descriptors standard output and error, and the environment the caller's."""
    for number, descriptor in enumerate(descriptors[:2], start=1):
        os.dup2(descriptor, number)
    _replace_environment(environment)


def _replace_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def preload() -> None:
    """Imports what children need; what is not installed they do not need."""
    for name in PRELOAD:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise


def main() -> None:
    """python -m local_cloud.host --home FOLDER: runs a fork server until SIGTERM."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--home", type=Path, required=True)
    arguments = parser.parse_args()
    preload()
    Host(arguments.home.absolute()).serve()


if __name__ == "__main__":
    main()
