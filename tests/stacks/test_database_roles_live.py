"""The SQL of the dynamic database roles, on a real PostgreSQL whose owner is no superuser, as on RDS."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from backup_jobs.scratch.postgres import scratch_postgres
from infra.policies.database_roles import database_role_sql
from infra.policies.vault_policies import DATABASE_DUTIES
from strongroom.fields.branch_keys import install_schema

pytestmark = pytest.mark.cloud
SQL = {
    "read patients": "SELECT * FROM public.patients",
    "write patients": "INSERT INTO public.patients VALUES (gen_random_uuid(), 'x')",
    "drop patients": "DROP TABLE public.patients",
    "read branch keys": "SELECT * FROM strongroom.branch_keys",
    "rewrap branch keys": "UPDATE strongroom.branch_keys SET wrapped = wrapped",
    "read subject keys": "SELECT * FROM strongroom.subject_keys",
    "rewrap subject keys": "UPDATE strongroom.subject_keys SET wrapped = wrapped",
    "shred subject keys": "DELETE FROM strongroom.subject_keys WHERE false",
    "fence": "INSERT INTO strongroom.branch_fences VALUES ('t', 'c', 2)",
    "prove": "SELECT strongroom.validate_branch_version('t', 'c') WHERE false",
    "make a role": "CREATE ROLE intruder",
}
MAY = {
    "application": {"read patients", "write patients", "read branch keys", "read subject keys", "shred subject keys"},
    "rotator": {"read branch keys", "rewrap branch keys"},
    "re-encryptor": {
        "read branch keys",
        "rewrap branch keys",
        "read subject keys",
        "rewrap subject keys",
        "fence",
        "prove",
    },
    "backup-writer": {"read patients", "read branch keys", "read subject keys"},
}


@pytest.fixture(scope="module")
def owner():
    """The master user's session in a database with the portal's and the fields' schema."""
    with scratch_postgres(17) as server:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as superuser:
            superuser.execute("CREATE ROLE strongroom_owner LOGIN CREATEROLE PASSWORD 'owner'")
            superuser.execute("GRANT pg_read_all_data, pg_signal_backend TO strongroom_owner WITH ADMIN OPTION")
            superuser.execute("CREATE DATABASE portal OWNER strongroom_owner")
        with psycopg.connect(server.dsn("portal"), autocommit=True) as superuser:
            superuser.execute("ALTER SCHEMA public OWNER TO strongroom_owner")
        info = psycopg.conninfo.conninfo_to_dict(server.dsn("portal"))
        dsn = psycopg.conninfo.make_conninfo(**{**info, "user": "strongroom_owner", "password": "owner"})
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE public.patients (id uuid PRIMARY KEY, name text)")
            install_schema(connection)
            yield connection, info


def filled(statement: str, name: str) -> str:
    """What the database engine makes of a statement."""
    for key, value in (("name", name), ("password", "secret"), ("expiration", "2999-01-01 00:00:00+00")):
        statement = statement.replace("{{" + key + "}}", value)
    return statement


def done(connection: psycopg.Connection, sql: str) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


@pytest.mark.parametrize("duty", DATABASE_DUTIES)
def test_a_login_does_what_its_duty_may_and_ends_with_its_sessions(owner, duty):
    connection, info = owner
    name, role = f"v-{duty}-{uuid.uuid4().hex[:8]}", database_role_sql(duty)
    for statement in role.creation:
        connection.execute(filled(statement, name))
    dsn = psycopg.conninfo.make_conninfo(**{**info, "user": name, "password": "secret"})
    with psycopg.connect(dsn, autocommit=True) as session:
        assert {what for what, sql in SQL.items() if done(session, sql)} == MAY[duty]
        for statement in role.revocation:
            connection.execute(filled(statement, name))
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert connection.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", (name,)).fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)
