"""References: where a piece of content lies, and how listings write it down.

A piece is a run of bytes inside a blob: a whole content-defined chunk, or one small file inside a bundle. A listing
names packs once, in a table of its own, and points into that table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backup_jobs.repository.layout import BLOB_LIMIT, PACK_LIMIT
from strongroom.errors import Corrupt


class Ref(NamedTuple):
    """Bytes [start, start+size) of the blob whose frame is [offset, offset+length) of a pack of a run."""

    run: str
    pack: str
    offset: int
    length: int
    start: int
    size: int


class PackTable:
    """Numbers packs in the order in which they are first named."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    def encode(self, ref: Ref) -> list[int]:
        """[pack number, offset, length, start, size]."""
        number = self._numbers.setdefault((ref.run, ref.pack), len(self._numbers))
        return [number, ref.offset, ref.length, ref.start, ref.size]

    def to_json(self) -> list[list[str]]:
        """[[run, sha256 of the pack], ...] in number order."""
        return [list(key) for key in self._numbers]


def decode(packs: Sequence[Sequence[str]], refs: Iterable[Sequence[int]], name: str) -> tuple[Ref, ...]:
    """References as they are written in a listing; Corrupt names the object when one is out of range."""
    try:
        rows = [tuple(int(value) for value in ref) for ref in refs]
        if any(number < 0 for number, *_ in rows):
            raise ValueError("negative pack number")
        found = tuple(Ref(str(packs[n][0]), str(packs[n][1]), o, length, s, size) for n, o, length, s, size in rows)
    except (IndexError, TypeError, ValueError):
        raise Corrupt(f"{name} holds a reference that cannot be read") from None
    for ref in found:
        if min(ref.offset, ref.length, ref.start, ref.size) < 0 or ref.offset + ref.length > PACK_LIMIT:
            raise Corrupt(f"{name} holds a reference outside of a pack")
        if ref.start + ref.size > BLOB_LIMIT:
            raise Corrupt(f"{name} holds a reference outside of a blob")
    return found
