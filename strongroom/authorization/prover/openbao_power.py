"""What the tokens of one login may possibly do, given what a human has gained so far.

Errs towards allowing: parameters of the asker's choice take the best value, templates of paths match whatever helps,
stanzas that expire are taken both ways, wrapping and multi-factor demands as met.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from strongroom.authorization.openbao import Acl, listed
from strongroom.authorization.openbao_policies import (
    CAPABILITIES,
    Approval,
    Parameters,
    Rule,
    VaultPolicy,
    rules,
    stanzas,
)
from strongroom.authorization.prover.derivation import Gained
from strongroom.authorization.prover.duties import Pair
from strongroom.authorization.prover.facts import Facts
from strongroom.authorization.prover.openbao_facts import ANY_POLICY, ROOT, OpenBao
from strongroom.authorization.prover.openbao_rules import RULES
from strongroom.errors import UnknownElement

#: What abilities may name: capabilities, and whatever a rule gives.
_ACTIONS = {f"bao:{name}" for name in (*CAPABILITIES, *(rule.gain[0] for rule in RULES))}
_END = datetime.max.replace(tzinfo=UTC)
_TEMPLATE = re.compile(r"\\\{\\\{.*?\\\}\\\}")
_TRUE = (True, "true", "True", "TRUE", "t", "T", "1")


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a rule makes it: any one of the capabilities on the path, with parameters."""

    path: str
    capabilities: tuple[str, ...]
    sudo: bool = False
    true: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    #: Whatever parameters serve: for abilities, where not the request but its effect is asked about.
    any_parameters: bool = False


@dataclass(frozen=True, slots=True)
class Allowed:
    """Why a request is allowed: the capability, the policy's words, and the gains it rests on beside acting."""

    capability: str
    by: str
    premises: tuple[Gained, ...] = ()


def understood(facts: Facts, pairs: Sequence[Pair] = ()) -> None:
    """Raises UnknownElement if a policy or a pair's action has no known meaning, or a login is held and not read."""
    for ability in (ability for pair in pairs for ability in (pair.first, pair.second) if ability):
        if any(name.startswith("bao:") for name in ability.resources):
            if facts.openbao is None:
                raise UnknownElement(f"{ability.name}: OpenBao was not read", hint="give the server's facts")
            unknown = [name for name in ability.actions if name.startswith("bao:") and name not in _ACTIONS]
            if unknown or not any(name.startswith("bao:") for name in ability.actions):
                raise UnknownElement(f"{ability.name}: no known action of OpenBao", hint=", ".join(sorted(_ACTIONS)))
    held = [name for human in facts.humans for name in human.identities] + [item.role for item in facts.carriers]
    named = [name for name in held if name.startswith("bao:")]
    if facts.openbao is None:
        if named:
            raise UnknownElement(f"{named[0]}: OpenBao was not read", hint="give the server's facts")
        return
    stanzas(list(facts.openbao.policy.values()))
    for name in named:
        if not _exists(facts.openbao, name):
            raise UnknownElement(f"{name}: no such login in OpenBao", hint="read again")


def _exists(bao: OpenBao, name: str) -> bool:
    kind, _, rest = name.removeprefix("bao:").partition("/")
    known = {
        "policy": set(bao.policy_names) | {"*"},
        "entity": set(bao.entity),
        "group": {group.name for group in bao.groups},
        "share": {str(number) for number in range(1, bao.shares + 1)},
    }
    return name == ROOT or name in bao.login or rest in known.get(kind, ())


def actors(gained: Set[Gained]) -> list[str]:
    """The subjects worth asking for of those whose tokens a human can use, in a fixed order.

    Who has a root token, or any policy alone, may do whatever any of the others may: of the policies of a token one
    holds the stanza that decides, and alone it decides the same.
    """
    for everything in (ROOT, ANY_POLICY):
        if ("act", everything) in gained:
            return [everything]
    return sorted(name for kind, name in gained if kind == "act" and name.startswith("bao:"))


