"""The second checker: a certificate holds if its sets contain the start, are closed under the rules, and break no pair.

It shares the evaluator and the tables with the prover, and none of its search: no rounds, no index, no derivations. It
asks every rule of every actor and every target, and every ability of every actor, save where one refusal of the
evaluator answers for all: an action that is allowed nowhere, a resource whose own policy lets the actor in nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from strongroom.authorization.prover import openbao_gains, openbao_power, power
from strongroom.authorization.prover.derivation import BEARING, Gained
from strongroom.authorization.prover.duties import Ability, Pair
from strongroom.authorization.prover.facts import OUTSIDER, Facts, Identity
from strongroom.authorization.prover.openbao_targets import edges
from strongroom.authorization.prover.rule import Rule
from strongroom.authorization.prover.rules import RULES
from strongroom.authorization.prover.services import STORES, THROUGH
from strongroom.authorization.prover.targets import Aim, Chance, aim_at, aims, crosses_nothing, in_account, of_store


def check(facts: Facts, pairs: Sequence[Pair], certificate: Mapping[str, Any]) -> list[str]:
    """What is wrong with a certificate, a line each; empty if it holds."""
    wrong: list[str] = []
    if certificate.get("schema") != "strongroom.duties/1":
        return ["the certificate is of another schema"]
    if certificate.get("facts_sha256") != facts.digest():
        wrong.append("the certificate is about other facts")
    stated, read = certificate.get("inputs_sha256", {}), facts.digests()
    wrong += [f"{name} changed" for name in sorted({*stated, *read}) if stated.get(name) != read.get(name)]
    if certificate.get("pairs") != [pair.name for pair in pairs]:
        wrong.append("the certificate is about other pairs")
    assumed = {(item["action"], item["resource"], item["people"]) for item in certificate.get("assumptions", ())}
    if assumed != {(quorum.action, quorum.resource, quorum.people) for quorum in facts.quorums}:
        wrong.append("the certificate rests on other assumptions")
    if certificate.get("quorums_read", []) != openbao_power.quorums(facts):
        wrong.append("the certificate rests on other quorums")
    again = _Again(facts)
    for human in facts.humans:
        gained = frozenset((kind, arn) for kind, arn in certificate.get("gained", {}).get(human.name, ()))
        start = {("act", arn) for arn in (*human.identities, OUTSIDER.arn)}
        wrong += [f"{human.name}: {arn} is missing" for _, arn in sorted(start - gained)]
        for edge in edges(facts.openbao) if facts.openbao else ():
            if edge.gain not in gained and edge.needs <= gained and any(openbao_gains.follow(facts, edge, gained)):
                wrong.append(f"{human.name}: by {edge.rule.name} one gains {edge.gain}")
        actors = [facts.by_arn[arn] for kind, arn in sorted(gained) if kind == "act" and arn in facts.by_arn]
        made = {("act", actor.arn) for actor in actors if actor.made}
        bearing = frozenset(gain for gain in gained if gain[0] in BEARING or gain in made)
        for actor in actors:
            wrong += [
                f"{human.name}: {actor.arn} by {rule} on {where} gains {gain}"
                for gain, rule, where in again.given(actor, bearing)
                if gain not in gained
            ]
        for pair in pairs:
            if human.name not in pair.holders and again.breaks(actors, gained, bearing, pair):
                wrong.append(f"{human.name} breaks {pair.name}")
    return wrong


class _Again:
    """Every question asked again; an answer is kept for all humans whose gains bear alike on it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._given: dict[tuple[str, frozenset[Gained]], list[tuple[Gained, str, str]]] = {}
        self._can: dict[tuple[str, str, str, str, str, frozenset[Gained]], bool] = {}

    def given(self, actor: Identity, gained: frozenset[Gained]) -> list[tuple[Gained, str, str]]:
        """All that the rules give one actor: the gain, the rule, the target."""
        if (actor.arn, gained) not in self._given:
            self._given[(actor.arn, gained)] = [
                (gain, rule.name, aim.arn)
                for rule in RULES
                for aim, role, gains in self._targets(actor, rule, gained)
                if not set(gains) <= gained and self._follows(actor, rule, aim, role, gained)
                for gain in gains
            ]
        return self._given[(actor.arn, gained)]

    def breaks(
        self, actors: Sequence[Identity], gained: frozenset[Gained], bearing: frozenset[Gained], pair: Pair
    ) -> bool:
        """Whether the actors together hold what the pair keeps apart."""
        first = self._held(actors, gained, bearing, pair.first)
        if pair.second is None:
            return bool(first)
        second = self._held(actors, gained, bearing, pair.second)
        return bool(first & second) if pair.same else bool(first and second)

    def _can_do(self, actor: Identity, action: str, aim: Aim, gained: frozenset[Gained], service: str = "") -> bool:
        asked = (actor.arn, action, aim.arn, f"{aim.store} {aim.fence}", service, gained)
        if asked not in self._can:
            self._can[asked] = (
                not crosses_nothing(actor, aim, gained)
                and not power.silent(self.facts, actor, action, aim, gained)
                and power.decide(self.facts, actor, action, aim, gained, service=service).allowed
            )
        return self._can[asked]

    def _follows(self, actor: Identity, rule: Rule, aim: Aim, role: str, gained: frozenset[Gained]) -> bool:
        if actor.kind == "root" and rule.name == "assume-role":
            return False
        if not all(self._can_do(actor, action, aim, gained) for action in rule.actions):
            return False
        if rule.service and not power.trusts_service(self.facts.by_arn[role], rule.service):
            return False
        passed = Aim(role, self.facts.by_arn[role].account) if rule.passing and not role.startswith("bao:") else None
        if passed is not None and not self._can_do(actor, "iam:PassRole", passed, gained):
            return False
        return all(self._anywhere(actor, action, gained) for action in rule.also)

    def _anywhere(self, actor: Identity, action: str, gained: frozenset[Gained]) -> bool:
        return self._can_do(actor, action, Aim("*", actor.account, fence=None), gained)

    def _targets(self, actor: Identity, rule: Rule, gained: frozenset[Gained]) -> Iterator[Chance]:
        """Every target of a rule: what the request names, the role behind it, what it gives."""
        facts, kind, action = self.facts, rule.target, rule.actions[0]
        if kind == "role" and action.startswith("sts:"):
            for role in (identity for identity in facts.identities if identity.trust is not None):
                yield Aim(role.arn, role.account, role.trust), role.arn, (("act", role.arn),)
        elif kind.endswith("key"):
            for key in facts.keys:
                if {"key": True, "multi-region-key": key.multi_region, "aliased-key": key.aliases}[kind]:
                    yield aim_at(facts, key), "", ((rule.gain, key.arn),)
        elif kind in STORES:
            for store in facts.stores:
                if store.kind == kind and (store.acls or not rule.lists):
                    yield of_store(store, action, store.arn), "", ((rule.gain, store.arn),)
        elif kind == "carrier":
            for carrier in (carrier for carrier in facts.carriers if carrier.kind == rule.carrier):
                yield aim_at(facts, carrier), carrier.role, (("act", carrier.role),)
        elif actor is not OUTSIDER and self._anywhere(actor, action, gained):
            yield from in_account(facts, actor, rule, gained)

    def _held(
        self, actors: Sequence[Identity], gained: frozenset[Gained], bearing: frozenset[Gained], ability: Ability
    ) -> set[str]:
        """The resources on which one of the actors has the ability."""
        facts = self.facts
        found = {
            path
            for path in ability.resources
            if path.startswith("bao:") and any(openbao_gains.permitted(facts, gained, ability.actions, path))
        }
        asked = [name for name in ability.resources if not name.startswith("bao:")]
        for action in ability.actions:
            where = [aim for name in asked for aim in aims(facts, action, name)]
            for aim in where if ability.resources else [aim_at(facts, key) for key in facts.keys]:
                if any(self._holds(actor, action, aim, bearing, ability.through) for actor in actors):
                    found.add(aim.store if aim.arn == "*" else aim.arn)
        return found

    def _holds(self, actor: Identity, action: str, aim: Aim, gained: frozenset[Gained], through: bool) -> bool:
        if self._can_do(actor, action, aim, gained):
            return True
        for store in (store for store in self.facts.stores if through and aim.key and store.key == aim.arn):
            name, uses = THROUGH.get(store.kind, ("", {}))
            service = f"{name}.{aim.arn.split(':')[3]}.amazonaws.com"
            for use in uses.get(action, ()):
                data = of_store(store, use, store.arn)
                if self._can_do(actor, use, data, gained) and self._can_do(actor, action, aim, gained, service):
                    return True
        return False
