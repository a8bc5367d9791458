"""Indexes: keyed piece id -> pack, offset, length, start, size; sorted binary tables sealed under the id key.

    sealed("SRINDEX1", HKDF(id key, "index/v1"), AAD repository, run):
    pack count u32, packs[32 bytes each], then entries of 52 bytes sorted by id:
    id[32], pack number u32, offset u32, length u32, start u32, size u32          (big-endian)

A restore never needs one. The next run's writer does: it finds there what is already stored, without being able to
read any of it.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from backup_jobs.repository.references import Ref
from backup_jobs.repository.sealing import length_prefixed, seal, unseal
from strongroom.errors import Corrupt

MAGIC = b"SRINDEX1"
ID = 32
ENTRY = struct.Struct(">32sIIIII")
_PLACE = struct.Struct(">IIIII")
#: An index part is written whenever a run has this many new pieces: memory stays flat.
PART_ENTRIES = 1 << 15


class PieceTable:
    """Piece ids of one or more runs in one sorted byte string: 52 bytes an entry, no object per entry."""

    def __init__(self, packs: Sequence[tuple[str, str]], entries: bytes) -> None:
        self._packs, self._entries = packs, entries
        self._rows = range(len(entries) // ENTRY.size)

    def _id(self, row: int) -> bytes:
        return self._entries[row * ENTRY.size : row * ENTRY.size + ID]

    def find(self, piece_id: bytes) -> Iterator[Ref]:
        """Every place of a piece; the same content may be stored by several runs."""
        row = bisect_left(self._rows, piece_id, key=self._id)
        while row < len(self._rows) and self._id(row) == piece_id:
            yield self._ref(row)
            row += 1

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[bytes, Ref]]:
        """(piece id, reference) of every entry, in id order."""
        for row in self._rows:
            yield self._id(row), self._ref(row)

    def _ref(self, row: int) -> Ref:
        number, offset, length, start, size = _PLACE.unpack_from(self._entries, row * ENTRY.size + ID)
        run, pack = self._packs[number]
        return Ref(run, pack, offset, length, start, size)


def encode(repo: str, run: str, index_key: bytes, entries: Iterable[tuple[bytes, Ref]]) -> bytes:
    """The bytes of an index part of `run`."""
    numbers: dict[str, int] = {}
    rows = []
    for piece_id, ref in entries:
        number = numbers.setdefault(ref.pack, len(numbers))
        rows.append(ENTRY.pack(piece_id, number, ref.offset, ref.length, ref.start, ref.size))
    rows.sort()
    packs = b"".join(bytes.fromhex(pack) for pack in numbers)
    body = struct.pack(">I", len(numbers)) + packs + b"".join(rows)
    return seal(MAGIC, index_key, length_prefixed(repo.encode(), run.encode()), body)


def decode(repo: str, run: str, index_key: bytes, data: bytes, name: str) -> PieceTable:
    """An index part; Corrupt names it when it does not authenticate or its tables do not fit."""
    body = unseal(MAGIC, index_key, length_prefixed(repo.encode(), run.encode()), data, name)
    count = struct.unpack_from(">I", body)[0] if len(body) >= 4 else 0
    start = 4 + count * 32
    if len(body) < start or (len(body) - start) % ENTRY.size:
        raise Corrupt(f"{name}: its tables are cut off")
    packs = [(run, body[4 + n * 32 : 36 + n * 32].hex()) for n in range(count)]
    entries = body[start:]
    if any(row[1] >= count for row in ENTRY.iter_unpack(entries)):
        raise Corrupt(f"{name}: an entry names a pack that is not in its table")
    return PieceTable(packs, entries)


def merge(tables: Iterable[PieceTable]) -> PieceTable:
    """One table over several, so that a lookup costs the same however many runs there are."""
    numbers: dict[tuple[str, str], int] = {}
    rows = []
    for table in tables:
        for piece_id, ref in table:
            number = numbers.setdefault((ref.run, ref.pack), len(numbers))
            rows.append(ENTRY.pack(piece_id, number, ref.offset, ref.length, ref.start, ref.size))
    rows.sort()
    return PieceTable(list(numbers), b"".join(rows))
