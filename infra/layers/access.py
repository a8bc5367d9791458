"""The roles of the duties in every account; nothing here touches data or keys."""

from __future__ import annotations

import pulumi

from infra.components.duty_role import DutyRole, DutyRoleArgs
from infra.deployment import Deployment
from infra.layers.manifest import publish
from infra.policies import duty_permissions, service_permissions, trust_policies
from infra.policies.document import Document, to_json
from strongroom.estate import duties, names


def deploy(deployment: Deployment) -> None:
    """Composes the layer."""
    runners = _task_roles(deployment)
    roles: dict[str, dict[str, str]] = {}
    estate = deployment.estate
    for duty, accounts in duties.HOMES.items():
        for account in accounts:
            trust = trust_policies.duty_trust(estate, account, duty)
            policy = duty_permissions.duty_policy(estate, account, duty)
            _role(deployment, account, duty, trust, policy, depends_on=runners)
            roles.setdefault(account, {})[duty] = names.role_arn(estate, account, duty)
    service_policies = {
        "job-starter": service_permissions.starter_policy(estate),
        "task-starter": service_permissions.task_starter_policy(estate),
    }
    for duty, service in duties.SERVICES.items():
        trust = trust_policies.service_trust(estate, service)
        _role(deployment, "workload", duty, trust, service_policies[duty])
        roles["workload"][duty] = names.role_arn(estate, "workload", duty)
    publish(deployment, {"accounts": deployment.account_facts(roles)})


def _task_roles(deployment: Deployment) -> list[pulumi.Resource]:
    estate = deployment.estate
    return [
        _role(
            deployment,
            "workload",
            name,
            trust_policies.task_trust(estate),
            service_permissions.task_policy(estate, name),
        )
        for name, person in estate.people.items()
        if person.kind == "task"
    ]


def _role(
    deployment: Deployment,
    account: str,
    duty: str,
    trust: Document,
    policy: Document,
    depends_on: list[pulumi.Resource] | None = None,
) -> DutyRole:
    return DutyRole(
        f"{duty}-{account}",
        DutyRoleArgs(
            duty=duty,
            path=names.role_path(deployment.estate),
            trust=to_json(trust),
            policy=to_json(policy),
            tags=deployment.tags(owner="deployer.access"),
            boundary=names.duty_boundary_arn(deployment.estate, account),
        ),
        deployment.in_account(account, depends_on=depends_on or []),
    )
