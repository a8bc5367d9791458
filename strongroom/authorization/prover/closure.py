"""The least fixpoint of what one human can come to do, each gain with the step that first gave it.

Gains are found in rounds, so the step kept for a gain is one of the fewest; a derivation is read back from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from strongroom.authorization.prover import openbao_gains, power
from strongroom.authorization.prover.derivation import BEARING, Gained, Possible, Step
from strongroom.authorization.prover.facts import OUTSIDER, Carrier, Facts, Human, Identity, Store
from strongroom.authorization.prover.index import Index
from strongroom.authorization.prover.rule import Rule
from strongroom.authorization.prover.rules import RULES
from strongroom.authorization.prover.services import STORES
from strongroom.authorization.prover.targets import Aim, Chance, aim_at, crosses_nothing, in_account, of_store


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
        state = index.state(known)
        found: dict[Gained, Step] = {}
        for arn in sorted(arn for kind, arn in known if kind == "act" and arn in identities):
            if (arn, state) not in index.steps:
                index.steps[(arn, state)] = list(gains(index, identities[arn], state))
            for possible in index.steps[(arn, state)]:
                if possible.gain not in known and possible.gain not in found:
                    found[possible.gain] = possible.step
        for step in openbao_gains.gains(index.facts, known):
            if step.gain not in known:
                found.setdefault(step.gain, step)
        if not found:
            return closure
        closure.steps |= found


def gains(index: Index, actor: Identity, known: frozenset[Gained]) -> Iterator[Possible]:
    """Every gain that one identity's permissions give in one step."""
    for rule in RULES:
        for aim, role, given in _chances(index, actor, rule, known):
            if all(gain in known for gain in given) or crosses_nothing(actor, aim, known):
                continue
            able = partial(_able, index.facts, actor, rule, aim, role)
            if by := able(known):
                for gain in given:
                    yield Possible(gain, partial(_step, gain, rule, actor, aim, by, known, able))


def _step(
    gain: Gained,
    rule: Rule,
    actor: Identity,
    aim: Aim,
    by: str,
    known: frozenset[Gained],
    able: Callable[[frozenset[Gained]], str],
) -> Step:
    premises = (("act", actor.arn), *needed(actor, aim, known, able))
    target = gain[1] if aim.arn == "*" else aim.arn
    resting = (earlier for earlier in aim.rests if earlier in known and earlier != gain)
    return Step(gain, rule.name, actor.arn, target, by, tuple(dict.fromkeys((*premises, *resting))))


def needed(
    actor: Identity, aim: Aim, known: frozenset[Gained], holds: Callable[[frozenset[Gained]], object]
) -> tuple[Gained, ...]:
    """The gains beside being the actor without which a permission does not hold, dropped one by one, far ones first."""
    subjects = {actor.arn, aim.arn, aim.store, aim.sealed, actor.account, aim.account}
    kept = {gain for gain in known if gain[0] in BEARING and (gain[1] in subjects or gain[0] == "join")}
    for gain in sorted(kept, key=lambda gain: (BEARING.index(gain[0]), gain[1])):
        if holds(frozenset(kept - {gain})):
            kept.discard(gain)
    return tuple(sorted(kept))


def _able(facts: Facts, actor: Identity, rule: Rule, aim: Aim, role: str, known: frozenset[Gained]) -> str:
    """The statement by which the actor may follow the rule on the aim, or ''; `role` is the role behind the aim."""
    # the cheapest question first: few roles trust a service
    if rule.service and not power.trusts_service(facts.by_arn[role], rule.service):
        return ""
    by = ""
    for action in rule.actions:
        decision = power.decide(facts, actor, action, aim, known)
        if not decision.allowed:
            return ""
        by = f"{action} on {aim.arn} by {decision.statement or decision.reason}"
    if rule.passing and role.startswith("arn:"):
        passed = facts.by_arn[role]
        if not power.decide(facts, actor, "iam:PassRole", Aim(role, passed.account), known).allowed:
            return ""
    return by if all(power.anywhere(facts, actor, action, known) for action in rule.also) else ""


def _chances(index: Index, actor: Identity, rule: Rule, known: frozenset[Gained]) -> Iterator[Chance]:
    """The targets of a rule worth asking about."""
    facts, action, target = index.facts, rule.actions[0], rule.target
    if actor.kind == "federated" and not action.startswith("sts:AssumeRole"):
        return
    if action.startswith("sts:AssumeRole") and target == "role":
        for role in index.roles(actor, action, known):
            yield Aim(role.arn, role.account, role.trust), role.arn, ((rule.gain, role.arn),)
    elif target in ("key", "multi-region-key", "aliased-key"):
        for key in index.keys(actor, action, known):
            if target == "key" or (key.multi_region if target == "multi-region-key" else key.aliases):
                yield aim_at(facts, key), "", ((rule.gain, key.arn),)
    elif target == "carrier":
        for carrier in index.reachable(actor, rule.carrier, action, known):
            if isinstance(carrier, Carrier):
                yield aim_at(facts, carrier), carrier.role, (("act", carrier.role),)
    elif target in STORES:
        for store in index.reachable(actor, target, action, known):
            if isinstance(store, Store) and (store.acls or not rule.lists):
                yield of_store(store, action, store.arn), "", ((rule.gain, store.arn),)
    elif actor is not OUTSIDER and index.covers(actor, action, known):
        yield from in_account(facts, actor, rule, known)
