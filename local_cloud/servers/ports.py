"""Loopback ports: which are free, and who answers."""

from __future__ import annotations

import contextlib
import socket

LOOPBACK = "127.0.0.1"


def free_port(preferred: int | None = None) -> int:
    """A loopback TCP port that nobody listens on: the preferred one if it is free, else one the system picks.

    Another program may still take it before the server binds; servers that cannot bind are started again elsewhere.
    """
    for port in (preferred, 0) if preferred else (0,):
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # as the servers do: a port in TIME_WAIT after a restart counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return int(probe.getsockname()[1])
    raise OSError("no free loopback port")


def accepts(port: int, timeout: float = 0.5) -> bool:
    """Whether something accepts TCP connections on the loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout):
            return True
    except OSError:
        return False
