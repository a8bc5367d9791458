"""RepositoryReader: opens committed snapshots with the key of any recipient; needs no index and no id key.

Everything read is authenticated before it is handed out: the commit by its signature (if keys are pinned), refs and
snapshot by the hashes it signs, the run key by its commitment, packs by AES-GCM at their place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any

from backup_jobs.repository import catalogue, slots
from backup_jobs.repository.blobs import AHEAD, BlobReader
from backup_jobs.repository.catalogue import RunInfo
from backup_jobs.repository.layout import check_format, snapshot_name
from backup_jobs.repository.listing import SnapshotItem, parse_refs, parse_segment
from backup_jobs.repository.objects import fetch
from backup_jobs.repository.references import Ref
from backup_jobs.repository.sealing import derive
from backup_jobs.repository.snapshots import Refs, Root
from backup_jobs.repository.statements import Commit
from backup_jobs.repository.verification import VerifyReport, verify_snapshot
from backup_jobs.sources.contract import RestoredItem
from strongroom.errors import Corrupt, Missing, UsageError
from strongroom.evidence.trust import Trust
from strongroom.keys.handles import Unwrapper
from strongroom.progress import Progress, Silent
from strongroom.storage.contract import Storage


class RepositoryReader:
    """Reads one copy of a repository.

    `unwrappers` maps recipient names to keys; `trust` None leaves signatures unchecked, and every RunInfo and Snapshot
    says so. With `control`, runs know whether they are marked verified.
    """

    def __init__(
        self,
        storage: Storage,
        repo_id: str,
        unwrappers: Mapping[str, Unwrapper],
        trust: Trust | None = None,
        *,
        control: Storage | None = None,
    ) -> None:
        self._storage, self._repo, self._unwrappers = storage, repo_id, unwrappers
        self._trust, self._control = trust, control

    def runs(self, source: str = "") -> list[RunInfo]:
        """Committed snapshots, oldest first; `source` "" lists those of every source."""
        return catalogue.runs(self._storage, source, self._trust, self._control)

    def open(self, source: str, run: str = "latest") -> Snapshot:
        """Opens a snapshot; "latest" is the newest whose commit can be believed.

        Missing when there is none, KeyFailure when no given key opens it, IntegrityFailure when it was changed.
        """
        check_format(self._storage, self._repo)
        set_aside: tuple[str, ...] = ()
        if run == "latest":
            listed = self.runs(source)
            candidates = [info for info in listed if info.signature_state != "invalid"]
            set_aside = tuple(info.run for info in listed if info.signature_state == "invalid")
            if not candidates:
                raise Missing(f"{self._storage.url} holds no committed backup of {source}")
            run = candidates[-1].run
        commit, refs = catalogue.read_refs(self._storage, source, run, self._trust)
        if commit.repo != self._repo or refs.repo != self._repo:
            raise Corrupt(f"{source}/{run} belongs to repository {commit.repo!r}, not {self._repo!r}")
        return Snapshot(self._storage, self._repo, self._unwrappers, commit, refs, set_aside)


class Snapshot:
    """One opened snapshot. Run keys are unwrapped when first needed, and only those that it refers to.

    `set_aside` names runs of the source whose commit could not be believed when this one was chosen as the latest:
    a restore says so, since one of them may be newer.
    """

    def __init__(
        self,
        storage: Storage,
        repo: str,
        unwrappers: Mapping[str, Unwrapper],
        commit: Commit,
        refs: Refs,
        set_aside: tuple[str, ...] = (),
    ) -> None:
        self.set_aside = set_aside
        self._storage, self._repo, self._unwrappers = storage, repo, unwrappers
        self.commit, self.refs = commit, refs
        self._keys: dict[str, bytes] = {}
        name = snapshot_name(commit.source, commit.run)
        data = fetch(storage, name, commit.snapshot)
        self.root = Root.open(repo, commit.run, commit.source, self.run_key(commit.run), data)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The source's facts at capture time."""
        return self.root.facts

    @property
    def digest_key(self) -> bytes:
        """The key of the table digests in `facts`."""
        return derive(self.run_key(self.commit.run), "digest/v1")

    def run_key(self, run: str) -> bytes:
        """The data key of a run this snapshot refers to; KeyFailure when no given recipient opens it."""
        if run not in self._keys:
            body = self.refs.runs.get(run)
            expected = self.commit.commitment if run == self.commit.run else body.commitment if body else ""
            if not expected:
                raise Corrupt(f"{self.commit.source}/{self.commit.run} refers to run {run}, which its refs do not name")
            self._keys[run] = slots.open_run(self._storage, self._repo, run, self._unwrappers, expected)
        return self._keys[run]

    def items(self) -> Iterator[SnapshotItem]:
        """Every item, in the order in which the source gave them."""
        name = snapshot_name(self.commit.source, self.commit.run)
        for segment in self._blobs.read(self.root.listing):
            yield from parse_segment(segment, name)

    def read(self, item: SnapshotItem) -> Iterator[bytes]:
        """The bytes of a file, in pieces; Corrupt or Missing names the pack."""
        if item.kind != "file":
            raise UsageError(f"{item.kind} has no content to read")
        total = 0
        for piece in self._blobs.read(self.refs_of(item)):
            total += len(piece)
            yield piece
        if total != item.size:
            name = snapshot_name(self.commit.source, self.commit.run)
            raise Corrupt(f"{name}: a file of {item.size} bytes gives {total}")

    def restored(self, progress: Progress | None = None) -> Iterator[RestoredItem]:
        """Every item for `Source.restore`; read each before taking the next: what follows is fetched ahead."""
        bar = progress or Silent()
        for item in _ahead(self.items(), self._blobs):
            read = partial(self.read, item)
            yield RestoredItem(
                item.path, item.size, item.mtime_ns, item.mode, item.kind, item.target, item.metadata, read
            )
            bar.advance()

    def verify(self, progress: Progress | None = None) -> VerifyReport:
        """Reads back every pack the snapshot refers to and names each that is bad or missing."""
        return verify_snapshot(self._storage, self._repo, self, progress or Silent())

    def refs_of(self, item: SnapshotItem) -> Iterator[Ref]:
        """The references of a file, those in parts included."""
        yield from item.refs
        name = snapshot_name(self.commit.source, self.commit.run)
        for segment in self._blobs.read(item.parts):
            yield from parse_refs(segment, name)

    @cached_property
    def _blobs(self) -> BlobReader:
        # one key per run is unwrapped here, so that worker threads never call a key service
        for run in self.refs.runs:
            self.run_key(run)
        return BlobReader(self._storage, self._repo, self._keys)


def _ahead(items: Iterable[SnapshotItem], blobs: BlobReader) -> Iterator[SnapshotItem]:
    """The items, their first blobs requested while earlier ones are being written."""
    waiting: deque[tuple[SnapshotItem, int]] = deque()
    requested = 0
    last: tuple[str, int] | None = None
    for item in items:
        new = 0
        for ref in item.refs[:AHEAD]:
            if (ref.pack, ref.offset) != last:
                blobs.request(ref)
                last, new = (ref.pack, ref.offset), new + 1
        waiting.append((item, new))
        requested += new
        while requested > AHEAD or len(waiting) > 4096:
            ready, count = waiting.popleft()
            requested -= count
            yield ready
    for ready, _ in waiting:
        yield ready
