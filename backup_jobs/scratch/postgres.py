"""A scratch PostgreSQL server: made for one drill, on a socket in a private folder, gone with the job.

It never listens on a network. Durability is off: nothing in it may survive. As root it runs under the account
STRONGROOM_SCRATCH_USER, `postgres` or `nobody`, because PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import os
import pwd
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from backup_jobs import postgres_tools
from backup_jobs.scratch.workspace import SCRATCH_PREFIX, Tool, Workspace
from strongroom.errors import Undetermined

_START_SECONDS = 60.0
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "64MB",
    "max_connections": "20",
    "unix_socket_permissions": "0700",
}


@dataclass(frozen=True)
class ScratchServer:
    """A running scratch server; `user` is its superuser."""

    folder: str
    user: str
    major: int

    def dsn(self, database: str) -> str:
        """The connection string of one of its databases."""
        return psycopg.conninfo.make_conninfo(host=self.folder, port=5432, user=self.user, dbname=database)

    def create(self, label: str, encoding: str = "UTF8") -> str:
        """A new empty database `strongroom_scratch_<label>`; returns its connection string."""
        name = f"{SCRATCH_PREFIX}{label}"
        query = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'")
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(query.format(sql.Identifier(name), sql.Literal(encoding)))
        return self.dsn(name)


@contextmanager
def scratch_postgres(server_major: int) -> Iterator[ScratchServer]:
    """A server of `server_major` or the nearest newer version; Undetermined when this host cannot provide one."""
    tools = postgres_tools.find(server_major, ("postgres", "initdb"))
    identity = unprivileged_user()
    with Workspace() as workspace:
        home = workspace.path / "server"
        home.mkdir(mode=0o700)
        if identity:
            os.chown(home, *identity)
            workspace.path.chmod(0o711)  # the account must be able to walk through to its own folder
        data = str(home / "data")
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username=postgres"]
        made = workspace.start([tools.path("initdb"), f"--pgdata={data}", *options], user=identity)
        if workspace.wait(made) != 0:
            reason = postgres_tools.explain(workspace.errors(made))
            raise Undetermined(f"initdb of version {tools.major} failed: {reason}", hint=_reach_hint(identity))
        settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "unix_socket_directories": str(home)}.items()]
        argv = [tools.path("postgres"), "-D", data, *settings]
        process = workspace.start(argv, user=identity, stop=signal.SIGQUIT)
        server = ScratchServer(str(home), "postgres", tools.major)
        _await_ready(workspace, process, server)
        yield server


def unprivileged_user() -> tuple[int, int] | None:
    """(uid, gid) to run a server under when this process is root, else None; Undetermined when there is none."""
    if os.geteuid() != 0:
        return None
    for name in (os.environ.get("STRONGROOM_SCRATCH_USER", ""), "postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return found.pw_uid, found.pw_gid
    raise Undetermined("no account to run a scratch server under", hint="set STRONGROOM_SCRATCH_USER")


def _await_ready(workspace: Workspace, process: Tool, server: ScratchServer) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            psycopg.connect(server.dsn("postgres"), connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if workspace.wait(process, timeout=0.02) is not None:
                break
    reason = postgres_tools.explain(workspace.errors(process))
    raise Undetermined(f"the scratch PostgreSQL did not start: {reason}", hint="see docs/operations.md, 'Drills'")


def _reach_hint(identity: tuple[int, int] | None) -> str:
    return "its account must be able to execute the programs and reach STRONGROOM_SCRATCH" if identity else ""
