"""What an identity may possibly do on a target, given what a human has gained so far.

A request is decided once for each way in which it can be made: as oneself or as a federated user, with the policy of
the resource as it is or as one may have changed it. The first way that is allowed is the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from functools import lru_cache

from strongroom.authorization.decision import Decision, Layer
from strongroom.authorization.documents import Form, Named, parse
from strongroom.authorization.evaluate import Policies, evaluate
from strongroom.authorization.grants import Grant
from strongroom.authorization.principals import Match, Principals
from strongroom.authorization.prover import services
from strongroom.authorization.prover.asking import Asker, askers, decided
from strongroom.authorization.prover.derivation import Gained
from strongroom.authorization.prover.facts import ANYTHING, Account, Facts, Identity
from strongroom.authorization.prover.patterns import covers, overlap
from strongroom.authorization.prover.possible import FIXED, NAMES, loosened
from strongroom.authorization.prover.rules import GRANTED
from strongroom.authorization.prover.targets import Aim, aim_at
from strongroom.authorization.request import Principal, Request

_ASSUMING = frozenset({"sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml"})
_ALLOW = (
    '{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*", "Action": {}, "Resource": "*"}}]}}'
)
_EVERYTHING, _ANY_GRANTED, _SHARED = (_ALLOW.format(json.dumps(actions)) for actions in ("*", GRANTED, services.SHARED))
#: Gains by which a resource lets in whom its policy does not.
_OPENED = ("own", "copy", "use", "share")
_REFUSED = Decision(False, "no policy is about the request", Layer.IDENTITY, False, None, ())


def decide(
    facts: Facts, identity: Identity, action: str, aim: Aim, gained: Set[Gained], *, service: str = ""
) -> Decision:
    """Whether the identity may possibly do the action on the aim, with what its human has gained.

    service: through this service (`s3.us-east-1.amazonaws.com`); "" directly. An aim that is a pattern is any resource
    that matches it. Actions that take several people are nobody's alone.
    """
    decision = _REFUSED
    if in_quorum(facts, action, aim.arn) or _hopeless(facts, identity, action, aim, gained):
        return decision
    if identity.kind == "root" and action.lower() in _ASSUMING:
        return decision  # the root user assumes no role
    for asker in askers(facts, identity, action, aim, gained, service):
        for resource, grants in _versions(facts, identity, action, aim, gained):
            for own in _policies(facts, identity, action, aim.account, gained):
                own = replace(own, resource=resource, grants=grants)
                for within in _within(own, action, aim):
                    decision = _evaluate(asker, action, aim, own, within, ("shed", identity.arn) in gained)
                    if decision.allowed:
                        sealed = aim.sealed and action.lower() in services.SEALED
                        shut = sealed and not opens(facts, identity, action, aim.sealed, gained)
                        return _REFUSED if shut else decision
    return decision


def anywhere(facts: Facts, identity: Identity, action: str, gained: Set[Gained]) -> bool:
    """Whether the identity may possibly do the action on some resource of its account."""
    return decide(facts, identity, action, Aim("*", identity.account, fence=None), gained).allowed


def opens(facts: Facts, identity: Identity, reading: str, key_arn: str, gained: Set[Gained]) -> bool:
    """Whether the identity may decrypt under a key, directly or through the service of the action that reads.

    A key that the facts do not hold keeps nobody out.
    """
    key = facts.key_of.get(key_arn)
    if key is None:
        return True
    service = f"{reading.partition(':')[0]}.{key.arn.split(':')[3]}.amazonaws.com"
    return any(
        decide(facts, identity, "kms:Decrypt", aim_at(facts, key), gained, service=way).allowed for way in ("", service)
    )


def trusts_service(role: Identity, service: str) -> bool:
    """Whether the role's trust policy lets the service become it."""
    return role.trust is not None and _lets_in(role.trust, role.arn, service)


@lru_cache(maxsize=65536)
def _lets_in(trust: Named, role: str, service: str) -> bool:
    asking = Request(Principal(service, "", "service"), "sts:AssumeRole", role, {}, role.split(":")[4])
    return evaluate(asking, Policies(resource=loosened(trust, Form.TRUST, FIXED))).allowed


