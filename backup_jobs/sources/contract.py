"""The contract between a source of backups and the repository that stores them.

A source captures itself at one consistent point and yields items; the repository stores their bytes and the source's
facts. Facts are JSON, known once `items()` is exhausted, and lie encrypted in the snapshot:

    kind, consistent_at      str    what it is, and the moment the capture shows (RFC 3339, UTC, by the source's clock)
    tables                   {name: {"rows": int, "digest": hex}}   what a drill counts and digests again
    table_map                {table: {"file": item path, "columns": [name]}}   postgres only: COPY text of each table
    skipped                  [{"path", "reason"}]   what could not be captured; not empty makes the run PARTIAL
    changed                  [path]                 what changed while it was read; not empty makes the run PARTIAL

Digests are keyed by the run (`HKDF(run key, "digest/v1")`), so equal data in two runs shows no equal digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, Protocol

Kind = Literal["file", "dir", "symlink"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to store. `path` is relative, '/'-separated; undecodable bytes of file names are surrogate-escaped.

    `size` in bytes, None when it is known only by reading. `identity` is what "unchanged" means beside size and
    mtime: inode and ctime of a file, VersionId or ETag of an object. `open` raises OSError when the bytes cannot be
    read: the item is then listed as unreadable and the run is PARTIAL.
    """

    path: str
    size: int | None
    mtime_ns: int
    mode: int
    identity: str
    kind: Kind
    target: str
    metadata: Mapping[str, str]
    open: Callable[[], BinaryIO] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RestoredItem:
    """One thing that comes back; `read` yields its bytes, already authenticated."""

    path: str
    size: int
    mtime_ns: int
    mode: int
    kind: Kind
    target: str
    metadata: Mapping[str, str]
    read: Callable[[], Iterator[bytes]] = field(repr=False, compare=False)


class Capture(Protocol):
    """A source held at one consistent point."""

    def items(self) -> Iterator[Item]:
        """Everything to store, in path order as far as the source has one; consumed once."""
        ...

    def facts(self) -> dict[str, Any]:
        """JSON facts of this capture; called after `items()` is exhausted."""
        ...


class Source(Protocol):
    """Something that can be captured and put back. `name` is the manifest's store name, or derived from its address."""

    @property
    def name(self) -> str:
        """The name under which snapshots are listed: [a-z0-9-]."""
        ...

    @property
    def kind(self) -> str:
        """postgres, folder, bucket or vault."""
        ...

    def capture(self, run_key_digest: bytes) -> AbstractContextManager[Capture]:
        """Holds the source at one point; `run_key_digest` keys the digests."""
        ...

    def restore(self, items: Iterator[RestoredItem], target: Any) -> dict[str, Any]:
        """Puts `items` into an empty `target` (a DSN, a folder, a bucket prefix, a server); returns JSON facts.

        UsageError when the target is not empty or is the source itself: no option overrides that.
        """
        ...
