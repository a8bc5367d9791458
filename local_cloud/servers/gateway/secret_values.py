"""Values of secrets: their KMS key, versions and staging labels, rotation, policies; bytes stay in moto's memory.

Source: Secrets Manager API reference; user guide, "What's in a Secrets Manager secret?" and "Secret encryption and
decryption".
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

from strongroom.authorization.documents import Form, Named

from .access import Demand
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_policy import checked_policy
from .kms_use import KeyUse
from .rds import Databases
from .s3_buckets import is_public
from .secretsmanager import secret_of
from .service_calls import service_call, service_principal

LARGEST, MOST_LABELS = 65536, 20
_DELETED = "You can't perform this operation on the secret because it was marked for deletion."
_SECRETSMANAGER = service_principal("secretsmanager.amazonaws.com")


class Secrets:
    """What moto does not check of secrets."""

    def __init__(self, cloud: Cloud, use: KeyUse, databases: Databases) -> None:
        self._cloud, self._use, self._databases = cloud, use, databases

    def rules(self) -> list[Rule]:
        """Rules that refuse before moto, and rotation, which moto gets wrong."""
        return [
            Rule("secretsmanager", "CreateSecret", before=self._sized, after=self._created),
            Rule("secretsmanager", "PutSecretValue", before=self._put),
            Rule("secretsmanager", "UpdateSecret", before=self._update),
            Rule("secretsmanager", "GetSecretValue", before=self._read),
            Rule("secretsmanager", "PutResourcePolicy", before=self._policy),
            Rule("secretsmanager", "RotateSecret", replace=self._rotate),
            Rule("secretsmanager", "UpdateSecretVersionStage", before=self._stage, after=self._staged),
        ]

    # the key

    def _key(self, call: Call, secret: FakeSecret, reference: str, version: str, *actions: str) -> Refuse | None:
        """The refusal of KMS as Secrets Manager answers it, where the caller may not use the key for this secret."""
        via = replace(call, via_service=f"secretsmanager.{call.region}.amazonaws.com", account=secret.account_id)
        context = {"SecretARN": secret.arn, "SecretVersionId": version}
        failure = "EncryptionFailure" if "GenerateDataKey" in actions else "DecryptionFailure"
        try:
            for action in actions:
                self._use.check_via(via, reference, action, context)
        except Refuse as refusal:
            if refusal.code.startswith("KMS."):
                return Refuse(failure, refusal.message)
            if refusal.code == "NotFoundException":
                return Refuse("InvalidParameterException", f"the secret's KMS key does not exist: {refusal.message}")
            return Refuse(refusal.code, f"Access to KMS is not allowed: {refusal.message}")
        return None

    def _own_key(self, secret: FakeSecret) -> str:
        return secret.kms_key_id or "alias/aws/secretsmanager"

    # values

    def _sized(self, call: Call) -> Refuse | None:
        params = call.params
        if "SecretString" in params and "SecretBinary" in params:
            return Refuse("InvalidParameterException", "You can't specify both SecretString and SecretBinary.")
        value = params.get("SecretString", params.get("SecretBinary", ""))
        if len(value.encode() if isinstance(value, str) else value) > LARGEST:
            return Refuse("ValidationException", f"a secret's value has at most {LARGEST} bytes")
        return None

    def _created(self, call: Call, response: Response) -> Response:
        """The key is asked for when the secret's ARN is known; where it refuses, the secret never was."""
        if response.status != 200 or not {"SecretString", "SecretBinary"} & set(call.params):
            return response
        assert isinstance(response.body, bytes), "moto answers whole bodies"
        made = json.loads(response.body)
        secrets = secretsmanager_backends[call.account][call.region].secrets
        secret = secrets.get(made["ARN"])
        assert isinstance(secret, FakeSecret), "moto has just made it"
        used = "GenerateDataKey", "Decrypt"
        refused = self._key(call, secret, self._own_key(secret), made.get("VersionId", ""), *used)
        if refused is not None:
            secrets.pop(made["ARN"])
            raise refused
        return response

    def _put(self, call: Call) -> Refuse | None:
        secret = secret_of(call)
        if secret is None:
            return None
        if secret.is_deleted():
            return Refuse("InvalidRequestException", _DELETED)
        if not {"SecretString", "SecretBinary"} & set(call.params):
            return Refuse("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
        if len(call.params.get("VersionStages") or ()) > MOST_LABELS:
            return Refuse("LimitExceededException", f"a version has at most {MOST_LABELS} staging labels")
        version = call.params.get("ClientRequestToken", "")
        return self._sized(call) or self._key(
            call, secret, self._own_key(secret), version, "GenerateDataKey", "Decrypt"
        )

    def _update(self, call: Call) -> Refuse | None:
        """UpdateSecret: another key needs the old one too, because the current value is encrypted anew."""
        secret, params = secret_of(call), call.params
        if secret is None:
            return None
        if secret.is_deleted():
            return Refuse("InvalidRequestException", _DELETED)
        key, version = params.get("KmsKeyId") or self._own_key(secret), params.get("ClientRequestToken", "")
        valued = bool({"SecretString", "SecretBinary"} & set(params))
        if refused := self._sized(call):
            return refused
        if "KmsKeyId" in params and not valued and secret.versions:
            current = secret.default_version_id or ""
            refused = self._key(call, secret, self._own_key(secret), current, "Decrypt")
        if refused is None and (valued or "KmsKeyId" in params):
            refused = self._key(call, secret, key, version, "GenerateDataKey", "Decrypt")
        return refused

    def _read(self, call: Call) -> Refuse | None:
        secret, params = secret_of(call), call.params
        if secret is None:
            return None
        if secret.is_deleted():
            return Refuse("InvalidRequestException", _DELETED)
        stage = params.get("VersionStage", "AWSCURRENT")
        labelled = (name for name, row in secret.versions.items() if stage in row["version_stages"])
        version = params.get("VersionId") or next(labelled, "")
        return self._key(call, secret, self._own_key(secret), version, "Decrypt")

    def _policy(self, call: Call) -> Refuse | None:
        text = call.params["ResourcePolicy"]
        identities = self._cloud.identities
        checked_policy(text, Form.RESOURCE, "secret policy", identities, "MalformedPolicyDocumentException")
        if call.params.get("BlockPublicPolicy") and is_public(json.loads(text)):
            return Refuse(
                "PublicPolicyException", "the policy grants access to everybody, which BlockPublicPolicy bars"
            )
        return None

    # staging labels

    def _stage(self, call: Call) -> Refuse | None:
        """A label is on one version; AWSCURRENT moves, only to a version that has a value, and is never removed."""
        secret, params = secret_of(call), call.params
        if secret is None:
            return None
        label, leaves, joins = (params.get(name) for name in ("VersionStage", "RemoveFromVersionId", "MoveToVersionId"))
        holder = next((name for name, row in secret.versions.items() if label in row["version_stages"]), None)
        if label == "AWSCURRENT" and not joins:
            return Refuse("InvalidParameterException", "You can't remove AWSCURRENT; move it to another version.")
        if joins and holder not in (None, joins) and leaves != holder:
            message = (
                f"Staging label {label} is currently attached to version {holder}, so RemoveFromVersionId names it."
            )
            return Refuse("InvalidParameterException", message)
        row = secret.versions.get(joins) if joins else None
        if row is not None and label == "AWSCURRENT" and not {"secret_string", "secret_binary"} & set(row):
            return Refuse("InvalidRequestException", f"version {joins} has no value, so it cannot become AWSCURRENT")
        if row is not None and len({*row["version_stages"], label}) > MOST_LABELS:
            return Refuse("LimitExceededException", f"a version has at most {MOST_LABELS} staging labels")
        return None

    def _staged(self, call: Call, response: Response) -> Response:
        secret = secret_of(call)
        if response.status == 200 and secret is not None:
            # moto reads the version it made the default, whichever has the label
            current = (name for name, row in secret.versions.items() if "AWSCURRENT" in row["version_stages"])
            secret.set_default_version_id(next(current, None))
        return response

    # rotation

    def _rotate(self, call: Call) -> Response:
        """RotateSecret: a database's own secret anew; else by a function, which this cloud does not run.

        So the rotation stays as it is on AWS while its function has not answered: AWSPENDING is on a version without a
        value, and AWSCURRENT where it was.
        """
        secret, params = secret_of(call), call.params
        if secret is None:
            raise Refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        if secret.is_deleted():
            raise Refuse("InvalidRequestException", _DELETED)
        version = params.get("ClientRequestToken") or str(uuid.uuid4())
        if secret.owning_service == "rds":
            self._databases.renew(secret, version)
        else:
            self._by_function(call, secret, version)
        secret.last_rotation_date = int(call.now.timestamp())
        return call.answer({"ARN": secret.arn, "Name": secret.name, "VersionId": version})

    def _by_function(self, call: Call, secret: FakeSecret, version: str) -> None:
        function = call.params.get("RotationLambdaARN") or secret.rotation_lambda_arn
        if not function:
            message = "No Lambda rotation function ARN is associated with this secret."
            raise Refuse("InvalidRequestException", message)
        rules: dict[str, Any] = call.params.get("RotationRules") or {}
        days = rules.get("AutomaticallyAfterDays")
        if days is not None and not 1 <= days <= 1000:
            raise Refuse("InvalidParameterException", "RotationRules.AutomaticallyAfterDays must be within 1-1000.")
        self._invocable(call, secret, function)
        pending = [row for row in secret.versions.values() if "AWSPENDING" in row["version_stages"]]
        if any("AWSCURRENT" not in row["version_stages"] for row in pending):
            raise Refuse(
                "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted."
            )
        secret.rotation_requested, secret.rotation_enabled, secret.rotation_lambda_arn = True, True, function
        if days is not None:
            secret.auto_rotate_after_days = days
            secret.next_rotation_date = int((call.now + timedelta(days=days)).timestamp())
        if call.params.get("RotateImmediately", True) and secret.versions:
            secret.remove_version_stages_from_old_versions(["AWSPENDING"])
            secret.versions[version] = {
                "createdate": int(call.now.timestamp()),
                "version_id": version,
                "version_stages": ["AWSPENDING"],
            }

    def _invocable(self, call: Call, secret: FakeSecret, arn: str) -> None:
        parts = arn.split(":")
        backend = lambda_backends[parts[4]][parts[3]] if len(parts) >= 7 else None
        found = backend.list_functions() if backend is not None else ()
        function = next((one for one in found if one.function_arn == arn), None)
        if function is None:
            raise Refuse("ResourceNotFoundException", f"Secrets Manager can't find the function {arn}")
        asking = service_call(
            self._cloud,
            _SECRETSMANAGER,
            "lambda",
            "Invoke",
            {"FunctionName": arn},
            account=secret.account_id,
            region=call.region,
            source_arn=secret.arn,
        )
        statements = function.policy.statements
        document = {"Version": "2012-10-17", "Statement": statements}
        policy = Named(f"policy of function {arn}", document) if statements else None
        if not self._cloud.access.allowed(asking, Demand("lambda:InvokeFunction", arn, policy=policy)):
            raise Refuse(
                "AccessDeniedException",
                "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants "
                "access to the principal secretsmanager.amazonaws.com.",
            )
