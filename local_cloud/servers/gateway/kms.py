"""KMS administration by the gateway itself: keys, aliases, policies, state, rotation, tags; moto only stores names."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from . import kms_material
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_keys import ON_DEMAND_LIMIT, Key, Material
from .kms_policy import check_key_policy, default_policy

_ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}")


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def usable(key: Key) -> None:
    """Raises Refuse for a disabled key (DisabledException) or one that awaits deletion (KMSInvalidStateException)."""
    if key.state == "PendingDeletion":
        raise Refuse("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if key.state == "Disabled":
        raise Refuse("DisabledException", f"{key.arn} is disabled.")


def not_pending(key: Key) -> None:
    """Raises Refuse for a key that awaits deletion."""
    if key.state == "PendingDeletion":
        raise Refuse("KMSInvalidStateException", f"{key.arn} is pending deletion.")


class KeyAdministration:
    """The rules of everything in KMS that does not use key material."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._keys = cloud, cloud.keys

    def rules(self) -> list[Rule]:
        """One rule for each operation, named as its method."""
        named = {
            "CreateKey": self.create_key,
            "DescribeKey": self.describe_key,
            "ListKeys": self.list_keys,
            "CreateAlias": self.create_alias,
            "UpdateAlias": self.update_alias,
            "DeleteAlias": self.delete_alias,
            "ListAliases": self.list_aliases,
            "GetKeyPolicy": self.get_key_policy,
            "PutKeyPolicy": self.put_key_policy,
            "ListKeyPolicies": self.list_key_policies,
            "EnableKey": self.enable_key,
            "DisableKey": self.disable_key,
            "ScheduleKeyDeletion": self.schedule_key_deletion,
            "CancelKeyDeletion": self.cancel_key_deletion,
            "EnableKeyRotation": self.enable_key_rotation,
            "DisableKeyRotation": self.disable_key_rotation,
            "GetKeyRotationStatus": self.get_key_rotation_status,
            "RotateKeyOnDemand": self.rotate_key_on_demand,
            "ListKeyRotations": self.list_key_rotations,
            "UpdateKeyDescription": self.update_key_description,
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "ListResourceTags": self.list_resource_tags,
            "ReplicateKey": self.replicate_key,
            "GetKeyLastUsage": self.get_key_last_usage,
        }
        return [Rule("kms", operation, replace=method) for operation, method in named.items()]

    def _key(self, call: Call) -> Key:
        key = self._keys.find(call.params["KeyId"], call.account, call.region)
        with self._keys.lock:
            if key.rotate_if_due(call.now):
                self._keys.save(key)
        return key

    def _own(self, call: Call) -> Key:
        """The key, for operations that AWS offers within one account only."""
        if "alias/" in call.params["KeyId"]:
            raise Refuse("NotFoundException", f"{call.operation} takes a key id or key ARN, not an alias")
        return self._key(call)

    def metadata(self, key: Key) -> dict[str, Any]:
        """KeyMetadata as DescribeKey answers it."""
        names = kms_material.algorithms(key.spec, key.usage)
        field = {"SIGN_VERIFY": "SigningAlgorithms", "GENERATE_VERIFY_MAC": "MacAlgorithms"}.get(
            key.usage, "EncryptionAlgorithms"
        )
        data: dict[str, Any] = {
            "AWSAccountId": key.account,
            "KeyId": key.id,
            "Arn": key.arn,
            "CreationDate": _time(key.created),
            "Enabled": key.state == "Enabled",
            "Description": key.description,
            "KeyUsage": key.usage,
            "KeyState": key.state,
            "Origin": key.origin,
            "KeyManager": key.manager,
            "CustomerMasterKeySpec": key.spec,
            "KeySpec": key.spec,
            field: list(names),
            "MultiRegion": key.multi_region,
        }
        if key.spec == "SYMMETRIC_DEFAULT":
            data["CurrentKeyMaterialId"] = key.current.id
        if key.deletion is not None:
            data["DeletionDate"] = _time(key.deletion)
        if key.multi_region:
            rows = [{"Arn": other.arn, "Region": other.region} for other in self._keys.replicas(key)]
            data["MultiRegionConfiguration"] = {
                "MultiRegionKeyType": "PRIMARY" if key.primary_region == key.region else "REPLICA",
                "PrimaryKey": next(row for row in rows if row["Region"] == key.primary_region),
                "ReplicaKeys": [row for row in rows if row["Region"] != key.primary_region],
            }
        return data

    def create_key(self, call: Call) -> Response:
        """CreateKey: spec and usage must fit, and the caller must keep the right to change the policy."""
        params = call.params
        spec = params.get("KeySpec") or params.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
        usage = params.get("KeyUsage", "ENCRYPT_DECRYPT")
        if spec not in kms_material.SPECS or params.get("Origin", "AWS_KMS") != "AWS_KMS":
            raise Refuse("UnsupportedOperationException", f"this cloud makes no keys of spec {spec} or foreign origin")
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
        return call.answer({"KeyMetadata": self.metadata(key)})

    def describe_key(self, call: Call) -> Response:
        """DescribeKey by id, ARN or alias, across accounts by ARN."""
        return call.answer({"KeyMetadata": self.metadata(self._key(call))})

    def list_keys(self, call: Call) -> Response:
        """ListKeys of the account and Region."""
        rows = [{"KeyId": key.id, "KeyArn": key.arn} for key in self._keys.of(call.account, call.region)]
        return _page(call, "Keys", rows, 100)

    def create_alias(self, call: Call) -> Response:
        """CreateAlias for a key of the same account and Region."""
        name = call.params["AliasName"]
        if not _ALIAS.fullmatch(name):
            raise Refuse("InvalidAliasNameException", "an alias is alias/ and letters, digits, /, _ and -")
        if name.startswith("alias/aws/"):
            raise Refuse("NotAuthorizedException", "alias/aws/ is reserved for AWS")
        if (call.account, call.region, name) in self._keys.aliases:
            raise Refuse("AlreadyExistsException", f"An alias with the name {name} already exists")
        self._point(call, name)
        return call.answer()

    def update_alias(self, call: Call) -> Response:
        """UpdateAlias: the alias moves to another key of the same usage."""
        self._point(call, call.params["AliasName"])
        return call.answer()

    def _point(self, call: Call, name: str) -> None:
        key = self._keys.find(call.params["TargetKeyId"], call.account, call.region)
        not_pending(key)
        current = self._keys.aliases.get((call.account, call.region, name))
        if current is not None:
            old = self._keys.find(current[0], call.account, call.region)
            if (old.usage, old.spec == "SYMMETRIC_DEFAULT") != (key.usage, key.spec == "SYMMETRIC_DEFAULT"):
                raise Refuse("ValidationException", "an alias moves only between keys of the same kind and usage")
        self._keys.set_alias(call.account, call.region, name, key.id, call.now)

    def delete_alias(self, call: Call) -> Response:
        """DeleteAlias."""
        self._keys.set_alias(call.account, call.region, call.params["AliasName"], None, call.now)
        return call.answer()

    def list_aliases(self, call: Call) -> Response:
        """ListAliases, all or those of one key."""
        wanted = call.params.get("KeyId")
        key = self._keys.find(wanted, call.account, call.region) if wanted else None
        rows = [
            {
                "AliasName": name,
                "AliasArn": f"arn:aws:kms:{region}:{account}:{name}",
                "TargetKeyId": target,
                "CreationDate": _time(created),
                "LastUpdatedDate": _time(created),
            }
            for (account, region, name), (target, created) in sorted(self._keys.aliases.items())
            if (account, region) == (call.account, call.region) and (key is None or key.id == target)
        ]
        return _page(call, "Aliases", rows, 50)

    def get_key_policy(self, call: Call) -> Response:
        """GetKeyPolicy."""
        return call.answer({"Policy": self._own(call).policy, "PolicyName": "default"})

    def put_key_policy(self, call: Call) -> Response:
        """PutKeyPolicy, with the lockout check."""
        key, params = self._own(call), call.params
        not_pending(key)
        check_key_policy(
            self._cloud, call, key, params["Policy"], bypass=bool(params.get("BypassPolicyLockoutSafetyCheck"))
        )
        key.policy = params["Policy"]
        self._keys.save(key)
        return call.answer()

    def list_key_policies(self, call: Call) -> Response:
        """ListKeyPolicies: there is one, named default."""
        self._own(call)
        return call.answer({"PolicyNames": ["default"], "Truncated": False})

    def enable_key(self, call: Call) -> Response:
        """EnableKey."""
        key = self._own(call)
        not_pending(key)
        key.enabled = True
        self._keys.save(key)
        return call.answer()

    def disable_key(self, call: Call) -> Response:
        """DisableKey."""
        key = self._own(call)
        not_pending(key)
        key.enabled = False
        self._keys.save(key)
        return call.answer()

    def schedule_key_deletion(self, call: Call) -> Response:
        """ScheduleKeyDeletion in 7 to 30 days, 30 where nothing is said."""
        key, days = self._own(call), call.params.get("PendingWindowInDays", 30)
        not_pending(key)
        if not 7 <= days <= 30:
            raise Refuse("ValidationException", "PendingWindowInDays must be between 7 and 30")
        key.deletion, key.enabled = (call.now + timedelta(days=days)).timestamp(), False
        self._keys.save(key)
        return call.answer(
            {
                "KeyId": key.arn,
                "DeletionDate": _time(key.deletion),
                "KeyState": key.state,
                "PendingWindowInDays": days,
            }
        )

    def cancel_key_deletion(self, call: Call) -> Response:
        """CancelKeyDeletion; the key stays disabled."""
        key = self._own(call)
        if key.deletion is None:
            raise Refuse("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
        key.deletion = None
        self._keys.save(key)
        return call.answer({"KeyId": key.arn})

    def _rotatable(self, call: Call) -> Key:
        key = self._own(call)
        if key.spec != "SYMMETRIC_DEFAULT":
            raise Refuse("UnsupportedOperationException", f"a key of spec {key.spec} cannot be rotated")
        if key.manager == "AWS":
            raise Refuse("UnsupportedOperationException", "AWS rotates its own keys")
        usable(key)
        return key

    def enable_key_rotation(self, call: Call) -> Response:
        """EnableKeyRotation every 90 to 2560 days, 365 where nothing is said."""
        key, days = self._rotatable(call), call.params.get("RotationPeriodInDays", 365)
        if not 90 <= days <= 2560:
            raise Refuse("ValidationException", "RotationPeriodInDays must be between 90 and 2560")
        if key.rotation_days is None:
            key.rotation_since = call.now.timestamp()
        key.rotation_days = days
        self._keys.save(key)
        return call.answer()

    def disable_key_rotation(self, call: Call) -> Response:
        """DisableKeyRotation."""
        key = self._rotatable(call)
        key.rotation_days = None
        self._keys.save(key)
        return call.answer()

    def get_key_rotation_status(self, call: Call) -> Response:
        """GetKeyRotationStatus with period and next date."""
        key = self._own(call)
        if key.spec != "SYMMETRIC_DEFAULT":
            raise Refuse("UnsupportedOperationException", f"a key of spec {key.spec} cannot be rotated")
        status: dict[str, Any] = {"KeyRotationEnabled": key.rotation_days is not None, "KeyId": key.arn}
        if key.rotation_days is not None:
            status["RotationPeriodInDays"] = key.rotation_days
            status["NextRotationDate"] = _time(key.rotation_since) + timedelta(days=key.rotation_days)
        return call.answer(status)

    def rotate_key_on_demand(self, call: Call) -> Response:
        """RotateKeyOnDemand: new material that encrypts from now on; at most 25 times in a key's life."""
        key = self._rotatable(call)
        if key.primary_region not in ("", key.region):
            raise Refuse("UnsupportedOperationException", "a replica is rotated with its primary key")
        with self._keys.lock:
            if sum(material.kind == "ON_DEMAND" for material in key.materials) >= ON_DEMAND_LIMIT:
                raise Refuse("LimitExceededException", f"a key has at most {ON_DEMAND_LIMIT} on-demand rotations")
            key.add_material(call.now, "ON_DEMAND")
            self._keys.save(key)
        return call.answer({"KeyId": key.arn})

    def list_key_rotations(self, call: Call) -> Response:
        """ListKeyRotations: finished rotations; with IncludeKeyMaterial=ALL_KEY_MATERIAL the first material too."""
        key = self._own(call)
        if key.spec != "SYMMETRIC_DEFAULT":
            raise Refuse("UnsupportedOperationException", f"a key of spec {key.spec} cannot be rotated")
        everything = call.params.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL"
        rows = [_rotation(key, material) for material in key.materials if material.kind or everything]
        return _page(call, "Rotations", rows, 100)

    def update_key_description(self, call: Call) -> Response:
        """UpdateKeyDescription."""
        key = self._own(call)
        not_pending(key)
        key.description = call.params["Description"]
        self._keys.save(key)
        return call.answer()

    def tag_resource(self, call: Call) -> Response:
        """TagResource."""
        key = self._own(call)
        not_pending(key)
        key.tags |= {tag["TagKey"]: tag["TagValue"] for tag in call.params["Tags"]}
        self._keys.save(key)
        return call.answer()

    def untag_resource(self, call: Call) -> Response:
        """UntagResource."""
        key = self._own(call)
        not_pending(key)
        key.tags = {name: value for name, value in key.tags.items() if name not in call.params["TagKeys"]}
        self._keys.save(key)
        return call.answer()

    def list_resource_tags(self, call: Call) -> Response:
        """ListResourceTags."""
        rows = [{"TagKey": name, "TagValue": value} for name, value in self._own(call).tags.items()]
        return _page(call, "Tags", rows, 50)

    def replicate_key(self, call: Call) -> Response:
        """ReplicateKey: the same id and material in another Region, with a policy of its own."""
        key, params = self._own(call), call.params
        usable(key)
        region = params["ReplicaRegion"]
        if not key.multi_region or key.primary_region != key.region:
            raise Refuse("UnsupportedOperationException", "only the primary of a multi-Region key can be replicated")
        if self._keys.with_id(key.id, region) is not None:
            raise Refuse("AlreadyExistsException", f"the key has a replica in {region} already")
        replica = Key(
            key.id,
            key.account,
            region,
            key.spec,
            key.usage,
            params.get("Policy") or default_policy(key.account),
            call.now.timestamp(),
            params.get("Description", ""),
            multi_region=True,
            primary_region=key.region,
            tags={tag["TagKey"]: tag["TagValue"] for tag in params.get("Tags", ())},
            materials=list(key.materials),
        )
        bypass = bool(params.get("BypassPolicyLockoutSafetyCheck"))
        check_key_policy(self._cloud, call, replica, replica.policy, bypass=bypass)
        self._keys.add(replica)
        tags = [{"TagKey": name, "TagValue": value} for name, value in replica.tags.items()]
        return call.answer(
            {"ReplicaKeyMetadata": self.metadata(replica), "ReplicaPolicy": replica.policy, "ReplicaTags": tags}
        )

    def get_key_last_usage(self, call: Call) -> Response:
        """GetKeyLastUsage: the last cryptographic use, from the gateway's own record."""
        key = self._own(call)
        answer: dict[str, Any] = {
            "KeyId": key.arn,
            "KeyCreationDate": _time(key.created),
            "TrackingStartDate": _time(key.created),
        }
        if key.last_usage:
            answer["KeyLastUsage"] = {**key.last_usage, "Timestamp": _time(key.last_usage["Timestamp"])}
        return call.answer(answer)


def _rotation(key: Key, material: Material) -> dict[str, Any]:
    row: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyMaterialId": material.id,
        "KeyMaterialState": "CURRENT" if material is key.current else "NON_CURRENT",
    }
    if material.kind:
        row |= {"RotationType": material.kind, "RotationDate": _time(material.created)}
    return row


def _page(call: Call, name: str, rows: list[dict[str, Any]], default: int) -> Response:
    limit = call.params.get("Limit") or default
    try:
        start = int(json.loads(call.params.get("Marker") or "0"))
    except ValueError as broken:
        raise Refuse("InvalidMarkerException", "the marker was not made by this service") from broken
    answer: dict[str, Any] = {name: rows[start : start + limit], "Truncated": len(rows) > start + limit}
    if answer["Truncated"]:
        answer["NextMarker"] = str(start + limit)
    return call.answer(answer)
