"""A real PostgreSQL for the loader, and the project's root on the path: `demo` is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from local_cloud.servers.certificates import authority
from local_cloud.servers.layout import Layout, private_folder, read_json
from local_cloud.servers.postgres import Postgres
from local_cloud.servers.processes import stop


@pytest.fixture(scope="module")
def portal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Connection arguments of a fresh PostgreSQL."""
    layout = Layout(tmp_path_factory.mktemp("portal") / "home")
    private_folder(layout.logs)
    server = Postgres(layout, authority(layout))
    running = server.start(lambda _: None)
    reach = read_json(layout.ready_file("postgres"))
    assert reach is not None
    yield {
        "host": reach["host"],
        "port": reach["port"],
        "user": reach["admin_user"],
        "password": Path(reach["admin_password_file"]).read_text(),
        "dbname": "postgres",
        "sslmode": "verify-full",
        "sslrootcert": reach["ca_file"],
    }
    stop(running.identity, number=server.stop_signal)


@pytest.fixture
def connection(portal_server: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose transaction is rolled back afterwards."""
    with psycopg.connect(**portal_server) as opened:
        yield opened
        opened.rollback()
