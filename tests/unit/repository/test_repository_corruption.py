"""Every byte matters: a flip anywhere in any object is detected and named, or changes nothing that is read.

Short form in `make test`, 10,000 corruptions in `make nightly`, same code. The negative control reads packs without
checking tags and must see wrong content come out.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from repository_kit import REPO, Kit, memory_item

from backup_jobs.repository import packs
from backup_jobs.repository.layout import commit_name, pack_name, refs_name, snapshot_name
from strongroom.errors import Corrupt, IntegrityFailure, KeyFailure, Missing, StrongroomError, UsageError
from strongroom.storage.local import LocalStorage

TRIALS = 10_000 if os.environ.get("STRONGROOM_NIGHTLY") else 250
TREE = {"a": b"alpha" * 50, "b": random.Random(1).randbytes(700_000), "c": b"", "d": b"\0" * 300_000}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, escrow_key: rsa.RSAPrivateKey) -> Kit:
    """Two runs, the second referring to the first."""
    kit = Kit(tmp_path_factory.mktemp("stored"), escrow_key)
    kit.backup("r1", [memory_item(p, d) for p, d in TREE.items()])
    assert kit.verify("r1").ok
    kit.backup("r2", [memory_item(p, d, "2") for p, d in (TREE | {"e": b"new"}).items()])
    return kit


def outcome(kit: Kit, storage: LocalStorage) -> tuple[str, str]:
    """("detected", message), ("same", "") or ("different", "")."""
    try:
        content = kit.content(run="r2", storage=storage)
        report = kit.reader(storage).open("files", "r2").verify()
    except (IntegrityFailure, KeyFailure, UsageError) as failure:  # UsageError: of format.json only
        return "detected", str(failure)
    if content != TREE | {"e": b"new"}:
        return "different", ""
    # bytes behind a pack's last frame are read by nobody but the verification
    return ("same", "") if report.ok else ("detected", report.damaged[0].name)


def damage(path: Path, rng: random.Random) -> str:
    """Changes one object in one of several ways; returns what was done."""
    data = bytearray(path.read_bytes())
    kind = rng.choice(("flip", "flip", "flip", "cut", "grow", "zero", "empty"))
    at = rng.randrange(len(data))
    if kind == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "grow":
        data += rng.randbytes(rng.randrange(1, 40))
    elif kind == "zero":
        end = min(len(data), at + 16)
        data[at:end] = bytes(byte ^ 0xFF for byte in data[at:end])
    else:
        data.clear()
    path.write_bytes(data)
    return f"{kind} at {at}"


def test_no_corruption_goes_unnoticed(stored: Kit, tmp_path: Path) -> None:
    rng = random.Random(20)
    storage = LocalStorage(tmp_path / "copy")
    shutil.copytree(stored.root / "data", tmp_path / "copy", dirs_exist_ok=True)
    names = [entry.name for entry in storage.list()]
    detected = dict.fromkeys(names, 0)
    for trial in range(TRIALS):
        name = names[trial % len(names)]
        path = tmp_path / "copy" / name
        good = path.read_bytes()
        what = damage(path, rng)
        result, message = outcome(stored, storage)
        path.write_bytes(good)
        assert result != "different", f"{name}: {what} came out as wrong content"
        if result == "detected":
            detected[name] += 1
            if name.startswith(("packs/", "snapshots/", "refs/", "keys/")) and "format" not in message:
                run_or_hash = name.rsplit("/", 1)[-1].split(".")[0]
                assert name in message or run_or_hash in message or "key" in message, (name, what, message)
    refs = stored.reader().open("files", "r2").refs
    read = [pack_name(pack) for body in refs.runs.values() for pack in body.packs]
    read += [snapshot_name("files", "r2"), refs_name("files", "r2"), "keys/r1/escrow.1.slot", "keys/r2/escrow.1.slot"]
    trials_each = TRIALS // len(names)
    for name in read:
        # a slot's JSON tolerates a changed base64 padding bit or key version, nothing else tolerates anything
        assert detected[name] >= (trials_each if not name.startswith("keys/") else trials_each // 2), name
    assert outcome(stored, storage) == ("same", "")


def test_verify_names_every_damaged_and_missing_pack(stored: Kit, tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "copy")
    shutil.copytree(stored.root / "data", tmp_path / "copy", dirs_exist_ok=True)
    snapshot = stored.reader(storage).open("files")
    names = sorted(pack_name(pack) for body in snapshot.refs.runs.values() for pack in body.packs)
    flipped, gone = names[0], names[1]
    data = bytearray((tmp_path / "copy" / flipped).read_bytes())
    data[-1] ^= 1
    (tmp_path / "copy" / flipped).write_bytes(data)
    (tmp_path / "copy" / gone).unlink()
    report = snapshot.verify()
    assert not report.ok
    assert {damage.name for damage in report.damaged} == {flipped, gone}


def test_a_missing_pack_is_named(stored: Kit, tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "copy")
    shutil.copytree(stored.root / "data", tmp_path / "copy", dirs_exist_ok=True)
    largest = max(storage.list("packs/"), key=lambda entry: entry.size)
    (tmp_path / "copy" / largest.name).unlink()
    with pytest.raises(Missing, match=largest.name):
        stored.content(storage=storage)


def test_negative_control_without_tags_wrong_content_comes_out(
    stored: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path / "copy")
    shutil.copytree(stored.root / "data", tmp_path / "copy", dirs_exist_ok=True)
    largest = tmp_path / "copy" / max(storage.list("packs/"), key=lambda entry: entry.size).name
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    assert outcome(stored, storage)[0] == "detected"

    class Unchecked:
        """AES-GCM that forgets its tag."""

        def __init__(self, key: bytes) -> None:
            self._key = key

        def decrypt(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
            counter = nonce + (2).to_bytes(4, "big")
            return Cipher(algorithms.AES(self._key), modes.CTR(counter)).decryptor().update(bytes(sealed)[:-16])

    monkeypatch.setattr(packs, "AESGCM", Unchecked)
    assert outcome(stored, storage)[0] == "different"


def test_swapped_objects_are_refused(stored: Kit, tmp_path: Path) -> None:
    def fresh(name: str) -> tuple[LocalStorage, Path]:
        shutil.copytree(stored.root / "data", tmp_path / name)
        return LocalStorage(tmp_path / name), tmp_path / name

    def swap(root: Path, one: str, other: str) -> None:
        first, second = root / one, root / other
        a, b = first.read_bytes(), second.read_bytes()
        first.write_bytes(b)
        second.write_bytes(a)

    packs_by_size = sorted(stored.storage.list("packs/"), key=lambda entry: entry.size)
    pairs = [
        (packs_by_size[-1].name, packs_by_size[-2].name),
        (snapshot_name("files", "r1"), snapshot_name("files", "r2")),
        (refs_name("files", "r1"), refs_name("files", "r2")),
        (commit_name("files", "r1"), commit_name("files", "r2")),
        ("keys/r1/escrow.1.slot", "keys/r2/escrow.1.slot"),
    ]
    for number, (one, other) in enumerate(pairs):
        storage, root = fresh(f"swap{number}")
        swap(root, one, other)
        with pytest.raises((IntegrityFailure, KeyFailure)):
            stored.reader(storage).open("files", "r2")
            stored.content(run="r2", storage=storage)


def test_a_frame_opens_at_its_own_place_only() -> None:
    import zstandard

    run_key = os.urandom(32)
    builder = packs.PackBuilder(REPO, "r1", run_key, zstandard.ZstdCompressor())
    first, second = builder.add(b"one" * 100), builder.add(b"two" * 100)
    digest, data = builder.finish()
    salt = packs.salt_of(data, digest)
    frames = dict(packs.frames_of(data, digest))
    right = packs.PackCipher(REPO, "r1", run_key, salt)
    assert right.open(first[0], frames[first[0]], digest) == b"one" * 100
    wrong = [
        (right, second[0], frames[first[0]]),
        (packs.PackCipher(REPO, "r2", run_key, salt), first[0], frames[first[0]]),
        (packs.PackCipher("other", "r1", run_key, salt), first[0], frames[first[0]]),
        (packs.PackCipher(REPO, "r1", os.urandom(32), salt), first[0], frames[first[0]]),
        (packs.PackCipher(REPO, "r1", run_key, os.urandom(32)), first[0], frames[first[0]]),
        (right, first[0], frames[first[0]][:-1]),
    ]
    for cipher, offset, frame in wrong:
        with pytest.raises(Corrupt):
            cipher.open(offset, frame, digest)


def test_a_blob_that_would_inflate_beyond_its_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import zstandard

    from backup_jobs.repository import sealing

    bomb = zstandard.ZstdCompressor().compress(bytes(20 << 20))
    with pytest.raises(Corrupt):
        sealing.inflate(bomb, "bomb")


def test_a_commit_of_another_key_or_without_one_is_refused(stored: Kit, tmp_path: Path) -> None:
    from repository_kit import Duty

    other = Duty("backup-writer", stored.clock)
    name = commit_name("files", "r2")
    shutil.copytree(stored.root / "data", tmp_path / "copy")
    storage = LocalStorage(tmp_path / "copy")
    from backup_jobs.repository.catalogue import read_commit

    commit = read_commit(storage, "files", "r2", None)
    forged = other.sign(
        "commit",
        commit.predicate(REPO, "r2", "files", "2031-01-01T00:00:00Z", commit.commitment, commit.snapshot, commit.refs),
    )
    (tmp_path / "copy" / name).write_bytes(forged)
    states = {info.run: info.signature_state for info in stored.reader(storage).runs()}
    assert states == {"r1": "valid", "r2": "invalid"}
    assert stored.reader(storage).open("files").commit.run == "r1"
    with pytest.raises(StrongroomError):
        stored.reader(storage).open("files", "r2")
    assert stored.reader(storage, trust=None).open("files", "r2").commit.signature == "not checked"
