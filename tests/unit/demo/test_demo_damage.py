"""`demo break byte`: the pack that the newest snapshot needs is found, and exactly one bit of it changes."""

from __future__ import annotations

import json
import os

import pytest

from demo.damage import flip_byte, newest_pack
from strongroom.errors import UsageError


def pack(folder, name, size):
    path = folder / "packs" / name[:2] / f"{name}.pack"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def refs(folder, source, run, **runs):
    path = folder / "refs" / source / f"{run}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"runs": {name: {"packs": packs} for name, packs in runs.items()}}))


@pytest.mark.parametrize("size", [1, 2, 63, 1000])
def test_one_bit_changes_and_a_second_time_it_is_back(tmp_path, size):
    path = tmp_path / "pack"
    before = os.urandom(size)
    path.write_bytes(before)
    offset = flip_byte(path)
    after = path.read_bytes()
    assert len(after) == size
    assert [n for n in range(size) if before[n] != after[n]] == [offset]
    assert (before[offset] ^ after[offset]).bit_count() == 1
    assert flip_byte(path) == offset
    assert path.read_bytes() == before


def test_the_largest_pack_of_the_newest_snapshot_is_chosen(tmp_path):
    pack(tmp_path, "aa" * 32, 9000)  # of an older snapshot only
    small, large = pack(tmp_path, "bb" * 32, 100), pack(tmp_path, "cc" * 32, 500)
    refs(tmp_path, "portal", "20260101T000000Z-1", old=["aa" * 32])
    refs(tmp_path, "portal", "20260102T000000Z-2", old=["bb" * 32], new=["cc" * 32])
    assert newest_pack(tmp_path, "portal") == large
    large.unlink()
    assert newest_pack(tmp_path, "portal") == small


def test_a_copy_without_the_source_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match="holds no backup of portal; run: strongroom job run copy"):
        newest_pack(tmp_path, "portal")
    refs(tmp_path, "portal", "1", only=["aa" * 32])
    with pytest.raises(UsageError, match="holds no pack"):
        newest_pack(tmp_path, "portal")
