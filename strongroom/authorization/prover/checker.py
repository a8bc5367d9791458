"""The second checker: a certificate holds if its sets contain the start, are closed under the rules, and break no pair.

It shares the evaluator and the tables with the prover, and none of its search: no rounds, no index, no derivations. It
asks every rule of every actor on every target, and every ability of every actor.
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

Known = frozenset[Gained]


def check(facts: Facts, pairs: Sequence[Pair], certificate: Mapping[str, Any]) -> list[str]:
    """What is wrong with a certificate, a line each; empty if it holds."""
    if certificate.get("schema") != "strongroom.duties/1":
        return ["the certificate is of another schema"]
    wrong = ["the certificate is about other facts"] if certificate.get("facts_sha256") != facts.digest() else []
    stated, read = certificate.get("inputs_sha256", {}), facts.digests()
    wrong += [f"{name} changed" for name in sorted({*stated, *read}) if stated.get(name) != read.get(name)]
    wrong += ["the certificate is about other pairs"] if certificate.get("pairs") != [p.name for p in pairs] else []
    assumed = {(item["action"], item["resource"], item["people"]) for item in certificate.get("assumptions", ())}
    if assumed != {(quorum.action, quorum.resource, quorum.people) for quorum in facts.quorums}:
        wrong.append("the certificate rests on other assumptions")
    if certificate.get("quorums_read", []) != openbao_power.quorums(facts):
        wrong.append("the certificate rests on other quorums")
    again = _Again(facts)
    for human in facts.humans:
        gained = frozenset((kind, arn) for kind, arn in certificate.get("gained", {}).get(human.name, ()))
        missing = {("act", arn) for arn in (*human.identities, OUTSIDER.arn)} - gained
        wrong += [f"{human.name}: {arn} is missing" for _, arn in sorted(missing)]
        for edge in edges(facts.openbao) if facts.openbao else ():
            if edge.gain not in gained and edge.needs <= gained and any(openbao_gains.follow(facts, edge, gained)):
                wrong.append(f"{human.name}: by {edge.rule.name} one gains {edge.gain}")
        actors = [facts.by_arn[arn] for kind, arn in sorted(gained) if kind == "act" and arn in facts.by_arn]
        made = {("act", actor.arn) for actor in actors if actor.made}
        bearing = frozenset(gain for gain in gained if gain[0] in BEARING or gain in made)
        for actor in actors:
            for gain, rule, where in (found for found in again.given(actor, bearing) if found[0] not in gained):
                wrong.append(f"{human.name}: {actor.arn} by {rule} on {where} gains {gain}")
        for pair in (pair for pair in pairs if human.name not in pair.holders):
            first, second = (_held(again, ability, actors, gained, bearing) for ability in (pair.first, pair.second))
            if first & second if pair.same else first and (second or pair.second is None):
                wrong.append(f"{human.name} breaks {pair.name}")
    return wrong


def _held(again: _Again, ability: Ability | None, actors: list[Identity], gained: Known, bearing: Known) -> set[str]:
    """The resources on which the actors have the ability."""
    if ability is None:
        return set()
    paths = (name for name in ability.resources if name.startswith("bao:"))
    found = {p for p in paths if any(openbao_gains.permitted(again.facts, gained, ability.actions, p))}
    return found.union(*(again.able(actor, ability, bearing) for actor in actors))


class _Again:
    """Every question asked again; an answer is kept for all humans whose gains bear alike on it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._given: dict[tuple[str, Known], list[tuple[Gained, str, str]]] = {}
        self._able: dict[tuple[str, int, Known], set[str]] = {}

    def given(self, actor: Identity, gained: Known) -> list[tuple[Gained, str, str]]:
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

    def able(self, actor: Identity, ability: Ability, gained: Known) -> set[str]:
        """The resources of AWS on which one actor has the ability."""
        asked = (actor.arn, id(ability), gained)
        if asked not in self._able:
            places = [name for name in ability.resources or self.facts.key_of if not name.startswith("bao:")]
            self._able[asked] = {
                aim.store if aim.arn == "*" else aim.arn
                for action in ability.actions
                for place in places
                for aim in aims(self.facts, action, place)
                if self._can_do(actor, action, aim, gained)
                or (ability.through and self._through(actor, action, aim, gained))
            }
        return self._able[asked]

    def _can_do(self, actor: Identity, action: str, aim: Aim, gained: Known, service: str = "") -> bool:
        if crosses_nothing(actor, aim, gained):
            return False
        return power.decide(self.facts, actor, action, aim, gained, service=service).allowed

    def _through(self, actor: Identity, action: str, aim: Aim, gained: Known) -> bool:
        """Whether a service uses the key for the actor, who may use a store that is encrypted under it."""
        for store in (store for store in self.facts.stores if store.key == aim.arn and store.kind in THROUGH):
            service = f"{THROUGH[store.kind][0]}.{aim.arn.split(':')[3]}.amazonaws.com"
            for use in THROUGH[store.kind][1].get(action, ()):
                data = of_store(store, use, store.arn)
                if self._can_do(actor, use, data, gained) and self._can_do(actor, action, aim, gained, service):
                    return True
        return False

    def _follows(self, actor: Identity, rule: Rule, aim: Aim, role: str, gained: Known) -> bool:
        if not all(self._can_do(actor, action, aim, gained) for action in rule.actions):
            return False
        if rule.service and not power.trusts_service(self.facts.by_arn[role], rule.service):
            return False
        if rule.passing and not role.startswith("bao:"):
            passed = Aim(role, self.facts.by_arn[role].account)
            if not self._can_do(actor, "iam:PassRole", passed, gained):
                return False
        return all(power.anywhere(self.facts, actor, action, gained) for action in rule.also)

    def _targets(self, actor: Identity, rule: Rule, gained: Known) -> Iterator[Chance]:
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
            for store in (store for store in facts.stores if store.kind == kind and (store.acls or not rule.lists)):
                yield of_store(store, action, store.arn), "", ((rule.gain, store.arn),)
        elif kind == "carrier":
            for carrier in (carrier for carrier in facts.carriers if carrier.kind == rule.carrier):
                yield aim_at(facts, carrier), carrier.role, (("act", carrier.role),)
        elif actor is not OUTSIDER and power.anywhere(self.facts, actor, action, gained):
            yield from in_account(facts, actor, rule, gained)
