"""What a drill tries once contents agree: open sampled encrypted fields, and a run's slot in the restored OpenBao.

A backup whose fields cannot be opened is no backup. Plaintext lives for one comparison and is never kept, counted
by content or shown.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from backup_jobs.rehearsal import Findings
from backup_jobs.repository.sealing import commitment
from backup_jobs.repository.slots import Slot, slots_of
from backup_jobs.scratch.openbao import ScratchVault
from backup_jobs.sources.postgres_session import connected
from strongroom.errors import Corrupt, KeyFailure, StrongroomError, Undetermined, UsageError
from strongroom.estate.manifest import EncryptedField
from strongroom.fields.cipher import FieldCipher
from strongroom.fields.format import key_id_of
from strongroom.jobs.credentials import home
from strongroom.keys.handles import Unwrapper
from strongroom.keys.transit import TransitUnwrapper
from strongroom.storage.contract import Storage

SAMPLE = 3
_CANDIDATES = 200


def open_sampled_fields(
    dsn: str, fields: Sequence[EncryptedField], recipient: str, unwrapper: Unwrapper, findings: Findings
) -> None:
    """Opens SAMPLE values of each encrypted field of a restored database through branch and subject keys.

    The branch keys are opened with `recipient`'s key, as somebody would who has only the dump and this key. A field
    that holds no value yet counts as `fields_empty`.
    """
    with connected(dsn) as connection:
        for spec in fields:
            opened = 0
            for row_key, sealed in _sample(connection, spec):
                try:
                    _open(connection, spec, recipient, unwrapper, row_key, sealed)
                except (Corrupt, KeyFailure, UsageError) as failure:
                    findings.add("field-unreadable", f"field {spec.field_id}: {failure.message}")
                    break
                except psycopg.Error as error:
                    findings.add(
                        "field-unreadable", f"field {spec.field_id}: its keys cannot be read ({error.sqlstate})"
                    )
                    break
                opened += 1
            findings.counts["fields_opened"] = findings.counts.get("fields_opened", 0) + opened
            if not opened:
                findings.counts["fields_empty"] = findings.counts.get("fields_empty", 0) + 1


def _sample(connection: psycopg.Connection[Any], spec: EncryptedField) -> list[tuple[str, bytes]]:
    schema, _, table = spec.table.rpartition(".")
    query = sql.SQL("SELECT {}::text, {} FROM {} WHERE {} IS NOT NULL LIMIT {}").format(
        sql.Identifier(spec.row_key),
        sql.Identifier(spec.column),
        sql.Identifier(schema or "public", table),
        sql.Identifier(spec.column),
        sql.Literal(_CANDIDATES),
    )
    try:
        rows = connection.execute(query).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return []  # a table that the backup saw and that is missing now was named by the comparison
    chosen = random.SystemRandom().sample(rows, min(SAMPLE, len(rows)))
    return [(str(row_key), bytes(sealed)) for row_key, sealed in chosen]


def _open(
    connection: psycopg.Connection[Any],
    spec: EncryptedField,
    recipient: str,
    unwrapper: Unwrapper,
    row_key: str,
    sealed: bytes,
) -> None:
    found = connection.execute(
        "SELECT tenant, subject FROM strongroom.subject_keys WHERE id = %s", (key_id_of(sealed),)
    ).fetchone()
    if found is None:
        raise KeyFailure("the data key of a sampled value is not in the restored database")
    tenant, subject = found
    cipher = FieldCipher(connection, tenant, {spec.data_class: unwrapper}, recipient=recipient)
    cipher.open(spec.field_id, spec.data_class, subject=subject, row_key=row_key, sealed=sealed)


def read_shares(place: Path) -> list[str]:
    """OpenBao's unseal shares: a folder with one JSON file a share, or a file with one share a line.

    Undetermined when there are none: a drill without shares proves nothing about the snapshot.
    """
    try:
        if place.is_dir():
            return [str(json.loads(path.read_text())["share"]) for path in sorted(place.glob("*.json"))]
        return [line.strip() for line in place.read_text().splitlines() if line.strip()]
    except (OSError, ValueError, KeyError):
        raise Undetermined(
            f"no unseal shares at {place}", hint="option unseal_shares: a folder of share files, or one share a line"
        ) from None


def open_slot_in(
    server: ScratchVault, storage: Storage, run: str, expected: str, recipients: dict[str, str], findings: Findings
) -> None:
    """Logs in to the restored OpenBao as the restorer and opens the run's slot with its transit key.

    `recipients` maps names of transit recipients to key references. Without the restorer's AppRole credentials on this
    host, or when they are younger than the snapshot, nothing is checked and `slots_opened` stays 0.
    """
    findings.counts["slots_opened"] = 0
    client = _restorer(server)
    if client is None:
        return
    for entry in sorted(slots_of(storage, run), key=lambda e: e.name):
        slot = Slot.parse(storage.get(entry.name), entry.name)
        if slot.recipient not in recipients or slot.generation != 1:
            continue  # later generations may be wrapped under key versions younger than the snapshot
        try:
            key = TransitUnwrapper(client, recipients[slot.recipient]).unwrap(slot.wrapped, slot.context)
        except StrongroomError as failure:
            findings.add("key-withheld", f"the restored OpenBao does not open {entry.name}: {failure.message}")
            return
        if commitment(key) != expected:
            findings.add("integrity", f"the restored OpenBao opens {entry.name} to another key")
            return
        findings.counts["slots_opened"] += 1


def _restorer(server: ScratchVault) -> Any:
    import hvac.exceptions

    folder = Path(os.environ.get("STRONGROOM_VAULT_CREDENTIALS", home() / "vault"))
    try:
        credentials = json.loads((folder / "restorer.json").read_text())
    except (OSError, ValueError):
        return None
    client = server.client()
    try:
        client.auth.approle.login(role_id=credentials["role_id"], secret_id=credentials["secret_id"])
    except hvac.exceptions.VaultError:
        return None
    return client
