"""PostgreSQL of the laptop's cloud: TLS only, SCRAM only, loopback only, and no row ever in its log.

**Root.** PostgreSQL refuses to run as root, and another user cannot enter `.strongroom/` (0700), nor should it. So the
data folder stays inside, belongs to that other user (0700), and is handed over as an open descriptor: the server is
started with `-D /proc/self/fd/N`, which needs no right on the folders above. Nothing lies in a world-reachable place,
and `reset` removes one tree. The programs themselves must be reachable; if that user cannot run them where they are (a
virtual environment under /root), they are copied once to a root-owned folder and the place is noted in `software/`.
Measured with PostgreSQL 15 and 17; before 16 it works only with the working folder `/`, since those versions change
back to the working folder while they look for their own path.

**Logs.** Statements, parameters and the messages of failed statements stay out: an error text quotes values.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from local_cloud.servers import ports
from local_cloud.servers.certificates import Authority
from local_cloud.servers.contract import Record, Running, wait_until_ready
from local_cloud.servers.layout import Layout, private_folder, read_json, write_private, write_private_json
from local_cloud.servers.postgres_programs import Installation, account_to_run_as, find_installation, reachable
from local_cloud.servers.processes import ProcessIdentity, clean_environment, spawn, stop
from strongroom.errors import Transient

ADMINISTRATOR = "strongroom_admin"
_READY_SECONDS = 30.0
_ATTEMPTS = 3  # a free port may be taken by another program before the server binds

_ACCESS = """\
# TLS with SCRAM over loopback; there is no line for sockets and none for plain text, so both are refused.
hostssl all         all 127.0.0.1/32 scram-sha-256
hostssl replication all 127.0.0.1/32 scram-sha-256
"""

_SETTINGS = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 100
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
ssl_min_protocol_version = 'TLSv1.2'
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
# No health data in the log: no statement, no parameter, no message of a failed statement (level ERROR), no DETAIL.
log_statement = 'none'
log_min_duration_statement = -1
log_min_messages = 'log'
log_min_error_statement = 'panic'
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_error_verbosity = 'terse'
log_line_prefix = '%m [%p] %q%u@%d '
"""


class Postgres:
    """The server behind the estate's database instances; its data live in `cloud/postgres/data`."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast shutdown": sessions are ended, the checkpoint is written
    holds_generation = False

    def __init__(self, layout: Layout, authority: Authority) -> None:
        self._layout = layout
        self._authority = authority
        self._folder = layout.cloud / "postgres"
        self._data = self._folder / "data"
        self._account = account_to_run_as()

    @cached_property
    def installation(self) -> Installation:
        """The programs in use, copied where the other user can run them if need be."""
        return reachable(find_installation(), self._account, self._layout.software)

    @property
    def password_file(self) -> Path:
        """The administrator's password (0600)."""
        return self._folder / "admin.password"

    def start(self, record: Record) -> Running:
        """Initialises the data folder on first use, starts the server, and returns when it takes TLS connections.

        Writes `cloud/postgres.json` {host, port, admin_user, admin_password_file, bin_dir, version, ca_file, run_as}.
        The caller has made sure that no earlier server of this folder runs.
        """
        previous = (read_json(self._layout.ready_file(self.name)) or {}).get("port")
        self._initialise()
        for attempt in range(1, _ATTEMPTS + 1):
            port = ports.free_port(previous if attempt == 1 else None)
            try:
                identity = self._serve(port, record)
                break
            except Transient:
                if attempt == _ATTEMPTS:
                    raise
        write_private_json(
            self._layout.ready_file(self.name),
            {
                "host": ports.LOOPBACK,
                "port": port,
                "admin_user": ADMINISTRATOR,
                "admin_password_file": str(self.password_file),
                "bin_dir": str(self.installation.bin_dir),
                "version": self.installation.version,
                "ca_file": str(self._layout.ca_pem),
                "run_as": None if self._account is None else self._account.uid,
                "pid": identity.pid,
            },
        )
        return Running(identity, f"postgresql://{ports.LOOPBACK}:{port}")

    def _initialise(self) -> None:
        done = self._folder / "initialised"
        if done.exists():
            return
        private_folder(self._folder)
        shutil.rmtree(self._data, ignore_errors=True)  # what an interrupted initialisation left behind
        self._data.mkdir(mode=0o700)
        self._own(self._data)
        password = secrets.token_urlsafe(24)
        write_private(self.password_file, password)
        with self._opened_data() as (place, descriptor), tempfile.TemporaryFile(dir=self._folder) as lent:
            # a file without a name, readable through the descriptor that initdb inherits
            lent.write(password.encode())
            lent.seek(0)
            if self._account is not None:
                os.fchown(lent.fileno(), self._account.uid, self._account.gid)
            arguments = [f"--username={ADMINISTRATOR}", f"--pwfile=/dev/fd/{lent.fileno()}", "--auth=scram-sha-256"]
            # an interrupted initialisation begins again, so nothing is gained by waiting for the disk
            arguments += ["--encoding=UTF8", "--no-locale", "--data-checksums", "--no-sync"]
            ended = subprocess.run(
                [self.installation.bin_dir / "initdb", "-D", place, *arguments],
                cwd="/",
                env=clean_environment(),
                pass_fds=(descriptor, lent.fileno()),
                user=None if self._account is None else self._account.uid,
                group=None if self._account is None else self._account.gid,
                extra_groups=None if self._account is None else [],
                umask=0o077,
                capture_output=True,
                text=True,
                check=False,
            )
        if ended.returncode != 0:
            raise Transient(f"initdb failed: {ended.stderr.strip()[-400:]}", hint="see `strongroom cloud status`")
        write_private(done, "")

    def _serve(self, port: int, record: Record) -> ProcessIdentity:
        for name, text in (("postgresql.conf", _SETTINGS.format(port=port)), ("pg_hba.conf", _ACCESS)):
            write_private(self._data / name, text)
            self._own(self._data / name)
        issued = self._authority.issue("server", self._data)
        self._own(issued.certificate)
        self._own(issued.key)
        # PostgreSQL believes the id in this file even if it now belongs to another program; we know better
        # (processes.py), and its shared-memory interlock still refuses a second server on the same folder.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        log = self._layout.log(self.name)
        with self._opened_data() as (place, descriptor):
            identity = spawn(
                [self.installation.bin_dir / "postgres", "-D", place],
                log=log,
                environment=clean_environment(),
                user=None if self._account is None else self._account.uid,
                group=None if self._account is None else self._account.gid,
                inherit=(descriptor,),
            )
        record(identity)
        try:
            wait_until_ready(self.name, identity, lambda: self._answers(port), log=log, seconds=_READY_SECONDS)
        except Transient:
            stop(identity, number=self.stop_signal)
            raise
        return identity

    def _answers(self, port: int) -> bool:
        import psycopg

        try:
            psycopg.connect(
                host=ports.LOOPBACK,
                port=port,
                user=ADMINISTRATOR,
                password=self.password_file.read_text(),
                dbname="postgres",
                sslmode="verify-full",
                sslrootcert=str(self._layout.ca_pem),
                connect_timeout=2,
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    @contextlib.contextmanager
    def _opened_data(self) -> Iterator[tuple[str, int]]:
        """The data folder's path for the server and a descriptor to inherit (see "Root" above)."""
        descriptor = os.open(self._data, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield (str(self._data) if self._account is None else f"/proc/self/fd/{descriptor}"), descriptor
        finally:
            os.close(descriptor)

    def _own(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)
