"""What runs with which role, put together from everything that was read: who writes it acts as the role."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.authorization.deployed.survey import Survey
from strongroom.authorization.deployed.tasks import SERVICE, carriers_of
from strongroom.authorization.prover.facts import Carrier, Identity
from strongroom.authorization.prover.power import trusts_service
from strongroom.errors import UnknownElement


def carried(found: Survey, identities: Sequence[Identity]) -> tuple[list[Carrier], list[str]]:
    """The carriers of a survey; and what of them is not known, a sentence each."""
    carriers = [*found.carriers, *(carrier for carrier, _ in found.started)]
    unknown: list[str] = []
    policies = {store.arn: store.policy for store in found.stores if store.kind == "images"}
    for tasks in found.tasks:
        place = [tasks.region, tasks.account]
        starts = [start for carrier, start in found.started if start and carrier.arn.split(":")[3:5] == place]
        made, foreign = carriers_of(tasks, starts, _passable(identities, SERVICE, tasks.account), policies)
        carriers += made
        unknown += foreign
    return list(dict.fromkeys(carriers)), unknown


def _passable(identities: Sequence[Identity], service: str, account: str) -> list[str]:
    """The roles of an account that trust a service."""
    return [role.arn for role in identities if role.account == account and _trusts(role, service)]


def _trusts(role: Identity, service: str) -> bool:
    try:
        return trusts_service(role, service)
    except UnknownElement:
        return True  # the prover names the element and refuses; until then the role counts
