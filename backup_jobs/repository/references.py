"""References: where a piece of content lies, and how listings write it down.

A piece is a run of bytes inside a blob: a whole content-defined chunk, or one small file inside a bundle. A listing
names packs once, in a table of its own, and points into that table.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def decode(packs: Sequence[Sequence[str]], refs: Sequence[Sequence[int]], name: str) -> tuple[Ref, ...]:
    """References as they are written in a listing; Corrupt names the object when one is out of range."""
    found = []
    try:
        for number, offset, length, start, size in refs:
            if not (
                0 <= number < len(packs)
                and 0 <= offset <= PACK_LIMIT - length
                and 0 <= start <= BLOB_LIMIT - size
                and length >= 0
                and size >= 0
            ):
                raise Corrupt(f"{name} holds a reference that lies outside of its pack or blob")
            run, pack = packs[number]
            found.append(Ref(run, pack, offset, length, start, size))
    except (TypeError, ValueError):
        raise Corrupt(f"{name} holds a reference that cannot be read") from None
    return tuple(found)
