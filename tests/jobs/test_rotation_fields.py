"""rewrap-fields and rotate-keys on a real PostgreSQL and a real OpenBao, with the database roles of the programs.

While a job runs, an application keeps adding subjects and sealing values; nothing may be lost, and the job may be
killed at any point.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest

from backup_jobs.scratch.postgres import scratch_postgres
from infra.policies.database_roles import database_role_sql
from key_rotation.fields import RewrapFields
from key_rotation.kms import RotateKeys, reason_due
from strongroom.errors import KeyFailure
from strongroom.estate.manifest import EncryptedField, Key, Manifest, Store
from strongroom.fields import branch_keys
from strongroom.fields.cipher import FieldCipher
from strongroom.jobs.clock import SystemClock
from strongroom.jobs.contract import Proof, RunState
from strongroom.jobs.runner import run_job
from strongroom.keys.handles import KeyState
from strongroom.keys.transit import TransitUnwrapper, TransitWrapper
from strongroom.progress import Silent

SUBJECTS = 3000
pytestmark = pytest.mark.xdist_group("rotation")


class Log:
    def __init__(self):
        self.statements = []

    def emit(self, kind, body, *, inputs=None):
        self.statements.append((kind, body))
        return f"evidence/dev/{len(self.statements):012d}.dsse"


class Ctx:
    env, run_id, progress = "dev", "20260101T000000Z-00000000", Silent()

    def __init__(self, manifest, vault, **options):
        self.manifest, self._vault, self.options = manifest, vault, options
        self.clock, self.cancel, self.evidence = SystemClock(), threading.Event(), Log()

    def vault(self, duty):
        return self._vault


@pytest.fixture(scope="module")
def server():
    with scratch_postgres(15) as running:
        with psycopg.connect(running.dsn("postgres")) as connection:
            connection.execute("CREATE ROLE vaultadmin SUPERUSER LOGIN PASSWORD 'x'")
        yield running


@pytest.fixture
def portal(server, bao_client):
    """A database with subject keys, the database engine in front of it, and a manifest that names both."""
    label = uuid.uuid4().hex[:8]
    dsn = server.create(label)
    database = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    root = f"fields-{label}"
    bao_client.secrets.transit.create_key(root, derived=True)
    mount = f"database-{label}"
    bao_client.sys.enable_secrets_engine("database", path=mount)
    with psycopg.connect(dsn) as connection:
        branch_keys.install_schema(connection)
        wrappers = {"root": TransitWrapper(bao_client, f"transit/{root}")}
        branch_keys.create(connection, "clinic", "clinical", wrappers)
        connection.execute("CREATE TABLE seen (subject uuid PRIMARY KEY, value bytea NOT NULL)")
    bao_client.write_data(
        f"{mount}/config/portal",
        data={
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": "*",
            "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@/{database}?host={server.folder}",
            "username": "vaultadmin",
            "password": "x",
        },
    )
    for duty in ("application", "rotator", "re-encryptor"):
        role = database_role_sql(duty)
        bao_client.write_data(
            f"{mount}/roles/portal.{duty}",
            data={
                "db_name": "portal",
                "creation_statements": list(role.creation),
                "revocation_statements": list(role.revocation),
                "default_ttl": "1h",
            },
        )
    manifest = Manifest(
        env="dev",
        environment_kind="sandbox",
        accounts={},
        keys=(Key(name=root, data_class="clinical", purpose="field-root", provider="transit", ref=f"transit/{root}"),),
        stores=(
            Store(
                name="portal",
                kind="postgres",
                data_class="clinical",
                endpoint=f"{server.folder}:5432",
                database=database,
                secret_ref=f"vault:{mount}/creds/portal.{{duty}}",
                fields=(
                    EncryptedField(
                        field_id="f", table="seen", column="value", row_key="subject", data_class="clinical"
                    ),
                ),
            ),
        ),
        repositories=(),
        evidence=None,
        digests={},
    )
    return SimpleNamespace(manifest=manifest, dsn=dsn, root=f"transit/{root}", vault=bao_client)


def cipher(portal, connection):
    return FieldCipher(connection, "clinic", {"clinical": TransitUnwrapper(portal.vault, portal.root)})


def fill(portal, count=SUBJECTS):
    with psycopg.connect(portal.dsn) as connection:
        fields = cipher(portal, connection)
        subjects = [uuid.uuid4() for _ in range(count)]
        fields.create_subject_keys("clinical", subjects)
        rows = [(s, fields.seal("f", "clinical", subject=s, row_key=str(s), plaintext=s.bytes)) for s in subjects]
        connection.cursor().executemany("INSERT INTO seen VALUES (%s, %s)", rows)


def all_open(portal):
    """Opens every stored value with fresh caches; returns how many there are."""
    with psycopg.connect(portal.dsn) as connection:
        fields = cipher(portal, connection)
        rows = connection.execute("SELECT subject, value FROM seen").fetchall()
        for subject, sealed in rows:
            opened = fields.open("f", "clinical", subject=subject, row_key=str(subject), sealed=bytes(sealed))
            assert opened == subject.bytes
        return len(rows)


def old_versions(portal, version):
    with psycopg.connect(portal.dsn) as connection:
        query = "SELECT count(*) FROM strongroom.subject_keys WHERE branch_version < %s"
        return connection.execute(query, (version,)).fetchone()[0]


def run(job, portal, tmp_path, **options):
    ctx = Ctx(portal.manifest, portal.vault, **options)
    return run_job(job, ctx, home=tmp_path, leases=None), ctx


def test_branch_rewrap_while_the_application_writes(portal, tmp_path):
    fill(portal)
    stop, added, failed = threading.Event(), [], []

    def application():
        try:
            with psycopg.connect(portal.dsn, autocommit=True) as connection:
                fields = cipher(portal, connection)
                while not stop.is_set():
                    subject = uuid.uuid4()
                    sealed = fields.seal(
                        "f", "clinical", subject=subject, row_key=str(subject), plaintext=subject.bytes
                    )
                    connection.execute("INSERT INTO seen VALUES (%s, %s)", (subject, sealed))
                    added.append(subject)
        except Exception as error:
            failed.append(error)

    writer = threading.Thread(target=application)
    writer.start()
    try:
        report, ctx = run(RewrapFields("branch"), portal, tmp_path)
    finally:
        stop.set()
        writer.join()
    assert not failed and added
    assert (report.exit_code, report.proof) == (0, Proof.VERIFIED), report.problems
    assert report.results[0].counts["rewrapped"] >= SUBJECTS
    assert old_versions(portal, 2) == 0
    assert all_open(portal) == SUBJECTS + len(added)
    kind, body = ctx.evidence.statements[0]
    assert kind == "rotation" and body["proof"]["constraint_validated"] is True


def test_the_database_itself_refuses_an_old_version_afterwards(portal, tmp_path):
    fill(portal, 10)
    with psycopg.connect(portal.dsn) as connection:
        row = connection.execute("SELECT * FROM strongroom.subject_keys LIMIT 1").fetchone()
    run(RewrapFields("branch"), portal, tmp_path)
    with psycopg.connect(portal.dsn) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(
            "INSERT INTO strongroom.subject_keys VALUES (%s, %s, %s, %s, %s, %s)",
            (uuid.uuid4(), *row[1:3], uuid.uuid4(), 1, row[5]),
        )
    assert refused.value.sqlstate == "SR001"


def test_a_stale_row_denies_the_proof(portal, tmp_path):
    """Negative control: behind the fence's back one row is put under the old version again."""
    fill(portal, 10)
    assert run(RewrapFields("branch"), portal, tmp_path)[0].exit_code == 0
    with psycopg.connect(portal.dsn) as connection:
        connection.execute("ALTER TABLE strongroom.subject_keys DISABLE TRIGGER ALL")
        (name,) = connection.execute(
            "SELECT conname FROM pg_constraint WHERE conname LIKE 'branch_version_%' AND convalidated"
        ).fetchone()
        one = "(SELECT id FROM strongroom.subject_keys LIMIT 1)"
        update = f"UPDATE strongroom.subject_keys SET branch_version = 1 WHERE id IN {one}"
        with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
            connection.execute(update)
        connection.execute(f"ALTER TABLE strongroom.subject_keys DROP CONSTRAINT {name}")
        connection.execute(update)
        connection.execute("SELECT strongroom.declare_branch_version('clinic', 'clinical', 2)")
        with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
            connection.execute("SELECT strongroom.validate_branch_version('clinic', 'clinical')")


