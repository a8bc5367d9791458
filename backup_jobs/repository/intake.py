"""One source's items on their way into a run: cut, compared with what is stored, packed, listed.

Memory is bounded by what waits for a pack's name: an item's line can be written only when every pack it refers to has
been stored, because a pack's name is the hash of its bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from blake3 import blake3

from backup_jobs.repository import index
from backup_jobs.repository.cache import CacheReader, CacheWriter
from backup_jobs.repository.chunking import WINDOW, chunks, cutter
from backup_jobs.repository.layout import (
    BUNDLE_FILES,
    BUNDLE_SIZE,
    INLINE_REFS,
    SMALL_FILE,
    index_name,
    sha256,
)
from backup_jobs.repository.listing import SEGMENT_MASK, SEGMENT_SIZE, head_line, item_line, refs_segment
from backup_jobs.repository.objects import put_addressed
from backup_jobs.repository.pipeline import Blob, Pipeline, Place, resolve
from backup_jobs.repository.references import PackTable, Ref
from backup_jobs.repository.reuse import Reusable
from backup_jobs.repository.sealing import IdKeys
from backup_jobs.sources.contract import Item
from strongroom.errors import Corrupt, Denied, Missing, Partial
from strongroom.progress import Progress, step
from strongroom.storage.contract import Storage

#: How many recent pieces of this run are known for deduplication within the run.
RECENT = 1 << 15
#: More waiting lines than this, and the open packs are stored early.
WAITING = 1 << 15
#: Lines are settled in batches: looking for stored packs after every single file costs more than the lines.
BATCH = 64


@dataclass(frozen=True, slots=True)
class Target:
    """Where and under which key a run writes."""

    storage: Storage
    repo: str
    run: str
    run_key: bytes = field(repr=False)
    lock_until: datetime | None


@dataclass(slots=True)
class _Pending:
    """An item whose line waits for its places; `path_id` is b'' for what is not a file or must not be cached."""

    item: Item
    size: int = 0
    digest: bytes = b""
    places: list[Place] = field(default_factory=list)
    parts: list[Ref] = field(default_factory=list)
    packs: set[tuple[str, str]] = field(default_factory=set)
    path_id: bytes = b""
    identity: bytes = b""
    boundary: bool = False


class Intake:
    """Takes the items of one source; `listing`, `packs` and `indexes` are complete after `finish`."""

    def __init__(self, target: Target, keys: IdKeys, reuse: Reusable, cached: CacheReader, cache: CacheWriter) -> None:
        self._target, self._keys, self._reuse = target, keys, reuse
        self._cached, self._cache = cached, cache
        where = (target.storage, target.repo, target.run, target.run_key, target.lock_until)
        self._data, self._lists = Pipeline(*where), Pipeline(*where, workers=1)
        self._cdc, self._window = cutter(keys.chunker_seed), bytearray(WINDOW)
        self._recent: dict[bytes, Place] = {}
        self._bundle: list[bytes] = []
        self._bundle_ids: list[bytes] = []
        self._bundle_blob = Blob(b"", [])
        self._bundle_size = 0
        self._pending: deque[_Pending] = deque()
        self._table, self._lines, self._lines_size = PackTable(), list[bytes](), 0
        self._segments: list[Place] = []
        self._entries: list[tuple[bytes, Ref]] = []
        self.files = self.bytes = self.new_bytes = 0
        self.unreadable: list[str] = []
        self.indexes: list[str] = []
        self.listing: list[Ref] = []
        #: run -> packs of every reference of this snapshot
        self.packs: dict[str, set[str]] = {}

    def take(self, items: Iterable[Item], label: str, progress: Progress, cancel: Event) -> None:
        """Reads every item. Partial when cancelled; storage errors end it; unreadable items are listed."""
        with step(progress, label):
            for number, item in enumerate(items):
                if cancel.is_set():
                    raise Partial(f"{label} was cancelled", hint="nothing was committed; run again")
                self._take(item)
                progress.advance()
                if number % BATCH == 0:
                    self._settle()
                if len(self._pending) > WAITING:
                    self._store_open_packs()

    def finish(self) -> None:
        """Stores what is still open and the last index part."""
        self._store_open_packs()
        self._cut_segment()
        self._lists.flush()
        self._collect()
        self.listing = [self._resolved(place) for place in self._segments]
        for ref in self.listing:
            self.packs.setdefault(ref.run, set()).add(ref.pack)
        self._write_index()

    def close(self) -> None:
        """Ends the worker threads."""
        self._data.close()
        self._lists.close()

    def _take(self, item: Item) -> None:
        path = item.path.encode("utf-8", "surrogatepass")
        path_id = blake3(path, key=self._keys.paths).digest(16)
        boundary = not int.from_bytes(path_id[:2], "big") & SEGMENT_MASK
        if item.kind != "file":
            self._pending.append(_Pending(item, boundary=boundary))
            return
        look = f"{item.size}\0{item.mtime_ns}\0{item.identity}".encode("utf-8", "surrogatepass")
        identity = blake3(look, key=self._keys.paths).digest(16)
        seen = self._cached.find(path_id, identity) if item.size is not None else None
        if seen is not None and all(self._reuse.usable(run, pack) for run, pack in seen.packs):
            pending = _Pending(item, item.size or 0, seen.digest, list(seen.refs), list(seen.parts), set(seen.packs))
        else:
            pending = _Pending(item)
            try:
                self._read(pending)
            except (OSError, Missing, Denied, Corrupt):
                self.unreadable.append(item.path)
                return
        if item.size == pending.size:
            pending.path_id, pending.identity = path_id, identity
        pending.boundary = boundary
        self.files += 1
        self.bytes += pending.size
        self._pending.append(pending)

    def _read(self, pending: _Pending) -> None:
        with pending.item.open() as stream:
            size = pending.item.size
            # a small file is read with the room it needs: a quarter of a MiB for each costs more than reading it
            first = stream.read(size + 1 if size is not None and size < SMALL_FILE else SMALL_FILE + 1)
            while len(first) <= SMALL_FILE and (more := stream.read(min(1 << 16, SMALL_FILE + 1 - len(first)))):
                first += more
            if len(first) <= SMALL_FILE:
                pending.size = len(first)
                pending.digest = blake3(first, key=self._keys.ids).digest()
                if first:
                    pending.places.append(self._find(pending.digest) or self._bundled(first, pending.digest))
                return
            pieces, count = blake3(b"strongroom/pieces/v1", key=self._keys.ids), 0
            for chunk in chunks(first, stream, self._cdc, self._window):
                piece_id = blake3(chunk, key=self._keys.ids).digest()
                pieces.update(piece_id)
                count += 1
                pending.places.append(self._find(piece_id) or self._alone(chunk, piece_id, self._data))
                pending.size += len(chunk)
                if len(pending.places) >= 2 * INLINE_REFS:
                    self._shorten(pending)
            pending.digest = pieces.digest() if count > 1 else piece_id

    def _find(self, piece_id: bytes) -> Place | None:
        return self._recent.get(piece_id) or self._reuse.find(piece_id)

    def _remember(self, piece_id: bytes, place: Place) -> Place:
        self._recent[piece_id] = place
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return place

    def _alone(self, raw: bytes, piece_id: bytes, pipeline: Pipeline) -> Place:
        blob = Blob(raw, [(piece_id, 0, len(raw))])
        pipeline.submit(blob)
        return self._remember(piece_id, (blob, 0, len(raw)))

    def _bundled(self, data: bytes, piece_id: bytes) -> Place:
        place = (self._bundle_blob, self._bundle_size, len(data))
        self._bundle.append(data)
        self._bundle_blob.pieces.append((piece_id, self._bundle_size, len(data)))
        self._bundle_size += len(data)
        if self._bundle_size >= BUNDLE_SIZE or len(self._bundle) >= BUNDLE_FILES:
            self._close_bundle()
        return self._remember(piece_id, place)

    def _close_bundle(self) -> None:
        if self._bundle:
            self._bundle_blob.raw = b"".join(self._bundle)
            self._data.submit(self._bundle_blob)
            self._bundle, self._bundle_blob, self._bundle_size = [], Blob(b"", []), 0

    def _shorten(self, pending: _Pending) -> None:
        """Moves references of a large file into segments of their own, so that its line and our memory stay small."""
        self._collect()
        while len(pending.places) >= INLINE_REFS:
            refs = [resolve(self._target.run, place) for place in pending.places[:INLINE_REFS]]
            settled = [ref for ref in refs if ref is not None]
            if len(settled) < len(refs):
                return
            self._add_part(pending, settled)
            del pending.places[:INLINE_REFS]

    def _add_part(self, pending: _Pending, refs: list[Ref]) -> None:
        data = refs_segment(refs)
        piece_id = blake3(data, key=self._keys.ids).digest()
        place = self._find(piece_id) or self._alone(data, piece_id, self._lists)
        if resolve(self._target.run, place) is None:
            self._lists.flush()
        pending.parts.append(self._resolved(place))
        pending.packs |= {(ref.run, ref.pack) for ref in refs}

    def _resolved(self, place: Place) -> Ref:
        ref = resolve(self._target.run, place)
        assert ref is not None, "a place is resolved only after its pack was stored"
        return ref

    def _store_open_packs(self) -> None:
        self._close_bundle()
        self._data.flush()
        self._settle()

    def _settle(self) -> None:
        """Lists every item whose packs are stored, in order."""
        self._collect()
        while self._pending:
            pending = self._pending[0]
            if pending.places and resolve(self._target.run, pending.places[-1]) is None:
                return
            refs = [resolve(self._target.run, place) for place in pending.places]
            settled = [ref for ref in refs if ref is not None]
            if len(settled) < len(refs):
                return
            self._pending.popleft()
            if (pending.parts and settled) or len(settled) > INLINE_REFS:
                for start in range(0, len(settled), INLINE_REFS):
                    self._add_part(pending, settled[start : start + INLINE_REFS])
                settled = []
            self._list(pending, settled)

    def _list(self, pending: _Pending, refs: list[Ref]) -> None:
        line = item_line(pending.item, pending.size, pending.digest.hex(), refs, pending.parts, self._table)
        self._lines.append(line)
        self._lines_size += len(line)
        for run, pack in pending.packs or ((ref.run, ref.pack) for ref in refs):
            self.packs.setdefault(run, set()).add(pack)
        for ref in pending.parts:
            self.packs.setdefault(ref.run, set()).add(ref.pack)
        if pending.path_id:
            self._cache.add(pending.path_id, pending.identity, pending.digest, refs, pending.parts, pending.packs)
        if pending.boundary or self._lines_size >= SEGMENT_SIZE:
            self._cut_segment()

    def _cut_segment(self) -> None:
        if self._lines:
            data = head_line(self._table) + b"".join(self._lines)
            piece_id = blake3(data, key=self._keys.ids).digest()
            self._segments.append(self._find(piece_id) or self._alone(data, piece_id, self._lists))
            self._table, self._lines, self._lines_size = PackTable(), [], 0

    def _collect(self) -> None:
        """Takes note of stored blobs for the index."""
        for blob in self._data.stored() + self._lists.stored():
            self.new_bytes += blob.length
            self.packs.setdefault(self._target.run, set()).add(blob.pack)
            for piece_id, start, size in blob.pieces:
                ref = Ref(self._target.run, blob.pack, blob.offset, blob.length, start, size)
                self._entries.append((piece_id, ref))
            blob.pieces = []
        if len(self._entries) >= index.PART_ENTRIES:
            self._write_index()

    def _write_index(self) -> None:
        if self._entries:
            target = self._target
            data = index.encode(target.repo, target.run, self._keys.index, self._entries)
            name = index_name(target.run, sha256(data))
            put_addressed(target.storage, name, data, target.lock_until)
            self.indexes.append(name)
            self._entries.clear()
