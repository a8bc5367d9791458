"""A gain and the step that gave it: what derivations are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

#: What a human has gained: a gain of the tables of rules, and the ARN, or `bao:` path, of what it is about.
Gained = tuple[str, str]
#: The gains beside being somebody that a permission on AWS can rest on; explanations do without the first ones first.
BEARING = ("unruled", "join", "unfenced", "shed", "federate", "bare", "share", "use", "copy", "own", "admin")


@dataclass(frozen=True, slots=True)
class Step:
    """How a gain came about: rule, who acted, on what, by which statement, resting on which earlier gains.

    `rule` is "" for what one starts with.
    """

    gain: Gained
    rule: str
    actor: str = ""
    target: str = ""
    by: str = ""
    premises: tuple[Gained, ...] = ()


@dataclass(frozen=True)
class Possible:
    """A gain within one step. What the step rests on is worked out when it is asked for: most are never kept."""

    gain: Gained
    make: Callable[[], Step]

    @cached_property
    def step(self) -> Step:
        """The step with its premises."""
        return self.make()
