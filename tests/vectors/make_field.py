"""Writes field.json from fixed inputs; run by hand when a new format is added, never to bless a change of format 1."""

import json
import uuid
from pathlib import Path

from strongroom.fields.format import Cell, SubjectKey, seal
from strongroom.fields.wrapping import BranchKey, wrap

sealed = []
for name, plaintext, schema in (
    ("empty", b"", 1),
    ("mrn", b"MRN-0042917", 1),
    ("note", "Schläft schlecht.".encode(), 2),
):
    key = SubjectKey(uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e"), bytes(range(32)))
    cell = Cell("clinic", "psy-note", "7c9e6679-7425-40de-944b-e07fc1f90ae7", schema)
    nonce = bytes(range(100, 112))
    sealed.append(
        {
            "name": name,
            "key_id": str(key.id),
            "key": key.material.hex(),
            "tenant": cell.tenant,
            "field_id": cell.field_id,
            "row_key": cell.row_key,
            "schema_version": schema,
            "nonce": nonce.hex(),
            "plaintext": plaintext.hex(),
            "sealed": seal(key, cell, plaintext, nonce=nonce).hex(),
        }
    )
branch = BranchKey("clinic", "psychotherapy", 4, bytes(range(32, 64)))
subject, key_id = uuid.UUID(int=5), uuid.UUID(int=6)
nonce, material = bytes(range(12)), bytes(range(64, 96))
wrapped = [
    {
        "name": "psychotherapy v4",
        "tenant": branch.tenant,
        "class": branch.data_class,
        "version": branch.version,
        "branch_key": branch.material.hex(),
        "subject": str(subject),
        "key_id": str(key_id),
        "subject_key": material.hex(),
        "nonce": nonce.hex(),
        "wrapped": wrap(branch, subject, key_id, material, nonce=nonce).hex(),
    }
]
target = Path(__file__).with_name("field.json")
target.write_text(json.dumps({"sealed": sealed, "wrapped": wrapped}, indent=1) + "\n")