def allowed(facts: Facts, actor: str, request: Request, gained: Set[Gained]) -> Allowed | None:
    """Whether the actor's tokens may possibly make the request; None if not, or if it takes several people."""
    bao = facts.openbao
    assert bao is not None
    wanted = [capability for capability in request.capabilities if not _in_quorum(facts, capability, request.path)]
    if not wanted:
        return None
    if actor == ROOT or "root" in _policies(bao, actor):
        return Allowed(wanted[0], "the root policy")
    choices = list(_choices(bao, actor, gained))
    heading = _heading(bao, request.path) if actor == ANY_POLICY else None
    for names, premises in choices:
        if heading is not None and names[0] not in heading:
            continue
        policies = tuple(bao.policy[name] for name in sorted(set(names)) if name in bao.policy)
        # the best other policies may add values to the parameters that one of them allows
        loose = actor == ANY_POLICY or (actor.startswith("bao:policy/") and _several(gained))
        for capability in wanted:
            if found := _decided(policies, request, capability, loose):
                by, approvals = found
                more = _alone(bao, actor, approvals, capability, gained)
                if more is not None:
                    return Allowed(capability, by, (*premises, *more))
    for names, premises in choices:
        for name in dict.fromkeys(names):
            if ("own", f"bao:policy/{name}") in gained:
                return Allowed(wanted[0], f"policy {name}, rewritten", (*premises, ("own", f"bao:policy/{name}")))
    return None


def _several(gained: Set[Gained]) -> bool:
    return sum(kind == "act" and name.startswith("bao:policy/") for kind, name in gained) > 1


def _in_quorum(facts: Facts, capability: str, path: str) -> bool:
    """Whether the estate says that this takes several people."""
    return any(
        quorum.people >= 2
        and quorum.action in (f"bao:{capability}", "bao:*")
        and (
            quorum.resource == f"bao:{path}"
            or (quorum.resource[-1:] == "*" and f"bao:{path}".startswith(quorum.resource[:-1]))
        )
        for quorum in facts.quorums
    )


def _policies(bao: OpenBao, actor: str) -> Sequence[str]:
    """The policies of an actor's tokens without those of its entity and groups."""
    if actor in bao.login:
        return bao.login[actor].policies
    return (actor.removeprefix("bao:policy/"),) if actor.startswith("bao:policy/") else ()


def _choices(bao: OpenBao, actor: str, gained: Set[Gained]) -> Iterator[tuple[tuple[str, ...], tuple[Gained, ...]]]:
    """Sets of policies that tokens of the actor can have, with what it takes to have just these.

    Where policies can be dropped, what is left with any one of the dropped ones allows whatever some set of them does.
    """
    if actor == ANY_POLICY:
        mine = sorted(name for kind, name in gained if kind == "own" and name.startswith("bao:policy/"))
        owned = [name.removeprefix("bao:policy/") for name in mine]
        yield from (((name,), ()) for name in (*owned, *bao.policy_names))
        return
    login = bao.login.get(actor)
    entity = login.entity if login else actor.removeprefix("bao:entity/") if actor.startswith("bao:entity/") else ""
    groups = bao.memberships(entity, login.mount if login else "")
    if actor.startswith("bao:group/"):
        groups = bao.above(actor.removeprefix("bao:group/"))
    found = [("", name) for name in _policies(bao, actor)]
    found += [(f"bao:entity/{entity}", name) for name in _of_entity(bao, entity)]
    found += [(f"bao:group/{group.name}", name) for group in groups for name in group.policies]
    yield tuple(name for _, name in found), ()
    bearing = {holder for holder, _ in found} | {f"bao:policy/{name}" for _, name in found}
    dropped = tuple(sorted(gain for gain in gained if gain[0] == "drop" and gain[1] in bearing))
    if dropped:
        gone = {subject for _, subject in dropped}
        left = tuple(name for holder, name in found if not gone & {holder, f"bao:policy/{name}"})
        yield left, dropped
        for name in sorted({name for _, name in found} - set(left)):
            yield (*left, name), dropped


def _of_entity(bao: OpenBao, name: str) -> Sequence[str]:
    return bao.entity[name].policies if name in bao.entity else ()


@lru_cache(maxsize=4096)
def _acls(policies: tuple[VaultPolicy, ...]) -> tuple[Acl, ...]:
    """The merged rules at every moment at which another stanza has expired, templates left out."""
    ends = {datetime.fromisoformat(stanza.expiration) for stanza in stanzas(policies) if stanza.expiration}
    return tuple(Acl(rules(policies, {}, moment)) for moment in sorted({*ends, _END}))


@lru_cache(maxsize=65536)
def _heading(bao: OpenBao, path: str) -> frozenset[str]:
    """The policies with a stanza that begins like the path: of many policies few have to be asked."""
    head = "/".join(path.split("/")[:2])
    return _heads(bao).get(head, frozenset()) | _heads(bao)[""]


@lru_cache(maxsize=16)
def _heads(bao: OpenBao) -> dict[str, frozenset[str]]:
    """The names of policies by the first two segments of their paths; under "" those with wildcards in these two."""
    found: dict[str, set[str]] = {"": set()}
    for name, policy in bao.policy.items():
        for stanza in stanzas([policy]):
            head = "/".join(stanza.pattern.split("/")[:2])
            open_ended = "+" in head or "{{" in head or (stanza.prefix and stanza.pattern.count("/") < 2)
            found.setdefault("" if open_ended else head, set()).add(name)
    return {head: frozenset(names) for head, names in found.items()}


