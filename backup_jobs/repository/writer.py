"""RunWriter: one run of backups with a data key of its own, written so that a kill at any moment leaves garbage at
worst, never a backup that looks whole.

Order: slots, packs, index, snapshot, refs, commit. The commit is the last write: without it the run does not exist.
The run key lives in this object only, so a killed run cannot be resumed; the next run begins anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any

from backup_jobs.repository import slots
from backup_jobs.repository.cache import CacheReader, CacheWriter
from backup_jobs.repository.intake import Intake, Target
from backup_jobs.repository.layout import check_format, checked, commit_name, refs_name, sha256, snapshot_name
from backup_jobs.repository.reuse import REUSE_MARGIN, Reusable
from backup_jobs.repository.sealing import IdKeys, commitment, derive
from backup_jobs.repository.snapshots import Refs, Root, RunRefs
from backup_jobs.repository.statements import Commit
from backup_jobs.sources.contract import Item
from strongroom.errors import StrongroomError, Transient, UsageError
from strongroom.evidence.statement import timestamp
from strongroom.evidence.trust import Trust
from strongroom.jobs.contract import Clock
from strongroom.keys.handles import Wrapper
from strongroom.progress import Progress, Silent
from strongroom.storage.contract import Storage

Sign = Callable[[str, dict[str, Any]], bytes]


@dataclass(frozen=True, slots=True)
class SnapshotSummary:
    """What a backup of one source took in; `new_bytes` is what it added to the repository."""

    files: int
    bytes: int
    new_bytes: int
    packs: int
    unreadable: tuple[str, ...]


@dataclass(slots=True)
class _Taken:
    """A source whose packs are stored and whose commit is still to come."""

    root: Root
    intake: Intake
    cache: CacheWriter


class RunWriter:
    """Writes one run into a repository. Not thread-safe.

    `storage` is the data bucket, `control` the unlocked one; `id_key` is GenerateMac over "id/v1|<repository>";
    `sign` is `ctx.evidence.sign`; `lock_until` None writes without retention. With `trust`, verification marks count
    only under a pinned key.
    """

    def __init__(
        self,
        storage: Storage,
        control: Storage,
        repo_id: str,
        id_key: bytes,
        wrappers: Mapping[str, Wrapper],
        sign: Sign,
        clock: Clock,
        run_id: str,
        lock_until: datetime | None,
        *,
        trust: Trust | None = None,
        reuse_margin: timedelta = REUSE_MARGIN,
    ) -> None:
        self._storage, self._control, self._repo = storage, control, checked(repo_id, "repository")
        self._run, self._wrappers, self._sign, self._clock = checked(run_id, "run"), wrappers, sign, clock
        self._keys, self._lock_until = IdKeys.of(id_key), lock_until
        self._trust, self._margin = trust, reuse_margin
        self._run_key = b""
        self._reuse: Reusable | None = None
        self._taken: dict[str, _Taken] = {}
        #: names of advisory objects that could not be used or written: the backup is whole, the next one is slower
        self.warnings: list[str] = []

    @property
    def digest_key(self) -> bytes:
        """HKDF(run key, "digest/v1"): keys a source's table digests. UsageError before `begin`."""
        return derive(self._key(), "digest/v1")

    def begin(self) -> None:
        """Makes the run key and stores a slot for every recipient.

        KeyFailure when one of them cannot take the key: then nothing was written. UsageError or Missing when the
        storage holds no repository of this id.
        """
        check_format(self._storage, self._repo)
        run_key = os.urandom(32)
        slots.write(self._storage, slots.wrap_for(self._wrappers, self._repo, self._run, run_key), self._lock_until)
        self._run_key = run_key

    def backup(
        self,
        source_name: str,
        source_kind: str,
        items: Iterable[Item],
        facts: Callable[[], Mapping[str, Any]],
        cache: bool = True,
        progress: Progress | None = None,
        cancel: Event | None = None,
    ) -> SnapshotSummary:
        """Stores the content of one source; it becomes a backup only with `commit`.

        `facts` is called once `items` is exhausted. `cache` False reads every file whatever the last run saw.
        Unreadable items are listed, not fatal. Transient and Denied from storage end the run.
        """
        source = checked(source_name, "source")
        if source in self._taken:
            raise UsageError(f"{source} was already taken in run {self._run}")
        started = self._clock.now()
        target = Target(self._storage, self._repo, self._run, self._key(), self._lock_until)
        cached = CacheReader(self._control, self._repo, source, self._keys.cache, started, use=cache)
        writing = CacheWriter(self._control, self._repo, source, self._keys.cache, cached)
        intake = Intake(target, self._keys, self._reusable(), cached, writing)
        try:
            intake.take(items, f"backup {source}", progress or Silent(), cancel or Event())
            intake.finish()
        finally:
            intake.close()
        root = Root(
            source=source,
            run=self._run,
            kind=source_kind,
            started=timestamp(started),
            finished=timestamp(self._clock.now()),
            files=intake.files,
            size=intake.bytes,
            listing=tuple(intake.listing),
            facts=facts(),
            unreadable=tuple(intake.unreadable),
        )
        self._taken[source] = _Taken(root, intake, writing)
        own = len(intake.packs.get(self._run, ()))
        return SnapshotSummary(intake.files, intake.bytes, intake.new_bytes, own, root.unreadable)

    def commit(self, source_name: str) -> str:
        """Writes snapshot, refs and the signed commit; returns the commit's name.

        Transient when a prune has meanwhile named a pack this snapshot refers to: nothing was committed, run again.
        """
        taken = self._taken.pop(source_name)
        source, storage = source_name, self._storage
        snapshot = taken.root.seal(self._repo, self._key())
        storage.put(snapshot_name(source, self._run), snapshot, if_absent=True, retain_until=self._lock_until)
        runs = {run: RunRefs(self._commitment(run), tuple(packs)) for run, packs in taken.intake.packs.items()}
        runs.setdefault(self._run, RunRefs(self._commitment(self._run), ()))
        refs = Refs(self._repo, self._run, source, runs, tuple(taken.intake.indexes)).to_bytes()
        storage.put(refs_name(source, self._run), refs, if_absent=True, retain_until=self._lock_until)
        gone = self._reusable().newly_tombstoned() & {pack for used in runs.values() for pack in used.packs}
        if gone:
            raise Transient(
                f"{len(gone)} packs that {source} refers to were marked for deletion during the run",
                hint="nothing was committed; run again",
            )
        predicate = Commit.predicate(
            self._repo,
            self._run,
            source,
            timestamp(self._clock.now()),
            self._commitment(self._run),
            sha256(snapshot),
            sha256(refs),
        )
        inputs = [
            {"name": snapshot_name(source, self._run), "sha256": sha256(snapshot)},
            {"name": refs_name(source, self._run), "sha256": sha256(refs)},
        ]
        envelope = self._sign("commit", {**predicate, "inputs": inputs})
        name = commit_name(source, self._run)
        storage.put(name, envelope, if_absent=True, retain_until=self._lock_until)
        self._keep_cache(taken.cache, source)
        return name

    def _keep_cache(self, cache: CacheWriter, source: str) -> None:
        try:
            cache.finish()
        except StrongroomError as failure:
            # the backup is committed; without a cache the next run only reads more
            self.warnings.append(f"cache of {source} was not written (exit code {failure.exit_code})")

    def _key(self) -> bytes:
        if not self._run_key:
            raise UsageError("the run has not begun")
        return self._run_key

    def _commitment(self, run: str) -> str:
        return commitment(self._key()) if run == self._run else self._reusable().marks[run].commitment

    def _reusable(self) -> Reusable:
        if self._reuse is None:
            self._reuse = Reusable(
                self._storage,
                self._control,
                self._repo,
                self._keys.index,
                now=self._clock.now,
                locked=self._lock_until is not None,
                trust=self._trust,
                margin=self._margin,
            )
            self.warnings += [f"{name} was set aside" for name in self._reuse.ignored]
        return self._reuse
