"""The second checker: a certificate holds if its sets contain the start, are closed under the rules, and break no pair.

It shares the evaluator and the table of rules with the prover, and none of its search: no rounds, no short cuts, no
derivations. It asks every rule of every actor and every target, and every ability of every actor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from strongroom.authorization.prover import openbao_gains, openbao_power, power
from strongroom.authorization.prover.derivation import Gained
from strongroom.authorization.prover.duties import Ability, Pair
from strongroom.authorization.prover.facts import OUTSIDER, Carrier, Facts, Identity, Key
from strongroom.authorization.prover.openbao_targets import edges
from strongroom.authorization.prover.power import Aim, aim_at
from strongroom.authorization.prover.rules import RULES, Rule


def check(facts: Facts, pairs: Sequence[Pair], certificate: Mapping[str, Any]) -> list[str]:
    """What is wrong with a certificate, a line each; empty if it holds."""
    wrong: list[str] = []
    if certificate.get("schema") != "strongroom.duties/1":
        return ["the certificate is of another schema"]
    if certificate.get("facts_sha256") != facts.digest():
        wrong.append("the certificate is about other facts")
    if certificate.get("pairs") != [pair.name for pair in pairs]:
        wrong.append("the certificate is about other pairs")
    assumed = {(item["action"], item["resource"], item["people"]) for item in certificate.get("assumptions", ())}
    if assumed != {(quorum.action, quorum.resource, quorum.people) for quorum in facts.quorums}:
        wrong.append("the certificate rests on other assumptions")
    if certificate.get("quorums_read", []) != openbao_power.quorums(facts):
        wrong.append("the certificate rests on other quorums")
    for human in facts.humans:
        gained = frozenset((kind, arn) for kind, arn in certificate.get("gained", {}).get(human.name, ()))
        wrong += [
            f"{human.name}: {arn} is missing" for arn in (*human.identities, OUTSIDER.arn) if ("act", arn) not in gained
        ]
        actors = [facts.by_arn[arn] for kind, arn in gained if kind == "act" and arn in facts.by_arn]
        wrong += [f"{human.name}: {open_end}" for open_end in _open_ends(facts, actors, gained)]
        wrong += [
            f"{human.name} breaks {pair.name}" for pair in pairs if _breaks(facts, human.name, actors, gained, pair)
        ]
    return wrong


def _open_ends(facts: Facts, actors: list[Identity], gained: frozenset[Gained]) -> Iterator[str]:
    """Gains that a rule gives and the certificate leaves out."""
    for actor in actors:
        for rule in RULES:
            for aim, role, gains in _targets(facts, rule):
                missing = [gain for gain in gains if gain not in gained]
                if (
                    missing
                    and not power.crosses_nothing(actor, aim)
                    and _follows(facts, actor, rule, aim, role, gained)
                ):
                    yield f"{actor.arn} by {rule.name} on {aim.arn} gains {missing[0]}"
    for edge in edges(facts.openbao) if facts.openbao else ():
        if edge.gain not in gained and edge.needs <= gained and any(openbao_gains.follow(facts, edge, gained)):
            yield f"by {edge.rule.name} one gains {edge.gain}"


def _follows(facts: Facts, actor: Identity, rule: Rule, aim: Aim, role: str, gained: frozenset[Gained]) -> bool:
    for action in rule.actions:
        held_back = any(q.action == action and q.resource in ("*", aim.arn) and q.people >= 2 for q in facts.quorums)
        if held_back or (actor.kind == "root" and rule.name == "assume-role"):
            return False
        if not power.decide(facts, actor, action, aim, gained).allowed:
            return False
    if rule.service and not power.trusts_service(facts, facts.by_arn[role], rule.service):
        return False
    if rule.passing and not power.decide(facts, actor, "iam:PassRole", Aim(role, role.split(":")[4]), gained).allowed:
        return False
    return all(power.anywhere(facts, actor, action, gained) for action in rule.also)


def _targets(facts: Facts, rule: Rule) -> Iterator[tuple[Aim, str, list[Gained]]]:
    """Every target of a rule: what the request names, the role behind it, what it gives."""
    for identity in facts.identities:
        if rule.target == identity.kind:
            trust = identity.trust if rule.name == "assume-role" else None
            yield Aim(identity.arn, identity.account, trust), identity.arn, [(rule.gain, identity.arn)]
        for arn in identity.shared(rule.target) if rule.gain != "join" else ():
            yield Aim(arn, arn.split(":")[4]), "", [(rule.gain, identity.arn)]
    if rule.gain == "join":
        for arn in facts.groups:
            yield Aim(arn, arn.split(":")[4]), "", [("join", arn)]
    for key in facts.keys:
        if rule.target == "key" or (rule.target == "multi-region-key" and key.multi_region):
            yield aim_at(key), "", [(rule.gain, key.arn)]
    for carrier in facts.carriers:
        if rule.target == "carrier" and rule.carrier == carrier.kind:
            yield aim_at(carrier), carrier.role, [("act", carrier.role)]


def _breaks(facts: Facts, human: str, actors: list[Identity], gained: frozenset[Gained], pair: Pair) -> bool:
    if human in pair.holders:
        return False
    first = _resources(facts, actors, gained, pair.first)
    if pair.second is None:
        return bool(first)
    second = _resources(facts, actors, gained, pair.second)
    return bool(first & second) if pair.same else bool(first and second)


def _resources(facts: Facts, actors: list[Identity], gained: frozenset[Gained], ability: Ability) -> set[str]:
    """The resources on which one of the actors has the ability."""
    targets: list[Key | Carrier] = [*facts.keys, *facts.carriers]
    paths = [name for name in ability.resources if name.startswith("bao:")]
    return {path for path in paths if any(openbao_gains.permitted(facts, gained, ability.actions, path))} | {
        target.arn
        for target in targets
        if (target.arn in ability.resources if ability.resources else isinstance(target, Key))
        for actor in actors
        for action in ability.actions
        if power.decide(facts, actor, action, aim_at(target), gained).allowed
    }
