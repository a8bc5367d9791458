"""The job rewrap-slots: moves run keys to the newest version of their recipients' keys, touching slots only.

The rotator lists and reads `keys/`, lets KMS or OpenBao rewrap (ReEncrypt, transit rewrap: no plaintext leaves them)
and writes the next generation beside the old one. Packs, snapshots and commits are not touched. Old generations stay
locked and keep opening under the old key version: rewrapping is not revocation, so they are counted as residue. A
killed run is simply run again: what already has a newest generation is not due.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from backup_jobs import opening
from backup_jobs.repository.slots import Slot, recipient_of
from strongroom.errors import Exists
from strongroom.estate.manifest import Copy, Repository
from strongroom.evidence.statement import timestamp
from strongroom.jobs.contract import Context, Plan, Proof, RunState, Unit, UnitResult, Verdict
from strongroom.keys.handles import KeyState, Wrapped
from strongroom.keys.transit import TransitAdministrator
from strongroom.storage.contract import Storage

#: Slots whose rewrapping is asked for at once; transit takes 240 in one call.
BATCH = 240
_MAX_AGE_DAYS = 35


class RewrapSlotsJob:
    """Options: `copy`, `recipient`, `repository`."""

    name = "rewrap-slots"
    duty = "rotator"

    def plan(self, ctx: Context) -> Plan:
        """A unit for every S3 copy and recipient that has slots under an older key version."""
        repository = self._repository(ctx)
        units: list[Unit] = []
        total = 0
        wanted = opening.copies_wanted(ctx, repository)
        opening.recipients_wanted(ctx, wanted)
        for copy in wanted:
            if copy.backend != "s3":
                continue
            newest = newest_slots(opening.data(ctx, self.duty, repository, copy))
            for recipient in self._recipients(ctx, newest):
                state = opening.administrator(ctx, self.duty, recipient).describe()
                due = [slot for slot, modified in newest[recipient] if is_stale(slot, modified, state)]
                if due:
                    total += len(due)
                    arguments = {"copy": copy.name, "recipient": recipient, "to_version": state.current_version}
                    units.append(Unit("rewrap-slots", arguments))
        return Plan(tuple(units), f"{total} slots", tuple("on-demand" for _ in units))

    def execute(self, ctx: Context, unit: Unit) -> UnitResult:
        """Rewraps the stale slots of one recipient in one copy."""
        repository, copy, recipient = self._where(ctx, unit)
        storage = opening.data(ctx, self.duty, repository, copy)
        handle = opening.administrator(ctx, self.duty, recipient)
        state = handle.describe()
        due = [s for s, modified in newest_slots(storage).get(recipient, []) if is_stale(s, modified, state)]
        until = ctx.clock.now() + timedelta(days=repository.lock_days)
        ctx.progress.start(f"rewrap {recipient} in {copy.name}", len(due))
        raced = 0
        for start in range(0, len(due), BATCH):
            batch = due[start : start + BATCH]
            for slot, wrapped in zip(batch, _rewrap(handle, batch), strict=True):
                following = Slot(slot.repo, slot.run, slot.recipient, slot.generation + 1, wrapped)
                try:
                    storage.put(following.name, following.to_bytes(), if_absent=True, retain_until=until)
                except Exists:
                    raced += 1  # another rotator wrote this generation: its slot is as good
                ctx.progress.advance()
        ctx.progress.stop()
        counts = {"slots_rewrapped": len(due) - raced, "slots_superseded": len(due)}
        reasons = (("residue",) if due else ()) + (("raced",) if raced else ())
        body = {
            "repository": repository.id,
            "copy": copy.name,
            "recipient": recipient,
            "key_ref": state.key_ref,
            "to_version": state.current_version,
            "state": "OK",
            "counts": counts,
            "reasons": reasons,
        }
        name = ctx.evidence.emit("rotation", body)
        detail = {**unit.arguments, "evidence": name, "rewrapped": len(due) - raced}
        return UnitResult(unit.id, RunState.OK, 0, reasons, counts, {}, detail)

    def verify(self, ctx: Context, results: tuple[UnitResult, ...]) -> Verdict:
        """Nothing may be stale any more; the census of slots by key version becomes evidence."""
        repository = self._repository(ctx)
        stale: list[str] = []
        for copy in repository.copies:
            if copy.backend != "s3":
                continue
            storage = opening.data(ctx, self.duty, repository, copy)
            newest = newest_slots(storage)
            for recipient in self._recipients(ctx, newest):
                state = opening.administrator(ctx, self.duty, recipient).describe()
                stale += [slot.name for slot, modified in newest[recipient] if is_stale(slot, modified, state)]
                ctx.evidence.emit("census", census(ctx, repository, copy, storage, recipient, state))
        rewrapped = sum(result.counts.get("slots_rewrapped", 0) for result in results)
        if stale:
            message = f"{len(stale)} slots are still under an older version, e.g. {stale[0]}"
            return Verdict(RunState.PARTIAL, Proof.UNVERIFIED, ("partial",), message, 3)
        return Verdict(RunState.OK, Proof.VERIFIED, (), f"{rewrapped} slots rewrapped, none is older than its key")

    def _recipients(self, ctx: Context, newest: dict[str, Any]) -> list[str]:
        named = opening.recipients_wanted(ctx, self._repository(ctx).copies)
        return [name for name in newest if _administered(ctx, self.duty, name) and (not named or name in named)]

    def _where(self, ctx: Context, unit: Unit) -> tuple[Repository, Copy, str]:
        repository = self._repository(ctx)
        return repository, opening.copy_named(repository, unit.arguments["copy"]), str(unit.arguments["recipient"])

    @staticmethod
    def _repository(ctx: Context) -> Repository:
        return ctx.manifest.repository(str(ctx.options.get("repository") or ""))


def _administered(ctx: Context, duty: str, recipient: str) -> bool:
    """Whether a duty rotates a recipient: KMS keys of its own accounts and transit keys, never the escrow key.

    A key of another account is rotated by that account (KMS rotates it by period), and its old material keeps opening.
    """
    if recipient == opening.ESCROW:
        return False
    key = ctx.manifest.key(recipient)
    return key.provider == "transit" or duty in ctx.manifest.accounts[key.account].roles


def _rewrap(handle: Any, batch: list[Slot]) -> list[Wrapped]:
    if isinstance(handle, TransitAdministrator):
        return handle.rewrap_all([(slot.wrapped, slot.context) for slot in batch])
    return [handle.rewrap(slot.wrapped, slot.context) for slot in batch]


def all_slots(storage: Storage) -> Iterator[tuple[Slot, datetime]]:
    """Every slot of a copy with the time at which it was stored."""
    for entry in storage.list("keys/"):
        if recipient_of(entry.name) is not None:
            yield Slot.parse(storage.get(entry.name), entry.name), entry.modified


def newest_slots(storage: Storage) -> dict[str, list[tuple[Slot, datetime]]]:
    """Recipient -> the newest generation of each run's slot with the time it was stored."""
    newest: dict[tuple[str, str], tuple[Slot, datetime]] = {}
    for slot, modified in all_slots(storage):
        known = newest.get((slot.recipient, slot.run))
        if known is None or known[0].generation < slot.generation:
            newest[slot.recipient, slot.run] = (slot, modified)
    found: dict[str, list[tuple[Slot, datetime]]] = {}
    for (recipient, _), row in sorted(newest.items(), key=lambda pair: pair[0]):
        found.setdefault(recipient, []).append(row)
    return found