def test_a_killed_rewrap_is_finished_by_the_next_run(portal, tmp_path):
    fill(portal)
    pid = os.fork()
    if pid == 0:
        import key_rotation.fields as job

        job.BATCH = 500
        real, batches = job.rewrap, []

        def killed(rows, old, new):
            batches.append(1)
            if len(batches) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(rows, old, new)

        job.rewrap = killed
        try:
            run(RewrapFields("branch"), portal, tmp_path)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert 0 < old_versions(portal, 2) < SUBJECTS
    assert all_open(portal) == SUBJECTS
    report, _ = run(RewrapFields("branch"), portal, tmp_path)
    assert report.exit_code == 0 and old_versions(portal, 2) == 0
    with psycopg.connect(portal.dsn) as connection:
        assert branch_keys.newest_version(connection, "clinic", "clinical") == 2  # finished, not begun anew
    assert all_open(portal) == SUBJECTS


def test_root_rewrap_moves_branch_keys_and_the_old_root_version_is_needed_no_more(portal, tmp_path):
    fill(portal, 20)
    name = portal.root.rpartition("/")[2]
    rotated, _ = run(RotateKeys(), portal, tmp_path, keys=name)
    assert rotated.exit_code == 0 and rotated.results[0].detail["to_version"] == "2"
    report, _ = run(RewrapFields("root"), portal, tmp_path)
    assert (report.exit_code, report.results[0].counts["rewrapped"]) == (0, 1), report.problems
    portal.vault.write_data(f"transit/keys/{name}/config", data={"min_decryption_version": 2})
    assert all_open(portal) == 20


