"""The backup repository: format, writer, reader, verification, copies. docs/formats/repository.md specifies it."""

from backup_jobs.repository.catalogue import Closure, RunInfo, closure, residue
from backup_jobs.repository.copying import CopyResult, copy_run
from backup_jobs.repository.layout import create
from backup_jobs.repository.listing import SnapshotItem
from backup_jobs.repository.marking import mark_verified
from backup_jobs.repository.reader import RepositoryReader, Snapshot
from backup_jobs.repository.verification import Damage, VerifyReport
from backup_jobs.repository.writer import RunWriter, SnapshotSummary

__all__ = [
    "Closure",
    "CopyResult",
    "Damage",
    "RepositoryReader",
    "RunInfo",
    "RunWriter",
    "Snapshot",
    "SnapshotItem",
    "SnapshotSummary",
    "VerifyReport",
    "closure",
    "copy_run",
    "create",
    "mark_verified",
    "residue",
]
