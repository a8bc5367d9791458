"""What a run may refer to instead of storing it again.

Only packs that the restorer has read back and marked, that no tombstone names, and whose lock outlasts this run by a
margin. An index is believed only if the mark names it: whoever can merely write to the repository cannot make a later
run refer to something that was never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from backup_jobs.repository import index
from backup_jobs.repository.layout import pack_name, parse_json
from backup_jobs.repository.objects import fetch
from backup_jobs.repository.references import Ref
from backup_jobs.repository.statements import Verified
from strongroom.errors import Corrupt, IntegrityFailure, Missing
from strongroom.evidence.trust import Trust
from strongroom.storage.contract import Storage

TOMBSTONE_FORMAT = "strongroom.tombstone/1"
#: The longest run and a margin: what a pack's lock must still last to be referred to.
REUSE_MARGIN = timedelta(hours=6)


def tombstoned(storage: Storage) -> frozenset[str]:
    """Packs that a prune has named and may delete; Corrupt when a tombstone cannot be read (then nothing is safe)."""
    packs: set[str] = set()
    for entry in storage.list("tombstones/"):
        document = parse_json(storage.get(entry.name), entry.name)
        listed = document.get("packs")
        if document.get("format") != TOMBSTONE_FORMAT or not isinstance(listed, list):
            raise Corrupt(f"{entry.name} is not a readable tombstone")
        packs.update(str(pack) for pack in listed)
    return frozenset(packs)


class Reusable:
    """The stored pieces that this run may refer to."""

    def __init__(
        self,
        storage: Storage,
        control: Storage,
        repo: str,
        index_key: bytes,
        *,
        now: Callable[[], datetime],
        locked: bool,
        trust: Trust | None = None,
        margin: timedelta = REUSE_MARGIN,
    ) -> None:
        self._storage, self._repo, self._now = storage, repo, now
        self._locked, self._margin = locked, margin
        self._tombstoned = tombstoned(storage)
        self._usable: dict[tuple[str, str], bool] = {}
        #: names of marks and indexes that were set aside because they cannot be believed
        self.ignored: list[str] = []
        self.marks = self._read_marks(control, trust)
        self._packs = {run: frozenset(mark.packs) for run, mark in self.marks.items()}
        self._table = index.merge(self._read_indexes(index_key))

    def find(self, piece_id: bytes) -> Ref | None:
        """Where a piece already lies, if it may be referred to."""
        return next((ref for ref in self._table.find(piece_id) if self.usable(ref.run, ref.pack)), None)

    def usable(self, run: str, pack: str) -> bool:
        """Whether a pack of a run may be referred to; its lock is looked up once."""
        known = self._usable.get((run, pack))
        if known is None:
            known = (
                pack in self._packs.get(run, ())
                and pack not in self._tombstoned
                and (not self._locked or self._lock_lasts(pack))
            )
            self._usable[run, pack] = known
        return known

    def newly_tombstoned(self) -> frozenset[str]:
        """Packs found usable before that a tombstone names now: read again right before the commit."""
        current = tombstoned(self._storage)
        return frozenset(pack for (_, pack), usable in self._usable.items() if usable and pack in current)

    def _lock_lasts(self, pack: str) -> bool:
        try:
            until = self._storage.retained_until(pack_name(pack))
        except Missing:
            return False
        return until is not None and until >= self._now() + self._margin

    def _read_marks(self, control: Storage, trust: Trust | None) -> dict[str, Verified]:
        marks = {}
        for entry in control.list("verified/"):
            try:
                mark = Verified.read(control.get(entry.name), entry.name, trust)
            except IntegrityFailure:
                self.ignored.append(entry.name)
                continue
            if mark.repo == self._repo and entry.name == f"verified/{mark.run}.json":
                marks[mark.run] = mark
            else:
                self.ignored.append(entry.name)
        return marks

    def _read_indexes(self, index_key: bytes) -> list[index.PieceTable]:
        tables = []
        for run, mark in self.marks.items():
            for name in mark.indexes:
                digest = name.rpartition("/")[2].removesuffix(".idx")
                try:
                    tables.append(index.decode(self._repo, run, index_key, fetch(self._storage, name, digest), name))
                except IntegrityFailure:
                    self.ignored.append(name)
        return tables
