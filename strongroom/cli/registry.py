"""The jobs by name: where each is defined, whose duty it is, and how the command line runs one."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from strongroom.errors import UsageError

if TYPE_CHECKING:
    from strongroom.jobs.runner import RunReport


@dataclass(frozen=True)
class Entry:
    """A job: `place` is module:class; `options` are the only ones it knows, so that none is misspelt in silence."""

    name: str
    place: str
    duty: str
    summary: str
    options: tuple[str, ...]
    leased: bool = True

    def make(self, options: Mapping[str, Any]) -> Any:
        """The job object; rewrap-fields chooses its duty by the option `level`."""
        module, _, name = self.place.partition(":")
        job = getattr(importlib.import_module(module), name)
        return job(str(options.get("level", "root"))) if self.name == "rewrap-fields" else job()


JOBS = {
    entry.name: entry
    for entry in (
        Entry(
            "backup",
            "backup_jobs.backup:BackupJob",
            "backup-writer",
            "every source into the primary copy",
            ("source", "repository", "full", "allow_empty"),
        ),
        Entry(
            "copy",
            "backup_jobs.copies:CopyJob",
            "copier",
            "brings the other copies up to date, heals damage",
            ("copy", "repository", "suspect"),
        ),
        Entry(
            "drill",
            "backup_jobs.drill:DrillJob",
            "restorer",
            "restores every source from every copy and compares",
            (
                *("source", "copy", "recipient", "depth", "repository", "parallel"),
                *("unseal_shares", "escrow_key", "escrow_passphrase"),
            ),
        ),
        Entry(
            "rotate-keys",
            "key_rotation.kms:RotateKeys",
            "rotator",
            "new key versions where the period ends",
            ("keys", "use_reserve"),
        ),
        Entry(
            "rewrap-slots",
            "backup_jobs.recipients:RewrapSlotsJob",
            "rotator",
            "backup slots to the newest versions",
            ("copy", "recipient", "repository"),
        ),
        Entry(
            "rewrap-fields",
            "key_rotation.fields:RewrapFields",
            "rotator",
            "field keys to the newest versions",
            ("level", "store"),
        ),
        Entry(
            "collect-evidence",
            "strongroom.jobs.collect_evidence:CollectEvidence",
            "notary",
            "verifies the chain and signs its head",
            ("heads",),
            leased=False,
        ),
    )
}
#: The public escrow key, which every job is given where this home has one.
COMMON_OPTIONS = ("escrow",)


def entry_of(name: str) -> Entry:
    """The entry of a job; UsageError names the known ones."""
    if name not in JOBS:
        raise UsageError(f"no job called {name!r}", hint=f"one of: {', '.join(JOBS)}")
    return JOBS[name]


def run_named(
    name: str, env: str, options: Mapping[str, Any], *, dry_run: bool = False, quiet: bool = False, job: Any = None
) -> RunReport:
    """Runs a job by name with the credentials of its duty; a SIGTERM or SIGINT ends it after the current unit.

    `job` is run in place of the one that the entry makes: the same job with a hook of its own.
    """
    from pathlib import Path

    from strongroom.jobs.context import JobContext, load_manifest
    from strongroom.jobs.credentials import home
    from strongroom.jobs.runner import run_job
    from strongroom.keys.escrow import load_public
    from strongroom.progress import Silent, terminal_progress

    entry = entry_of(name)
    given = dict(options)
    unknown = sorted(set(given) - {*entry.options, *COMMON_OPTIONS})
    if unknown:
        raise UsageError(
            f"{name} has no option {unknown[0]!r}", hint=f"it has {', '.join((*entry.options, *COMMON_OPTIONS))}"
        )
    job = entry.make(given) if job is None else job
    escrow = Path(given.get("escrow") or home() / "escrow.pub.pem")
    if escrow.is_file():
        given["escrow"] = str(escrow)
        given["escrow_wrapper"] = load_public(escrow)
    given.setdefault("heads", str(home() / "heads"))
    shares = home() / "vault" / "unseal"
    if shares.is_dir():
        given.setdefault("unseal_shares", str(shares))
    progress = Silent() if quiet else terminal_progress()
    ctx = JobContext(load_manifest(env, job.duty), job=name, duty=job.duty, options=given, progress=progress)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ctx.cancel.set())
    leases = lease_storage(ctx, job.duty) if entry.leased and not dry_run else None
    return run_job(job, ctx, home=home(), leases=leases, dry_run=dry_run)


def lease_storage(ctx: Any, duty: str) -> Any:
    """The control bucket in the duty's home account, where its leases lie; None where a repository has none there."""
    from urllib.parse import urlparse

    from strongroom.storage.s3 import S3Storage

    account = ctx.home_account(duty)
    for repository in ctx.manifest.repositories:
        for copy in repository.copies:
            if copy.account == account and copy.control_url:
                client = ctx.session(duty, account, copy.region).client("s3", region_name=copy.region)
                target = urlparse(copy.control_url)
                return S3Storage(client, target.netloc, target.path)
    return None
