"""PostgreSQL as a source: one snapshot, digests that see every change, and tools that never show a password."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path

import psycopg
import pytest

from backup_jobs import postgres_tools
from backup_jobs.scratch.postgres import ScratchServer
from backup_jobs.sources.postgres import PostgresSource
from backup_jobs.sources.postgres_digest import digest_rows, table_key
from backup_jobs.sources.postgres_restore import Target, differences, load
from backup_jobs.sources.postgres_session import connected
from strongroom.errors import Denied, IntegrityFailure, Undetermined, UsageError

pytestmark = pytest.mark.cloud
KEY = b"k" * 32

SCHEMA = """
    CREATE TABLE patients (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, gone int, born date,
                           initials text GENERATED ALWAYS AS (left(name, 1)) STORED, extra jsonb);
    ALTER TABLE patients DROP COLUMN gone;
    CREATE TABLE "Odd Name" (a int, "b c" bytea, d float8, e timestamptz);
    CREATE SCHEMA clinic; CREATE TABLE clinic.empty (x int);
    CREATE TABLE visits (k int, v text) PARTITION BY RANGE (k);
    CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (0) TO (1000);
    INSERT INTO patients (name, born, extra) SELECT E'tab\\tline\\nback\\\\.' || i, '1990-01-01', '{"a": [1, 2]}'
        FROM generate_series(1, 500) i;
    INSERT INTO "Odd Name" SELECT i, decode(md5(i::text), 'hex'), i / 7.0, now() FROM generate_series(1, 100) i;
    INSERT INTO visits SELECT i, 'x' FROM generate_series(0, 999) i;
    SELECT lo_from_bytea(0, 'an image');
