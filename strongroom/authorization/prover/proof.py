"""The answer: PROVED with a certificate, or REFUTED with the shortest derivation of each broken pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from strongroom.authorization.prover import openbao_power
from strongroom.authorization.prover.closure import Closure, close
from strongroom.authorization.prover.duties import Ability, Pair
from strongroom.authorization.prover.facts import Facts
from strongroom.authorization.prover.holdings import Held, Holdings
from strongroom.authorization.prover.index import Index
from strongroom.authorization.prover.targets import require_about
from strongroom.authorization.prover.understanding import require_understood
from strongroom.errors import UnknownElement


@dataclass(frozen=True)
class Counterexample:
    """A human who can come to hold what the pair keeps apart; or what could not be understood (`reason`)."""

    pair: str
    human: str
    held: tuple[Held, ...]
    reason: str = ""

    def words(self) -> str:
        """The derivation for people."""
        head = f"{self.human} breaks {self.pair}" if self.human else f"{self.pair}: {self.reason}"
        return "\n".join([head, *(f"  {line}" for held in self.held for line in held.lines())])


@dataclass(frozen=True)
class Proof:
    """The verdict on all pairs."""

    verdict: Literal["PROVED", "REFUTED"]
    counterexamples: tuple[Counterexample, ...]
    certificate: dict[str, Any] | None


class Reach:
    """What every human of the facts can come to do; raises UnknownElement if a document has no known meaning."""

    def __init__(self, facts: Facts) -> None:
        require_understood(facts)
        self.index = Index(facts)
        self.closures = [close(self.index, human) for human in facts.humans]

    def who_can(self, action: str, resource: str) -> dict[str, Held]:
        """Every human who can come to do an action directly, with the shortest way.

        resource: a key, store, object, carrier or role by ARN, or a path of OpenBao (`bao:...`). UnknownElement if the
        facts hold nothing of that name.
        """
        ability = Ability("who can", (action,), (resource,))
        require_about(self.index.facts, ability.name, ability.actions, ability.resources)
        ways = {closure.human.name: Holdings(self.index, closure).shortest(ability) for closure in self.closures}
        return {human: held for human, held in ways.items() if held}

    def who_can_through(self, action: str, key: str) -> dict[str, list[Held]]:
        """Every human who can come to use a key through the service of a store that is encrypted under it.

        action: kms:Decrypt or kms:GenerateDataKey. Whoever may use the key directly as well is listed all the same.
        """
        ability = Ability("who can", (action,), (key,))
        ways = {closure.human.name: Holdings(self.index, closure).through(ability) for closure in self.closures}
        return {human: held for human, found in ways.items() if (held := list(found))}


def prove(facts: Facts, pairs: Sequence[Pair]) -> Proof:
    """Decides the pairs.

    An element without a known meaning anywhere in the facts refutes, with its reason; so does a pair about what the
    facts do not hold.
    """
    broken = [found for pair in pairs if (found := _unknown(facts, pair))]
    try:
        require_understood(facts, pairs)
        reach = Reach(facts)
        for closure in reach.closures:
            holdings = Holdings(reach.index, closure)
            broken += [found for pair in pairs if (found := _broken(holdings, pair))]
    except UnknownElement as unknown:
        return Proof("REFUTED", (Counterexample("not understood", "", (), str(unknown)),), None)
    if broken:
        return Proof("REFUTED", tuple(broken), None)
    return Proof("PROVED", (), certificate(facts, pairs, reach.closures))


def certificate(facts: Facts, pairs: Sequence[Pair], closures: Sequence[Closure]) -> dict[str, Any]:
    """The fixpoint of every human, the assumptions, and the hash of the facts and of each part, as JSON data."""
    return {
        "schema": "strongroom.duties/1",
        "facts_sha256": facts.digest(),
        "inputs_sha256": facts.digests(),
        "pairs": [pair.name for pair in pairs],
        "assumptions": [
            {"action": q.action, "resource": q.resource, "people": q.people, "mechanism": q.mechanism}
            for q in facts.quorums
        ],
        "quorums_read": openbao_power.quorums(facts),
        "gained": {closure.human.name: sorted([*gain] for gain in closure.steps) for closure in closures},
    }


def _unknown(facts: Facts, pair: Pair) -> Counterexample | None:
    try:
        for ability in (pair.first, pair.second):
            if ability is not None:
                require_about(facts, pair.name, ability.actions, ability.resources)
    except UnknownElement as unknown:
        return Counterexample("not understood", "", (), str(unknown))
    return None


def _broken(holdings: Holdings, pair: Pair) -> Counterexample | None:
    """The shortest way in which a human breaks a pair, if one does."""
    human = holdings.closure.human.name
    if human in pair.holders:
        return None
    if pair.second is None or not pair.same:
        shortest = [holdings.shortest(ability) for ability in (pair.first, pair.second) if ability is not None]
        held = tuple(one for one in shortest if one is not None)
        return Counterexample(pair.name, human, held) if len(held) == len(shortest) else None
    firsts, seconds = holdings.of(pair.first), holdings.of(pair.second)
    by_resource = {held.resource: held for held in seconds}
    couples = [(first, by_resource[first.resource]) for first in firsts if first.resource in by_resource]
    if not couples:
        return None
    return Counterexample(pair.name, human, min(couples, key=lambda both: sum(len(h.way) for h in both)))
