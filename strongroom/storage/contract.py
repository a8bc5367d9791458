"""The storage contract: the few operations that repositories, evidence, leases and manifests need of an object store.

Errors are those of `strongroom.errors`: Exists, Missing, Denied, Locked, Transient, Corrupt; nothing else escapes.
Implementations: `strongroom.storage.s3` (any S3 endpoint), `strongroom.storage.local` (a folder).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Version:
    """What a put made: `id` is the store's version id, `etag` serves `if_match`."""

    id: str
    etag: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing; `size` in bytes, `modified` by the store's own clock."""

    name: str
    size: int
    version: Version
    modified: datetime
    retain_until: datetime | None = None


class Storage(Protocol):
    """An object store under one prefix. Names are relative, '/'-separated, without leading slash."""

    @property
    def url(self) -> str:
        """Where this store is, for people: s3://bucket/prefix or file:///folder."""
        ...

    def put(
        self,
        name: str,
        data: bytes,
        *,
        if_absent: bool = False,
        if_match: Version | None = None,
        retain_until: datetime | None = None,
    ) -> Version:
        """Writes a whole object or nothing. `if_absent`: Exists when taken; `if_match`: Exists when changed since."""
        ...

    def get(self, name: str, *, version: str | None = None, range: tuple[int, int] | None = None) -> bytes:  # noqa: A002
        """Reads an object, or bytes [start, end) of it. Missing when there is none."""
        ...

    def head(self, name: str, *, version: str | None = None) -> Entry:
        """Describes one object without reading it. Missing when there is none."""
        ...

    def retained_until(self, name: str) -> datetime | None:
        """Until when the current version is retained; asks for this alone, as who may not read may still ask it."""
        ...

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Entry]:
        """Current objects whose name starts with `prefix`, in name order, beginning behind `after`."""
        ...

    def versions(self, name: str) -> tuple[Entry, ...]:
        """All stored versions of one name, newest first, delete markers left out; empty when there are none."""
        ...

    def delete(self, name: str, version: str) -> None:
        """Deletes one version for good. Locked while its retention lasts."""
        ...

    def extend(self, name: str, version: str, until: datetime) -> None:
        """Moves retention to a later time; never shortens it (Locked)."""
        ...
