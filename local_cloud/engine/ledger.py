"""The records of one run: what each resource is now, kept in step with the checkpoint."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from local_cloud.engine import urn as urns
from local_cloud.engine.checkpoint import Checkpoint
from local_cloud.engine.goal import Goal
from local_cloud.engine.provider import HalfMade
from local_cloud.engine.state import Resource
from local_cloud.engine.values import Properties
from strongroom.errors import StrongroomError, UsageError


class Ledger:
    """Old and new records by URN, shared by the threads of a deployment; a preview writes nothing."""

    def __init__(self, checkpoint: Checkpoint, preview: bool) -> None:
        self.checkpoint = checkpoint
        self.preview = preview
        #: new records by URN, of this run
        self.states: dict[str, Resource] = {}
        self.old = {item.urn: item for item in checkpoint.old if not item.delete}
        self._seen: set[str] = set()
        self._lock = threading.RLock()

    def claim(self, urn: str, aliases: tuple[str, ...] = ()) -> Resource | None:
        """The old record under a URN or the first alias that has one; both count as registered from now on.

        Raises UsageError when the program registered the URN before.
        """
        with self._lock:
            if urn in self._seen:
                raise UsageError(f"{urn}: the program registers this name twice")
            self._seen.add(urn)
            for name in (urn, *aliases):
                if (old := self.old.get(name)) is not None:
                    self._seen.add(name)
                    return old
            return None

    def claimed(self, urn: str) -> bool:
        """Whether this run has registered the URN."""
        return urn in self._seen

    def unclaimed(self) -> list[Resource]:
        """Old records that this run did not register, and those marked for deletion."""
        kept = set(self.checkpoint.resources())
        return [item for item in self.checkpoint.old if item in kept and (item.delete or item.urn not in self._seen)]

    def record(self, new: Resource, old: Resource | None, condemn: bool = False) -> None:
        """Puts `new` in the place of `old`; a condemned old record stays, marked, until it is deleted."""
        with self._lock:
            self.states[new.urn] = new
            if self.preview:
                return
            if condemn and old is not None:
                self.checkpoint.condemn(old, replace(old, delete=True), instead=new)
            else:
                self.checkpoint.record(new, replaces=old)

    def set_outputs(self, urn: str, outputs: Properties) -> None:
        """Gives a component its outputs; UsageError if it was never registered."""
        with self._lock:
            old = self.states.get(urn)
            if old is None:
                raise UsageError(f"{urn}: outputs of a resource that was never registered")
            self.record(replace(old, outputs=outputs), old)

    def emptied(self, records: list[Resource]) -> None:
        """Takes note of resources that were deleted to be made again."""
        with self._lock:
            self.old.update({item.urn: item for item in records})

    @contextmanager
    def pending(
        self, kind: str, planned: Resource, old: Resource | None, condemn: bool = False
    ) -> Iterator[Callable[[Resource], Resource]]:
        """A step that the checkpoint shows as under way; `finish` records its result."""
        self.checkpoint.begin(kind, planned)

        def finish(new: Resource) -> Resource:
            self.checkpoint.end(planned)
            self.record(new, old, condemn)
            return new

        try:
            yield finish
        except HalfMade as half:
            self.checkpoint.end(planned)
            made = replace(planned, id=half.id, outputs=half.outputs, init_errors=half.reasons)
            self.record(made, old, condemn)
            raise StrongroomError(f"{planned.urn}: exists but is not ready: {half}") from half
        except StrongroomError:
            self.checkpoint.end(planned)
            self.checkpoint.write()
            raise


def record_of(goal: Goal, old: Resource | None, inputs: Properties) -> Resource:
    """The record that a goal leads to, still without id and outputs."""
    return Resource(
        urn=goal.urn,
        type=goal.type,
        custom=goal.custom,
        inputs=inputs,
        parent=goal.parent,
        provider="" if urns.is_provider(goal.type) or not goal.custom else goal.provider,
        dependencies=goal.dependencies,
        property_dependencies=goal.property_dependencies,
        protect=goal.protect,
        retain_on_delete=goal.retain_on_delete,
        deleted_with=goal.deleted_with,
        import_id=old.import_id if old else "",
        additional_secret_outputs=goal.additional_secret_outputs,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
        custom_timeouts=goal.custom_timeouts,
        aliases=[alias for alias in goal.aliases if alias != goal.urn],
        created=old.created if old else now(),
        modified=old.modified if old else now(),
        source_position=goal.source_position,
    )


def now() -> str:
    """The time as the state writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