def in_quorum(facts: Facts, action: str, arn: str) -> bool:
    """Whether the action on the resource takes several people."""
    return any(q.people >= 2 and q.action.lower() == action.lower() and covers(q.resource, arn) for q in facts.quorums)


def _hopeless(facts: Facts, identity: Identity, action: str, aim: Aim, gained: Set[Gained]) -> bool:
    """True if no Allow is about this request, conditions aside, so that the whole decision need not be made."""
    named = _named(facts, identity, action, aim, gained)
    if named > Match.ACCOUNT:
        return False
    # a key, a role and whatever is another account's must at least name the account
    leans = aim.account != identity.account or aim.key is not None or action.lower() in _ASSUMING
    return (leans and named is Match.NONE) or not _covered(facts, identity, action, aim, gained)


def _named(facts: Facts, identity: Identity, action: str, aim: Aim, gained: Set[Gained]) -> Match:
    """How closely the resource's side may name the identity; DIRECT if a grant or a gain makes that uncertain."""
    if aim.key is not None and aim.key.grants:
        return Match.DIRECT
    if gained and any(kind in _OPENED and arn in (aim.arn, aim.store) for kind, arn in gained):
        return Match.DIRECT
    if aim.policy is None:
        return Match.NONE
    found = _let_in(resolved(facts, aim.policy), _form(action, aim), decided(facts, identity), action.lower())
    return max((Match.DIRECT if who is None else who.match(identity.principal) for who in found), default=Match.NONE)


def _covered(facts: Facts, identity: Identity, action: str, aim: Aim, gained: Set[Gained]) -> bool:
    """Whether an Allow of the identity's own policies may cover the action on the resource."""
    if identity.kind == "root":
        return True
    request = Request(identity.principal, action, aim.arn, {}, aim.account)
    fixed, within = decided(facts, identity) - NAMES, aim.arn if "*" in aim.arn else ""
    return any(
        statement.actions.match(request.action_key)
        and (statement.resources is None or statement.resources.match(request))
        for found in _chosen(facts, identity, gained)
        for policy in found
        for statement in parse(loosened(policy, Form.IDENTITY, fixed, within=within), Form.IDENTITY).allows
    )


@lru_cache(maxsize=262144)
def _let_in(policy: Named, form: Form, fixed: frozenset[str], action: str) -> tuple[Principals | None, ...]:
    """Whom the Allow statements of a policy that cover an action name."""
    allows = parse(loosened(policy, form, fixed), form).allows
    return tuple(statement.principals for statement in allows if statement.actions.match(action))


def _form(action: str, aim: Aim) -> Form:
    return Form.KEY if aim.key else Form.TRUST if action.lower() in _ASSUMING else Form.RESOURCE


def resolved(facts: Facts, policy: Named) -> Named:
    """The policy with the unique ids of known identities replaced by their ARNs."""
    if not facts.arn_of or not isinstance(policy.document, str):
        return policy
    text = policy.document
    for unique_id in (known for known in facts.arn_of if f'"{known}"' in text):
        text = text.replace(f'"{unique_id}"', f'"{facts.arn_of[unique_id]}"')
    return policy if text is policy.document else Named(policy.name, text)


def _versions(
    facts: Facts, identity: Identity, action: str, aim: Aim, gained: Set[Gained]
) -> Iterator[tuple[Named | None, tuple[Grant, ...]]]:
    """The resource's policy and grants, as they are and as they may have been changed."""
    subject = aim.store or aim.arn
    name = f"{aim.policy.name if aim.policy else subject}, rewritten"
    policy = aim.policy and resolved(facts, aim.policy)
    grants = tuple(_unconstrained(grant) for grant in aim.key.grants) if aim.key else ()
    if ("use", subject) in gained and aim.key:
        operations = frozenset(operation.removeprefix("kms:") for operation in GRANTED)
        grants += (Grant("made by itself", aim.arn, identity.principal.arn, operations),)
    if identity.kind == "root" and identity.account == aim.account and action.lower() in services.UNLOCKS:
        policy = None
    yield policy, grants
    if ("own", subject) in gained:
        yield Named(name, _EVERYTHING), grants
    if ("copy", subject) in gained:
        yield Named(f"policy of a replica of {subject}", _ANY_GRANTED), grants
    if ("share", subject) in gained:
        yield _shared(name, policy), grants
    if ("bare", subject) in gained:
        yield None, grants


