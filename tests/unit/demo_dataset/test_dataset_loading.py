"""The loader fills a real database in seconds, and what is sealed is nowhere in it as plain text."""

from __future__ import annotations

import time
import uuid
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from demo.dataset.generate import generate, with_secret
from demo.dataset.loading import install_schema, load
from demo.dataset.records import SEALED

pytestmark = pytest.mark.cloud
_KEY = AESGCM(bytes(range(32)))


def sealed(field_id: str, tenant: str, subject: uuid.UUID, row_key: str, plaintext: bytes) -> bytes:
    """Real authenticated encryption; the nonce is the row key, since each row has one value a field here."""
    nonce = uuid.UUID(row_key).bytes[:12]
    return _KEY.encrypt(nonce, plaintext, f"{field_id}|{tenant}|{subject}|{row_key}".encode())


def everything(connection: psycopg.Connection[Any]) -> str:
    return "\n".join(
        str(row) for table in SEALED for row in connection.execute(f"SELECT {table}::text FROM {table}").fetchall()
    )


def test_all_rows_arrive_within_seconds(connection: psycopg.Connection[Any]) -> None:
    portal = generate()
    install_schema(connection)
    began = time.monotonic()
    count = load(connection, portal, "clinic", sealed)
    seconds = time.monotonic() - began
    for table, rows in portal.tables().items():
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (len(rows),)
    assert count == sum(len(rows) for rows in portal.tables().values()) >= 20_000
    assert seconds < 15, f"{count} rows took {seconds:.1f} s"


def test_every_column_reads_back_as_it_was(connection: psycopg.Connection[Any]) -> None:
    portal = generate(seed=3, patients=60)
    install_schema(connection)
    load(connection, portal, "clinic", sealed)
    for table, rows in portal.tables().items():
        columns = list(type(rows[0]).__dataclass_fields__)
        found = {row[0]: row for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()}
        for row in rows:
            for column, value in zip(columns, found[row.id], strict=True):
                wanted = getattr(row, column)
                if column in SEALED[table]:
                    field = SEALED[table][column]
                    bound = f"{field.field_id}|clinic|{row.subject}|{row.id}".encode()
                    value = _KEY.decrypt(row.id.bytes[:12], bytes(value), bound).decode()
                assert value == wanted


def test_no_plain_secret_in_the_database_and_the_search_would_find_one(connection: psycopg.Connection[Any]) -> None:
    portal, note = with_secret(generate(seed=4, patients=80), "a secret nobody else may read")
    install_schema(connection)
    load(connection, portal, "clinic", sealed)
    text = everything(connection)
    assert note.note not in text and note.note.encode().hex() not in text
    assert all(patient.name not in text and patient.mrn not in text for patient in portal.patients)

    connection.execute("TRUNCATE patients CASCADE")
    load(connection, portal, "clinic", lambda _f, _t, _s, _r, plaintext: plaintext)
    assert note.note.encode().hex() in everything(connection)
