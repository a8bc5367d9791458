"""What a derivation's steps are carried out with: requests, and what puts things back afterwards.

Moves are plain data, planned without a network. Where a request needs a value that only an answer gives, an `Answered`
stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Every name that a replay gives to what it makes.
MARK = "strongroom-replay"
REGION = "us-east-1"


@dataclass(frozen=True)
class Answered:
    """A value of an answer of the same move: `before`, `prepared`, `answer` (the last) or `answers.0`, then keys.

    `Versions[IsDefaultVersion=True]` is the first element of a list in which a key has a value.
    """

    path: str


@dataclass(frozen=True)
class Request:
    """One call: service and operation in botocore's spelling, or service `bao` with the operation as HTTP method.

    arguments: parameters; of OpenBao `path` and the body as `json`. instead: what is asked if this is refused.
    """

    service: str
    operation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    region: str = REGION
    instead: Request | None = None

    def words(self) -> str:
        """The call for people: never with its arguments' documents, of which the step tells the meaning."""
        if self.service == "bao":
            return f"{self.operation} {self.arguments['path']}"
        return f"{self.service}:{''.join(part.capitalize() for part in self.operation.split('_'))}"


@dataclass(frozen=True)
class Way:
    """One way to do a move: what is prepared by whoever may, then the requests of the actor, all of which must go."""

    requests: tuple[Request, ...]
    prepare: Request | None = None


@dataclass(frozen=True)
class Move:
    """A step, or in the end an ability, as requests of one identity.

    ways: tried in order; the first that is not refused counts. becomes: whose credentials the last answer holds.
    renames: what the last answer gives another name to (a replica of a key), and that name. before: what is noted
    first. scenery: what the laptop's cloud lacks beside AWS. mends: put things back, in this order. stays: what
    cannot be put back. answers: error codes that only somebody who may do it gets.
    """

    words: str
    actor: str
    ways: tuple[Way, ...]
    becomes: str = ""
    renames: tuple[str, Answered] | None = None
    before: Request | None = None
    scenery: tuple[Request, ...] = ()
    mends: tuple[Request, ...] = ()
    stays: str = ""
    answers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class NotReplayable:
    """A step that cannot be carried out on the laptop's cloud, with the reason."""

    words: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """All moves of one derivation: the steps, then what they lead to."""

    human: str
    pair: str
    moves: tuple[Move | NotReplayable, ...]

    @property
    def impossible(self) -> tuple[NotReplayable, ...]:
        """What keeps this plan from being carried out."""
        return tuple(move for move in self.moves if isinstance(move, NotReplayable))
