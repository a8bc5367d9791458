"""The answer: PROVED with a certificate, or REFUTED with the shortest derivation of each broken pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from strongroom.authorization.documents import Form, parse
from strongroom.authorization.prover import openbao_gains, openbao_power, openbao_rules, power
from strongroom.authorization.prover.closure import Closure, close, needed
from strongroom.authorization.prover.derivation import Gained, Step
from strongroom.authorization.prover.duties import Ability, Pair
from strongroom.authorization.prover.facts import Carrier, Facts, Identity, Key
from strongroom.authorization.prover.index import Index
from strongroom.authorization.prover.power import Aim, aim_at
from strongroom.authorization.prover.rules import CARRIERS, RULES
from strongroom.errors import UnknownElement

_WORDS = {rule.name: rule.words for rule in (*RULES, *openbao_rules.RULES)}


@dataclass(frozen=True)
class Held:
    """An ability as a human came to hold it: the identity, the action, the resource, the statement, the way there."""

    ability: str
    identity: str
    action: str
    resource: str
    by: str
    way: tuple[Step, ...]

    def lines(self) -> list[str]:
        """The derivation in words, a line a step."""
        steps = [f"{step.actor} {_WORDS[step.rule]} ({step.target}): {step.by}" for step in self.way]
        return [*steps, f"{self.identity} may {self.action} on {self.resource}: {self.by}"]


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
        _read_all(facts)
        self.index = Index(facts)
        self.closures = [close(self.index, human) for human in facts.humans]

    def who_can(self, action: str, resource: str) -> dict[str, Held]:
        """Every human who can come to do an action on a key or carrier, with the shortest way."""
        ability = Ability("who can", (action,), (resource,))
        ways = {closure.human.name: holdings(self.index, closure, ability) for closure in self.closures}
        return {human: held[0] for human, held in ways.items() if held}


def prove(facts: Facts, pairs: Sequence[Pair]) -> Proof:
    """Decides the pairs; an element without a known meaning anywhere in the facts refutes, with its reason."""
    try:
        reach = Reach(facts)
        broken = [
            found for closure in reach.closures for pair in pairs if (found := _broken(reach.index, closure, pair))
        ]
    except UnknownElement as unknown:
        return Proof("REFUTED", (Counterexample("not understood", "", (), str(unknown)),), None)
    if broken:
        return Proof("REFUTED", tuple(broken), None)
    return Proof("PROVED", (), certificate(facts, pairs, reach.closures))


def _read_all(facts: Facts) -> None:
    """Parses every document, so that what is not understood refutes even where no derivation passes."""
    openbao_power.understood(facts)
    for identity in facts.identities:
        forms = [(Form.IDENTITY, policy) for policy in identity.policies]
        forms += [(Form.BOUNDARY, identity.boundary)] if identity.boundary else []
        forms += [(Form.TRUST, identity.trust)] if identity.trust else []
        for form, policy in forms:
            parse(policy, form)
    for key in facts.keys:
        parse(key.policy, Form.KEY)
    for carrier in facts.carriers:
        if carrier.kind not in CARRIERS:
            raise UnknownElement(f"{carrier.arn}: carrier {carrier.kind!r} is not known", hint="see rules.CARRIERS")
        if carrier.policy is not None:
            parse(carrier.policy, Form.RESOURCE)
    for account in facts.accounts:
        for form, levels in ((Form.SCP, account.scps), (Form.RCP, account.rcps)):
            for policy in (policy for level in levels for policy in level):
                parse(policy, form)


def certificate(facts: Facts, pairs: Sequence[Pair], closures: Sequence[Closure]) -> dict[str, Any]:
    """The fixpoint of every human, the assumptions, and the hash of the facts, as JSON data."""
    return {
        "schema": "strongroom.duties/1",
        "facts_sha256": facts.digest(),
        "pairs": [pair.name for pair in pairs],
        "assumptions": [
            {"action": q.action, "resource": q.resource, "people": q.people, "mechanism": q.mechanism}
            for q in facts.quorums
        ],
        "quorums_read": openbao_power.quorums(facts),
        "gained": {closure.human.name: sorted([*gain] for gain in closure.steps) for closure in closures},
    }


def _broken(index: Index, closure: Closure, pair: Pair) -> Counterexample | None:
    """The shortest way in which a human breaks a pair, if one does."""
    if closure.human.name in pair.holders:
        return None
    firsts = holdings(index, closure, pair.first)
    if pair.second is None:
        return Counterexample(pair.name, closure.human.name, (firsts[0],)) if firsts else None
    seconds = holdings(index, closure, pair.second) if firsts else []
    if not pair.same:  # both lists begin with their shortest
        return Counterexample(pair.name, closure.human.name, (firsts[0], seconds[0])) if seconds else None
    by_resource = {held.resource: held for held in seconds}
    couples = [(first, by_resource[first.resource]) for first in firsts if first.resource in by_resource]
    if not couples:
        return None
    return Counterexample(pair.name, closure.human.name, min(couples, key=lambda both: sum(len(h.way) for h in both)))


def holdings(index: Index, closure: Closure, ability: Ability) -> list[Held]:
    """For each resource on which a human holds an ability the shortest way to it; the shortest of all first."""
    facts, known = index.facts, frozenset(closure.steps)
    carriers = [carrier for carrier in facts.carriers if carrier.arn in ability.resources]
    # no way through an identity is shorter than the way to it: near identities first, far ones seldom need asking
    near = {arn: len(closure.derivation(("act", arn))) for kind, arn in known if kind == "act" and arn in facts.by_arn}
    best: dict[str, Held] = {}
    for arn in sorted(near, key=lambda arn: (near[arn], arn)):
        actor = facts.by_arn[arn]
        for action in ability.actions:
            targets: list[Key | Carrier] = [*index.keys(actor, action, known), *carriers]
            for target in targets:
                if ability.resources and target.arn not in ability.resources:
                    continue
                if target.arn in best and len(best[target.arn].way) <= near[arn]:
                    continue
                decision = power.decide(facts, actor, action, aim_at(target), known)
                if decision.allowed:
                    way = _way(facts, closure, actor, action, aim_at(target))
                    if target.arn not in best or len(way) < len(best[target.arn].way):
                        by = str(decision.statement or decision.reason)
                        best[target.arn] = Held(ability.name, arn, action, target.arn, by, way)
    for path in (name for name in ability.resources if name.startswith("bao:")):
        for may in openbao_gains.permitted(facts, known, ability.actions, path):
            way = tuple(closure.derivation(*may.premises))
            if path not in best or len(way) < len(best[path].way):
                best[path] = Held(ability.name, may.actor, may.action, path, may.by, way)
    return sorted(best.values(), key=lambda held: len(held.way))


def _way(facts: Facts, closure: Closure, actor: Identity, action: str, aim: Aim) -> tuple[Step, ...]:
    """The steps behind an ability: how the human came to act, and what had to change first."""

    def holds(fewer: frozenset[Gained]) -> bool:
        return power.decide(facts, actor, action, aim, fewer).allowed

    premises = needed(actor, aim.arn, frozenset(closure.steps), holds)
    return tuple(closure.derivation(("act", actor.arn), *premises))
