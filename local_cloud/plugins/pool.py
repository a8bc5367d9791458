"""A pool serves many configured plugins from one process: one servicer and one socket a configuration.

Each explicit provider would be a process of its own otherwise, at one to three seconds and 110 MiB. The fork server
forks one pool for each environment (endpoints, credentials), so that plugins read the environment as they always do.
A request is one JSON line {"servicer": "module:Class", "key": canonical configuration}, its answer {"address"} or
{"error"}.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

MESSAGE_LIMIT = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]
#: How often an idle pool looks whether its fork server is still there, in seconds.
WATCH_SECONDS = 2.0
THREADS = 16


class Pool:
    """The servicers of one process by configuration; each is made once and kept."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._servers: dict[tuple[str, str], tuple[grpc.Server, str]] = {}

    def address(self, servicer: str, key: str) -> str:
        """The address of the servicer for a configuration."""
        known = self._servers.get((servicer, key))
        if known is None:
            module, _, name = servicer.partition(":")
            server = grpc.server(ThreadPoolExecutor(THREADS), options=MESSAGE_LIMIT)
            instance = getattr(importlib.import_module(module), name)()
            provider_pb2_grpc.add_ResourceProviderServicer_to_server(instance, server)
            address = f"unix:{self._folder / f'{self._name}-{len(self._servers)}.sock'}"
            server.add_insecure_port(address)
            server.start()
            known = self._servers[servicer, key] = (server, address)
        return known[1]


def serve(listener: socket.socket, folder: Path, name: str) -> None:
    """Answers requests until the fork server is gone."""
    parent = os.getppid()
    pool = Pool(folder, name)
    while os.getppid() == parent:
        if not select.select([listener], [], [], WATCH_SECONDS)[0]:
            continue
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            for line in stream:
                stream.write(json.dumps(_answer(pool, json.loads(line))) + "\n")
                stream.flush()


def _answer(pool: Pool, request: dict[str, Any]) -> dict[str, str]:
    try:
        return {"address": pool.address(request["servicer"], request["key"])}
    except Exception as error:  # a plugin that cannot be made must not end the others
        return {"error": f"{type(error).__name__}: {error}"}