"""


@pytest.fixture
def portal(source_server: ScratchServer, request) -> str:
    dsn = source_server.create(f"portal_{os.urandom(3).hex()}")
    with psycopg.connect(dsn) as connection:
        connection.execute(SCHEMA)
    return dsn


def test_round_trip_is_equal_and_every_kind_of_change_is_seen(portal, source_server, carry) -> None:
    items, facts, _ = carry(PostgresSource("portal", portal), KEY)
    assert json.loads(json.dumps(facts)) == facts
    assert {n: t["rows"] for n, t in facts["tables"].items()} == {
        "clinic.empty": 0,
        'public."Odd Name"': 100,
        "public.patients": 500,
        "public.visits_1": 1000,
        "pg_catalog.pg_largeobject": 1,
    }
    assert facts["table_map"]["public.patients"]["columns"] == ["id", "name", "born", "extra"]
    by_path = {item.path: b"".join(item.read()) for item in items}
    copied = by_path[facts["table_map"]["public.visits_1"]["file"]]
    assert copied.splitlines()[0] == b"0\tx"
    assert b"PASSWORD" not in by_path["globals.sql"]
    target = source_server.create(f"back_{os.urandom(3).hex()}")
    assert load(iter(items), Target(target, facts)) == {"roles_missing": []}
    assert differences(target, facts, KEY) == []
    for change, table, reason in (
        ("UPDATE patients SET extra = '{\"a\": [1, 3]}' WHERE id = (SELECT min(id::text)::uuid FROM patients)",
         "public.patients", "row-digest"),
        ("DELETE FROM visits WHERE k = 5", "public.visits_1", "row-count"),
        ('ALTER TABLE "Odd Name" DROP COLUMN d', 'public."Odd Name"', "column-missing"),
        ("DROP TABLE clinic.empty", "clinic.empty", "table-missing"),
        ("CREATE TABLE planted ()", "public.planted", "table-unexpected"),
        ("SELECT lo_put(oid, 0, 'X') FROM pg_largeobject_metadata", "pg_catalog.pg_largeobject", "row-digest"),
    ):  # fmt: skip
        with psycopg.connect(target) as connection:
            connection.execute(change)
        assert (table, reason) in {(d.table, d.reason) for d in differences(target, facts, KEY)}, change
    other = {(d.table, d.reason) for d in differences(target, facts, b"another key".ljust(32))}
    assert ("public.patients", "row-digest") in other


def test_owners_and_grants_need_only_the_roles_of_this_database(portal, source_server, carry) -> None:
    owner, bystander = (f"{name}_{os.urandom(3).hex()}" for name in ("owner", "bystander"))
    with psycopg.connect(portal) as connection:
        connection.execute(f"CREATE ROLE {owner}; CREATE ROLE {bystander}; ALTER TABLE visits OWNER TO {owner}")
    items, facts, _ = carry(PostgresSource("portal", portal), KEY)
    assert owner in facts["roles"] and bystander not in facts["roles"]
    globals_sql = next(b"".join(item.read()) for item in items if item.path == "globals.sql")
    assert bystander.encode() in globals_sql
    target = source_server.create(f"owned_{os.urandom(3).hex()}")
    lacking = load(iter(items), Target(target, {**facts, "roles": [*facts["roles"], "nobody_here"]}))
    assert lacking == {"roles_missing": ["nobody_here"]}  # then it is loaded without owners and grants
    whole = source_server.create(f"owned_{os.urandom(3).hex()}")
    load(iter(items), Target(whole, facts))
    with connected(whole) as connection:
        found = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'visits_1'").fetchone()
        parent = connection.execute("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'visits'").fetchone()
    assert (found, parent) == (("postgres",), (owner,))


def test_all_of_it_is_one_moment_while_writers_write(portal, source_server, carry) -> None:
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(portal, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("INSERT INTO patients (name) VALUES ('new')")
                connection.execute("UPDATE visits SET v = v || 'y' WHERE k = 1")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        items, facts, _ = carry(PostgresSource("portal", portal), KEY)
    finally:
        stop.set()
        writer.join()
    target = source_server.create(f"moment_{os.urandom(3).hex()}")
    load(iter(items), Target(target, facts))
    assert differences(target, facts, KEY) == []
    assert differences(portal, facts, KEY), "the control: the source has moved on meanwhile"


def test_unsuitable_targets_are_refused(portal, source_server, carry) -> None:
    items, facts, _ = carry(PostgresSource("portal", portal), KEY)
    with psycopg.connect(source_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE plain")
    with pytest.raises(UsageError, match="backed up"):
        load(iter(items), Target(source_server.dsn("plain"), facts))
    with pytest.raises(UsageError, match="not empty"):
        load(iter(items), Target(portal, facts))
    target = source_server.create(f"host_{os.urandom(3).hex()}")
    with pytest.raises(Undetermined, match="postgis"):
        load(iter(items), Target(target, {**facts, "extensions": {"postgis": "3"}}))
    with pytest.raises(Undetermined, match="older"):
        load(iter(items), Target(target, {**facts, "server_version": 990000}))
    damaged = [i for i in items if i.path != facts["table_map"]["public.patients"]["file"]]
    with pytest.raises(IntegrityFailure):
        load(iter(damaged), Target(target, facts))


def test_secrets_are_in_no_argument_and_no_environment(portal, source_server, carry, tmp_path, monkeypatch) -> None:
    name, secret = f"writer_{os.urandom(3).hex()}", r"pa:ss\wo rd"
    with psycopg.connect(portal, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{secret}'")
        connection.execute(f"GRANT pg_read_all_data TO {name}; REVOKE ALL ON SCHEMA clinic FROM PUBLIC")
        hba = Path(source_server.folder) / "data" / "pg_hba.conf"
        hba.write_text(f"local all {name} scram-sha-256\n" + hba.read_text())
        connection.execute("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
        connection.execute("SELECT pg_reload_conf()")
    parts = postgres_tools.parse(portal) | {"user": name}
    monkeypatch.setenv("STRONGROOM_SCRATCH", str(tmp_path))
    seen: list[bytes] = []
    original = postgres_tools.split_password

    def spied(dsn, folder):
        conninfo = original(dsn, folder)
        assert (folder / "passfile").stat().st_mode & 0o777 == 0o600
        seen.append(conninfo.encode())
        return conninfo

    monkeypatch.setattr(postgres_tools, "split_password", spied)
    source = PostgresSource("portal", psycopg.conninfo.make_conninfo(**parts, password=secret))
    _, facts, _ = carry(source, KEY)
    assert facts["tables"]["public.patients"]["rows"] == 500
    assert seen and secret.encode() not in seen[0] and b"password" not in seen[0]
    assert not list(tmp_path.iterdir()), "the passfile is gone"
    with pytest.raises(Denied) as refused, connected(psycopg.conninfo.make_conninfo(**parts, password="wrong-one")):
        pass
    assert "wrong-one" not in str(refused.value)


def test_digests_ignore_order_and_block_sizes() -> None:
    rows = [b"%d\tvalue\n" % i for i in range(500)]
    expected = digest_rows(rows, KEY)
    text = b"".join(random.Random(1).sample(rows, len(rows)))
    for size in (1, 7, 4096, len(text)):
        assert digest_rows([text[i : i + size] for i in range(0, len(text), size)], KEY) == expected
    assert digest_rows([*rows, rows[0]], KEY) != expected
    assert digest_rows([*rows[1:], rows[1]], KEY).digest != expected.digest  # same count, one row twice
    assert table_key(KEY, "a", ["b", "c"]) != table_key(KEY, "a", ["bc"]) != table_key(KEY, "ab", ["c"])


def test_tools_are_chosen_by_the_servers_version(monkeypatch, tmp_path) -> None:
    assert postgres_tools.find(15, ("pg_dump",)).major >= 15
    with pytest.raises(Undetermined, match="version 99"):
        postgres_tools.find(99, ("pg_dump",))
    fake = tmp_path / "pg_dump"
    fake.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 99.1'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("STRONGROOM_PG_BIN", str(tmp_path))
    assert postgres_tools.find(99, ("pg_dump",)).folder == tmp_path
    assert postgres_tools.find(15, ("pg_dump",)).major < 99


def test_error_texts_lose_quoted_values() -> None:
    said = postgres_tools.explain(
        'pg_restore: error: COPY failed for table "notes": ERROR:  invalid input: "Jane Roe"\nDETAIL: Jane Roe\n'
    )
    assert "Jane" not in said
    assert said.startswith("COPY failed")
    with pytest.raises(UsageError) as refused:
        postgres_tools.parse("postgresql://user:hunter2@host:notaport:1/x=y?z")
    assert "hunter2" not in str(refused.value)