def _shared(name: str, policy: Named | None) -> Named:
    """The policy with a statement more that lets everybody in."""
    document = json.loads(_SHARED)
    if policy is not None:
        listed = json.loads(str(policy.document))["Statement"]
        document["Statement"] = [*(listed if isinstance(listed, list) else [listed]), *document["Statement"]]
    return Named(name, json.dumps(document))


def _policies(facts: Facts, who: Identity, action: str, owner: str, gained: Set[Gained]) -> Iterator[Policies]:
    """The identity's side, for each choice of what to join.

    One group is enough for one request, and none may be best: groups deny as well.
    """
    nothing = Account("")
    mine, theirs = (
        nothing if ("unruled", account) in gained else facts.account_of.get(account, nothing)
        for account in (who.account, owner)
    )
    ruled = action.lower().partition(":")[0] in services.UNDER_RCPS
    for found in _chosen(facts, who, gained):
        yield Policies(
            identity=found,
            boundary=None if ("unfenced", who.arn) in gained else who.boundary,
            scps=tuple(tuple(level) for level in mine.scps),
            rcps=tuple(tuple(level) for level in theirs.rcps) if ruled else (),
        )


def _chosen(facts: Facts, who: Identity, gained: Set[Gained]) -> Iterator[tuple[Named, ...]]:
    if ("admin", who.arn) in gained:
        yield (Named(f"{who.arn}, rewritten", ANYTHING),)
        return
    yield tuple(who.policies)
    if who.kind == "user":
        for arn in sorted(arn for kind, arn in gained if kind == "join" and f"::{who.account}:" in arn):
            yield (*who.policies, *facts.groups.get(arn, ()))


def _within(own: Policies, action: str, aim: Aim) -> Sequence[str]:
    """The patterns of resources to decide on: one per Allow that reaches into the aim, so that a Deny beside it counts.

    Whatever resource is allowed matches one of them, and no Deny covers all that matches that one.
    """
    if "*" not in aim.arn:
        return ("",)
    found: set[str] = set()
    for form, policies in (
        (Form.IDENTITY, own.identity),
        (_form(action, aim), (own.resource,) if own.resource else ()),
    ):
        for policy in policies:
            for statement in parse(policy, form).allows:
                if not statement.actions.match(action.lower()):
                    continue
                texts = statement.resources.texts if statement.resources and not statement.resources.negated else ("*",)
                for text in texts:
                    if covers(aim.arn, text) and "${" not in text:
                        found.add(text)
                    elif text == "*" or overlap(text, aim.arn):
                        found.add(aim.arn)
    return sorted(found) or (aim.arn,)


def _evaluate(asker: Asker, action: str, aim: Aim, own: Policies, within: str, shed: bool) -> Decision:
    """The decision, with every policy loosened; shed: policies of the identity that deny this very request are gone."""

    def loose(policies: Sequence[Named], form: Form) -> tuple[Named, ...]:
        return tuple(loosened(policy, form, asker.fixed, within=within) for policy in policies)

    request = Request(asker.principal, action, within or aim.arn, asker.context, aim.account)
    identity = loose(own.identity, Form.IDENTITY)
    if shed:
        alone = ((policy, parse(policy, Form.IDENTITY).denies) for policy in identity)
        identity = tuple(policy for policy, denies in alone if not any(deny.match(request) for deny in denies))
    session = None if asker.principal.kind != "federated-user" else (Named("session", ANYTHING),)
    return evaluate(
        request,
        Policies(
            identity=identity,
            boundary=own.boundary and loose((own.boundary,), Form.BOUNDARY)[0],
            session=session,
            scps=tuple(loose(level, Form.SCP) for level in own.scps),
            rcps=tuple(loose(level, Form.RCP) for level in own.rcps),
            resource=own.resource and loose((own.resource,), _form(action, aim))[0],
            grants=own.grants,
        ),
    )


def _unconstrained(grant: Grant) -> Grant:
    """The grant without its constraints: encryption contexts are the asker's to choose."""
    return Grant(grant.id, grant.key, grant.grantee, grant.operations, {}, grant.retiring, grant.name)
