"""On what a human holds an ability, and the shortest way there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from strongroom.authorization.prover import openbao_gains, openbao_rules, power
from strongroom.authorization.prover.closure import Closure, needed
from strongroom.authorization.prover.derivation import Gained, Step
from strongroom.authorization.prover.duties import Ability
from strongroom.authorization.prover.facts import Identity
from strongroom.authorization.prover.index import Index
from strongroom.authorization.prover.rules import RULES
from strongroom.authorization.prover.services import THROUGH
from strongroom.authorization.prover.targets import Aim, aim_at, crosses_nothing, of_store

_WORDS = {rule.name: rule.words for rule in RULES}
_WORDS_OF_OPENBAO = {rule.name: rule.words for rule in openbao_rules.RULES}


@dataclass(frozen=True)
class Held:
    """An ability as a human came to hold it: the identity, the action, the resource, the statement, the way there.

    through: the store whose service uses the key for the human, "" if the human uses it directly.
    """

    ability: str
    identity: str
    action: str
    resource: str
    by: str
    way: tuple[Step, ...]
    through: str = ""

    def lines(self) -> list[str]:
        """The derivation in words, a line a step."""
        steps = [f"{step.actor} {_words(step)} ({step.target}): {step.by}" for step in self.way]
        through = f" through {self.through}" if self.through else ""
        return [*steps, f"{self.identity} may {self.action} on {self.resource}{through}: {self.by}"]


def _words(step: Step) -> str:
    """Rules of AWS and of OpenBao may have one name: who acts says whose the step is."""
    return (_WORDS if step.actor.startswith("arn:") else _WORDS_OF_OPENBAO)[step.rule]


class Holdings:
    """The abilities of one human over one set of facts."""

    def __init__(self, index: Index, closure: Closure) -> None:
        self.index, self.closure, self.facts = index, closure, index.facts
        self.known = frozenset(closure.steps)
        self.state = index.state(self.known)
        near = {
            arn: len(closure.derivation(("act", arn)))
            for kind, arn in self.known
            if kind == "act" and arn in self.facts.by_arn
        }
        # no way through an identity is shorter than the way to it: near identities first, far ones seldom need asking
        self.near = dict(sorted(near.items(), key=lambda item: (item[1], item[0])))

    def shortest(self, ability: Ability) -> Held | None:
        """The shortest way to the ability on any of its resources; None if the human does not hold it."""
        found = self.of(ability, all_resources=False)
        return found[0] if found else None

    def of(self, ability: Ability, *, all_resources: bool = True) -> list[Held]:
        """For each resource on which the human holds the ability the shortest way to it; the shortest of all first.

        Not `all_resources`: at least the shortest of all.
        """
        best: dict[str, Held] = {}

        def worth_asking(resource: str, distance: int) -> bool:
            """No way through an identity is shorter than the way to it."""
            known = best.values() if not all_resources else [best[resource]] if resource in best else []
            return all(len(held.way) > distance for held in known)

        for arn, distance in self.near.items():
            actor = self.facts.by_arn[arn]
            for action in ability.actions:
                for aim in self._asked(actor, action, ability):
                    resource = aim.store if aim.arn == "*" else aim.arn
                    if worth_asking(resource, distance):
                        self._keep(best, self._directly(ability, actor, action, aim, resource))
        if ability.through:
            for held in self.through(ability):
                if held.resource not in best or best[held.resource].through:
                    self._keep(best, held)
        for path in (name for name in ability.resources if name.startswith("bao:")):
            for may in openbao_gains.permitted(self.facts, self.known, ability.actions, path):
                way = tuple(self.closure.derivation(*may.premises))
                self._keep(best, Held(ability.name, may.actor, may.action, path, may.by, way))
        return sorted(best.values(), key=lambda held: len(held.way))

    def through(self, ability: Ability) -> Iterator[Held]:
        """Every use of a key through the service of a store that is encrypted under it and that the human may use."""
        for arn in self.near:
            actor = self.facts.by_arn[arn]
            for store in self.facts.stores:
                key = self.facts.key_of.get(store.key)
                if key is None or store.kind not in THROUGH:
                    continue
                if ability.resources and key.arn not in ability.resources:
                    continue
                name, uses = THROUGH[store.kind]
                service = f"{name}.{key.arn.split(':')[3]}.amazonaws.com"
                for action, doing in uses.items():
                    if action not in ability.actions:
                        continue
                    by = self._allowed(actor, action, aim_at(self.facts, key), service)
                    used = [use for use in doing if self._allowed(actor, use, of_store(store, use, store.arn))]
                    if by and used:
                        way = self._way(actor, action, aim_at(self.facts, key), service)
                        yield Held(ability.name, arn, action, key.arn, f"{by}, by {used[0]}", way, store.arn)

    @staticmethod
    def _keep(best: dict[str, Held], held: Held | None) -> None:
        if held is not None and (held.resource not in best or len(held.way) < len(best[held.resource].way)):
            best[held.resource] = held

    def _asked(self, actor: Identity, action: str, ability: Ability) -> Iterator[Aim]:
        """The resources of the ability on which a decision for this actor and action is worth making."""
        near = self.index.keys(actor, action, self.known)
        if not ability.resources:
            yield from (aim_at(self.facts, key) for key in near)
            return
        keys, others = self.index.asked(action, ability.resources)
        yield from (keys[key.arn] for key in near if key.arn in keys)
        covered = self.index.covers(actor, action, self.known)
        for aim in others:
            if (covered or aim.policy is not None) and not crosses_nothing(actor, aim, self.known):
                yield aim

    def _directly(self, ability: Ability, actor: Identity, action: str, aim: Aim, resource: str) -> Held | None:
        by = self._allowed(actor, action, aim)
        way = self._way(actor, action, aim) if by else ()
        return Held(ability.name, actor.arn, action, resource, by, way) if by else None

    def _allowed(self, actor: Identity, action: str, aim: Aim, service: str = "") -> str:
        """By what the actor may do the action, or ''; kept for every human who gained the same."""
        asked = (actor.arn, action, aim.arn, aim.store, service, self.state)
        if asked not in self.index.allowed:
            decision = power.decide(self.facts, actor, action, aim, self.state, service=service)
            self.index.allowed[asked] = str(decision.statement or decision.reason) if decision.allowed else ""
        return self.index.allowed[asked]

    def _way(self, actor: Identity, action: str, aim: Aim, service: str = "") -> tuple[Step, ...]:
        """The steps behind an ability: how the human came to act, and what had to change first."""

        def holds(fewer: frozenset[Gained]) -> bool:
            return power.decide(self.facts, actor, action, aim, fewer, service=service).allowed

        premises = needed(actor, aim, self.state, holds)
        return tuple(self.closure.derivation(("act", actor.arn), *premises))