def test_without_the_root_rewrap_a_withheld_version_closes_everything(portal, tmp_path):
    """Negative control of the test above."""
    fill(portal, 5)
    name = portal.root.rpartition("/")[2]
    run(RotateKeys(), portal, tmp_path, keys=name)
    portal.vault.write_data(f"transit/keys/{name}/config", data={"min_decryption_version": 2})
    with pytest.raises(KeyFailure):
        all_open(portal)


def test_the_rotators_database_role_cannot_read_a_subject_key(portal):
    from strongroom.jobs.database import login

    ctx = Ctx(portal.manifest, portal.vault)
    with login(ctx, portal.manifest.store("portal"), "rotator").connect() as connection:
        assert connection.execute("SELECT count(*) FROM strongroom.branch_keys").fetchone() == (1,)
        for table in ("strongroom.subject_keys", "seen"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(f"SELECT count(*) FROM {table}")


@pytest.mark.parametrize(
    ("age", "rotated", "period", "due"),
    [
        (400, None, 365, "due-age"),
        (100, None, 365, None),
        (900, 10, 365, None),
        (900, 400, 365, "due-age"),
        (900, None, None, None),
    ],
)
def test_due_follows_from_the_keys_own_state(age, rotated, period, due):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    last = now - timedelta(days=rotated) if rotated is not None else None
    assert reason_due(KeyState("k", True, "Enabled", "1", now - timedelta(days=age), last), period, now) == due


def test_no_key_due_is_ok_and_says_so(portal, tmp_path):
    report, ctx = run(RotateKeys(), portal, tmp_path)
    assert report.exit_code == 0 and report.state is RunState.OK
    assert ctx.evidence.statements[-1][1]["reasons"] == ["nothing-due"]


def test_rotation_needs_no_pulumi_and_no_laptop_cloud():
    code = (
        "import sys; sys.modules['pulumi'] = sys.modules['moto'] = sys.modules['local_cloud'] = None;"
        "import key_rotation.fields, key_rotation.kms"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
