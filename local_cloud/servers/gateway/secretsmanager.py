"""Secrets Manager: which secret a call means, and the permissions it needs."""

from __future__ import annotations

from typing import Any

from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

from strongroom.authorization.documents import Named

from .access import Demand
from .call import Call
from .operations import tag_context

_ON_SECRET = """CancelRotateSecret DeleteResourcePolicy DeleteSecret DescribeSecret GetResourcePolicy GetSecretValue
    ListSecretVersionIds PutResourcePolicy PutSecretValue RestoreSecret RotateSecret TagResource UntagResource
    UpdateSecret UpdateSecretVersionStage ValidateResourcePolicy ReplicateSecretToRegions
    RemoveRegionsFromReplication""".split()


def secret_of(call: Call) -> FakeSecret | None:
    """moto's secret of a call, by name or ARN (then of whichever account); None where it does not exist."""
    reference = call.params.get("SecretId", "")
    account = reference.split(":")[4] if reference.startswith("arn:") else call.account
    secrets = secretsmanager_backends[account][call.region].secrets
    found = secrets.get(reference)
    if not isinstance(found, FakeSecret):
        return None
    if found.deleted_date is not None and call.now.timestamp() >= found.deleted_date:
        secrets.pop(reference)  # its recovery window has ended
        return None
    return found


def request_context(call: Call) -> dict[str, Any]:
    """The condition keys that repeat a request's parameters (service authorization reference, "Secrets Manager")."""
    names = {
        "VersionId": "VersionId",
        "VersionStage": "VersionStage",
        "RecoveryWindowInDays": "RecoveryWindowInDays",
        "ForceDeleteWithoutRecovery": "ForceDeleteWithoutRecovery",
        "BlockPublicPolicy": "BlockPublicPolicy",
        "RotationLambdaARN": "RotationLambdaARN",
        "RotateImmediately": "RotateImmediately",
        "KmsKeyId": "KmsKeyArn",
        "Name": "Name",
        "Description": "Description",
    }
    return {f"secretsmanager:{key}": call.params[name] for name, key in names.items() if name in call.params}


def demands(call: Call) -> list[Demand] | None:
    """The permissions a Secrets Manager call needs; None where the operation is not known here."""
    action = f"secretsmanager:{call.operation}"
    context: dict[str, Any]
    if call.operation == "CreateSecret":
        name = call.params["Name"]
        arn = f"arn:aws:secretsmanager:{call.region}:{call.account}:secret:{name}-??????"
        context = {**tag_context(call), **request_context(call)}
        needed = [Demand(action, arn, context)]
        return needed + ([Demand("secretsmanager:TagResource", arn, context)] if call.params.get("Tags") else [])
    if call.operation in ("ListSecrets", "GetRandomPassword"):
        return [Demand(action)]
    if call.operation not in _ON_SECRET:
        return None
    secret = secret_of(call)
    if secret is None:
        reference = call.params.get("SecretId", "")
        arn = (
            reference
            if reference.startswith("arn:")
            else f"arn:aws:secretsmanager:{call.region}:{call.account}:secret:"
        )
        return [Demand(action, arn if arn == reference else f"{arn}{reference}", tag_context(call))]
    call.backend_account = secret.account_id
    context = {**tag_context(call), **request_context(call), "secretsmanager:SecretId": secret.arn}
    for tag in secret.tags or []:
        context[f"aws:ResourceTag/{tag['Key']}"] = tag["Value"]
        context[f"secretsmanager:ResourceTag/{tag['Key']}"] = tag["Value"]
    policy = Named(f"resource policy of secret {secret.name}", secret.policy) if secret.policy else None
    return [Demand(action, secret.arn, context, policy=policy)]
