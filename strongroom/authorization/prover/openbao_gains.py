"""What a human gains step by step in OpenBao, and what the logins it holds may do there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from strongroom.authorization.prover.derivation import Gained, Step
from strongroom.authorization.prover.facts import Facts


@dataclass(frozen=True)
class Permitted:
    """An action that a login may do: on which path, by which rule, resting on which gains."""

    actor: str
    action: str
    path: str
    by: str
    premises: tuple[Gained, ...]


def gains(facts: Facts, known: frozenset[Gained]) -> Iterator[Step]:
    """Every gain that the logins among `known` give in one step."""
    return iter(())


def permitted(facts: Facts, known: frozenset[Gained], actions: Sequence[str], path: str) -> Iterator[Permitted]:
    """Which of the actions (`bao:` and a capability) the logins among `known` may do on a path (`bao:` and the path)."""
    return iter(())
