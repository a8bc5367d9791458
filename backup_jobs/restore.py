"""Restoring a source from a copy: a plan first, then into an empty target, through KMS, transit or the escrow key.

Not a job: people start it, `strongroom restore run SOURCE --from COPY --to TARGET [--recipient NAME]`. Nothing is
overwritten: a target that is not empty, or that is the source itself, is refused and no option overrides that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import conninfo

from backup_jobs import opening, postgres_tools
from backup_jobs.repository import RepositoryReader, Snapshot
from backup_jobs.sources import vault
from backup_jobs.sources.bucket_restore import restore_objects
from backup_jobs.sources.contract import RestoredItem
from backup_jobs.sources.postgres_restore import Difference, Target, differences, load
from backup_jobs.sources.tree import require_empty, write_tree
from strongroom.errors import Differs, KeyFailure, Transient, UsageError
from strongroom.estate.manifest import Repository
from strongroom.evidence.trust import Trust
from strongroom.jobs.contract import Clock, Context
from strongroom.keys.handles import Unwrapper
from strongroom.progress import Progress, Silent, step
from strongroom.storage.contract import Storage

DUTY = "restorer"


@dataclass(frozen=True)
class RestorePlan:
    """What a restore would do; `phases` are in order."""

    source: str
    kind: str
    run: str
    copy: str
    recipient: str
    consistent_at: str
    committed_at: str
    files: int
    bytes: int
    signature: str
    target: str
    phases: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON object for --json."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass
class RestoreReport:
    """What a restore did: seconds by phase, and what the loader says of the target."""

    plan: RestorePlan
    phases: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The whole restore."""
        return sum(self.phases.values())

    def to_json(self) -> dict[str, Any]:
        """A JSON object for --json."""
        return {"plan": self.plan.to_json(), "phases": self.phases, "seconds": self.seconds, "facts": self.facts}


@dataclass(frozen=True)
class Opened:
    """A snapshot opened with one recipient's key."""

    snapshot: Snapshot = field(repr=False)
    copy: str
    recipient: str


def open_snapshot(ctx: Context, source: str, *, copy: str = "", recipient: str = "", run: str = "latest") -> Opened:
    """Opens a snapshot of a copy (default: the first) with a recipient's key (default: the first that opens it).

    KeyFailure (exit 5) when no key opens it: the message names every recipient that was tried and why it failed.
    """
    repository = _repository(ctx)
    chosen = opening.copy_named(repository, copy) if copy else opening.primary(repository)
    storage = opening.data(ctx, DUTY, repository, chosen)
    if recipient and recipient not in chosen.recipients:
        raise UsageError(
            f"copy {chosen.name} has no recipient {recipient!r}", hint=f"it has {', '.join(chosen.recipients)}"
        )
    failures = []
    for name in [recipient] if recipient else chosen.recipients:
        try:
            keys = {name: opening.unwrapper(ctx, DUTY, name)}
            return Opened(_open(storage, repository.id, keys, opening.trust(ctx), source, run), chosen.name, name)
        except KeyFailure as failure:
            failures.append(f"{name}: {failure.message}")
    raise KeyFailure(
        f"no key opens {source} in copy {chosen.name}: {'; '.join(failures)}",
        hint="give the escrow key, or another copy; without Strongroom: tools/restore.py",
    )


def open_stored(
    storage: Storage, repo_id: str, unwrappers: Mapping[str, Unwrapper], source: str, run: str = "latest"
) -> Opened:
    """Opens a snapshot without any manifest: from a folder or bucket, with keys that are at hand."""
    snapshot = _open(storage, repo_id, unwrappers, None, source, run)
    return Opened(snapshot, storage.url, ", ".join(unwrappers))


def plan(opened: Opened, target: str) -> RestorePlan:
    """What restoring an opened snapshot to `target` means; reads no pack."""
    root, commit = opened.snapshot.root, opened.snapshot.commit
    return RestorePlan(
        source=root.source,
        kind=root.kind,
        run=root.run,
        copy=opened.copy,
        recipient=opened.recipient,
        consistent_at=str(root.facts.get("consistent_at", "")),
        committed_at=commit.committed_at,
        files=root.files,
        bytes=root.size,
        signature=commit.signature,
        target=_shown(target),
        phases=("refuse an unsuitable target", "fetch, open and load", "compare with the backup"),
    )


def run(
    opened: Opened, target: str, clock: Clock, *, client: Any = None, progress: Progress | None = None
) -> RestoreReport:
    """Restores to `target`: a DSN of an empty database, a new folder, or an empty s3://bucket/prefix with `client`.

    UsageError for an unsuitable target, Transient when it cannot be written, IntegrityFailure naming the object when
    the copy is damaged, Differs when what was loaded is not what was backed up.
    """
    report = RestoreReport(plan(opened, target))
    snapshot, start = opened.snapshot, clock.monotonic()
    with step(progress or Silent(), f"restore {report.plan.source}", report.plan.files) as bar:
        try:
            report.facts = _load(snapshot, snapshot.restored(bar), target, client)
        except OSError as error:
            raise Transient(f"the target cannot be written: {os.strerror(error.errno or 0)}") from None
    report.phases["load"] = round(clock.monotonic() - start, 3)
    if snapshot.root.kind == "postgres" and not _is_folder(target):
        start = clock.monotonic()
        found = differences(target, snapshot.facts, snapshot.digest_key)
        report.phases["compare"] = round(clock.monotonic() - start, 3)
        if found:
            raise Differs(f"restored, but not equal to the backup: {', '.join(map(_sentence, found[:5]))}")
    return report


def _load(snapshot: Snapshot, items: Iterator[RestoredItem], target: str, client: Any) -> dict[str, Any]:
    kind, facts = snapshot.root.kind, snapshot.facts
    if kind == "postgres" and not _is_folder(target):
        return load(items, Target(target, facts))
    if kind == "bucket" and target.startswith("s3://"):
        return restore_objects(items, target, client, (str(facts["bucket"]), str(facts.get("prefix", ""))))
    if not _is_folder(target):
        raise UsageError(f"a source of kind {kind} is not restored to {target.split(':')[0]}://", hint="name a folder")
    folder = Path(target)
    if kind == "bucket":
        return restore_objects(items, target, client, (str(facts["bucket"]), str(facts.get("prefix", ""))))
    require_empty(folder, (Path(facts["root"]),) if kind == "folder" else ())
    if kind == "vault":  # into a server only with its shares and by its operator: docs/recovery.md
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault.write_snapshot(items, folder / vault.SNAPSHOT)
        return {"items": 1}
    return {"items": write_tree(items, folder)}


def _shown(target: str) -> str:
    """The target for people and logs: of a connection string all but its passwords."""
    if _is_folder(target) or target.startswith("s3://"):
        return target
    secret = ("password", "sslpassword", "passfile")
    return conninfo.make_conninfo(**{k: v for k, v in postgres_tools.parse(target).items() if k not in secret})


def _is_folder(target: str) -> bool:
    return not target.startswith(("postgresql://", "postgres://", "s3://")) and "=" not in target


def _open(
    storage: Storage, repo_id: str, keys: Mapping[str, Unwrapper], trust: Trust | None, source: str, run: str
) -> Snapshot:
    return RepositoryReader(storage, repo_id, keys, trust).open(source, run)


def _sentence(difference: Difference) -> str:
    return f"table {difference.table} ({difference.reason})"


def _repository(ctx: Context) -> Repository:
    return ctx.manifest.repository(str(ctx.options.get("repository") or ""))
