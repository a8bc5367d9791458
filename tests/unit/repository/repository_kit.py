"""What the repository's tests build on: a real folder, a real escrow key, a real P-256 signer."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from backup_jobs.repository import RepositoryReader, RunWriter, SnapshotSummary, create, mark_verified
from backup_jobs.repository.verification import VerifyReport
from backup_jobs.sources.contract import Item
from strongroom.estate.manifest import EvidenceKey
from strongroom.evidence.dsse import Signer, seal
from strongroom.evidence.statement import Statement, predicate_type, timestamp
from strongroom.evidence.trust import Trust, keyid_of
from strongroom.keys.escrow import EscrowUnwrapper, EscrowWrapper
from strongroom.storage.local import LocalStorage

REPO = "strongroom-test"
ID_KEY = bytes(range(32))
START = datetime(2030, 1, 1, tzinfo=UTC)


class TestClock:
    """A clock that moves only when told."""

    __test__ = False

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return (self.time - START).total_seconds()

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass
class Duty:
    """A signing duty: signs statements as `ctx.evidence.sign` does."""

    name: str
    clock: TestClock
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def pem(self) -> str:
        public = self.key.public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return public.public_bytes(serialization.Encoding.PEM, form).decode()

    def pinned(self, kind: str) -> EvidenceKey:
        return EvidenceKey(
            keyid=keyid_of(self.pem),
            duty=self.name,
            key_ref="test",
            spki_pem=self.pem,
            alg="ecdsa-p256-sha256",
            predicate_types=(predicate_type(kind),),
            env="test",
            not_before=datetime(2020, 1, 1, tzinfo=UTC),
        )

    def sign(self, kind: str, statement: Mapping[str, Any]) -> bytes:
        def sign_digest(digest: bytes) -> bytes:
            return self.key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))

        finished = timestamp(self.clock.now())
        predicate = {"finished": finished, **statement, "env": "test", "duty": self.name}
        subjects = tuple((item["name"], item["sha256"]) for item in predicate.get("inputs", []))
        return seal(Statement(kind, subjects, predicate), Signer(keyid_of(self.pem), sign_digest))


def folder_items(root: Path) -> Iterator[Item]:
    """The items of a folder as the folder source gives them."""
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        kind = "symlink" if path.is_symlink() else "dir" if path.is_dir() else "file"
        yield Item(
            path=path.relative_to(root).as_posix(),
            size=status.st_size if kind == "file" else None,
            mtime_ns=status.st_mtime_ns,
            mode=stat.S_IMODE(status.st_mode),
            identity=f"{status.st_ino}:{status.st_ctime_ns}",
            kind=kind,
            target=os.readlink(path) if kind == "symlink" else "",
            metadata={},
            open=_opener(path),
        )


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def memory_item(path: str, content: bytes, identity: str = "1") -> Item:
    """A file whose bytes are given."""
    return Item(path, len(content), 1, 0o600, identity, "file", "", {}, lambda: io.BytesIO(content))


@dataclass
class Kit:
    """A repository in a folder with all its keys."""

    root: Path
    private: rsa.RSAPrivateKey
    clock: TestClock = field(default_factory=TestClock)

    def __post_init__(self) -> None:
        self.storage, self.control = LocalStorage(self.root / "data"), LocalStorage(self.root / "control")
        self.writer_duty, self.restorer_duty = Duty("backup-writer", self.clock), Duty("restorer", self.clock)
        self.trust = Trust.of([self.writer_duty.pinned("commit"), self.restorer_duty.pinned("verified")])
        self.wrappers = {"escrow": EscrowWrapper(self.private.public_key())}
        self.unwrappers = {"escrow": EscrowUnwrapper(self.private)}
        create(self.storage, REPO)

    def writer(self, run: str, **changes: Any) -> RunWriter:
        arguments: dict[str, Any] = {
            "storage": self.storage,
            "control": self.control,
            "repo_id": REPO,
            "id_key": ID_KEY,
            "wrappers": self.wrappers,
            "sign": self.writer_duty.sign,
            "clock": self.clock,
            "run_id": run,
            "lock_until": None,
            "trust": self.trust,
        } | changes
        return RunWriter(**arguments)

    def backup(
        self, run: str, items: Any, facts: Mapping[str, Any] | None = None, source: str = "files", **changes: Any
    ) -> SnapshotSummary:
        """One whole run of one source; returns its summary."""
        writer = self.writer(run, **changes)
        writer.begin()
        summary = writer.backup(source, "folder", items, lambda: facts or {})
        writer.commit(source)
        self.clock.advance(minutes=1)
        return summary

    def verify(self, run: str, storage: Any = None) -> VerifyReport:
        """The restorer's read-back and mark."""
        return mark_verified(
            self.control,
            storage or self.storage,
            REPO,
            run,
            ID_KEY,
            self.unwrappers,
            self.restorer_duty.sign,
            trust=self.trust,
        )

    def reader(self, storage: Any = None, **changes: Any) -> RepositoryReader:
        return RepositoryReader(
            storage or self.storage, REPO, **({"unwrappers": self.unwrappers, "trust": self.trust} | changes)
        )

    def content(self, source: str = "files", run: str = "latest", storage: Any = None) -> dict[str, bytes]:
        """Every file of a snapshot, read back."""
        snapshot = self.reader(storage).open(source, run)
        return {item.path: b"".join(item.read()) for item in snapshot.restored() if item.kind == "file"}
