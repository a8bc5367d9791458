"""Programs and plugin pools are asked of the fork server; where none is running the engine starts one for itself."""

from __future__ import annotations

import json
import os
import queue
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cloud.fork_server_socket import socket_address
from strongroom.errors import StrongroomError

START_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """How a program ended; `report` is empty after success (see program.run_child)."""

    status: int
    report: dict[str, Any]

    @property
    def succeeded(self) -> bool:
        """Whether the program ran to its end."""
        return self.status == 0


class HostClient:
    """A fork server of one home folder."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def run_program(self, job: dict[str, Any], printed: Callable[[str, str], None]) -> Outcome:
        """Runs a program to its end; `printed` gets each line of its output with the stream's name.

        An exception in the caller (an interrupt) closes the connection, at which the server ends the program.
        """
        readers, writers = zip(*(os.pipe() for _ in range(3)), strict=True)
        try:
            with self._connected() as connection:
                socket.send_fds(connection, [json.dumps(job).encode() + b"\n"], list(writers))
                for writer in writers:
                    os.close(writer)
                writers = ()
                report = _drain(readers, printed)
                answer = _line(connection)
        finally:
            for descriptor in (*readers, *writers):
                os.close(descriptor)
        if answer is None:
            raise StrongroomError("the fork server ended while a program was running")
        if answer["exit"] and not report:
            report = json.dumps({"error": f"the program was ended by status {answer['exit']}", "type": ""}).encode()
        return Outcome(answer["exit"], json.loads(report or b"{}"))

    @contextmanager
    def serving(self, job: dict[str, Any], printed: Callable[[str, str], None]) -> Iterator[str]:
        """A program that serves while the block lasts; yields the first line it prints.

        Raises StrongroomError with its last words if it ends before it printed one.
        """
        readers, writers = zip(*(os.pipe() for _ in range(3)), strict=True)
        first: queue.Queue[str | None] = queue.Queue()

        def heard(stream: str, line: str) -> None:
            if stream == "stdout" and not announced:
                announced.append(line)
                first.put(line)
            else:
                words.extend([line] if line.strip() else [])
                printed(stream, line)

        def listen() -> None:
            _drain(readers, heard)
            first.put(None)
            for reader in readers:
                os.close(reader)

        announced: list[str] = []
        words: list[str] = []
        with self._connected() as connection:
            socket.send_fds(connection, [json.dumps(job).encode() + b"\n"], list(writers))
            for writer in writers:
                os.close(writer)
            listener = threading.Thread(target=listen, daemon=True)
            listener.start()
            try:
                line = first.get(timeout=START_SECONDS)
            except queue.Empty:
                raise StrongroomError(f"{Path(job['pack']).name} said nothing in {START_SECONDS} seconds") from None
            if line is None:
                raise StrongroomError(f"{Path(job['pack']).name} ended at its start: {words[-1] if words else ''}")
            yield line
        listener.join()  # the server ends the program when the connection closes, and with it the pipes

    def pool_socket(self, environment: dict[str, str]) -> str:
        """The socket of the plugin pool for an environment."""
        with self._connected() as connection:
            connection.sendall(json.dumps({"do": "pool", "environment": environment}).encode() + b"\n")
            answer = _line(connection)
        if answer is None:
            raise StrongroomError("the fork server did not start a plugin pool")
        return str(answer["socket"])

    def reachable(self) -> bool:
        """Whether a fork server answers."""
        try:
            with self._connected():
                return True
        except (ConnectionRefusedError, FileNotFoundError):
            return False

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        address, folder = socket_address(self._home)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(address)
            yield connection
        finally:
            connection.close()
            os.close(folder)


@contextmanager
def host(home: Path) -> Iterator[HostClient]:
    """The running fork server of the home folder, or one that lives as long as the block."""
    client = HostClient(home)
    if client.reachable():
        yield client
        return
    process = start(home)
    try:
        yield client
    finally:
        process.terminate()
        process.wait()


def start(home: Path) -> subprocess.Popen[bytes]:
    """Starts a fork server and returns when it is ready; StrongroomError with its last words if it is not."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    log = home / "run" / "host.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_cloud.host", "--home", str(home)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        ready = selector.select(START_SECONDS) and process.stdout.readline() == b"ready\n"
    process.stdout.close()
    if not ready:
        process.kill()
        process.wait()
        words = log.read_text().strip().splitlines()[-1:] or ["no message"]
        raise StrongroomError(f"the fork server did not start: {words[0]}")
    return process


def _drain(readers: tuple[int, ...], printed: Callable[[str, str], None]) -> bytes:
    """Reads output, errors and result until the program has closed all three; returns the result."""
    report = b""
    rest = {readers[0]: b"", readers[1]: b""}
    names = {readers[0]: "stdout", readers[1]: "stderr"}
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                reader = key.fd
                data = os.read(reader, 65536)
                if reader == readers[2]:
                    report += data
                else:
                    *lines, rest[reader] = (rest[reader] + data).split(b"\n")
                    if not data and rest[reader]:
                        lines.append(rest[reader])
                    for line in lines:
                        printed(names[reader], line.decode(errors="replace"))
                if not data:
                    selector.unregister(reader)
    return report


def _line(connection: socket.socket) -> Any:
    data = b""
    while not data.endswith(b"\n"):
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    return json.loads(data)
