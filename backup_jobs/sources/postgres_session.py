"""Sessions with a database, and where a dump of it lies: what capture and restore of PostgreSQL share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from backup_jobs import postgres_tools
from backup_jobs.sources import postgres_digest as digests
from strongroom.errors import Denied, Transient, UsageError

#: Names within a capture: the folder of pg_dump and the statements that make roles.
DUMP, GLOBALS = "dump", "globals.sql"


@contextmanager
def connected(dsn: str, *, database: str = "") -> Iterator[psycopg.Connection[Any]]:
    """An autocommit session with the settings that digests need; Transient or Denied when it cannot be made."""
    parts = postgres_tools.parse(dsn) | ({"dbname": database} if database else {})
    parts.setdefault("connect_timeout", "15")
    parts.setdefault("application_name", "strongroom-backup")
    with translated(f"database {parts.get('dbname', '')} at {parts.get('host', 'the local socket')}"):
        connection = psycopg.connect(psycopg.conninfo.make_conninfo(**parts), autocommit=True)
    with connection:
        with translated("session"):
            connection.execute(digests.SESSION)
            if connection.info.server_version >= 140000:  # a dead client ends its long query within two seconds
                connection.execute("SET client_connection_check_interval = '2s'")
            if connection.info.server_version >= 170000:
                connection.execute("SET transaction_timeout = 0")
        yield connection


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns psycopg's errors into ours, without the server's texts, which may quote data of rows."""
    try:
        yield
    except psycopg.Error as error:
        code = error.sqlstate or ""
        message = f"{what}: PostgreSQL answered {code or type(error).__name__}"
        if code.startswith("28") or code == "42501" or "authentication failed" in str(error):
            raise Denied(message, hint="check the role's grants and its entry in pg_hba.conf") from None
        if code == "3D000":
            raise UsageError(f"{what}: there is no such database") from None
        raise Transient(message, hint="check that the server is up and run again") from None
