"""The restorer's mark: every piece's keyed id computed again from what the storage gives back.

Only marked packs are ever referred to by later runs, so an index that lies, or a pack that was never written, can hurt
one run at most. The mark is a signed statement in the control bucket, where the writer may not write.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from blake3 import blake3

from backup_jobs.repository import catalogue, index
from backup_jobs.repository.layout import pack_name, snapshot_name, verified_name
from backup_jobs.repository.objects import fetch
from backup_jobs.repository.reader import RepositoryReader, Snapshot
from backup_jobs.repository.references import Ref
from backup_jobs.repository.sealing import IdKeys
from backup_jobs.repository.statements import Verified
from backup_jobs.repository.verification import WORKERS, Damage, VerifyReport, scan_pack
from strongroom.errors import Corrupt, IntegrityFailure, Missing
from strongroom.evidence.trust import Trust
from strongroom.keys.handles import Unwrapper
from strongroom.progress import Progress, Silent, step
from strongroom.storage.contract import Storage

_ROW = struct.Struct(">IIII32s")


class Locations:
    """The pieces of indexes by where they lie: pack -> sorted rows of offset, length, start, size, id."""

    def __init__(self, tables: Iterable[index.PieceTable]) -> None:
        rows: dict[str, list[bytes]] = {}
        for table in tables:
            for piece_id, ref in table:
                rows.setdefault(ref.pack, []).append(_ROW.pack(*ref[2:], piece_id))
        self._rows = {pack: b"".join(sorted(listed)) for pack, listed in rows.items()}

    @property
    def packs(self) -> set[str]:
        """Every pack that an entry names."""
        return set(self._rows)

    def at(self, pack: str, offset: int) -> list[tuple[int, int, int, bytes]]:
        """(length, start, size, id) of the pieces of the blob at an offset, by start."""
        return [(length, start, size, piece) for _, length, start, size, piece in self._matching(pack, offset)]

    def id_of(self, ref: Ref) -> bytes | None:
        """The id of exactly the piece that a reference names."""
        for _, length, start, size, piece in self._matching(ref.pack, ref.offset):
            if (length, start, size) == (ref.length, ref.start, ref.size):
                return piece
        return None

    def _matching(self, pack: str, offset: int) -> Iterable[tuple[int, int, int, int, bytes]]:
        rows = self._rows.get(pack, b"")
        low, high = 0, len(rows) // _ROW.size
        while low < high:
            middle = (low + high) // 2
            if _ROW.unpack_from(rows, middle * _ROW.size)[0] < offset:
                low = middle + 1
            else:
                high = middle
        while low < len(rows) // _ROW.size and (row := _ROW.unpack_from(rows, low * _ROW.size))[0] == offset:
            yield row
            low += 1


def mark_verified(
    control: Storage,
    storage: Storage,
    repo_id: str,
    run: str,
    id_key: bytes,
    unwrappers: Mapping[str, Unwrapper],
    sign: Callable[[str, dict[str, Any]], bytes],
    *,
    trust: Trust | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Reads back all packs of a run and, if every id is right, writes verified/<run>.json into `control`.

    Covers every source committed in the run. The report names each bad or missing object; with any, no mark is
    written. Missing when the run has no commit; KeyFailure when no given key opens it.
    """
    bar = progress or Silent()
    keys = IdKeys.of(id_key)
    reader = RepositoryReader(storage, repo_id, unwrappers, trust)
    sources = [info.source for info in reader.runs() if info.run == run and info.signature_state != "invalid"]
    if not sources:
        raise Missing(f"run {run} has no commit in {storage.url}")
    snapshots = [reader.open(source, run) for source in sources]
    packs = sorted({pack for s in snapshots for pack in s.refs.runs[run].packs})
    indexes = sorted({name for s in snapshots for name in s.refs.indexes})
    damaged: list[Damage] = []
    own = Locations(_tables(storage, repo_id, run, keys.index, indexes, damaged))
    damaged += [Damage(pack_name(pack), "named by an index but not by refs") for pack in own.packs - set(packs)]
    blobs = _recompute(storage, repo_id, run, snapshots[0].run_key(run), packs, own, keys.ids, damaged, bar)
    foreign = _foreign(control, storage, repo_id, run, keys.index, trust, snapshots, damaged)
    items = total = 0
    for snapshot in [] if damaged else snapshots:
        try:
            counted = _check_files(snapshot, keys.ids, run, own, foreign)
            items, total = items + counted[0], total + counted[1]
        except IntegrityFailure as failure:
            damaged.append(Damage(snapshot_name(snapshot.commit.source, run), failure.message))
    if not damaged:
        named = {s.commit.source: s.commit.snapshot for s in snapshots}
        mark = Verified.predicate(repo_id, run, snapshots[0].commit.commitment, packs, indexes, named)
        control.put(verified_name(run), sign("verified", mark))
    return VerifyReport(len(packs), blobs, total, items, tuple(damaged))


