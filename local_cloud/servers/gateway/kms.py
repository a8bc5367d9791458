"""KMS keys from CreateKey to ScheduleKeyDeletion: policies, state, tags; moto only learns that they exist."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from . import kms_material
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_answers import key_of, metadata, moment, not_pending, own_key, page
from .kms_keys import Key
from .kms_policy import check_key_policy, default_policy


class KeyAdministration:
    """The rules of a key's life; `kms_use` uses its material, `kms_rotation` renews it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._keys = cloud, cloud.keys

    def rules(self) -> list[Rule]:
        """One rule for each operation, named as its method."""
        named = {
            "CreateKey": self.create_key,
            "DescribeKey": self.describe_key,
            "ListKeys": self.list_keys,
            "GetKeyPolicy": self.get_key_policy,
            "PutKeyPolicy": self.put_key_policy,
            "ListKeyPolicies": self.list_key_policies,
            "EnableKey": self.enable_key,
            "DisableKey": self.disable_key,
            "ScheduleKeyDeletion": self.schedule_key_deletion,
            "CancelKeyDeletion": self.cancel_key_deletion,
            "UpdateKeyDescription": self.update_key_description,
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "ListResourceTags": self.list_resource_tags,
            "GetKeyLastUsage": self.get_key_last_usage,
        }
        return [Rule("kms", operation, replace=method) for operation, method in named.items()]

    def create_key(self, call: Call) -> Response:
        """CreateKey: spec and usage must fit, and the caller must keep the right to change the policy."""
        params = call.params
        spec = params.get("KeySpec") or params.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
        usage = params.get("KeyUsage", "ENCRYPT_DECRYPT" if spec == "SYMMETRIC_DEFAULT" else "")
        if spec not in kms_material.SPECS or params.get("Origin", "AWS_KMS") != "AWS_KMS":
            raise Refuse("UnsupportedOperationException", f"this cloud makes no keys of spec {spec} or foreign origin")
        if not usage:
            raise Refuse(
                "ValidationException", "You must specify a KeyUsage value for all but symmetric encryption keys."
            )
        if usage not in kms_material.usages(spec):
            raise Refuse("ValidationException", f"KeyUsage {usage} does not fit KeySpec {spec}")
        multi = bool(params.get("MultiRegion"))
        key = Key(
            f"mrk-{uuid.uuid4().hex}" if multi else str(uuid.uuid4()),
            call.account,
            call.region,
            spec,
            usage,
            params.get("Policy") or default_policy(call.account),
            call.now.timestamp(),
            params.get("Description", ""),
            multi_region=multi,
            primary_region=call.region if multi else "",
            tags={tag["TagKey"]: tag["TagValue"] for tag in params.get("Tags", ())},
        )
        check_key_policy(self._cloud, call, key, key.policy, bypass=bool(params.get("BypassPolicyLockoutSafetyCheck")))
        key.add_material(call.now)
        self._keys.add(key)
        call.trail["resources"] = [key.arn]
        return call.answer({"KeyMetadata": metadata(self._cloud, key)})

    def describe_key(self, call: Call) -> Response:
        """DescribeKey by id, ARN or alias, across accounts by ARN."""
        return call.answer({"KeyMetadata": metadata(self._cloud, key_of(self._cloud, call))})

    def list_keys(self, call: Call) -> Response:
        """ListKeys of the account and Region."""
        rows = [{"KeyId": key.id, "KeyArn": key.arn} for key in self._keys.of(call.account, call.region)]
        return page(call, "Keys", rows, 100)

    def get_key_policy(self, call: Call) -> Response:
        """GetKeyPolicy."""
        return call.answer({"Policy": own_key(self._cloud, call).policy, "PolicyName": "default"})

    def put_key_policy(self, call: Call) -> Response:
        """PutKeyPolicy, with the lockout check."""
        key, params = own_key(self._cloud, call), call.params
        not_pending(key)
        check_key_policy(
            self._cloud, call, key, params["Policy"], bypass=bool(params.get("BypassPolicyLockoutSafetyCheck"))
        )
        key.policy = params["Policy"]
        self._keys.save(key)
        return call.answer()

    def list_key_policies(self, call: Call) -> Response:
        """ListKeyPolicies: there is one, named default."""
        own_key(self._cloud, call)
        return call.answer({"PolicyNames": ["default"], "Truncated": False})

    def enable_key(self, call: Call) -> Response:
        """EnableKey."""
        key = own_key(self._cloud, call)
        not_pending(key)
        key.enabled = True
        self._keys.save(key)
        return call.answer()

    def disable_key(self, call: Call) -> Response:
        """DisableKey."""
        key = own_key(self._cloud, call)
        not_pending(key)
        key.enabled = False
        self._keys.save(key)
        return call.answer()

    def schedule_key_deletion(self, call: Call) -> Response:
        """ScheduleKeyDeletion in 7 to 30 days, 30 where nothing is said."""
        key, days = own_key(self._cloud, call), call.params.get("PendingWindowInDays", 30)
        not_pending(key)
        if not 7 <= days <= 30:
            raise Refuse("ValidationException", "PendingWindowInDays must be between 7 and 30")
        key.deletion, key.enabled = (call.now + timedelta(days=days)).timestamp(), False
        self._keys.save(key)
        return call.answer(
            {
                "KeyId": key.arn,
                "DeletionDate": moment(key.deletion),
                "KeyState": key.state,
                "PendingWindowInDays": days,
            }
        )

    def cancel_key_deletion(self, call: Call) -> Response:
        """CancelKeyDeletion; the key stays disabled."""
        key = own_key(self._cloud, call)
        if key.deletion is None:
            raise Refuse("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
        key.deletion = None
        self._keys.save(key)
        return call.answer({"KeyId": key.arn})

    def update_key_description(self, call: Call) -> Response:
        """UpdateKeyDescription."""
        key = own_key(self._cloud, call)
        not_pending(key)
        key.description = call.params["Description"]
        self._keys.save(key)
        return call.answer()

    def tag_resource(self, call: Call) -> Response:
        """TagResource."""
        key = own_key(self._cloud, call)
        not_pending(key)
        key.tags |= {tag["TagKey"]: tag["TagValue"] for tag in call.params["Tags"]}
        self._keys.save(key)
        return call.answer()

    def untag_resource(self, call: Call) -> Response:
        """UntagResource."""
        key = own_key(self._cloud, call)
        not_pending(key)
        key.tags = {name: value for name, value in key.tags.items() if name not in call.params["TagKeys"]}
        self._keys.save(key)
        return call.answer()

    def list_resource_tags(self, call: Call) -> Response:
        """ListResourceTags."""
        rows = [{"TagKey": name, "TagValue": value} for name, value in own_key(self._cloud, call).tags.items()]
        return page(call, "Tags", rows, 50)

    def get_key_last_usage(self, call: Call) -> Response:
        """GetKeyLastUsage: the last successful cryptographic use, from the trail."""
        key = own_key(self._cloud, call)
        answer: dict[str, Any] = {
            "KeyId": key.arn,
            "KeyCreationDate": moment(key.created),
            "TrackingStartDate": moment(key.created),
        }
        use = self._cloud.last_uses.of(key.arn)
        if use is not None:
            answer["KeyLastUsage"] = {
                "Operation": use.operation,
                "Timestamp": use.at,
                "CloudTrailEventId": use.event,
                "KmsRequestId": use.request,
            }
        return call.answer(answer)
