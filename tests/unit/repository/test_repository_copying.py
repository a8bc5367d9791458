"""Copies: ciphertext only, whole or without a commit, resumable, healing."""

from __future__ import annotations

import random
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from repository_kit import Kit, memory_item

from backup_jobs.repository import closure, copy_run
from backup_jobs.repository.layout import snapshot_name
from strongroom.errors import Corrupt, KeyFailure, Missing, Transient, UsageError
from strongroom.keys.escrow import EscrowUnwrapper, EscrowWrapper
from strongroom.storage.local import LocalStorage

TREE = {"a": random.Random(2).randbytes(2_000_000), "b": b"b"}


@pytest.fixture
def filled(kit: Kit) -> Kit:
    """Two runs; the second refers to the first. Recipients: escrow, and `second` which the copy shall not have."""
    other = EscrowWrapper(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())
    wrappers = {**kit.wrappers, "second": other}
    kit.backup("r1", [memory_item(p, d) for p, d in TREE.items()], wrappers=wrappers)
    kit.verify("r1")
    kit.backup("r2", [memory_item(p, d, "2") for p, d in (TREE | {"c": b"c"}).items()], wrappers=wrappers)
    return kit


def test_a_copy_holds_the_closure_and_its_own_recipients_only(filled: Kit, tmp_path: Path) -> None:
    target = LocalStorage(tmp_path / "copy")
    result = copy_run(filled.storage, target, "r2", ["escrow"], trust=filled.trust)
    assert set(result.copied) == {entry.name for entry in target.list()} - {"format.json"}
    assert {e.name for e in target.list("keys/")} == {"keys/r1/escrow.1.slot", "keys/r2/escrow.1.slot"}
    assert closure(target, "files", "r2", recipients=["escrow"]).complete
    assert closure(target, "files", "r2", recipients=["second"]).missing
    assert filled.content(storage=target) == TREE | {"c": b"c"}
    assert all(target.get(e.name) == filled.storage.get(e.name) for e in target.list())
    again = copy_run(filled.storage, target, "r2", ["escrow"], trust=filled.trust)
    assert (again.copied, again.healed, again.bytes) == ((), (), 0)


def test_damage_in_the_copy_is_healed(filled: Kit, tmp_path: Path) -> None:
    target = LocalStorage(tmp_path / "copy")
    copy_run(filled.storage, target, "r2", ["escrow"], trust=filled.trust)
    for entry in list(target.list()):
        if entry.name == "format.json":
            continue
        path = tmp_path / "copy" / entry.name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        if entry.name.startswith("packs/"):
            assert entry.name in {d.name for d in filled.reader(target).open("files").verify().damaged}
        suspects = copy_run(filled.storage, target, "r2", ["escrow"], suspects=[entry.name], trust=filled.trust)
        assert suspects.healed == (entry.name,)
    path.write_bytes(b"short")
    assert copy_run(filled.storage, target, "r2", ["escrow"], check_present=True).healed == (entry.name,)
    assert filled.content(storage=target) == TREE | {"c": b"c"}


def test_a_damaged_source_is_never_copied(filled: Kit, tmp_path: Path) -> None:
    name = max(filled.storage.list("packs/"), key=lambda entry: entry.size).name
    path = filled.root / "data" / name
    good = path.read_bytes()
    target = LocalStorage(tmp_path / "copy")
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(Corrupt, match=name):
        copy_run(filled.storage, target, "r2", ["escrow"], trust=filled.trust)
    path.unlink()
    with pytest.raises(Missing, match=name):
        copy_run(filled.storage, target, "r2", ["escrow"], trust=filled.trust)
    assert list(target.list("commits/")) == [] and list(target.list("snapshots/")) == []
    path.write_bytes(good)
    copy_run(filled.storage, target, "r2", ["escrow"], trust=filled.trust)
    assert filled.content(storage=target) == TREE | {"c": b"c"}


def test_the_commit_comes_last_and_a_broken_copy_goes_on(filled: Kit, tmp_path: Path) -> None:
    class Breaking(LocalStorage):
        def __init__(self, root: Path) -> None:
            super().__init__(root)
            self.left, self.names, self.lock = 0, list[str](), Lock()

        def put(self, name: str, data: bytes, **conditions: Any) -> Any:
            with self.lock:
                if self.left == 0 and not self.versions(name):
                    raise Transient("the link is down")
                made = super().put(name, data, **conditions)
                self.left -= 1
                self.names.append(name)
                return made

    target = Breaking(tmp_path / "copy")
    steps = 0
    while steps < 50:
        target.left, steps = 1, steps + 1
        try:
            copy_run(filled.storage, target, "r2", ["escrow"], trust=filled.trust)
            break
        except Transient:
            assert not target.versions("commits/files/r2.dsse")
    order = [name.split("/")[0] for name in target.names]
    assert order == sorted(order, key=["format.json", "keys", "packs", "index", "snapshots", "refs", "commits"].index)
    assert steps == len(order)
    assert filled.content(storage=target) == TREE | {"c": b"c"}


def test_a_missing_slot_or_a_foreign_target_stops_the_copy(filled: Kit, tmp_path: Path) -> None:
    with pytest.raises(KeyFailure, match="third"):
        copy_run(filled.storage, LocalStorage(tmp_path / "a"), "r2", ["escrow", "third"])
    foreign = LocalStorage(tmp_path / "b")
    foreign.put("format.json", b'{"format":"strongroom.repository/1","repo":"other","features":[]}')
    with pytest.raises(UsageError):
        copy_run(filled.storage, foreign, "r2", ["escrow"])
    with pytest.raises(Missing):
        copy_run(filled.storage, LocalStorage(tmp_path / "c"), "r9", ["escrow"])


def test_closure_names_what_is_missing(filled: Kit) -> None:
    assert closure(filled.storage, "files", "r2").complete
    gone = [snapshot_name("files", "r2"), max(filled.storage.list("packs/"), key=lambda e: e.size).name]
    for name in gone:
        (filled.root / "data" / name).unlink()
    assert set(closure(filled.storage, "files", "r2").missing) == set(gone)
    with pytest.raises(Missing):
        filled.reader(unwrappers={"escrow": EscrowUnwrapper(filled.private)}).open("files", "r2")