def _tables(
    storage: Storage, repo: str, run: str, key: bytes, names: Iterable[str], damaged: list[Damage]
) -> list[index.PieceTable]:
    tables = []
    for name in names:
        try:
            data = fetch(storage, name, name.rpartition("/")[2].removesuffix(".idx"))
            tables.append(index.decode(repo, run, key, data, name))
        except IntegrityFailure as failure:
            damaged.append(Damage(name, failure.message))
    return tables


def _recompute(
    storage: Storage,
    repo: str,
    run: str,
    run_key: bytes,
    packs: list[str],
    own: Locations,
    ids_key: bytes,
    damaged: list[Damage],
    progress: Progress,
) -> int:
    """Counts the blobs of all packs; each blob must be covered by its pieces, each piece have its id."""

    def check(pack: str) -> int | Damage:
        def visit(offset: int, length: int, blob: bytes) -> None:
            covered = 0
            view = memoryview(blob)
            for frame, start, size, piece_id in own.at(pack, offset):
                same = blake3(view[start : start + size], key=ids_key).digest() == piece_id
                if (frame, start) != (length, covered) or not same:
                    raise Corrupt(f"{pack_name(pack)} at offset {offset}: its content is not what the index says")
                covered += size
            if covered != len(blob):
                raise Corrupt(f"{pack_name(pack)} at offset {offset}: the index does not cover it")

        try:
            return len(scan_pack(storage, repo, run, run_key, pack, visit))
        except IntegrityFailure as failure:
            return Damage(pack_name(pack), failure.message)

    blobs = 0
    with step(progress, f"read back {run}", len(packs)), ThreadPoolExecutor(WORKERS) as pool:
        for result in pool.map(check, packs):
            if isinstance(result, Damage):
                damaged.append(result)
            else:
                blobs += result
            progress.advance()
    return blobs


def _foreign(
    control: Storage,
    storage: Storage,
    repo: str,
    run: str,
    index_key: bytes,
    trust: Trust | None,
    snapshots: list[Snapshot],
    damaged: list[Damage],
) -> dict[str, Locations]:
    """The pieces of earlier runs that the snapshots refer to; each must be marked and name the packs used."""
    used: dict[str, set[str]] = {}
    for snapshot in snapshots:
        for other, body in snapshot.refs.runs.items():
            if other != run:
                used.setdefault(other, set()).update(body.packs)
        missing = catalogue.closure(storage, snapshot.commit.source, run).missing
        damaged += [Damage(name, "missing") for name in missing if name not in {d.name for d in damaged}]
    found = {}
    for other, packs in used.items():
        mark = catalogue.read_mark(control, other, trust)
        if mark is None or not packs <= set(mark.packs):
            damaged.append(Damage(verified_name(other), f"run {run} refers to packs that no believable mark names"))
            continue
        found[other] = Locations(_tables(storage, repo, other, index_key, mark.indexes, damaged))
    return found


def _check_files(
    snapshot: Snapshot, ids_key: bytes, run: str, own: Locations, foreign: Mapping[str, Locations]
) -> tuple[int, int]:
    """(items, bytes) of a listing in which every file's digest follows from the ids of its pieces."""
    items = total = 0
    for item in snapshot.items():
        items += 1
        if item.kind != "file":
            continue
        ids = []
        size = 0
        for ref in snapshot.refs_of(item):
            piece_id = (own if ref.run == run else foreign[ref.run]).id_of(ref)
            if piece_id is None:
                raise Corrupt(f"a file refers to {pack_name(ref.pack)} at offset {ref.offset}: no such piece there")
            ids.append(piece_id)
            size += ref.size
        if size != item.size or _digest(ids, ids_key).hex() != item.digest:
            raise Corrupt("a file's digest does not follow from the pieces it refers to")
        total += size
    return items, total


def _digest(ids: list[bytes], ids_key: bytes) -> bytes:
    """A file's digest: the id of its only piece, or the keyed hash over the ids of its pieces."""
    if len(ids) == 1:
        return ids[0]
    return blake3(b"strongroom/pieces/v1" + b"".join(ids) if ids else b"", key=ids_key).digest()
