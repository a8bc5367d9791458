"""The least fixpoint of what one human can come to do, each gain with the step that first gave it.

Gains are found in rounds, so the step kept for a gain is one of the fewest; a derivation is read back from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from strongroom.authorization.prover import openbao_gains, power
from strongroom.authorization.prover.derivation import Gained, Step
from strongroom.authorization.prover.facts import OUTSIDER, Facts, Human, Identity
from strongroom.authorization.prover.index import Index
from strongroom.authorization.prover.power import Aim, aim_at
from strongroom.authorization.prover.rules import RULES, Rule

_DROPPED = ("join", "unfenced", "use", "own", "admin")


@dataclass
class Closure:
    """All that one human gains; `steps` is in the order of discovery."""

    human: Human
    steps: dict[Gained, Step] = field(default_factory=dict)

    def derivation(self, *gains: Gained) -> list[Step]:
        """The steps that lead to some gains, the first first."""
        found: list[Step] = []
        for gain in gains:
            step = self.steps[gain]
            if step.rule and step not in found:
                found += [earlier for earlier in self.derivation(*step.premises) if earlier not in found]
                found.append(step)
        return found


def close(index: Index, human: Human) -> Closure:
    """The closure of one human."""
    closure = Closure(human)
    for arn in (*human.identities, OUTSIDER.arn):
        closure.steps[("act", arn)] = Step(("act", arn), "")
    identities = index.facts.by_arn
    while True:
        known = frozenset(closure.steps)
        actors = sorted(arn for kind, arn in known if kind == "act" and arn in identities)
        found: dict[Gained, Step] = {}
        for arn in actors:
            for step in gains(index, identities[arn], known):
                if step.gain not in known:
                    found.setdefault(step.gain, step)
        for step in openbao_gains.gains(index.facts, known):
            if step.gain not in known:
                found.setdefault(step.gain, step)
        if not found:
            return closure
        closure.steps |= found


def gains(index: Index, actor: Identity, known: frozenset[Gained]) -> Iterator[Step]:
    """Every gain that one identity's permissions give in one step."""
    for rule in RULES:
        for aim, role, given in _targets(index, actor, rule, known):
            if all(gain in known for gain in given) or power.crosses_nothing(actor, aim):
                continue
            able = partial(_able, index.facts, actor, rule, aim, role)
            if by := able(known):
                premises = (("act", actor.arn), *needed(actor, aim.arn, known, able))
                for gain in given:
                    yield Step(gain, rule.name, actor.arn, aim.arn, by, premises)


def needed(
    actor: Identity, target: str, known: frozenset[Gained], holds: Callable[[frozenset[Gained]], object]
) -> tuple[Gained, ...]:
    """The gains beside being the actor without which a permission does not hold, dropped one by one, far ones first."""
    bearing = [("admin", actor.arn), ("unfenced", actor.arn), ("own", target), ("use", target)]
    kept = {gain for gain in known if gain in bearing or gain[0] == "join"}
    for gain in sorted(kept, key=lambda gain: (_DROPPED.index(gain[0]), gain[1])):
        if holds(frozenset(kept - {gain})):
            kept.discard(gain)
    return tuple(sorted(kept))


def _able(facts: Facts, actor: Identity, rule: Rule, aim: Aim, role: str, known: frozenset[Gained]) -> str:
    """The statement by which the actor may follow the rule on the aim, or ''; `role` is the role behind the aim."""
    by = ""
    for action in rule.actions:
        if _in_quorum(facts, action, aim.arn) or (action.startswith("sts:") and actor.kind == "root"):
            return ""
        decision = power.decide(facts, actor, action, aim, known)
        if not decision.allowed:
            return ""
        by = f"{action} on {aim.arn} by {decision.statement or decision.reason}"
    if rule.service and not power.trusts_service(facts, facts.by_arn[role], rule.service):
        return ""
    if rule.passing and not power.decide(facts, actor, "iam:PassRole", Aim(role, role.split(":")[4]), known).allowed:
        return ""
    return by if all(power.anywhere(facts, actor, action, known) for action in rule.also) else ""


def _targets(
    index: Index, actor: Identity, rule: Rule, known: frozenset[Gained]
) -> Iterator[tuple[Aim, str, tuple[Gained, ...]]]:
    """The targets of a rule worth asking about: what a request names, the role behind it, what it would give."""
    facts, action = index.facts, rule.actions[0]
    if action.startswith("sts:"):
        for role in index.roles(actor, action, known):
            yield Aim(role.arn, role.account, role.trust), role.arn, ((rule.gain, role.arn),)
    elif rule.target in ("key", "multi-region-key"):
        for key in index.keys(actor, action, known):
            if rule.target == "key" or key.multi_region:
                yield aim_at(key), "", ((rule.gain, key.arn),)
    elif rule.target == "carrier":
        for carrier in facts.carriers:
            if carrier.kind == rule.carrier:
                yield aim_at(carrier), carrier.role, (("act", carrier.role),)
    elif index.covers(actor, action, known):
        if rule.target in ("role", "user"):
            for identity in index.near(actor, rule.target):
                yield Aim(identity.arn, identity.account), identity.arn, ((rule.gain, identity.arn),)
        elif index.near(actor, "user") or index.near(actor, "role"):
            yield from _shared(facts, rule)


def _shared(facts: Facts, rule: Rule) -> Iterator[tuple[Aim, str, tuple[Gained, ...]]]:
    """Groups and managed policies: what changes them changes every identity that has them."""
    holders: dict[str, list[str]] = {}
    for identity in facts.identities:
        for arn in identity.shared(rule.target):
            holders.setdefault(arn, []).append(identity.arn)
    if rule.gain == "join":
        holders = {arn: [arn] for arn in facts.groups}
    for arn, members in sorted(holders.items()):
        yield Aim(arn, arn.split(":")[4]), "", tuple((rule.gain, member) for member in members)


def _in_quorum(facts: Facts, action: str, arn: str) -> bool:
    return any(q.action == action and q.resource in ("*", arn) and q.people >= 2 for q in facts.quorums)
