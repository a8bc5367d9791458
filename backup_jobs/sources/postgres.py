"""PostgreSQL, managed or self-run: pg_dump in directory format of one exported snapshot, with counts and digests.

Everything a drill compares is read in the same snapshot as the dump: a transaction at REPEATABLE READ exports it
(https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION), pg_dump and the
digests import it. The dump lies uncompressed in a workspace (0700) that vanishes with the job; the repository
compresses and deduplicates better than pg_dump would.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import psycopg
from psycopg import IsolationLevel

from backup_jobs import postgres_tools
from backup_jobs.scratch.workspace import Tool, Workspace
from backup_jobs.sources import postgres_digest as digests
from backup_jobs.sources.contract import Item, RestoredItem
from backup_jobs.sources.postgres_restore import load
from backup_jobs.sources.postgres_session import DUMP, GLOBALS, connected, translated
from strongroom.errors import Denied, StrongroomError, Transient

_TOC = re.compile(r"^(\d+); \d+ (\d+) TABLE DATA ")

_FACTS = """
    SELECT to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           current_setting('server_version_num')::int, current_setting('server_encoding'),
           (SELECT system_identifier::text FROM pg_catalog.pg_control_system()), current_database(),
           (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text,
           pg_database_size(current_database())
"""
#: Roles that own something in this database or hold a grant in it: what a restore with owners needs.
_ROLES = """
    SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' AND (
        oid IN (SELECT refobjid FROM pg_catalog.pg_shdepend WHERE refclassid = 'pg_catalog.pg_authid'::regclass
                AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
        OR oid IN (SELECT relowner FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'))
    ORDER BY 1
"""


class PostgresSource:
    """One database. `dsn` is any libpq connection string; a password in it stays in this process and a passfile."""

    kind = "postgres"

    def __init__(self, name: str, dsn: str) -> None:
        self.name, self._dsn = name, dsn

    @contextmanager
    def capture(self, run_key_digest: bytes) -> Iterator[PostgresCapture]:
        """Holds one snapshot until the block ends. Transient: unreachable; Denied: refused; Undetermined: no tools."""
        with Workspace() as workspace, connected(self._dsn) as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction(), translated(f"source {self.name}"):
                yield PostgresCapture(self._dsn, workspace, connection, run_key_digest)

    def restore(self, items: Iterator[RestoredItem], target: Any) -> dict[str, Any]:
        """Loads a dump into the empty database `target` (backup_jobs.sources.postgres_restore.Target)."""
        return load(items, target)


class PostgresCapture:
    """A database at one snapshot: see `backup_jobs.sources.contract.Capture`."""

    def __init__(self, dsn: str, workspace: Workspace, connection: psycopg.Connection[Any], key: bytes) -> None:
        self._dsn, self._workspace, self._connection, self._key = dsn, workspace, connection, key
        row = connection.execute(_FACTS).fetchone()  # the first statement of the transaction takes the snapshot
        assert row is not None
        at, version, encoding, system, database, lsn, size = row
        self._facts: dict[str, Any] = {
            "kind": "postgres",
            "consistent_at": at,
            "server_version": version,
            "encoding": encoding,
            "system": system,
            "database": database,
            "lsn": lsn,
            "database_bytes": size,
        }

    def items(self) -> Iterator[Item]:
        """The files of the dump and the roles; the digests are computed while pg_dump works."""
        major = int(self._facts["server_version"]) // 10000
        tools = postgres_tools.find(major, ("pg_dump", "pg_restore", "pg_dumpall"))
        conninfo = postgres_tools.split_password(self._dsn, self._workspace.path)
        snapshot = self._one("SELECT pg_catalog.pg_export_snapshot()")
        folder = self._workspace.path / DUMP
        options = ["--format=directory", "--compress=0", "--no-sync", "--no-password", "--lock-wait-timeout=60000"]
        argv = [tools.path("pg_dump"), *options, f"--snapshot={snapshot}", f"--file={folder}", f"--dbname={conninfo}"]
        dump = self._workspace.start(argv)
        globals_argv = [tools.path("pg_dumpall"), "--globals-only", "--no-role-passwords", "--no-password"]
        roles = self._workspace.start([*globals_argv, f"--dbname={conninfo}"])
        self._read_catalog()
        tables = self._digest_tables()
        self._finish(dump)
        self._facts["table_map"] = self._map(tools, folder, tables)
        yield self._file(GLOBALS, self._roles(roles))
        for path in sorted(folder.iterdir()):
            yield self._file(f"{DUMP}/{path.name}", path)

    def facts(self) -> dict[str, Any]:
        """Facts of the snapshot; complete once `items()` is exhausted."""
        return dict(self._facts)

    def _one(self, query: str) -> Any:
        row = self._connection.execute(query).fetchone()
        return row[0] if row else None

    def _read_catalog(self) -> None:
        read = self._connection.execute
        self._facts["extensions"] = dict(read("SELECT extname, extversion FROM pg_extension ORDER BY 1").fetchall())
        self._facts["roles"] = [role for (role,) in read(_ROLES)]
        foreign = read("SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'f' ORDER BY 1").fetchall()
        self._facts["skipped"] = [{"path": name, "reason": "foreign-table"} for (name,) in foreign]
        self._facts["changed"] = []

    def _digest_tables(self) -> list[digests.Table]:
        found = digests.tables(self._connection)
        result: dict[str, Any] = {}
        for table in found:
            digest = digests.digest_table(self._connection, table.name, table.columns, self._key)
            result[table.name] = {**digest.to_json(), "columns": list(table.columns)}
        if self._one("SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)"):
            result[digests.LARGE_OBJECTS] = digests.digest_large_objects(self._connection, self._key).to_json()
        self._facts["tables"] = result
        return found

    def _finish(self, dump: Tool) -> None:
        if self._workspace.wait(dump) != 0:
            reason = postgres_tools.explain(self._workspace.errors(dump))
            kind: type[StrongroomError] = Denied if "permission denied" in reason else Transient
            raise kind(f"pg_dump of database {self._facts['database']} failed: {reason}")

    def _roles(self, roles: Tool) -> Path:
        if self._workspace.wait(roles) != 0:
            self._facts["skipped"].append({"path": GLOBALS, "reason": "not-permitted"})
        return self._workspace.path / f"output.{roles.number}"

    def _map(self, tools: postgres_tools.Tools, folder: Path, tables: list[digests.Table]) -> dict[str, Any]:
        listing = self._workspace.start([tools.path("pg_restore"), "--list", str(folder)])
        if self._workspace.wait(listing) != 0:
            raise Transient(f"the dump cannot be listed: {postgres_tools.explain(self._workspace.errors(listing))}")
        lines = self._workspace.output(listing).splitlines()
        files = {int(m.group(2)): m.group(1) for line in lines if (m := _TOC.match(line))}
        missing = [table.name for table in tables if table.oid not in files]
        self._facts["skipped"] += [{"path": name, "reason": "not-in-dump"} for name in missing]
        return {
            table.name: {"file": f"{DUMP}/{files[table.oid]}.dat", "columns": list(table.copied)}
            for table in tables
            if table.oid in files
        }

    @staticmethod
    def _file(name: str, path: Path) -> Item:
        status = path.stat()
        identity = f"{status.st_ino:x}:{status.st_ctime_ns:x}"
        return Item(name, status.st_size, status.st_mtime_ns, 0o600, identity, "file", "", {}, _opener(path))


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, io.FileIO(path, "rb"))


def adhoc_name(dsn: str) -> str:
    """The source name of a connection string that no manifest names: database and 8 hex digits of its address."""
    parts = postgres_tools.parse(dsn)
    address = "|".join(parts.get(name, os.environ.get("PGHOST", "")) for name in ("host", "port", "dbname"))
    label = re.sub(r"[^a-z0-9-]+", "-", parts.get("dbname", "database").lower()).strip("-")
    return f"{label}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
