"""The writer's cache: what each path looked like last time and where its content lies, so that unchanged files are
not read. Advisory, sealed under the id key in the control bucket; losing it costs a full read, never data.

    cache/<source>           sealed header {"full_read_at", "set": "a" | "b", "parts": [sha256, ...]}
    cache/<source>.<set><n>  sealed part: {"packs"} line, then entries in the order of the last run

A run writes the set that the header does not name, then the header: a killed run leaves the old set whole. A part is
held in memory only while the walk passes through it, so memory does not grow with the number of files.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup_jobs.repository.layout import cache_name, canonical_json, parse_json, sha256
from backup_jobs.repository.references import Ref
from backup_jobs.repository.sealing import length_prefixed, seal, unseal
from strongroom.errors import IntegrityFailure
from strongroom.storage.contract import Storage

MAGIC = b"SRCACHE1"
PART_ENTRIES = 1 << 15
#: However trustworthy size, mtime and inode look, every byte is read again after this time.
FULL_READ_EVERY = timedelta(days=30)
_ENTRY = struct.Struct(">16s16s32sBII")
_REF = struct.Struct(">IIIII")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cache knows of a path: the content's digest, its references or parts, and every pack behind them."""

    digest: bytes
    refs: tuple[Ref, ...]
    parts: tuple[Ref, ...]
    packs: tuple[tuple[str, str], ...]


class _Part:
    def __init__(self, data: bytes) -> None:
        head, _, self._body = data.partition(b"\n")
        self._packs = [(str(run), str(pack)) for run, pack in json.loads(head)["packs"]]
        self._at: dict[bytes, int] = {}
        at = 0
        while at < len(self._body):
            path, _, _, _, refs, packs = _ENTRY.unpack_from(self._body, at)
            self._at[path] = at
            at += _ENTRY.size + refs * _REF.size + packs * 4

    def find(self, path: bytes, identity: bytes) -> Seen | bool | None:
        """What is known; False: the path is known with another identity; None: it is not in this part."""
        at = self._at.get(path)
        if at is None:
            return None
        _, known, digest, indirect, n_refs, n_packs = _ENTRY.unpack_from(self._body, at)
        if known != identity:
            return False
        at += _ENTRY.size
        refs = []
        for number, offset, length, start, size in _REF.iter_unpack(self._body[at : at + n_refs * _REF.size]):
            run, pack = self._packs[number]
            refs.append(Ref(run, pack, offset, length, start, size))
        at += n_refs * _REF.size
        further = struct.unpack_from(f">{n_packs}I", self._body, at)
        packs = {(ref.run, ref.pack) for ref in refs} | {self._packs[number] for number in further}
        found = tuple(refs)
        return Seen(digest, () if indirect else found, found if indirect else (), tuple(sorted(packs)))


class CacheReader:
    """The cache of the last run, read along with the walk."""

    def __init__(self, control: Storage, repo: str, source: str, key: bytes, now: datetime, use: bool = True) -> None:
        self._control, self._key = control, key
        self._source, self._aad = source, length_prefixed(repo.encode(), source.encode())
        self.set, self.full_read_at = "b", now
        self._digests: list[str] = []
        self._next = 0
        self._window: list[_Part] = []
        self._load_header(now, use)

    def find(self, path: bytes, identity: bytes) -> Seen | None:
        """What is known of an unchanged path; None when it is new, changed, or out of the last run's order."""
        while len(self._window) < 2 and self._next < len(self._digests):
            self._load_part()
        for position, part in enumerate(self._window):
            found = part.find(path, identity)
            if found is not None:
                del self._window[:position]
                return found if isinstance(found, Seen) else None
        return None

    def _load_header(self, now: datetime, use: bool) -> None:
        name = cache_name(self._source)
        try:
            header = parse_json(unseal(MAGIC, self._key, self._aad, self._control.get(name), name), name)
            full_read_at = datetime.fromisoformat(header["full_read_at"])
        except (IntegrityFailure, KeyError, ValueError):
            return  # no cache, or one of another key: everything is read
        self.set = str(header["set"])
        if use and now - full_read_at < FULL_READ_EVERY:
            self.full_read_at = full_read_at
            self._digests = [str(digest) for digest in header["parts"]]

    def _load_part(self) -> None:
        name = f"{cache_name(self._source)}.{self.set}{self._next}"
        expected = self._digests[self._next]
        self._next += 1
        try:
            data = self._control.get(name)
            if sha256(data) == expected:
                self._window.append(_Part(unseal(MAGIC, self._key, self._aad, data, name)))
        except IntegrityFailure:
            return  # a lost part costs reading its files


class CacheWriter:
    """Collects what this run saw; `finish` makes it the current cache."""

    def __init__(self, control: Storage, repo: str, source: str, key: bytes, previous: CacheReader) -> None:
        self._control, self._key, self._source = control, key, source
        self._aad = length_prefixed(repo.encode(), source.encode())
        self._set = "a" if previous.set == "b" else "b"
        self._full_read_at = previous.full_read_at
        self._digests: list[str] = []
        self._numbers: dict[tuple[str, str], int] = {}
        self._entries = bytearray()
        self._count = 0

    def add(
        self,
        path: bytes,
        identity: bytes,
        digest: bytes,
        refs: Sequence[Ref],
        parts: Sequence[Ref],
        packs: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Remembers a file; `packs` are those behind `parts`."""
        named = parts or refs
        further = [self._number(pack) for pack in packs] if parts else []
        self._entries += _ENTRY.pack(path, identity, digest, bool(parts), len(named), len(further))
        for ref in named:
            self._entries += _REF.pack(self._number((ref.run, ref.pack)), *ref[2:])
        self._entries += struct.pack(f">{len(further)}I", *further)
        self._count += 1
        if self._count >= PART_ENTRIES:
            self._write_part()

    def finish(self) -> None:
        """Writes the last part and the header."""
        if self._count:
            self._write_part()
        header = {"full_read_at": self._full_read_at.isoformat(), "set": self._set, "parts": self._digests}
        name = cache_name(self._source)
        self._control.put(name, seal(MAGIC, self._key, self._aad, canonical_json(header)))

    def _number(self, pack: tuple[str, str]) -> int:
        return self._numbers.setdefault(pack, len(self._numbers))

    def _write_part(self) -> None:
        head = json.dumps({"packs": [list(pack) for pack in self._numbers]}).encode() + b"\n"
        data = seal(MAGIC, self._key, self._aad, head + bytes(self._entries))
        self._control.put(f"{cache_name(self._source)}.{self._set}{len(self._digests)}", data)
        self._digests.append(sha256(data))
        self._numbers, self._entries, self._count = {}, bytearray(), 0
