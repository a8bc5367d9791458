"""A resource type is a row of a table: its properties and the five operations on it.

The servicer (base.py) knows the protocol, a row knows one kind of resource, and neither knows the other's details.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_cloud.plugins.shapes import STRING, Shape

Properties = dict[str, Any]


class Gone(Exception):
    """The resource does not exist (any more)."""


class Invalid(Exception):
    """The request cannot be carried out as it is; nothing was changed. The text says what to do."""


class TimedOut(Exception):
    """A resource did not reach its state within the time allowed."""


@dataclass(frozen=True)
class Autoname:
    """How a physical name is made where the program gives none: name-<7 hex>, as Pulumi's own providers do."""

    longest: int = 255
    lower: bool = False
    before: str = ""
    suffix: Callable[[Properties], str] = lambda _: ""
    #: The input that holds a prefix the program chose instead of a whole name.
    prefix: str = "namePrefix"

    def make(self, name: str, inputs: Properties, seed: bytes) -> str:
        """The physical name of a resource; the same seed gives the same name. ValueError if it gets too long."""
        chosen = inputs.get(self.prefix)
        stem = str(chosen) if chosen else f"{self.before}{name}-"
        digits = hashlib.sha256(seed + stem.encode()).hexdigest()[:7]
        made = f"{stem}{digits}{self.suffix(inputs)}"
        made = made.lower() if self.lower else made
        if len(made) > self.longest:
            raise ValueError(f"the name {made} made from the resource's name is longer than {self.longest} characters")
        return made

    def made(self, name: str, physical: str) -> bool:
        """True if a physical name looks made here for a resource of that name."""
        stem = f"{self.before}{name}-"
        return bool(re.match(re.escape(stem.lower() if self.lower else stem) + r"[0-9a-f]{7}(\.fifo)?$", physical))


@dataclass(frozen=True)
class Prop:
    """One input property.

    api: its name in the service's API ("" where the operations treat it themselves); replaces: a change makes a new
    resource; default: a value or a function of the other inputs; computed: the service chooses where the program does
    not; kept: the service never tells it, so the last value given counts; codec: its shape.
    """

    api: str = ""
    replaces: bool = False
    secret: bool = False
    default: Any = None
    codec: Shape = STRING
    required: bool = False
    computed: bool = False
    kept: bool = False
    autoname: Autoname | None = None


@dataclass
class Operation:
    """One operation on one resource: what is asked for, what is known, and how to reach the service."""

    resource: ResourceType
    provider: Any
    name: str = ""
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    olds: Properties = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    seconds: float = 600.0
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def client(self) -> Any:
        """The client of the row's service."""
        return self.provider.client(self)

    def api(self, *names: str) -> Properties:
        """The given inputs (all of them if none is named) under their names in the API."""
        rows = self.resource.inputs
        return {
            rows[name].api: rows[name].codec.to_api(self.inputs[name])
            for name in (names or rows)
            if rows[name].api and self.inputs.get(name) is not None
        }

    def wire(self, response: Mapping[str, Any], *names: str) -> Properties:
        """Properties from a response of the API; what the response does not hold is left out."""
        rows = self.resource.inputs
        return {
            name: rows[name].codec.from_api(response[rows[name].api])
            for name in (names or rows)
            if rows[name].api and response.get(rows[name].api) is not None
        }

    def get(self, name: str, default: Any = None) -> Any:
        """A property as asked for, else as last known."""
        value = self.inputs.get(name)
        value = self.olds.get(name) if value is None else value
        return default if value is None else value

    def poll(self, reached: Callable[[], bool], what: str) -> None:
        """Waits until `reached`; TimedOut after the operation's time, or at once when the engine cancels."""
        deadline, pause = time.monotonic() + self.seconds, 0.05
        while not reached():
            if self.cancelled.is_set():
                raise TimedOut(f"cancelled while waiting until {what}")
            if time.monotonic() > deadline:
                raise TimedOut(f"waited {self.seconds:.0f} s until {what}")
            self.cancelled.wait(pause)
            pause = min(pause * 1.6, 5.0)


@dataclass(frozen=True)
class ResourceType:
    """One kind of resource.

    create returns the new id; `hooks` run after create (a failure there leaves a resource that the engine knows of);
    `wait` runs after create and update; read returns the properties the service tells, None for one that is empty
    there, raises Gone (or the service's own not-found error); `volatile` outputs change with any update;
    `diff` may add differences that properties alone do not show.
    """

    token: str
    service: str
    create: Callable[[Operation], str]
    read: Callable[[Operation], Properties]
    update: Callable[[Operation], object] | None
    delete: Callable[[Operation], object]
    id: str
    inputs: Mapping[str, Prop]
    outputs: tuple[str, ...] = ()
    wait: Callable[[Operation], None] | None = None
    diff: Callable[[Operation], set[str]] | None = None
    hooks: tuple[Callable[[Operation], None], ...] = ()
    volatile: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def name_input(self) -> str:
        """The input that holds the physical name, "" if the type has none."""
        return next((name for name, prop in self.inputs.items() if prop.autoname), "")
