"""Loading a dump into an empty database, and comparing what is there with what the backup saw."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from backup_jobs import postgres_tools
from backup_jobs.scratch.workspace import SCRATCH_PREFIX, Workspace
from backup_jobs.sources import postgres_digest as digests
from backup_jobs.sources.contract import RestoredItem
from backup_jobs.sources.postgres_session import DUMP, GLOBALS, connected
from backup_jobs.sources.tree import safe_path
from strongroom.errors import IntegrityFailure, Undetermined, UsageError

_FAILED_TABLE = re.compile(r"COPY failed for table \"([^\"]+)\"")

#: What pg_restore says when the target server or host is at fault, not the dump.
_HOST_FAULT = re.compile(
    r"No space left on device|could not (?:extend|write|access) file|out of (?:shared )?memory|could not create locale"
    r"|server closed the connection|connection to server .* failed|the database system is|collation .* does not exist"
)

_USED = """
    SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
"""


@dataclass(frozen=True)
class Target:
    """A database to load into. `facts` are those of the snapshot; `with_roles` makes missing roles (scratch only)."""

    dsn: str
    facts: Mapping[str, Any]
    with_roles: bool = False
    parallel: int = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """A table whose contents are not those of the backup; counts only, never values."""

    table: str
    expected_rows: int
    found_rows: int
    reason: str


def load(items: Iterator[RestoredItem], target: Target) -> dict[str, Any]:
    """Writes the dump to a workspace and loads it.

    UsageError when the target is not empty or is the source; Undetermined when this host lacks a tool or an
    extension; IntegrityFailure when pg_restore refuses the dump. Returns {"roles_missing": [name], "seconds": ...}.
    """
    refuse_unsuitable(target)
    with Workspace() as workspace:
        write_dump(items, workspace.path)
        with connected(target.dsn) as connection:
            major = connection.info.server_version // 10000
        tools = postgres_tools.find(major, ("pg_restore", "psql"))
        conninfo = postgres_tools.split_password(target.dsn, workspace.path)
        if target.with_roles:
            script = str(workspace.path / GLOBALS)  # statements for roles that exist already fail, as they should
            workspace.wait(workspace.start([tools.path("psql"), "-X", "-q", "-f", script, "-d", conninfo]))
        missing = _missing_roles(target)
        owners = [] if not missing else ["--no-owner", "--no-privileges"]
        options = ["--exit-on-error", "--no-password", "--no-subscriptions", "--no-publications", *owners]
        options += [f"--jobs={target.parallel}", f"--dbname={conninfo}"]
        tool = workspace.start([tools.path("pg_restore"), *options, str(workspace.path / DUMP)])
        if workspace.wait(tool) != 0:
            errors = workspace.errors(tool)
            if _HOST_FAULT.search(errors):
                raise Undetermined(f"the target server could not take the dump: {postgres_tools.explain(errors)}")
            table = _FAILED_TABLE.search(errors)
            where = f" at table {table.group(1)}" if table else ""
            raise IntegrityFailure(f"pg_restore could not load the dump{where}: {postgres_tools.explain(errors)}")
    return {"roles_missing": missing}


def write_dump(items: Iterator[RestoredItem], folder: Path) -> None:
    """Writes the files of a dump under `folder` (0600)."""
    (folder / DUMP).mkdir(mode=0o700)
    for item in items:
        path = safe_path(folder, item.path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for block in item.read():
                file.write(block)


def refuse_unsuitable(target: Target) -> None:
    """UsageError: not empty, or in the cluster the backup came from (unless a scratch database); Undetermined: host."""
    with connected(target.dsn) as connection:
        database, system = _one(connection, "SELECT current_database(), (pg_control_system()).system_identifier::text")
        scratch = str(database).startswith(SCRATCH_PREFIX)
        if system == target.facts.get("system") and not scratch:
            raise UsageError(
                f"database {database} lies in the cluster that was backed up (system {system})",
                hint="restore into another server, or into a database called strongroom_scratch_...",
            )
        (used,) = _one(connection, _USED)
        if used:
            raise UsageError(f"database {database} is not empty ({used} relations)", hint="restore into an empty one")
        if connection.info.server_version // 10000 < int(target.facts["server_version"]) // 10000:
            raise Undetermined("the target server is older than the one that was backed up")
        known = {name for (name,) in connection.execute("SELECT name FROM pg_available_extensions").fetchall()}
        absent = sorted(set(target.facts.get("extensions", {})) - known)
        if absent:
            raise Undetermined(
                f"the target server cannot offer the extension {', '.join(absent)}", hint="install it there"
            )


def differences(dsn: str, facts: Mapping[str, Any], key: bytes) -> list[Difference]:
    """Counts and digests every table that the backup saw and returns those that differ; empty means equal."""
    found: list[Difference] = []
    with connected(dsn) as connection:
        for name, expected in facts["tables"].items():
            try:
                if name == digests.LARGE_OBJECTS:
                    digest = digests.digest_large_objects(connection, key)
                else:
                    digest = digests.digest_table(connection, name, expected["columns"], key)
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
                reason = "table-missing" if isinstance(error, psycopg.errors.UndefinedTable) else "column-missing"
                found.append(Difference(name, expected["rows"], 0, reason))
                continue
            if digest.rows != expected["rows"]:
                found.append(Difference(name, expected["rows"], digest.rows, "row-count"))
            elif digest.digest != expected["digest"]:
                found.append(Difference(name, expected["rows"], digest.rows, "row-digest"))
        present = {table.name for table in digests.tables(connection)}
    extra = present - set(facts["tables"])
    return found + [Difference(name, 0, 0, "table-unexpected") for name in sorted(extra)]


def _missing_roles(target: Target) -> list[str]:
    with connected(target.dsn) as connection:
        present = {name for (name,) in connection.execute("SELECT rolname FROM pg_catalog.pg_roles").fetchall()}
    return sorted(set(target.facts.get("roles", ())) - present)


def _one(connection: psycopg.Connection[Any], query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)
