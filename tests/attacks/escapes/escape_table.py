"""The table of escapes: what is wrong, which edge of the prover names it, what shows it, what refuses it on ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from escape_stack import Stack

#: Builds up to its `yield` a stack with the hole or without, then carries the attack out with the thief's credentials.
Case = Callable[[Stack, bool], Iterator[None]]


@dataclass(frozen=True)
class Escape:
    """One escape. edge: the rule of the derivation, or words of it where no rule but a statement gives the ability.

    ours: what refuses it on our own stacks. shows: what the laptop cannot carry out to its end, '' if all of it works.
    """

    name: str
    edge: str
    ours: str
    case: Case
    shows: str = ""

    def __str__(self) -> str:
        return self.name


#: What a thief tries, which is refused.
Attempt = Callable[[], Any]


@dataclass(frozen=True)
class Clean:
    """A configuration that keeps its duties apart."""

    name: str
    configure: Callable[[Stack], list[Attempt]]

    def __str__(self) -> str:
        return self.name


ESCAPES: list[Escape] = []
CLEAN: list[Clean] = []


def escape(edge: str, ours: str, shows: str = "") -> Callable[[Case], Case]:
    """Registers an escape under the first line of its docstring."""

    def register(case: Case) -> Case:
        ESCAPES.append(Escape(_title(case), edge, ours, case, shows))
        return case

    return register


def clean(configure: Callable[[Stack], list[Attempt]]) -> Callable[[Stack], list[Attempt]]:
    """Registers a clean configuration, which gives the thief's attempts, under the first line of its docstring."""
    CLEAN.append(Clean(_title(configure), configure))
    return configure


def given(hole: bool, *statements: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The statements that are the hole, or none."""
    return statements if hole else ()


def _title(case: Callable[..., Any]) -> str:
    return str(case.__doc__).splitlines()[0].rstrip(".")
