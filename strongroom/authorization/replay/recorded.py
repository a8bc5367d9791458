"""A refutation as JSON data: what `duty prove --json` prints under `broken`, and how `duty replay` reads it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strongroom.authorization.prover.derivation import Step
from strongroom.authorization.prover.holdings import Held
from strongroom.authorization.prover.proof import Counterexample
from strongroom.errors import UsageError


def as_data(counter: Counterexample) -> dict[str, Any]:
    """pair, who, and for each ability (`held`) its identity, action, resource, statement and steps."""
    return {
        "pair": counter.pair,
        "who": counter.human,
        "held": [
            {
                "ability": held.ability,
                "identity": held.identity,
                "action": held.action,
                "resource": held.resource,
                "by": held.by,
                "through": held.through,
                "steps": [
                    {"gain": [*step.gain], "rule": step.rule, "actor": step.actor, "target": step.target, "by": step.by}
                    for step in held.way
                ],
            }
            for held in counter.held
        ],
    }


def from_data(found: Mapping[str, Any], origin: str) -> Counterexample:
    """The refutation that `as_data` wrote; UsageError names `origin` and what is missing."""
    try:
        return Counterexample(
            str(found["pair"]),
            str(found["who"]),
            tuple(
                Held(
                    str(held["ability"]),
                    str(held["identity"]),
                    str(held["action"]),
                    str(held["resource"]),
                    str(held["by"]),
                    tuple(_step(step) for step in held["steps"]),
                    str(held.get("through", "")),
                )
                for held in found["held"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{origin}: no derivation ({type(error).__name__}: {error})", hint="duty prove --json"
        ) from None


def _step(step: Mapping[str, Any]) -> Step:
    kind, subject = step["gain"]
    return Step(
        (str(kind), str(subject)), str(step["rule"]), str(step["actor"]), str(step["target"]), str(step.get("by", ""))
    )