def is_stale(slot: Slot, stored: datetime, state: KeyState) -> bool:
    """Whether a slot is under an older version; where the provider tells none, the time of rotation decides."""
    if slot.wrapped.version:
        return slot.wrapped.version != state.current_version
    return state.last_rotated is not None and stored < state.last_rotated


def census(
    ctx: Context, repository: Repository, copy: Copy, storage: Storage, recipient: str, state: KeyState
) -> dict[str, Any]:
    """The body of a census statement: how many slots of a copy refer to each version of a recipient's key."""
    versions: dict[str, int] = {}
    superseded = 0
    newest = {slot.name for slot, _ in newest_slots(storage).get(recipient, [])}
    for slot, _ in all_slots(storage):
        if slot.recipient == recipient:
            version = slot.wrapped.version or "unknown"
            versions[version] = versions.get(version, 0) + 1
            superseded += slot.name not in newest
    now = ctx.clock.now()
    return {
        "holder": f"{repository.id}/{copy.name}/keys/{recipient}",
        "key_ref": state.key_ref,
        "refs_by_version": versions,
        "complete": "unknown" not in versions,
        "as_of": timestamp(now),
        "max_age_days": _MAX_AGE_DAYS,
        "retention_end": timestamp(now + timedelta(days=repository.lock_days)),
        "state": "OK",
        "counts": {"slots": sum(versions.values()), "superseded": superseded},
        "reasons": ["residue"] if superseded else [],
    }
