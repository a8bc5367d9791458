"""The permissions that a call needs, by service; a call whose permissions nobody knows is refused."""

from __future__ import annotations

from . import backup, ecr, iam, kms_demands, operations, organizations, s3_demands, secretsmanager, sns, sqs, ssm
from .access import Demand
from .call import Call
from .cloud import Cloud
from .errors import denied
from .sts import SecurityTokens


def demands_of(cloud: Cloud, call: Call) -> list[Demand]:
    """Every permission a call needs. Raises Refuse for an operation without a known mapping."""
    found: list[Demand] | None
    match call.service:
        case "kms":
            found = kms_demands.demands(cloud, call)
        case "s3":
            found = s3_demands.demands(cloud, call)
        case "sts":
            found = SecurityTokens(cloud).demands(call)
        case "iam":
            found = iam.demands(call)
        case "sqs":
            found = sqs.demands(call)
        case "organizations":
            found = organizations.demands(call)
        case "backup":
            found = backup.demands(cloud, call)
        case "ecr":
            found = ecr.demands(call)
        case "sns":
            found = sns.demands(call)
        case "ssm":
            found = ssm.demands(call)
        case "secretsmanager":
            found = secretsmanager.demands(call)
        case _:
            found = operations.demands(call)
    if found is None:
        raise denied(
            call.service,
            f"this cloud does not know which permission {call.service}:{call.operation} needs, so it is refused",
        )
    return found


def authorise(cloud: Cloud, call: Call) -> None:
    """Raises Refuse unless every permission the call needs is allowed."""
    for demand in demands_of(cloud, call):
        cloud.access.require(call, demand)