@lru_cache(maxsize=4096)
def _templated(policies: tuple[VaultPolicy, ...]) -> tuple[Rule, ...]:
    return tuple(stanza for stanza in stanzas(policies) if "{{" in stanza.pattern)


@lru_cache(maxsize=65536)
def _decided(
    policies: tuple[VaultPolicy, ...], request: Request, capability: str, loose: bool
) -> tuple[str, tuple[Approval, ...]] | None:
    """The words of the rule that allows the request and its control group; None if nothing does."""
    templated = [stanza for stanza in _templated(policies) if _could_match(stanza, request.path)]
    for stanza in templated:
        if capability in stanza.capabilities and (not request.sudo or "sudo" in stanza.capabilities):
            return _words(stanza), stanza.approvals
    for acl in _acls(policies):
        rule = acl.rule(request.path, capability)
        if rule is None or rule.denies or capability not in rule.capabilities:
            continue
        if request.sudo and "sudo" not in rule.capabilities:
            continue
        if request.any_parameters or templated or _parameters_fit(rule, request, loose):
            return _words(rule), rule.approvals
    return None


def _could_match(rule: Rule, path: str) -> bool:
    """Whether a stanza with templates matches the path for some identity."""
    pattern = _TEMPLATE.sub(".+", re.escape(rule.pattern).replace(re.escape("+"), "[^/]+"))
    return re.fullmatch(pattern + (".*" if rule.prefix else ""), path) is not None


def _words(rule: Rule) -> str:
    names = " and ".join(dict.fromkeys(name for name, _ in rule.sources))
    return f"policy {names}, path {rule.pattern}{'*' if rule.prefix else ''}"


def _parameters_fit(rule: Rule, request: Request, loose: bool) -> bool:
    """Whether the request can be worded so that the rule's constraints let it pass."""
    for choice in (*request.true, *request.free):
        if not any(_fits(rule, name, choice in request.true, loose) for name in choice.split("|")):
            return False
    return True


def _fits(rule: Rule, name: str, true: bool, loose: bool) -> bool:
    """Whether a parameter may be given: a list of denied values leaves others, of allowed ones only those listed."""
    denied: Parameters = rule.denied or {}
    if "*" in denied or (name in denied and not denied[name]):
        return False
    allowed_ones: Parameters = rule.allowed or {}
    if loose or not allowed_ones or (name not in allowed_ones and "*" in allowed_ones):
        return True
    if name not in allowed_ones:
        return False
    values = allowed_ones[name]
    return not true or not values or any(listed(value, values) for value in _TRUE)


def _alone(
    bao: OpenBao, actor: str, approvals: Sequence[Approval], capability: str, gained: Set[Gained]
) -> tuple[Gained, ...] | None:
    """The gains by which one human gives every approval asked for, () if none is; None if it takes other people.

    The server counts entities of the factor's groups and leaves out the asker's own. Whoever can make members of a
    group has as many as are asked for.
    """
    factors = [factor for factor in approvals if capability in factor.capabilities]
    if not factors:
        return ()
    login = bao.login.get(actor)
    asking = login.entity if login else actor.removeprefix("bao:entity/")
    for factor in factors:
        groups = [group for group in bao.groups if {above.name for above in bao.above(group.name)} & set(factor.groups)]
        for group in groups:
            if ("join", f"bao:group/{group.name}") in gained:
                return (("join", f"bao:group/{group.name}"),)
        members = {f"bao:entity/{name}" for group in groups for name in group.entities if name != asking}
        members |= {
            one.name for group in groups for one in bao.logins if one.mount in group.mounts and one.name != actor
        }
        held = sorted(("act", name) for name in members if ("act", name) in gained)
        if len(held) >= factor.approvals:
            return tuple(held[: factor.approvals])
    return None


def quorums(facts: Facts) -> list[dict[str, object]]:
    """The control groups of the policies as JSON data: quorums that were read, not assumed."""
    if facts.openbao is None:
        return []
    return [
        {
            "policy": stanza.sources[0][0],
            "path": stanza.pattern + ("*" if stanza.prefix else ""),
            "capabilities": sorted(factor.capabilities & stanza.capabilities),
            "groups": list(factor.groups),
            "approvals": factor.approvals,
        }
        for stanza in stanzas(list(facts.openbao.policy.values()))
        for factor in stanza.approvals
    ]
