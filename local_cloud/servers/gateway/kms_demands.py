"""Which permissions a KMS call needs: the action, the key or alias, the key's policy, grants and condition keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from strongroom.authorization.documents import Named
from strongroom.authorization.grants import Grant

from .access import Demand
from .call import Call, Refuse
from .cloud import Cloud
from .kms_keys import Key
from .kms_material import take_apart
from .kms_policy import key_context

#: Operations on one key, whose action has the operation's name.
ON_KEY = frozenset(
    """DescribeKey GetKeyPolicy PutKeyPolicy ListKeyPolicies EnableKey DisableKey ScheduleKeyDeletion CancelKeyDeletion
    EnableKeyRotation DisableKeyRotation GetKeyRotationStatus ListKeyRotations RotateKeyOnDemand UpdateKeyDescription
    TagResource UntagResource ListResourceTags GetPublicKey GetKeyLastUsage CreateGrant ListGrants
    RevokeGrant Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair
    GenerateDataKeyPairWithoutPlaintext Sign Verify GenerateMac VerifyMac""".split()
)
#: Operations without a resource.
ON_NOTHING = frozenset({"ListKeys", "ListAliases", "GenerateRandom", "ListRetirableGrants"})


def key_demand(cloud: Cloud, call: Call, action: str, key: Key, context: dict[str, str] | None = None) -> Demand:
    """The demand of one action on one key, for the caller or for a service that calls for it."""
    conditions: dict[str, Any] = key_context(call, key)
    names = [name for (account, region, name), (target, _) in cloud.keys.aliases.items() if target == key.id]
    conditions["kms:ResourceAliases"] = tuple(names)
    for name, value in (context or {}).items():
        conditions[f"kms:EncryptionContext:{name}"] = value
    if context:
        conditions["kms:EncryptionContextKeys"] = tuple(context)
    reference = str(call.params.get("KeyId", ""))
    if "alias/" in reference and call.service == "kms":
        conditions["kms:RequestAlias"] = reference[reference.index("alias/") :]
    conditions |= _request_conditions(call) if call.service == "kms" else {}
    if action in ("DisableKey", "ScheduleKeyDeletion"):
        idle = cloud.last_uses.days_without(key.arn, call.now)
        # a key never used is idle since it was made, as GetKeyLastUsage tracks it from then on
        idle = (call.now - datetime.fromtimestamp(key.created, UTC)).days if idle is None else idle
        conditions["kms:TrailingDaysWithoutKeyUsage"] = idle
    return Demand(
        f"kms:{action}",
        key.arn,
        conditions,
        policy=Named(f"key policy of {key.arn}", key.policy),
        grants=[grant_of(key, row) for row in key.grants],
        beyond_rcps=key.manager == "AWS",
    )


def grant_of(key: Key, row: dict[str, Any]) -> Grant:
    """A stored grant in the words of `strongroom.authorization`."""
    return Grant(
        row["GrantId"],
        key.arn,
        row["GranteePrincipal"],
        frozenset(row["Operations"]),
        row.get("Constraints") or {},
        row.get("RetiringPrincipal", ""),
        row.get("Name", ""),
    )


def _request_conditions(call: Call) -> dict[str, Any]:
    params = call.params
    conditions: dict[str, Any] = {}
    if call.operation == "ScheduleKeyDeletion":
        conditions["kms:ScheduleKeyDeletionPendingWindowInDays"] = params.get("PendingWindowInDays", 30)
    if call.operation == "EnableKeyRotation":
        conditions["kms:RotationPeriodInDays"] = params.get("RotationPeriodInDays", 365)
    if call.operation in ("PutKeyPolicy", "CreateKey", "ReplicateKey"):
        conditions["kms:BypassPolicyLockoutSafetyCheck"] = bool(params.get("BypassPolicyLockoutSafetyCheck"))
    if call.operation == "UpdatePrimaryRegion":
        conditions["kms:PrimaryRegion"] = params.get("PrimaryRegion", "")
    if call.operation == "ReplicateKey":
        conditions["kms:ReplicaRegion"] = params.get("ReplicaRegion", "")
    if call.operation in ("Sign", "Verify"):
        conditions["kms:SigningAlgorithm"] = params.get("SigningAlgorithm", "")
        conditions["kms:MessageType"] = params.get("MessageType", "RAW")
    if call.operation in ("GenerateMac", "VerifyMac"):
        conditions["kms:MacAlgorithm"] = params.get("MacAlgorithm", "")
    if call.operation in ("Encrypt", "Decrypt"):
        conditions["kms:EncryptionAlgorithm"] = params.get("EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
    if call.operation == "GenerateDataKey":
        conditions["kms:DataKeySpec"] = params.get("KeySpec")
    if call.operation in ("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"):
        conditions["kms:DataKeyPairSpec"] = params.get("KeyPairSpec", "")
    if call.operation == "CreateGrant":
        conditions["kms:GrantOperations"] = tuple(params.get("Operations", ()))
        conditions["kms:GranteePrincipal"] = params.get("GranteePrincipal", "")
        # set by AWS services that create grants for their own resources; a caller's own CreateGrant is not one
        conditions["kms:GrantIsForAWSResource"] = bool(call.via_service)
        if params.get("Constraints"):
            conditions["kms:GrantConstraintType"] = next(iter(params["Constraints"]))
        if params.get("RetiringPrincipal"):
            conditions["kms:RetiringPrincipal"] = params["RetiringPrincipal"]
    tags = {tag["TagKey"]: tag["TagValue"] for tag in params.get("Tags", ())}
    if tags:
        conditions |= {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    if tags or params.get("TagKeys"):
        conditions["aws:TagKeys"] = tuple(tags) or tuple(params["TagKeys"])
    return conditions


def source_key(cloud: Cloud, call: Call, blob: bytes, reference: str | None, algorithm: str) -> Key:
    """The key that opens a ciphertext: named by it, and by the caller where it must be (asymmetric) or may be."""
    named = cloud.keys.find(reference, call.account, call.region) if reference else None
    if algorithm != "SYMMETRIC_DEFAULT":
        if named is None:
            raise Refuse("ValidationException", "KeyId is required for asymmetric algorithms")
        return named
    key = cloud.keys.with_id(take_apart(blob).key_id, call.region)
    if key is None:
        raise Refuse("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, ")
    if named is not None and named.id != key.id:
        raise Refuse("IncorrectKeyException", "the key in KeyId is not the key that encrypted this ciphertext")
    return key


def demands(cloud: Cloud, call: Call) -> list[Demand] | None:
    """The permissions a KMS call needs; None where the operation is not known here."""
    operation, params = call.operation, call.params
    if operation in ON_NOTHING:
        return [Demand(f"kms:{operation}")]
    if operation == "CreateKey":
        spec = params.get("KeySpec") or params.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
        usage = params.get("KeyUsage", "ENCRYPT_DECRYPT")
        context = _made_context(call, spec, usage, multi=bool(params.get("MultiRegion")))
        first = [Demand("kms:CreateKey", "*", context)]
        return [*first, Demand("kms:TagResource", "*", context)] if params.get("Tags") else first
    if operation in ("CreateAlias", "DeleteAlias", "UpdateAlias"):
        return _alias_demands(cloud, call)
    if operation == "RetireGrant":
        key, _ = grant_to_retire(cloud, call)
        return [key_demand(cloud, call, "RetireGrant", key)]
    if operation in ("Decrypt", "ReEncrypt"):
        prefix = "Source" if operation == "ReEncrypt" else ""
        algorithm = params.get(f"{prefix}EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
        source = source_key(cloud, call, params["CiphertextBlob"], params.get(f"{prefix}KeyId"), algorithm)
        opened = params.get(f"{prefix}EncryptionContext")
        if operation == "Decrypt":
            return [key_demand(cloud, call, "Decrypt", source, opened)]
        target = cloud.keys.find(params["DestinationKeyId"], call.account, call.region)
        same = {"kms:ReEncryptOnSameKey": source.arn == target.arn}
        pair = (
            key_demand(cloud, call, "ReEncryptFrom", source, opened),
            key_demand(cloud, call, "ReEncryptTo", target, params.get("DestinationEncryptionContext")),
        )
        return [Demand(d.action, d.resource, {**d.context, **same}, d.owner, d.policy, d.grants) for d in pair]
    if operation in ("ReplicateKey", "UpdatePrimaryRegion"):
        return _regional_demands(cloud, call)
    if operation in ON_KEY:
        key = cloud.keys.find(params["KeyId"], call.account, call.region)
        return [key_demand(cloud, call, operation, key, params.get("EncryptionContext"))]
    return None


def _regional_demands(cloud: Cloud, call: Call) -> list[Demand]:
    """Both ends of a multi-Region key: the primary here, and in the other Region what is made or becomes primary."""
    key = cloud.keys.find(call.params["KeyId"], call.account, call.region)
    here = key_demand(cloud, call, call.operation, key)
    if call.operation == "UpdatePrimaryRegion":
        replica = cloud.keys.with_id(key.id, call.params["PrimaryRegion"])
        return [here] if replica is None else [here, key_demand(cloud, call, call.operation, replica)]
    there = {
        **_made_context(call, key.spec, key.usage, multi=True),
        "aws:RequestedRegion": call.params["ReplicaRegion"],
    }
    made = [Demand("kms:CreateKey", "*", there)]
    return [here, *made, *([Demand("kms:TagResource", "*", there)] if call.params.get("Tags") else [])]


def _made_context(call: Call, spec: str, usage: str, *, multi: bool) -> dict[str, Any]:
    """The condition keys of a key that is to be made."""
    return {
        "kms:KeySpec": spec,
        "kms:KeyUsage": usage,
        "kms:KeyOrigin": call.params.get("Origin", "AWS_KMS"),
        "kms:MultiRegion": multi,
        "kms:CallerAccount": call.account,
        **_request_conditions(call),
    }


def _alias_demands(cloud: Cloud, call: Call) -> list[Demand]:
    name = call.params["AliasName"]
    alias = f"arn:aws:kms:{call.region}:{call.account}:{name}"
    needed = [Demand(f"kms:{call.operation}", alias, {"kms:CallerAccount": call.account})]
    current = cloud.keys.aliases.get((call.account, call.region, name))
    references = [call.params.get("TargetKeyId")]
    if call.operation != "CreateAlias":
        if current is None:
            raise Refuse("NotFoundException", f"Alias {alias} is not found.")
        references.append(current[0])
    for reference in references:
        if reference:
            key = cloud.keys.find(reference, call.account, call.region)
            needed.append(key_demand(cloud, call, call.operation, key))
    return needed


def grant_to_retire(cloud: Cloud, call: Call) -> tuple[Key, dict[str, Any]]:
    """The key and the grant that RetireGrant names, by key and id or by token. Raises Refuse."""
    params = call.params
    if params.get("KeyId"):
        key = cloud.keys.find(params["KeyId"], call.account, call.region)
        candidates = [(key, row) for row in key.grants if row["GrantId"] == params.get("GrantId")]
    else:
        token = params.get("GrantToken")
        every = cloud.keys.in_region(call.region)
        candidates = [(key, row) for key in every for row in key.grants if row["GrantToken"] == token]
    if not candidates:
        raise Refuse("NotFoundException", "the grant does not exist")
    return candidates[0]
