"""Loads the portal by COPY, each sealed column through the caller's `encrypt`; nothing sensitive reaches SQL text."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import fields
from importlib import resources
from typing import Any

from demo.dataset.records import SEALED, Portal
from strongroom.progress import Progress, Silent

#: (field_id, tenant, subject, row_key, plaintext) -> sealed bytes. The row key is the row's id as text.
Encrypt = Callable[[str, str, uuid.UUID, str, bytes], bytes]


def install_schema(connection: Any) -> None:
    """Creates the four tables in the current schema; commits nothing."""
    connection.execute(resources.files("demo.dataset").joinpath("schema.sql").read_text())


def load(connection: Any, portal: Portal, tenant: str, encrypt: Encrypt, progress: Progress | None = None) -> int:
    """Copies all rows into existing tables in the caller's transaction and returns how many.

    `encrypt` must not use this connection, which is busy copying: with `FieldCipher`, call `create_subject_keys` for
    `portal.subjects(class)` of both classes before, so that it finds every data key in its cache.
    """
    shown = progress or Silent()
    tables = portal.tables()
    shown.start("loading the portal", sum(len(rows) for rows in tables.values()))
    for table, rows in tables.items():
        if not rows:
            continue
        columns = [field.name for field in fields(rows[0])]
        sealed = SEALED[table]
        with connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types([_TYPES.get(column, "bytea" if column in sealed else "text") for column in columns])
            for row in rows:
                values = []
                for column in columns:
                    value = getattr(row, column)
                    if column in sealed:
                        plaintext = value.encode()
                        value = encrypt(sealed[column].field_id, tenant, row.subject, str(row.id), plaintext)
                    values.append(value)
                copy.write_row(values)
                shown.advance()
    shown.stop()
    return sum(len(rows) for rows in tables.values())


#: Binary COPY converts nothing, so the types of columns that are not text are named.
_TYPES = {
    "id": "uuid",
    "patient_id": "uuid",
    "appointment_id": "uuid",
    "birth_year": "int2",
    "gravida": "int2",
    "para": "int2",
    "minutes": "int2",
    "gestational_days": "int2",
    "session": "int2",
    "last_period_on": "date",
    "due_on": "date",
    "delivered_on": "date",
    "registered_on": "date",
    "starts_at": "timestamptz",
    "taken_at": "timestamptz",
    "written_at": "timestamptz",
}
