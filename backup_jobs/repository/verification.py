"""Verification with run keys alone: every pack read back whole, every blob opened, every reference checked.

The restorer's mark (`backup_jobs.repository.marking`) goes further: it needs the id key too.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from backup_jobs.repository import catalogue
from backup_jobs.repository.layout import pack_name, snapshot_name
from backup_jobs.repository.listing import SnapshotItem
from backup_jobs.repository.objects import fetch_pack
from backup_jobs.repository.packs import HEADER, PackCipher, frames_of, salt_of
from backup_jobs.repository.references import Ref
from backup_jobs.repository.snapshots import Refs
from backup_jobs.repository.statements import Commit
from strongroom.errors import Corrupt, IntegrityFailure
from strongroom.progress import Progress, step
from strongroom.storage.contract import Storage

WORKERS = 2


class OpenedSnapshot(Protocol):
    """What verification reads of a snapshot: what was signed, its run keys, its listing."""

    commit: Commit
    refs: Refs

    def run_key(self, run: str) -> bytes: ...
    def items(self) -> Iterator[SnapshotItem]: ...
    def refs_of(self, item: SnapshotItem) -> Iterator[Ref]: ...


@dataclass(frozen=True, slots=True)
class Damage:
    """An object that is not what it must be."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What reading everything back found; `damaged` is empty when all is well."""

    packs: int
    blobs: int
    bytes: int
    items: int
    damaged: tuple[Damage, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged or missing."""
        return not self.damaged


class PackBlobs:
    """Where the blobs of one scanned pack lie: 12 bytes a blob."""

    def __init__(self) -> None:
        self._offsets, self._lengths, self._sizes = array("I"), array("I"), array("I")

    def add(self, offset: int, length: int, size: int) -> None:
        """Adds the next blob; offsets ascend."""
        self._offsets.append(offset)
        self._lengths.append(length)
        self._sizes.append(size)

    def holds(self, ref: Ref) -> bool:
        """Whether a reference points at a whole frame and stays inside its blob."""
        row = bisect_left(self._offsets, ref.offset)
        return (
            row < len(self._offsets)
            and (self._offsets[row], self._lengths[row]) == (ref.offset, ref.length)
            and ref.start + ref.size <= self._sizes[row]
        )

    def __len__(self) -> int:
        return len(self._offsets)


#: Called with (offset, frame length, blob) of every blob of a pack; raises Corrupt.
Visit = Callable[[int, int, bytes], None]


def scan_pack(
    storage: Storage, repo: str, run: str, run_key: bytes, pack: str, visit: Visit | None = None
) -> PackBlobs:
    """Reads a pack whole and opens every blob; Corrupt or Missing names the pack."""
    data = fetch_pack(storage, pack)
    cipher = PackCipher(repo, run, run_key, salt_of(data[:HEADER], pack))
    blobs = PackBlobs()
    for offset, frame in frames_of(data, pack):
        blob = cipher.open(offset, frame, pack)
        blobs.add(offset, len(frame), len(blob))
        if visit is not None:
            visit(offset, len(frame), blob)
    return blobs


def verify_snapshot(storage: Storage, repo: str, snapshot: OpenedSnapshot, progress: Progress) -> VerifyReport:
    """Reads every pack of a snapshot and checks each reference of its listing; reports, raises only for keys."""
    keys = {run: snapshot.run_key(run) for run in snapshot.refs.runs}
    wanted = [(run, pack) for run, body in snapshot.refs.runs.items() for pack in body.packs]
    closure = catalogue.closure(storage, snapshot.commit.source, snapshot.commit.run)
    damaged = [Damage(name, "missing") for name in closure.missing]
    scanned: dict[str, PackBlobs] = {}

    def scan(where: tuple[str, str]) -> PackBlobs | Damage:
        run, pack = where
        try:
            return scan_pack(storage, repo, run, keys[run], pack)
        except IntegrityFailure as failure:
            return Damage(pack_name(pack), failure.message)

    with step(progress, "verify packs", len(wanted)), ThreadPoolExecutor(WORKERS) as pool:
        for (_, pack), result in zip(wanted, pool.map(scan, wanted), strict=True):
            if isinstance(result, PackBlobs):
                scanned[pack] = result
            else:
                damaged.append(result)
            progress.advance()
    items = total = 0
    if not damaged:
        try:
            items, total = _check_listing(snapshot, lambda ref: ref.pack in scanned and scanned[ref.pack].holds(ref))
        except IntegrityFailure as failure:
            damaged.append(Damage(snapshot_name(snapshot.commit.source, snapshot.commit.run), failure.message))
    unique = {damage.name: damage for damage in reversed(damaged)}
    return VerifyReport(len(wanted), sum(map(len, scanned.values())), total, items, tuple(reversed(unique.values())))


def _check_listing(snapshot: OpenedSnapshot, holds: Callable[[Ref], bool]) -> tuple[int, int]:
    """(items, bytes) of a listing whose references all hold; Corrupt says that one does not."""
    items = total = 0
    for item in snapshot.items():
        size = 0
        for ref in snapshot.refs_of(item):
            if not holds(ref):
                raise Corrupt(f"a file refers to {pack_name(ref.pack)} at offset {ref.offset}: no such piece there")
            size += ref.size
        if item.kind == "file" and size != item.size:
            raise Corrupt(f"a file of {item.size} bytes refers to {size}")
        items, total = items + 1, total + size
    return items, total
