"""A prenatal portal in the provisioned database, sensitive fields sealed on their way in, and the user's secret."""

from __future__ import annotations

import json
import os
import uuid
from typing import Any

from demo.stage import ENV, TENANT, Patient, Stage, digest, require

TITLE = "A portal with sealed fields"
NOTE = "SELECT patient_id, note FROM psychotherapy_notes WHERE id = %s"


def show(stage: Stage) -> str:
    """Loads the data set as the application and reads the secret's row once raw and once through its keys."""
    from demo.dataset.generate import generate, with_secret

    portal, note = with_secret(stage.portal.result() if stage.portal else generate(), stage.secret)
    stage.patient = Patient(note.id, note.patient_id)
    _install_schema(stage)
    rows = _load(stage, portal)
    files, size = _images(stage)
    raw, plain = _read_back(stage, note.id)
    require(plain == stage.secret, "the application does not read back what it wrote")
    require(stage.secret.encode() not in raw, "the stored note holds the secret in plain text")
    stage.display.line(
        f"{rows:,} rows by the application's own login (it lives an hour); {files} DICOM files, {size:.1f} MB"
    )
    stage.display.line(f"SELECT note       \\x{raw[:22].hex()}… ({len(raw)} bytes, psychotherapy key of one patient)")
    stage.display.line(f"the application   {plain[:2]}…  sha256 {digest(plain)}")
    return f"{rows:,} rows, {files} images; ciphertext in SQL, plain text in the application"


def master_connection(stage: Stage) -> Any:
    """The owner of the schema, with the password that RDS keeps in Secrets Manager; the deployer of the layer data."""
    from strongroom.jobs import credentials
    from strongroom.jobs.database import Login

    store, region = stage.store("portal"), stage.manifest().accounts["workload"].regions[0]
    account = stage.manifest().accounts["workload"].id
    role = f"arn:aws:iam::{account}:role/strongroom/{ENV}/deployer.data"
    session = credentials.duty_session(ENV, "deployer", role, region)
    instance = store.arn.rpartition(":")[2]
    found = session.client("rds").describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"][0]
    arn = found["MasterUserSecret"]["SecretArn"]
    secret = json.loads(session.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    host, _, port = store.endpoint.rpartition(":")
    parameters = {"host": host, "port": port, "dbname": store.database, "user": secret["username"]}
    parameters |= {"sslmode": "verify-full", "sslrootcert": os.environ["PGSSLROOTCERT"]}
    return Login(parameters, secret["password"]).connect()


def application(stage: Stage, connection: Any, *, cache_seconds: float = 300.0) -> Any:
    """The application's cipher over a connection."""
    from key_rotation.fields import root_of, unwrapper
    from strongroom.fields.cipher import FieldCipher

    ctx = stage.context("application")
    classes = sorted({field.data_class for field in stage.store("portal").fields})
    roots = {name: unwrapper(ctx, "application", root_of(ctx, name)) for name in classes}
    return FieldCipher(connection, TENANT, roots, cache_seconds=cache_seconds)


def connect(stage: Stage, duty: str = "application", **options: Any) -> Any:
    """A connection with a login made for it by OpenBao's database engine."""
    from strongroom.jobs.database import login

    return login(stage.context(duty), stage.store("portal"), duty).connect(**options)


def read_note(stage: Stage, connection: Any, cipher: Any) -> str:
    """The secret's note as the application reads it."""
    assert stage.patient is not None
    subject, sealed = connection.execute(NOTE, (stage.patient.note,)).fetchone()
    opened = cipher.open(
        "psy-note", "psychotherapy", subject=subject, row_key=str(stage.patient.note), sealed=bytes(sealed)
    )
    return str(opened.decode())


def _install_schema(stage: Stage) -> None:
    from demo.dataset.loading import install_schema
    from strongroom.fields import branch_keys

    with master_connection(stage) as connection:
        branch_keys.install_schema(connection)
        install_schema(connection)


def _load(stage: Stage, portal: Any) -> int:
    from demo.dataset.loading import load
    from demo.dataset.records import CLASS_OF
    from key_rotation.fields import recipients
    from strongroom.fields import branch_keys
    from strongroom.keys.escrow import load_public

    ctx, escrow = stage.context("application"), load_public(stage.home / "escrow.pub.pem")
    with connect(stage) as connection:
        cipher = application(stage, connection)
        for data_class in sorted(set(CLASS_OF.values())):
            branch_keys.create(connection, TENANT, data_class, recipients(ctx, "application", data_class, escrow))
            cipher.create_subject_keys(data_class, portal.subjects(data_class))

        def encrypt(field_id: str, _tenant: str, subject: uuid.UUID, row_key: str, plaintext: bytes) -> bytes:
            sealed: bytes = cipher.seal(
                field_id, CLASS_OF[field_id], subject=subject, row_key=row_key, plaintext=plaintext
            )
            return sealed

        return load(connection, portal, TENANT, encrypt)


def _images(stage: Stage) -> tuple[int, float]:
    """Ultrasound and ECG into the bucket, what the devices keep beside into their folder: files and megabytes."""
    from backup_jobs.sources.declared import folder_of
    from demo.dataset.imaging import DEVICES, dicom_files, objects, write_folder

    store, ctx = stage.store("images"), stage.context("application")
    client = ctx.session("application", store.account, store.region).client("s3")
    pictures, devices = dicom_files(), dicom_files(DEVICES)
    for key, data in objects(pictures):
        client.put_object(Bucket=store.arn.rpartition(":")[2], Key=key, Body=data)
    write_folder(devices, folder_of(stage.store("device-data")))
    every = [*pictures, *devices]
    return len(every), sum(file.size for file in every) / 1e6


def _read_back(stage: Stage, note: uuid.UUID) -> tuple[bytes, str]:
    with connect(stage) as connection:
        raw = bytes(connection.execute(NOTE, (note,)).fetchone()[1])
        return raw, read_note(stage, connection, application(stage, connection))
