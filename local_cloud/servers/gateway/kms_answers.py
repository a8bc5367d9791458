"""How KMS shows its keys, dates and lists; and which key an operation means, in which state."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from . import kms_material
from .call import Call, Refuse, Response
from .cloud import Cloud
from .kms_keys import Key


def moment(seconds: float) -> datetime:
    """A stored time as the API answers it."""
    return datetime.fromtimestamp(seconds, UTC)


def usable(key: Key) -> None:
    """Raises Refuse for a disabled key (DisabledException) or one that awaits deletion (KMSInvalidStateException)."""
    not_pending(key)
    if key.state == "Disabled":
        raise Refuse("DisabledException", f"{key.arn} is disabled.")


def not_pending(key: Key) -> None:
    """Raises Refuse for a key that awaits deletion."""
    if key.state == "PendingDeletion":
        raise Refuse("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def not_dry(call: Call) -> None:
    """Ends a call whose DryRun is set, at the point where it would have had its effect."""
    if call.params.get("DryRun"):
        raise Refuse(
            "DryRunOperationException", "The request would have succeeded, but the DryRun parameter is set.", 412
        )


def key_of(cloud: Cloud, call: Call) -> Key:
    """The key of an operation that AWS offers across accounts too, with its automatic rotation done where due."""
    key = cloud.keys.find(call.params["KeyId"], call.account, call.region)
    with cloud.keys.lock:
        if key.rotate_if_due(call.now):
            cloud.keys.save(key)
    return key


def own_key(cloud: Cloud, call: Call) -> Key:
    """The key of an operation that takes no alias and no key of another account, whatever that key's policy says."""
    if "alias/" in call.params["KeyId"]:
        raise Refuse("NotFoundException", f"{call.operation} takes a key id or key ARN, not an alias")
    key = key_of(cloud, call)
    if key.account != call.account:
        raise Refuse("AccessDeniedException", f"{call.operation} is not offered on keys of another account: {key.arn}")
    return key


def metadata(cloud: Cloud, key: Key) -> dict[str, Any]:
    """KeyMetadata as DescribeKey answers it."""
    names = kms_material.algorithms(key.spec, key.usage)
    field = {"SIGN_VERIFY": "SigningAlgorithms", "GENERATE_VERIFY_MAC": "MacAlgorithms"}.get(
        key.usage, "EncryptionAlgorithms"
    )
    data: dict[str, Any] = {
        "AWSAccountId": key.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": moment(key.created),
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
        data["DeletionDate"] = moment(key.deletion)
    if key.multi_region:
        rows = [{"Arn": other.arn, "Region": other.region} for other in cloud.keys.replicas(key)]
        data["MultiRegionConfiguration"] = {
            "MultiRegionKeyType": "PRIMARY" if key.primary_region == key.region else "REPLICA",
            "PrimaryKey": next(row for row in rows if row["Region"] == key.primary_region),
            "ReplicaKeys": [row for row in rows if row["Region"] != key.primary_region],
        }
    return data


def page(call: Call, name: str, rows: list[dict[str, Any]], default: int) -> Response:
    """One page of a list, of Limit rows from Marker on."""
    limit = call.params.get("Limit") or default
    try:
        start = int(json.loads(call.params.get("Marker") or "0"))
    except ValueError as broken:
        raise Refuse("InvalidMarkerException", "the marker was not made by this service") from broken
    answer: dict[str, Any] = {name: rows[start : start + limit], "Truncated": len(rows) > start + limit}
    if answer["Truncated"]:
        answer["NextMarker"] = str(start + limit)
    return call.answer(answer)
