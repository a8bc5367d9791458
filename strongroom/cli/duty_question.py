"""`duty who-can`: one question in names, put to the prover in ARNs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongroom.authorization.deployed import Deployed
    from strongroom.authorization.prover.holdings import Held
    from strongroom.estate.manifest import Manifest
    from strongroom.estate.model import Estate

SERVICES = ("kms", "s3", "sqs", "sns", "secretsmanager", "sts", "iam", "bao")


class Question:
    """Who can come to do `action` on `resource`; UsageError for what cannot be asked."""

    def __init__(self, estate: Estate, manifest: Manifest, found: Deployed, action: str, resource: str) -> None:
        from strongroom.errors import UsageError

        service, _, name = action.partition(":")
        if service not in SERVICES or not name or "*" in action:
            raise UsageError(f"{action!r} is no single action of {', '.join(SERVICES)}", hint="for example kms:Decrypt")
        self.estate, self.manifest, self.found, self.action, self.resource = estate, manifest, found, action, resource

    @cached_property
    def resources(self) -> tuple[str, ...]:
        """The ARNs, or the path of OpenBao, that the resource stands for: a role has one in each of its accounts."""
        from strongroom.authorization.deployed.declared import deployed_as
        from strongroom.estate import separation

        if separation.is_role(self.resource):
            return tuple(arn for arn in separation.roles_of(self.estate, self.resource) if self._known(arn))
        return tuple(deployed_as(self.manifest, self.resource))

    def answer(self) -> dict[str, Held]:
        """Every human who can, with the shortest way; UsageError if nothing of that name is deployed."""
        from strongroom.authorization.prover import Reach
        from strongroom.errors import UnknownElement, UsageError

        reach = Reach(self.found.facts)
        able: dict[str, Held] = {}
        try:
            for arn in self.resources:
                for human, held in reach.who_can(self.action, arn).items():
                    if human not in able or len(held.way) < len(able[human].way):
                        able[human] = held
        except UnknownElement as unknown:
            raise UsageError(f"{self.resource}: {unknown.message}", hint="strongroom key list") from None
        return able

    def _known(self, arn: str) -> bool:
        return arn in self.found.facts.by_arn
