"""Copying a run to another store: ciphertext only, each object checked against its hash on the way.

The copier holds no key. It writes in the order slots, packs, index, snapshot, refs, commit, so a copy that was killed
is not a copy; run again, it goes on where it stopped. An object that is there but damaged is replaced by a new version
conditional on the damaged one, so that two copiers cannot undo each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from threading import Event

from backup_jobs.repository import catalogue, slots
from backup_jobs.repository.layout import (
    FORMAT_OBJECT,
    canonical_json,
    commit_name,
    pack_name,
    parse_json,
    refs_name,
    sha256,
    snapshot_name,
)
from backup_jobs.repository.objects import fetch
from strongroom.errors import Exists, KeyFailure, Missing, Partial, UsageError
from strongroom.evidence.trust import Trust
from strongroom.progress import Progress, Silent, step
from strongroom.storage.contract import Entry, Storage

WORKERS = 2


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy did, by object names; `bytes` were written."""

    copied: tuple[str, ...]
    healed: tuple[str, ...]
    present: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Object:
    """An object to copy; `digest` None for a slot, which no hash names: the source's own bytes are what counts."""

    name: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class _Task:
    source: Storage
    target: Storage
    retain_until: datetime | None
    check_present: bool
    suspects: frozenset[str]
    cancel: Event | None


def copy_run(
    source: Storage,
    target: Storage,
    run: str,
    slots_for: Collection[str],
    *,
    retain_until: datetime | None = None,
    check_present: bool = False,
    suspects: Collection[str] = (),
    trust: Trust | None = None,
    progress: Progress | None = None,
    cancel: Event | None = None,
) -> CopyResult:
    """Copies every committed snapshot of `run`, with all that they refer to in earlier runs, and the format object.

    `slots_for` names the recipients whose slots the target holds; KeyFailure when the source lacks one of them.
    An object is taken as present when its size is right; with `check_present`, or when it is named in `suspects`, it
    is read and, where it is damaged, healed. Idempotent. Missing or Corrupt names the object that the source itself
    lacks: then nothing later in the order is written, so the target shows no commit it cannot serve.
    """
    commits = [
        info for info in catalogue.runs(source, "", trust) if info.run == run and info.signature_state != "invalid"
    ]
    if not commits:
        raise Missing(f"run {run} has no commit in {source.url}")
    _copy_format(source, target)
    task = _Task(source, target, retain_until, check_present, frozenset(suspects), cancel)
    names: dict[str, list[str]] = {"copied": [], "healed": [], "present": []}
    written = 0
    bar = progress or Silent()

    def done(item: _Object, outcome: str, size: int) -> None:
        nonlocal written
        names[outcome].append(item.name)
        written += size
        bar.advance()

    for info in commits:
        plan = _plan(source, info.source, run, slots_for, trust)
        with step(bar, f"copy {info.source}/{run}", sum(map(len, plan))):
            for group in plan:
                _copy_all(task, group, done)
    return CopyResult(tuple(names["copied"]), tuple(names["healed"]), len(names["present"]), written)


def _plan(
    source: Storage, name: str, run: str, slots_for: Collection[str], trust: Trust | None
) -> tuple[list[_Object], ...]:
    """Groups of objects; a group is written before the next one begins."""
    commit, refs = catalogue.read_refs(source, name, run, trust)
    slot_objects = []
    for needed in refs.runs:
        held = [entry.name for entry in slots.slots_of(source, needed) if slots.recipient_of(entry.name) in slots_for]
        lacking = set(slots_for) - {str(slots.recipient_of(slot)) for slot in held}
        if lacking:
            raise KeyFailure(f"run {needed} has no slot for {', '.join(sorted(lacking))} in {source.url}")
        slot_objects += [_Object(slot, None) for slot in held]
    packs = [_Object(pack_name(pack), pack) for body in refs.runs.values() for pack in body.packs]
    indexes = [_Object(index, index.rpartition("/")[2].removesuffix(".idx")) for index in refs.indexes]
    return (
        slot_objects,
        packs,
        indexes,
        [_Object(snapshot_name(name, run), commit.snapshot)],
        [_Object(refs_name(name, run), commit.refs)],
        [_Object(commit_name(name, run), sha256(catalogue.commit_envelope(source, name, run, trust)))],
    )


def _copy_all(task: _Task, group: list[_Object], done: Callable[[_Object, str, int], None]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(_copy, task, item) for item in group]
        try:
            for item, future in zip(group, futures, strict=True):
                done(item, *future.result())
        finally:
            pool.shutdown(cancel_futures=True)


def _copy(task: _Task, item: _Object) -> tuple[str, int]:
    """("copied" | "healed" | "present", bytes written)."""
    source, target, retain_until = task.source, task.target, task.retain_until
    if task.cancel is not None and task.cancel.is_set():
        raise Partial("the copy was cancelled", hint="run again: it goes on where it stopped")
    there = _head(target, item.name)
    check = task.check_present or item.name in task.suspects
    if there is not None and there.size == _head_size(source, item) and not check:
        return "present", 0
    data = _read(source, item)
    if there is None:
        try:
            target.put(item.name, data, if_absent=True, retain_until=retain_until)
            return "copied", len(data)
        except Exists:
            there = target.head(item.name)
    if sha256(target.get(item.name)) == sha256(data):
        return "present", 0
    target.put(item.name, data, if_match=there.version, retain_until=retain_until)
    return "healed", len(data)


def _read(source: Storage, item: _Object) -> bytes:
    if item.digest is not None:
        return fetch(source, item.name, item.digest)
    # a slot is written once: the oldest version is the one its maker wrote
    versions = source.versions(item.name)
    if not versions:
        raise Missing(f"{item.name} is missing in {source.url}")
    data = source.get(item.name, version=versions[-1].version.id or None)
    slots.Slot.parse(data, item.name)
    return data


def _head(storage: Storage, name: str) -> Entry | None:
    try:
        return storage.head(name)
    except Missing:
        return None


def _head_size(source: Storage, item: _Object) -> int:
    there = _head(source, item.name)
    return -1 if there is None else there.size


def _copy_format(source: Storage, target: Storage) -> None:
    """The target becomes the same repository, or already is; UsageError when it is another one."""
    document = parse_json(source.get(FORMAT_OBJECT), FORMAT_OBJECT)
    try:
        present = parse_json(target.get(FORMAT_OBJECT), FORMAT_OBJECT)
    except Missing:
        # a bucket has it from its deployment, and there the copier may not write it
        target.put(FORMAT_OBJECT, canonical_json(document), if_absent=True)
        return
    if present.get("repo") != document.get("repo"):
        raise UsageError(f"{target.url} is another repository than {source.url}", hint="name an empty target")
