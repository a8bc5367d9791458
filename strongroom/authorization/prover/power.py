"""What an identity may possibly do on a target, given what a human has gained so far."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

from strongroom.authorization.decision import Decision
from strongroom.authorization.documents import Form, Named
from strongroom.authorization.evaluate import Policies, evaluate
from strongroom.authorization.grants import Grant
from strongroom.authorization.prover.derivation import Gained
from strongroom.authorization.prover.facts import ANYTHING, OUTSIDER, Account, Carrier, Facts, Identity, Key
from strongroom.authorization.prover.possible import FIXED, FIXED_IN_ORGANISATION, loosened
from strongroom.authorization.prover.rules import GRANTED
from strongroom.authorization.request import Principal, Request, Value

_OWNED = (
    '{"Version": "2012-10-17", "Statement": '
    '[{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}'
)


@dataclass(frozen=True, slots=True)
class Aim:
    """A resource with its owner and its own policy, as a request names it."""

    arn: str
    account: str
    policy: Named | None = None
    key: Key | None = None


def crosses_nothing(identity: Identity, aim: Aim) -> bool:
    """True if the aim is another account's and has no policy of its own: no request to it can be allowed."""
    return aim.account != identity.account and aim.policy is None and aim.key is None


def aim_at(target: Identity | Key | Carrier) -> Aim:
    """The aim of a request on a target."""
    if isinstance(target, Key):
        return Aim(target.arn, target.account, target.policy, target)
    if isinstance(target, Carrier):
        return Aim(target.arn, target.account, target.policy)
    return Aim(target.arn, target.account)


def decide(facts: Facts, identity: Identity, action: str, aim: Aim, gained: Set[Gained]) -> Decision:
    """Whether the identity may possibly do the action on the aim, with what its human has gained."""
    form = Form.KEY if aim.key else Form.TRUST if action.startswith("sts:") else Form.RESOURCE
    resource = None if aim.policy is None else loosened(aim.policy, form, _fixed(facts))
    grants: tuple[Grant, ...] = ()
    if aim.key is not None:
        grants = tuple(aim.key.grants)
        if ("own", aim.arn) in gained:
            resource = Named(f"{aim.policy.name if aim.policy else aim.arn}, rewritten", _OWNED)
        if ("use", aim.arn) in gained:
            operations = frozenset(name.removeprefix("kms:") for name in GRANTED)
            grants += (Grant("made by itself", aim.arn, identity.principal.arn, operations),)
        grants = tuple(_unconstrained(grant) for grant in grants)
    own = _policies(facts, identity, aim.account, gained, anywhere=False)
    request = Request(identity.principal, action, aim.arn, _context(facts, identity), aim.account)
    return evaluate(request, replace(own, resource=resource, grants=grants))


def anywhere(facts: Facts, identity: Identity, action: str, gained: Set[Gained]) -> bool:
    """Whether the identity may possibly do the action on some resource of its account."""
    own = _policies(facts, identity, identity.account, gained, anywhere=True)
    request = Request(identity.principal, action, "*", _context(facts, identity), identity.account)
    return evaluate(request, own).allowed


def trusts_service(facts: Facts, role: Identity, service: str) -> bool:
    """Whether the role's trust policy lets the service become it."""
    if role.trust is None:
        return False
    asking = Request(Principal(service, "", "service"), "sts:AssumeRole", role.arn, {}, role.account)
    return evaluate(asking, Policies(resource=loosened(role.trust, Form.TRUST, _fixed(facts)))).allowed


def _policies(facts: Facts, who: Identity, owner: str, gained: Set[Gained], *, anywhere: bool) -> Policies:
    found = tuple(who.policies)
    if who.kind == "user":
        joined = (facts.groups.get(arn, ()) for kind, arn in gained if kind == "join" and f"::{who.account}:" in arn)
        found += tuple(policy for group in joined for policy in group)
    if ("admin", who.arn) in gained:
        found = (Named(f"{who.arn}, rewritten", ANYTHING),)
    boundary = None if ("unfenced", who.arn) in gained else who.boundary
    nothing = Account("")
    mine, theirs = facts.account_of.get(who.account, nothing), facts.account_of.get(owner, nothing)

    def loose(policies: tuple[Named, ...], form: Form) -> tuple[Named, ...]:
        return tuple(loosened(policy, form, _fixed(facts), anywhere=anywhere) for policy in policies)

    return Policies(
        identity=loose(found, Form.IDENTITY),
        boundary=None if boundary is None else loosened(boundary, Form.BOUNDARY, _fixed(facts), anywhere=anywhere),
        scps=tuple(loose(tuple(level), Form.SCP) for level in mine.scps),
        rcps=tuple(loose(tuple(level), Form.RCP) for level in theirs.rcps),
    )


def _fixed(facts: Facts) -> frozenset[str]:
    return FIXED_IN_ORGANISATION if facts.organisation else FIXED


def _context(facts: Facts, identity: Identity) -> dict[str, Value]:
    """The keys that follow from who asks, directly and not through a service."""
    found: dict[str, Value] = {
        "aws:ViaAWSService": False,
        "kms:CallerAccount": identity.account,
        "kms:GrantIsForAWSResource": False,
    }
    if facts.organisation and identity is not OUTSIDER:
        found["aws:PrincipalOrgID"] = facts.organisation
    return found


def _unconstrained(grant: Grant) -> Grant:
    """The grant without its constraints: encryption contexts are the asker's to choose."""
    return Grant(grant.id, grant.key, grant.grantee, grant.operations, {}, grant.retiring, grant.name)
