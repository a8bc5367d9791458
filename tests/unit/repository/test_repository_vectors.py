"""The frozen repository of format 1 opens with every later reader; the specification's constants are these."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from repository_kit import REPO

from backup_jobs.repository import RepositoryReader
from backup_jobs.repository.sealing import commitment, derive, length_prefixed
from strongroom.evidence.trust import Trust
from strongroom.keys.escrow import load_private
from strongroom.storage.local import LocalStorage

VECTOR = Path(__file__).resolve().parents[2] / "vectors" / "repository"
EXPECTED = json.loads((VECTOR / "expected.json").read_text())


def test_the_reader_opens_the_frozen_repository() -> None:
    key = load_private(VECTOR / "escrow.pem", EXPECTED["passphrase"].encode())
    storage, control = LocalStorage(VECTOR / "data"), LocalStorage(VECTOR / "control")
    reader = RepositoryReader(storage, REPO, {"escrow": key}, Trust.load(VECTOR / "trust.json"), control=control)
    assert [(i.source, i.run, i.verified, i.signature_state) for i in reader.runs()] == [
        ("files", "run1", True, "valid"),
        ("files", "run2", True, "valid"),
        ("portal", "run3", False, "valid"),
    ]
    for run in ("run1", "run2"):
        snapshot = reader.open("files", run)
        assert snapshot.facts == {"made": run}
        files = {
            i.path: hashlib.sha256(b"".join(i.read())).hexdigest() for i in snapshot.restored() if i.kind == "file"
        }
        assert files == EXPECTED[run]
        assert snapshot.verify().ok


def test_derivations() -> None:
    key = bytes(range(32))
    assert commitment(key) == "cfc873910fc2d7e7e43b7dbe4166896fc404731a4ed7cb8ece8709269e2e8afa"
    assert length_prefixed(b"a", b"", b"bc") == bytes.fromhex("000000016100000000000000026263")
    pack_key = derive(key, "pack/v1", bytes(32))
    assert pack_key.hex() == "c0561eb8641a02dae1a34e96f75d08ff2622d9ca1bd76c39cf5f73d4b3324d14"
