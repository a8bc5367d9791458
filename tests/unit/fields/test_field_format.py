"""The sealed field: vectors, every byte matters, no value opens in another cell or under another key."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import Corrupt, UsageError
from strongroom.fields.format import OVERHEAD, Cell, SubjectKey, key_id_of, open_sealed, seal
from strongroom.fields.wrapping import BranchKey, rewrap, unwrap, wrap

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "field.json").read_text())
KEY = SubjectKey(uuid.UUID(int=7), bytes(range(32)))
CELL = Cell("clinic", "patient-mrn", "0a0b", 3)


@pytest.mark.parametrize("vector", VECTORS["sealed"], ids=lambda v: v["name"])
def test_sealed_vectors(vector):
    key = SubjectKey(uuid.UUID(vector["key_id"]), bytes.fromhex(vector["key"]))
    cell = Cell(vector["tenant"], vector["field_id"], vector["row_key"], vector["schema_version"])
    plaintext = bytes.fromhex(vector["plaintext"])
    assert seal(key, cell, plaintext, nonce=bytes.fromhex(vector["nonce"])).hex() == vector["sealed"]
    assert open_sealed(key, cell, bytes.fromhex(vector["sealed"])) == plaintext


@pytest.mark.parametrize("vector", VECTORS["wrapped"], ids=lambda v: v["name"])
def test_wrapped_vectors(vector):
    branch = BranchKey(vector["tenant"], vector["class"], vector["version"], bytes.fromhex(vector["branch_key"]))
    subject, key_id = uuid.UUID(vector["subject"]), uuid.UUID(vector["key_id"])
    material = bytes.fromhex(vector["subject_key"])
    made = wrap(branch, subject, key_id, material, nonce=bytes.fromhex(vector["nonce"]))
    assert made.hex() == vector["wrapped"]
    assert unwrap(branch, subject, key_id, made) == material


@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=20), st.integers(0, 65535))
def test_round_trip(plaintext, tenant, row_key, schema):
    cell = Cell(tenant, "f", row_key, schema)
    sealed = seal(KEY, cell, plaintext)
    assert len(sealed) == len(plaintext) + OVERHEAD
    assert key_id_of(sealed) == KEY.id
    assert open_sealed(KEY, cell, sealed) == plaintext


def test_every_flipped_bit_is_refused():
    sealed = seal(KEY, CELL, b"EPDS 14")
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        with pytest.raises((Corrupt, UsageError)):
            open_sealed(KEY, CELL, bytes(damaged))


def test_every_truncation_is_refused():
    sealed = seal(KEY, CELL, b"EPDS 14")
    for length in range(len(sealed)):
        with pytest.raises((Corrupt, UsageError)):
            open_sealed(KEY, CELL, sealed[:length])


@pytest.mark.parametrize(
    "other",
    [
        Cell("other", "patient-mrn", "0a0b", 3),
        Cell("clinic", "patient-name", "0a0b", 3),
        Cell("clinic", "patient-mrn", "0a0c", 3),
        # the same bytes cut at other places: length prefixes keep them apart
        Cell("clinicp", "atient-mrn", "0a0b", 3),
    ],
)
def test_a_value_moved_to_another_cell_is_refused(other):
    with pytest.raises(Corrupt, match="moved"):
        open_sealed(KEY, other, seal(KEY, CELL, b"x"))


def test_another_key_with_the_same_id_is_refused_by_commitment():
    impostor = SubjectKey(KEY.id, bytes(32))
    with pytest.raises(Corrupt, match="commitment"):
        open_sealed(impostor, CELL, seal(KEY, CELL, b"x"))


def test_secrets_do_not_show_in_repr():
    branch = BranchKey("clinic", "clinical", 1, b"K" * 32)
    assert "K" * 32 not in repr(branch) and KEY.material.hex() not in repr(KEY) and str(KEY.material) not in repr(KEY)


def test_rewrap_moves_rows_and_refuses_damaged_ones():
    old, new = BranchKey("t", "c", 1, b"1" * 32), BranchKey("t", "c", 2, b"2" * 32)
    rows = []
    for number in range(50):
        subject, key_id = uuid.UUID(int=number), uuid.UUID(int=1000 + number)
        rows.append((key_id, subject, 1, wrap(old, subject, key_id, bytes([number]) * 32)))
    for (key_id, subject, _, before), (moved_id, was, after) in zip(rows, rewrap(rows, {1: old}, new), strict=True):
        assert (moved_id, was) == (key_id, before)
        assert unwrap(new, subject, key_id, after) == unwrap(old, subject, key_id, before)
    key_id, subject, version, wrapped = rows[0]
    with pytest.raises(Corrupt):
        rewrap([(key_id, uuid.UUID(int=99), version, wrapped)], {1: old}, new)
