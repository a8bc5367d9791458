"""The organisation an account belongs to, and the control policies that bind it, read from moto's records at each call.

Nothing is kept between calls but parsed texts (`strongroom.authorization.documents`, by name and content), so that a
policy attached, changed or detached holds from the next call on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from moto.organizations.models import FakeOrganization, OrganizationsBackend, organizations_backends

from strongroom.authorization.documents import Named

Kind = Literal["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
SCP: Kind = "SERVICE_CONTROL_POLICY"
RCP: Kind = "RESOURCE_CONTROL_POLICY"
_WORDS = {SCP: "service control policy", RCP: "resource control policy"}
#: The services whose resources an RCP binds (Organizations user guide, "Resource control policies"), of those here.
RCP_SERVICES = frozenset(("s3", "sts", "kms", "sqs", "secretsmanager", "dynamodb", "logs", "ecr"))
#: No RCP keeps anybody from giving a grant back (same page, "Resources and entities not restricted by RCPs").
RCP_EXEMPT = frozenset({"kms:RetireGrant"})
Levels = Sequence[Sequence[Named]]


def organisation_of(account: str) -> OrganizationsBackend | None:
    """The records of the organisation an account manages or belongs to; None where it is in none."""
    manager, partition = organizations_backends.master_accounts.get(account, (account, "aws"))
    if manager not in organizations_backends:
        return None
    backend: OrganizationsBackend = organizations_backends[manager][partition]
    return backend if backend.org is not None else None


def organisation(backend: OrganizationsBackend) -> FakeOrganization:
    """The organisation of a backend that has one."""
    assert backend.org is not None
    return backend.org


def enabled(backend: OrganizationsBackend, kind: str) -> bool:
    """True where the organisation's root has a policy type enabled."""
    root: Any = backend.ou[0]
    return any(row["Type"] == kind for row in root.policy_types)


def path_of(backend: OrganizationsBackend, account: str) -> list[Any]:
    """Root, organisational units and the account itself, from the top."""
    nodes = {unit.id: unit for unit in list(backend.ou)}
    node: Any = next(member for member in list(backend.accounts) if member.id == account)
    path = [node]
    while node.parent_id in nodes:
        node = nodes[node.parent_id]
        path.append(node)
    return path[::-1]


def levels(account: str, kind: Kind) -> Levels:
    """The control policies of one kind from the root to the account; () where none bind it.

    None bind an account without organisation, the management account, or any account while the type is not enabled.
    """
    backend = organisation_of(account) if account else None
    if backend is None or organisation(backend).master_account_id == account or not enabled(backend, kind):
        return ()
    return [
        [
            Named(f"{_WORDS[kind]} {policy.name} ({policy.id} on {node.id})", policy.content)
            for policy in list(node.attached_policies)
            if policy.type == kind
        ]
        for node in path_of(backend, account)
    ]


def resource_levels(owner: str, action: str) -> Levels:
    """The RCPs that bind an action on resources of an account; () where RCPs do not reach the action's service."""
    if action in RCP_EXEMPT or action.partition(":")[0] not in RCP_SERVICES:
        return ()
    return levels(owner, RCP)


def organisation_context(account: str, side: Literal["Principal", "Resource"]) -> dict[str, Any]:
    """aws:PrincipalOrgID and aws:PrincipalOrgPaths, or the same of the resource; empty outside organisations."""
    backend = organisation_of(account) if account else None
    if backend is None:
        return {}
    identifier = organisation(backend).id
    above = [node.id for node in path_of(backend, account)[:-1]]
    return {f"aws:{side}OrgID": identifier, f"aws:{side}OrgPaths": ("/".join([identifier, *above]) + "/",)}
