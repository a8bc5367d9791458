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
    known, accounts = {identity.arn for identity in identities}, {identity.account for identity in identities}
    kept: list[Carrier] = []
    for carrier in dict.fromkeys(carriers):
        if carrier.role in known or carrier.role.startswith("bao:") or carrier.role.endswith(":root"):
            kept.append(carrier)
        elif carrier.role.split(":")[4:5] != [carrier.account] or carrier.account not in accounts:
            unknown.append(f"{carrier.arn} carries {carrier.role}, which is not among the identities that were read")
        # else it was deleted: who makes it anew has it without the carrier
    return kept, unknown


def _passable(identities: Sequence[Identity], service: str, account: str) -> list[str]:
    """The roles of an account that trust a service."""
    return [role.arn for role in identities if role.account == account and _trusts(role, service)]


def _trusts(role: Identity, service: str) -> bool:
    try:
        return trusts_service(role, service)
    except UnknownElement:
        return True  # the prover names the element and refuses; until then the role counts
