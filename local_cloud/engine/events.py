"""What a deployment reports while it runs; the command line draws it, tests and --json read it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_cloud.engine import urn as urns

#: What a step does. `replace` is one change to people although it is a creation and a deletion.
OPERATIONS = ("create", "update", "replace", "delete", "same", "read", "import", "refresh", "forget")


@dataclass(frozen=True)
class Step:
    """One step on one resource; in a preview the step that would be done."""

    operation: str
    urn: str
    parent: str = ""
    keys: tuple[str, ...] = ()
    #: property path -> kind (add, delete, update, each also -replace)
    detailed: Mapping[str, str] = field(default_factory=dict)
    old: Mapping[str, Any] = field(default_factory=dict, repr=False)
    new: Mapping[str, Any] = field(default_factory=dict, repr=False)
    seconds: float = 0.0

    @property
    def type(self) -> str:
        """The resource's type token."""
        return urns.type_of(self.urn)

    @property
    def name(self) -> str:
        """The resource's name."""
        return urns.name_of(self.urn)


@dataclass(frozen=True)
class Message:
    """A line from the program, a plugin or the engine; severity is debug, info, warning or error."""

    severity: str
    text: str
    urn: str = ""


Event = Step | Message


class Recorder:
    """Collects the events of one deployment, from many threads, and passes each one on."""

    def __init__(self, listener: Callable[[Event], None] | None = None) -> None:
        self.events: list[Event] = []
        self._listener = listener
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Adds an event."""
        with self._lock:
            self.events.append(event)
            if self._listener is not None:
                self._listener(event)

    def steps(self) -> list[Step]:
        """The steps, in the order in which they ended."""
        return [event for event in self.events if isinstance(event, Step)]

    def messages(self) -> list[Message]:
        """The messages."""
        return [event for event in self.events if isinstance(event, Message)]

    def changes(self) -> dict[str, int]:
        """Operation -> number of resources, without default providers, which people never see."""
        shown = (step for step in self.steps() if not is_default_provider(step.urn))
        return dict(Counter(step.operation for step in shown))


def is_default_provider(urn: str) -> bool:
    """Whether a URN is that of a provider the engine made because the program named none."""
    return urns.is_provider(urns.type_of(urn)) and urns.name_of(urn).startswith("default")
