"""The snapshot root and its refs: a small sealed object that leads to the listing, and a plain one that names packs.

The root is readable with the run key alone. Refs hold no content and no names of files: the lock-keeper, the pruner
and the copier work from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backup_jobs.repository.layout import canonical_json, parse_json, refs_name, snapshot_name
from backup_jobs.repository.references import PackTable, Ref, decode
from backup_jobs.repository.sealing import length_prefixed, seal, unseal
from strongroom.errors import Corrupt

MAGIC = b"SRSNAP1\n"
REFS_FORMAT = "strongroom.refs/1"
FORMAT = "strongroom.snapshot/1"


@dataclass(frozen=True)
class Root:
    """What a snapshot is: its listing's segments, its facts, its counts."""

    source: str
    run: str
    kind: str
    started: str
    finished: str
    files: int
    size: int
    listing: tuple[Ref, ...]
    facts: Mapping[str, Any] = field(repr=False)
    unreadable: tuple[str, ...] = field(repr=False)

    def seal(self, repo: str, run_key: bytes) -> bytes:
        """The stored bytes."""
        packs = PackTable()
        listing = [packs.encode(ref) for ref in self.listing]
        document = {
            "format": FORMAT,
            "repo": repo,
            "run": self.run,
            "source": self.source,
            "kind": self.kind,
            "started": self.started,
            "finished": self.finished,
            "files": self.files,
            "bytes": self.size,
            "packs": packs.to_json(),
            "listing": listing,
            "facts": dict(self.facts),
            "unreadable": list(self.unreadable),
        }
        return seal(MAGIC, run_key, _aad(repo, self.run, self.source), canonical_json(document))

    @classmethod
    def open(cls, repo: str, run: str, source: str, run_key: bytes, data: bytes) -> Root:
        """Reads the stored bytes; Corrupt names the snapshot when they belong elsewhere or were changed."""
        name = snapshot_name(source, run)
        document = parse_json(unseal(MAGIC, run_key, _aad(repo, run, source), data, name), name)
        try:
            if document["format"] != FORMAT:
                raise Corrupt(f"{name}: format {document['format']!r} is unknown")
            return cls(
                source=source,
                run=run,
                kind=str(document["kind"]),
                started=str(document["started"]),
                finished=str(document["finished"]),
                files=int(document["files"]),
                size=int(document["bytes"]),
                listing=decode(document["packs"], document["listing"], name),
                facts=document["facts"],
                unreadable=tuple(document["unreadable"]),
            )
        except (KeyError, TypeError, ValueError):
            raise Corrupt(f"{name} lacks a field or holds a wrong one") from None


@dataclass(frozen=True)
class RunRefs:
    """What a snapshot uses of one run: the commitment to the run's key, and packs."""

    commitment: str
    packs: tuple[str, ...]


@dataclass(frozen=True)
class Refs:
    """Everything a snapshot needs, by run; `indexes` are those its own run wrote for it."""

    repo: str
    run: str
    source: str
    runs: Mapping[str, RunRefs]
    indexes: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """The stored JSON."""
        runs = {run: {"commitment": r.commitment, "packs": sorted(r.packs)} for run, r in sorted(self.runs.items())}
        document = {"format": REFS_FORMAT, "repo": self.repo, "run": self.run, "source": self.source}
        return canonical_json({**document, "runs": runs, "indexes": sorted(self.indexes)})

    @classmethod
    def parse(cls, data: bytes, source: str, run: str) -> Refs:
        """Reads refs; Corrupt names the object when it is damaged or lies under another name."""
        name = refs_name(source, run)
        document = parse_json(data, name)
        try:
            if document["format"] != REFS_FORMAT or (document["source"], document["run"]) != (source, run):
                raise Corrupt(f"{name} is not what its name says")
            runs = {
                str(r): RunRefs(str(body["commitment"]), tuple(str(pack) for pack in body["packs"]))
                for r, body in document["runs"].items()
            }
            return cls(str(document["repo"]), run, source, runs, tuple(str(n) for n in document["indexes"]))
        except (KeyError, TypeError, AttributeError):
            raise Corrupt(f"{name} lacks a field or holds a wrong one") from None


def _aad(repo: str, run: str, source: str) -> bytes:
    return length_prefixed(b"snapshot/v1", repo.encode(), run.encode(), source.encode())
