"""Listings: what a snapshot contains, as NDJSON segments that are stored like any other content.

A segment's first line is {"packs": [[run, sha256], ...]}; each further line is one item, whose references point into
that table: {"path", "kind", "mode", "mtime_ns"} and, where they apply, "size", "identity", "target", "metadata",
"digest", "refs": [[pack, offset, length, start, size], ...] or "parts" (references to segments that hold only refs).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from backup_jobs.repository.references import PackTable, Ref, decode
from backup_jobs.sources.contract import Item, Kind
from strongroom.errors import Corrupt

#: A segment ends at a path whose keyed hash says so (so that unchanged stretches give unchanged segments), or here.
SEGMENT_SIZE = 512 << 10
SEGMENT_MASK = 0x3FF

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class SnapshotItem:
    """One item of a snapshot. `digest` is keyed by the id key; `refs` or `parts` say where its bytes lie."""

    path: str
    kind: Kind
    mode: int
    mtime_ns: int
    size: int = 0
    identity: str = ""
    target: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    refs: tuple[Ref, ...] = ()
    parts: tuple[Ref, ...] = ()


def item_line(item: Item, size: int, digest: str, refs: Sequence[Ref], parts: Sequence[Ref], packs: PackTable) -> bytes:
    """The listing line of an item; adds the packs it names to `packs`."""
    line: dict[str, Any] = {"path": item.path, "kind": item.kind, "mode": item.mode, "mtime_ns": item.mtime_ns}
    if item.kind == "file":
        line |= {"size": size, "digest": digest}
    if item.identity:
        line["identity"] = item.identity
    if item.target:
        line["target"] = item.target
    if item.metadata:
        line["metadata"] = dict(item.metadata)
    if refs:
        line["refs"] = [packs.encode(ref) for ref in refs]
    if parts:
        line["parts"] = [packs.encode(ref) for ref in parts]
    return _encode(line).encode() + b"\n"


def head_line(packs: PackTable) -> bytes:
    """The first line of a segment."""
    return _encode({"packs": packs.to_json()}).encode() + b"\n"


def refs_segment(refs: Iterable[Ref]) -> bytes:
    """A segment of references only: {"packs"}, then one line {"refs"}."""
    packs = PackTable()
    line = _encode({"refs": [packs.encode(ref) for ref in refs]}).encode() + b"\n"
    return head_line(packs) + line


def parse_segment(data: bytes, name: str) -> Iterator[SnapshotItem]:
    """The items of a segment; Corrupt names the snapshot when a line cannot be read."""
    packs, lines = _lines(data, name)
    for line in lines:
        try:
            if line["kind"] not in ("file", "dir", "symlink"):
                raise ValueError("kind")
            yield SnapshotItem(
                path=str(line["path"]),
                kind=cast(Kind, line["kind"]),
                mode=int(line["mode"]),
                mtime_ns=int(line["mtime_ns"]),
                size=int(line.get("size", 0)),
                identity=str(line.get("identity", "")),
                target=str(line.get("target", "")),
                metadata=dict(line.get("metadata", {})),
                digest=str(line.get("digest", "")),
                refs=decode(packs, line.get("refs", ()), name),
                parts=decode(packs, line.get("parts", ()), name),
            )
        except (KeyError, ValueError, TypeError):
            raise Corrupt(f"{name}: a line of its listing cannot be read") from None


def parse_refs(data: bytes, name: str) -> Iterator[Ref]:
    """The references of a refs segment."""
    packs, lines = _lines(data, name)
    for line in lines:
        yield from decode(packs, line.get("refs", ()), name)


def _lines(data: bytes, name: str) -> tuple[list[list[str]], Iterator[dict[str, Any]]]:
    first, _, rest = data.partition(b"\n")
    try:
        packs = json.loads(first)["packs"]
        return packs, (json.loads(line) for line in rest.splitlines())
    except (ValueError, KeyError, TypeError):
        raise Corrupt(f"{name}: its listing cannot be read") from None
