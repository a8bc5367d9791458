"""What is in a repository: its committed runs, and whether one copy holds all that a snapshot needs.

A run exists by its commit. What lies under keys/, packs/, index/, snapshots/ or refs/ without one is residue of a
killed run: listed, never restored from, deleted by nobody before its lock ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from backup_jobs.repository import slots
from backup_jobs.repository.layout import commit_name, pack_name, refs_name, snapshot_name, verified_name
from backup_jobs.repository.objects import fetch
from backup_jobs.repository.snapshots import Refs
from backup_jobs.repository.statements import Commit, SignatureState, Verified
from strongroom.errors import IntegrityFailure, Missing
from strongroom.evidence.trust import Trust
from strongroom.storage.contract import Storage


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One committed snapshot. `committed_at` is the writer's signed time, `stored_at` the storage's own clock."""

    run: str
    source: str
    committed_at: str
    stored_at: datetime
    verified: bool
    signature_state: SignatureState


@dataclass(frozen=True, slots=True)
class Closure:
    """All objects a snapshot needs in one copy, in the order in which they are written, and those not there."""

    source: str
    run: str
    names: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def runs(
    storage: Storage, source: str = "", trust: Trust | None = None, control: Storage | None = None
) -> list[RunInfo]:
    """Committed snapshots of a source (or of all), oldest first; those that cannot be believed say "invalid"."""
    found = []
    marked: dict[str, Verified | None] = {}
    for entry in storage.list(f"commits/{source}/" if source else "commits/"):
        parts = entry.name.removesuffix(".dsse").split("/")
        if len(parts) != 3 or not entry.name.endswith(".dsse"):
            continue
        name_source, run = parts[1], parts[2]
        try:
            commit = read_commit(storage, name_source, run, trust)
        except IntegrityFailure:
            found.append(RunInfo(run, name_source, "", entry.modified, False, "invalid"))
            continue
        if control is not None and run not in marked:
            marked[run] = read_mark(control, run, trust)
        mark = marked.get(run)
        verified = mark is not None and mark.snapshots.get(name_source) == commit.snapshot
        found.append(RunInfo(run, name_source, commit.committed_at, entry.modified, verified, commit.signature))
    return sorted(found, key=lambda info: (info.committed_at, info.run, info.source))


def unbelieved(infos: Collection[RunInfo]) -> list[str]:
    """Names of the commits that cannot be believed: every job leaves them out, so somebody has to say so."""
    return [commit_name(info.source, info.run) for info in infos if info.signature_state == "invalid"]


def read_commit(storage: Storage, source: str, run: str, trust: Trust | None) -> Commit:
    """The commit of a snapshot; errors as in `commit_envelope`."""
    return Commit.read(commit_envelope(storage, source, run, trust), commit_name(source, run), trust)


def commit_envelope(storage: Storage, source: str, run: str, trust: Trust | None) -> bytes:
    """The stored bytes of a commit, from the oldest version that is one.

    Missing when it was never committed; Corrupt or SignatureInvalid when no version can be believed.
    """
    name = commit_name(source, run)
    failure: IntegrityFailure | None = None
    for data in _oldest_first(storage, name):
        try:
            commit = Commit.read(data, name, trust)
            if (commit.source, commit.run) == (source, run):
                return data
            failure = failure or IntegrityFailure(f"{name} is the commit of {commit.source}/{commit.run}")
        except IntegrityFailure as error:
            failure = failure or error
    if failure is not None and name not in failure.message:
        raise type(failure)(f"{name}: {failure.message}")
    raise failure or Missing(f"{name} is missing in {storage.url}: {source} has no committed run {run}")


def read_refs(storage: Storage, source: str, run: str, trust: Trust | None = None) -> tuple[Commit, Refs]:
    """Commit and refs of a snapshot; the refs are those whose hash the commit signs."""
    commit = read_commit(storage, source, run, trust)
    return commit, Refs.parse(fetch(storage, refs_name(source, run), commit.refs), source, run)


def read_mark(control: Storage, run: str, trust: Trust | None) -> Verified | None:
    """The verification mark of a run, or None when there is none that can be believed."""
    name = verified_name(run)
    try:
        mark = Verified.read(control.get(name), name, trust)
    except IntegrityFailure:
        return None
    return mark if mark.run == run else None


def closure(
    storage: Storage, source: str, run: str, *, recipients: Collection[str] = (), trust: Trust | None = None
) -> Closure:
    """What snapshot `source`/`run` needs and what of it this copy lacks, by names and without reading content.

    With `recipients` each of them must have a slot for every run referred to, else any one slot a run is enough.
    Missing when the commit or the refs are not there.
    """
    _, refs = read_refs(storage, source, run, trust)
    names: list[str] = []
    missing: list[str] = []
    for needed in refs.runs:
        there = [entry.name for entry in slots.slots_of(storage, needed)]
        names += there
        held = {slots.recipient_of(name) for name in there}
        missing += [f"keys/{needed}/{recipient}.*.slot" for recipient in recipients if recipient not in held]
        if not there and not recipients:
            missing.append(f"keys/{needed}/*.slot")
    objects = [pack_name(pack) for body in refs.runs.values() for pack in body.packs]
    objects += [*refs.indexes, snapshot_name(source, run), refs_name(source, run), commit_name(source, run)]
    missing += [name for name in objects if not _exists(storage, name)]
    return Closure(source, run, tuple(names + objects), tuple(missing))


def residue(storage: Storage) -> list[str]:
    """Objects that no commit leads to, in name order: leftovers of killed runs."""
    committed = {(info.source, info.run) for info in runs(storage)}
    kept: set[str] = set()
    for source, run in committed:
        kept.update(closure(storage, source, run).names)
    prefixes = ("keys/", "packs/", "index/", "snapshots/", "refs/")
    return [entry.name for prefix in prefixes for entry in storage.list(prefix) if entry.name not in kept]


def _exists(storage: Storage, name: str) -> bool:
    try:
        storage.head(name)
    except Missing:
        # a delete marker hides an object that is still there
        return bool(storage.versions(name))
    return True


def _oldest_first(storage: Storage, name: str) -> Iterator[bytes]:
    versions = storage.versions(name)
    for entry in reversed(versions):
        yield storage.get(name, version=entry.version.id or None)
