"""KMS keys and aliases.

Keys are named by their bare id in every call: for an ARN, moto fails on some of them.
"""

from __future__ import annotations

from local_cloud.plugins.aws_tags import REGION, TAGS, from_pairs, pairs, retag, told, wanted
from local_cloud.plugins.documents import POLICY
from local_cloud.plugins.shapes import BOOLEAN, INTEGER, KEY
from local_cloud.plugins.table import Autoname, Gone, Invalid, Operation, Prop, Properties, ResourceType


def _create_key(op: Operation) -> str:
    tags = pairs(wanted(op), "TagKey", "TagValue")
    made = op.client.create_key(**op.api(), **({"Tags": tags} if tags else {}))
    return str(made["KeyMetadata"]["KeyId"])


def _set_rotation(op: Operation) -> None:
    if op.inputs.get("enableKeyRotation"):
        op.client.enable_key_rotation(KeyId=op.id, **_period(op))
    elif op.olds.get("enableKeyRotation"):
        op.client.disable_key_rotation(KeyId=op.id)


def _period(op: Operation) -> Properties:
    days = op.inputs.get("rotationPeriodInDays")
    return {"RotationPeriodInDays": int(days)} if days else {}


def _disable(op: Operation) -> None:
    if op.inputs.get("isEnabled") is False:
        op.client.disable_key(KeyId=op.id)


def _read_key(op: Operation) -> Properties:
    kms = op.client
    key = kms.describe_key(KeyId=op.id)["KeyMetadata"]
    if key["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
        raise Gone(f"key {key['KeyId']} is pending deletion")
    found: Properties = {
        "arn": key["Arn"],
        "keyId": key["KeyId"],
        "description": key.get("Description", ""),
        "isEnabled": key["Enabled"],
        "keyUsage": key["KeyUsage"],
        "customerMasterKeySpec": key.get("KeySpec") or key.get("CustomerMasterKeySpec"),
        "multiRegion": key.get("MultiRegion", False),
        "policy": kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"],
        "region": key["Arn"].split(":")[3],
    }
    if found["customerMasterKeySpec"] == "SYMMETRIC_DEFAULT" and key.get("Origin", "AWS_KMS") == "AWS_KMS":
        rotation = kms.get_key_rotation_status(KeyId=key["KeyId"])
        found["enableKeyRotation"] = rotation["KeyRotationEnabled"]
        if rotation.get("RotationPeriodInDays") and rotation["KeyRotationEnabled"]:
            found["rotationPeriodInDays"] = rotation["RotationPeriodInDays"]
    tags = from_pairs(kms.list_resource_tags(KeyId=key["KeyId"]).get("Tags"), "TagKey", "TagValue")
    return found | told(op, tags)


def _update_key(op: Operation) -> None:
    kms = op.client
    if "isEnabled" in op.changed and op.inputs.get("isEnabled"):
        kms.enable_key(KeyId=op.id)
    if "description" in op.changed:
        kms.update_key_description(KeyId=op.id, Description=op.inputs.get("description") or "")
    if "policy" in op.changed and op.inputs.get("policy"):
        bypass = bool(op.inputs.get("bypassPolicyLockoutSafetyCheck"))
        kms.put_key_policy(
            KeyId=op.id, PolicyName="default", Policy=op.inputs["policy"], BypassPolicyLockoutSafetyCheck=bypass
        )
    if op.changed & {"enableKeyRotation", "rotationPeriodInDays"}:
        _set_rotation(op)
    retag(
        op,
        lambda tags: kms.tag_resource(KeyId=op.id, Tags=pairs(tags, "TagKey", "TagValue")),
        lambda names: kms.untag_resource(KeyId=op.id, TagKeys=names),
    )
    if "isEnabled" in op.changed:
        _disable(op)


def _delete_key(op: Operation) -> None:
    days = int(op.get("deletionWindowInDays", 30))
    op.client.schedule_key_deletion(KeyId=op.id, PendingWindowInDays=days)


def _create_alias(op: Operation) -> str:
    name = str(op.inputs["name"])
    if not name.startswith("alias/"):
        raise Invalid(f"alias name {name} must begin with alias/")
    op.client.create_alias(AliasName=name, TargetKeyId=op.inputs["targetKeyId"])
    return name


def _read_alias(op: Operation) -> Properties:
    for page in op.client.get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == op.id:
                arn, key = alias["AliasArn"], alias["TargetKeyId"]
                stem = arn.rsplit(":", 1)[0]
                return {
                    "name": op.id,
                    "arn": arn,
                    "targetKeyId": key,
                    "targetKeyArn": f"{stem}:key/{key}",
                    "region": arn.split(":")[3],
                }
    raise Gone(f"alias {op.id}")


def _update_alias(op: Operation) -> None:
    if "targetKeyId" in op.changed:
        op.client.update_alias(AliasName=op.id, TargetKeyId=op.inputs["targetKeyId"])


TYPES = (
    ResourceType(
        "aws:kms/key:Key",
        "kms",
        create=_create_key,
        read=_read_key,
        update=_update_key,
        delete=_delete_key,
        id="keyId",
        hooks=(_set_rotation, _disable),
        inputs={
            "bypassPolicyLockoutSafetyCheck": Prop(
                "BypassPolicyLockoutSafetyCheck", codec=BOOLEAN, default=False, kept=True
            ),
            "customKeyStoreId": Prop("CustomKeyStoreId", replaces=True),
            "customerMasterKeySpec": Prop("KeySpec", replaces=True, default="SYMMETRIC_DEFAULT"),
            "deletionWindowInDays": Prop(codec=INTEGER, kept=True),
            "description": Prop("Description", computed=True),
            "enableKeyRotation": Prop(codec=BOOLEAN, default=False),
            "isEnabled": Prop(codec=BOOLEAN, default=True),
            "keyUsage": Prop("KeyUsage", replaces=True, default="ENCRYPT_DECRYPT"),
            "multiRegion": Prop("MultiRegion", replaces=True, codec=BOOLEAN, default=False),
            "policy": Prop("Policy", codec=POLICY, computed=True),
            "rotationPeriodInDays": Prop(codec=INTEGER, computed=True),
            "xksKeyId": Prop("XksKeyId", replaces=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "keyId", "tagsAll"),
    ),
    ResourceType(
        "aws:kms/alias:Alias",
        "kms",
        create=_create_alias,
        read=_read_alias,
        update=_update_alias,
        delete=lambda op: op.client.delete_alias(AliasName=op.id),
        id="name",
        inputs={
            "name": Prop(replaces=True, autoname=Autoname(256, before="alias/")),
            "namePrefix": Prop(replaces=True, kept=True),
            "targetKeyId": Prop(required=True, codec=KEY),
            **REGION,
        },
        outputs=("arn", "targetKeyArn"),
    ),
)
