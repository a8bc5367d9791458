"""Who asks, as a request shows it: as oneself or as a federated user, inside an organisation or out, with what keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from strongroom.authorization.prover import services
from strongroom.authorization.prover.derivation import Gained
from strongroom.authorization.prover.facts import OUTSIDER, Facts, Identity
from strongroom.authorization.prover.possible import CALLERS, FIXED, NAMES
from strongroom.authorization.prover.targets import Aim
from strongroom.authorization.request import Principal, Value

_INSIDE = FIXED | {"aws:principalorgid"}


@dataclass(frozen=True, slots=True)
class Asker:
    """A way to ask: the principal, the keys that follow from it, which of them are decided."""

    principal: Principal
    context: dict[str, Value]
    fixed: frozenset[str]


def askers(
    facts: Facts, identity: Identity, action: str, aim: Aim, gained: Set[Gained], service: str
) -> Iterator[Asker]:
    """Every way in which the identity can make a request for an action on an aim; see `power.decide`."""
    context: dict[str, Value] = {"aws:ViaAWSService": bool(service)}
    lowered = action.lower()
    if lowered.startswith("kms:"):
        context["kms:CallerAccount"] = identity.account
        context["kms:ViaService"] = service or None
        if lowered in services.ABOUT_GRANTS:
            context["kms:GrantIsForAWSResource"] = False
    if lowered in services.FENCED:
        context["iam:PermissionsBoundary"] = aim.fence or None
    fixed = decided(facts, identity) - (CALLERS if service else frozenset())
    if aim.fence is None:
        fixed -= {"iam:permissionsboundary"}
    for organisation in _organisations(facts, identity):
        context = {**context, "aws:PrincipalOrgID": organisation}
        yield Asker(identity.principal, context, fixed)
        if ("federate", identity.arn) in gained:
            arn = identity.arn.replace(":iam:", ":sts:", 1).replace(":user/", ":federated-user/", 1)
            yield Asker(Principal(arn, identity.account, "federated-user"), context, fixed - NAMES)
    if identity is OUTSIDER and lowered.partition(":")[0] in services.WITHOUT_CREDENTIALS:
        # without credentials a request lacks every key of a principal
        nothing: dict[str, Value] = {**context, "aws:PrincipalOrgID": None, "aws:PrincipalIsAWSService": None}
        yield Asker(Principal("*", "", "anonymous"), nothing, fixed)


def _organisations(facts: Facts, identity: Identity) -> Sequence[str | None]:
    """The organisations that the identity may be in, None for none: an account outside is where its owner likes."""
    if not facts.organisation:
        return (None,)
    if identity is OUTSIDER:
        return (None, "o-outside")
    inside = identity.account in facts.account_of or not facts.accounts
    return (facts.organisation,) if inside else (None, "o-outside", facts.organisation)


def decided(facts: Facts, identity: Identity) -> frozenset[str]:
    """The condition keys that are decided for requests of an identity, made directly and as itself."""
    if identity.made:
        return (_INSIDE if facts.organisation else FIXED) - NAMES
    return _INSIDE if facts.organisation else FIXED
