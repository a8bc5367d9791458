"""Our side of bench/repository.py: a repository in a folder with an escrow key, and one process per step."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from backup_jobs.repository import RepositoryReader, RunWriter, create, mark_verified
from backup_jobs.sources.contract import Item
from strongroom.evidence.dsse import Signer, seal
from strongroom.evidence.statement import Statement
from strongroom.keys.escrow import EscrowUnwrapper, EscrowWrapper
from strongroom.storage.local import LocalStorage

REPO, ID_KEY = "bench", bytes(32)


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0


def prepare(work: Path) -> None:
    """An empty repository and its escrow key."""
    create(LocalStorage(work / "data"), REPO)
    key = rsa.generate_private_key(public_exponent=65537, key_size=4096)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (work / "escrow.pem").write_bytes(key.private_bytes(*form))


def _key(work: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key((work / "escrow.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _sign(kind: str, statement: dict[str, Any]) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = Signer("bench", lambda digest: key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
    return seal(Statement(kind, (), statement), signer)


def _items(root: Path) -> Iterator[Item]:
    """The folder's items, by scandir: one stat an entry."""
    pending = [root]
    while pending:
        entries = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            folder = entry.is_dir(follow_symlinks=False)
            path = Path(entry.path)
            yield Item(
                path=entry.path[len(str(root)) + 1 :],
                size=None if folder else status.st_size,
                mtime_ns=status.st_mtime_ns,
                mode=status.st_mode & 0o7777,
                identity=f"{status.st_ino:x}:{status.st_ctime_ns:x}",
                kind="dir" if folder else "file",
                target="",
                metadata={},
                open=partial(_open, path),
            )
            if folder:
                pending.append(path)


def _open(path: Path) -> BinaryIO:
    return io.FileIO(path)  # type: ignore[return-value]


def backup(work: Path, run: str) -> None:
    """One run."""
    storage, control = LocalStorage(work / "data"), LocalStorage(work / "control")
    wrappers = {"escrow": EscrowWrapper(_key(work).public_key())}
    writer = RunWriter(storage, control, REPO, ID_KEY, wrappers, _sign, Clock(), run, None)
    writer.begin()
    writer.backup("files", "folder", _items(work / "source"), dict)
    writer.commit("files")


def _reader(work: Path) -> RepositoryReader:
    return RepositoryReader(LocalStorage(work / "data"), REPO, {"escrow": EscrowUnwrapper(_key(work))})


def verify(work: Path) -> None:
    """Reads everything back."""
    report = _reader(work).open("files").verify()
    if not report.ok:
        raise SystemExit(f"damaged: {report.damaged}")


def restore(work: Path) -> None:
    """Writes everything into a folder."""
    shutil.rmtree(work / "out", ignore_errors=True)
    for item in _reader(work).open("files").restored():
        path = work / "out" / item.path
        if item.kind == "dir":
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for piece in item.read():
                file.write(piece)
        os.utime(path, ns=(item.mtime_ns, item.mtime_ns))


def mark_last_run(work: Path) -> None:
    """The restorer's mark on the newest run."""
    run = _reader(work).runs("files")[-1].run
    unwrappers = {"escrow": EscrowUnwrapper(_key(work))}
    storage, control = LocalStorage(work / "data"), LocalStorage(work / "control")
    mark_verified(control, storage, REPO, run, ID_KEY, unwrappers, _sign)
