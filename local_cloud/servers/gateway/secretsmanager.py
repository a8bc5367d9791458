"""Secrets Manager: resource policies, and the secret's KMS key needed to write and to read; bytes stay in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

from strongroom.authorization.documents import Form, Named

from .access import Demand
from .call import Call, Refuse, Rule
from .cloud import Cloud
from .kms_policy import checked_policy
from .kms_use import KeyUse
from .operations import tag_context

_ON_SECRET = """CancelRotateSecret DeleteResourcePolicy DeleteSecret DescribeSecret GetResourcePolicy GetSecretValue
    ListSecretVersionIds PutResourcePolicy PutSecretValue RestoreSecret RotateSecret TagResource UntagResource
    UpdateSecret UpdateSecretVersionStage ValidateResourcePolicy ReplicateSecretToRegions
    RemoveRegionsFromReplication""".split()


def secret_of(call: Call) -> FakeSecret | None:
    """moto's secret of a call, by name or ARN (then of whichever account); None where it does not exist."""
    reference = call.params.get("SecretId", "")
    account = reference.split(":")[4] if reference.startswith("arn:") else call.account
    found = secretsmanager_backends[account][call.region].secrets.get(reference)
    return found if isinstance(found, FakeSecret) else None


def demands(call: Call) -> list[Demand] | None:
    """The permissions a Secrets Manager call needs; None where the operation is not known here."""
    action = f"secretsmanager:{call.operation}"
    context: dict[str, Any]
    if call.operation == "CreateSecret":
        name = call.params["Name"]
        arn = f"arn:aws:secretsmanager:{call.region}:{call.account}:secret:{name}-??????"
        context = {**tag_context(call), "secretsmanager:Name": name}
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
    context = {**tag_context(call), "secretsmanager:SecretId": secret.arn}
    if call.params.get("VersionStage"):
        context["secretsmanager:VersionStage"] = call.params["VersionStage"]
    for tag in secret.tags or []:
        context[f"aws:ResourceTag/{tag['Key']}"] = tag["Value"]
        context[f"secretsmanager:ResourceTag/{tag['Key']}"] = tag["Value"]
    policy = Named(f"resource policy of secret {secret.name}", secret.policy) if secret.policy else None
    return [Demand(action, secret.arn, context, policy=policy)]


class Secrets:
    """What moto does not check of secrets."""

    def __init__(self, cloud: Cloud, use: KeyUse) -> None:
        self._cloud, self._use = cloud, use

    def rules(self) -> list[Rule]:
        """Rules that refuse before moto."""
        writing = ("CreateSecret", "PutSecretValue", "UpdateSecret")
        return [
            *(Rule("secretsmanager", operation, before=self._write) for operation in writing),
            Rule("secretsmanager", "GetSecretValue", before=self._read),
            Rule("secretsmanager", "PutResourcePolicy", before=self._policy),
            Rule("secretsmanager", "RotateSecret", before=self._rotate),
        ]

    def _key(self, call: Call, actions: tuple[str, ...], failure: str) -> Refuse | None:
        secret = secret_of(call) if "SecretId" in call.params else None
        reference = call.params.get("KmsKeyId") or (secret.kms_key_id if secret is not None else None)
        if not reference:
            reference = "alias/aws/secretsmanager"
        arn = secret.arn if secret is not None else f"arn:aws:secretsmanager:{call.region}:{call.account}:secret"
        via = replace(call, via_service=f"secretsmanager.{call.region}.amazonaws.com")
        if secret is not None:
            via = replace(via, account=secret.account_id)
        try:
            for action in actions:
                self._use.check_via(via, reference, action, {"SecretARN": arn})
        except Refuse as refusal:
            if refusal.code.startswith("KMS."):
                return Refuse(failure, refusal.message)
            if refusal.code == "NotFoundException":
                return Refuse("InvalidParameterException", f"the secret's KMS key does not exist: {refusal.message}")
            return Refuse(refusal.code, f"Access to KMS is not allowed: {refusal.message}")
        return None

    def _write(self, call: Call) -> Refuse | None:
        if "SecretString" not in call.params and "SecretBinary" not in call.params:
            return None
        return self._key(call, ("GenerateDataKey", "Decrypt"), "EncryptionFailure")

    def _read(self, call: Call) -> Refuse | None:
        if secret_of(call) is None:
            return None
        return self._key(call, ("Decrypt",), "DecryptionFailure")

    def _policy(self, call: Call) -> Refuse | None:
        text = call.params["ResourcePolicy"]
        identities = self._cloud.identities
        checked_policy(text, Form.RESOURCE, "secret policy", identities, "MalformedPolicyDocumentException")
        return None

    def _rotate(self, call: Call) -> Refuse | None:
        secret = secret_of(call)
        configured = secret is not None and (secret.rotation_lambda_arn or secret.owning_service)
        if call.params.get("RotationLambdaARN") or configured or secret is None:
            return None
        return Refuse("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
