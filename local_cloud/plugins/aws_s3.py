"""What an S3 bucket does, each as the resource Pulumi has for it: versions, encryption, locks, policy, life cycle.

All of them are named by their bucket: the bucket's name is their id.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from local_cloud.plugins.aws_tags import REGION
from local_cloud.plugins.documents import POLICY
from local_cloud.plugins.shapes import BOOLEAN, INTEGER, KEY, PAIRS, STRING, Field, Listing, Record, Shape
from local_cloud.plugins.table import Gone, Operation, Prop, Properties, ResourceType

_BUCKET = {"bucket": Prop("Bucket", replaces=True, required=True), **REGION}
_OWNER = {"expectedBucketOwner": Prop("ExpectedBucketOwner", replaces=True, kept=True)}


def _here(op: Operation, properties: Properties) -> Properties:
    return {"bucket": op.id, "region": op.client.meta.region_name, **properties}


class _BlockedTypes(Shape):
    """Encryption types that a bucket refuses; the API wraps the list in an object."""

    def to_api(self, value: list[str]) -> Properties:
        return {"EncryptionType": list(value)}

    def from_api(self, value: Properties) -> list[str]:
        return list(value.get("EncryptionType", []))

    def canonical(self, value: list[str] | None) -> list[str] | None:
        return sorted(item for item in value or [] if item != "NONE") or None


_VERSIONING = Record({"status": Field("Status"), "mfaDelete": Field("MFADelete", absent="Disabled")})
_ENCRYPTION = Listing(
    Record(
        {
            "applyServerSideEncryptionByDefault": Field(
                "ApplyServerSideEncryptionByDefault",
                Record({"sseAlgorithm": Field("SSEAlgorithm"), "kmsMasterKeyId": Field("KMSMasterKeyID", KEY)}),
            ),
            "blockedEncryptionTypes": Field("BlockedEncryptionTypes", _BlockedTypes()),
            "bucketKeyEnabled": Field("BucketKeyEnabled", BOOLEAN),
        }
    ),
    ordered=False,
)
_RETENTION = Record({"mode": Field("Mode"), "days": Field("Days", INTEGER), "years": Field("Years", INTEGER)})
_LOCK_RULE = Record({"defaultRetention": Field("DefaultRetention", _RETENTION)})
_SIZES = {
    "objectSizeGreaterThan": Field("ObjectSizeGreaterThan", INTEGER),
    "objectSizeLessThan": Field("ObjectSizeLessThan", INTEGER),
    "prefix": Field("Prefix"),
}
_FILTER = Record(
    {
        **_SIZES,
        "and": Field("And", Record({**_SIZES, "tags": Field("Tags", PAIRS)})),
        "tag": Field("Tag", Record({"key": Field("Key"), "value": Field("Value")})),
    }
)
_NONCURRENT = {
    "noncurrentDays": Field("NoncurrentDays", INTEGER),
    "newerNoncurrentVersions": Field("NewerNoncurrentVersions", INTEGER),
}
_CLASS = {"storageClass": Field("StorageClass")}
_WHEN = {"date": Field("Date"), "days": Field("Days", INTEGER)}
_LIFECYCLE = Listing(
    Record(
        {
            "id": Field("ID"),
            "status": Field("Status"),
            "prefix": Field("Prefix"),
            "filter": Field("Filter", _FILTER),
            "expiration": Field(
                "Expiration",
                Record({**_WHEN, "expiredObjectDeleteMarker": Field("ExpiredObjectDeleteMarker", BOOLEAN)}),
            ),
            "transitions": Field("Transitions", Listing(Record({**_WHEN, **_CLASS}), ordered=False)),
            "noncurrentVersionExpiration": Field("NoncurrentVersionExpiration", Record(_NONCURRENT)),
            "noncurrentVersionTransitions": Field(
                "NoncurrentVersionTransitions", Listing(Record({**_NONCURRENT, **_CLASS}), ordered=False)
            ),
            "abortIncompleteMultipartUpload": Field(
                "AbortIncompleteMultipartUpload",
                Record({"daysAfterInitiation": Field("DaysAfterInitiation", INTEGER)}),
            ),
        }
    )
)


def _put_versioning(op: Operation) -> str:
    op.client.put_bucket_versioning(**op.api("bucket", "expectedBucketOwner", "versioningConfiguration"))
    return str(op.inputs["bucket"])


def _read_versioning(op: Operation) -> Properties:
    response = op.client.get_bucket_versioning(Bucket=op.id)
    if not response.get("Status") and op.get("versioningConfiguration", {}).get("status") != "Disabled":
        raise Gone(f"versioning of {op.id} was never set")
    status = {"Status": response.get("Status", "Disabled"), "MFADelete": response.get("MFADelete")}
    return _here(op, {"versioningConfiguration": _VERSIONING.from_api(status)})


def _suspend_versioning(op: Operation) -> None:
    if op.get("versioningConfiguration", {}).get("status") != "Enabled":
        return
    try:
        op.client.put_bucket_versioning(Bucket=op.id, VersioningConfiguration={"Status": "Suspended"})
    except ClientError as problem:
        # Object lock keeps versioning on for as long as the bucket lives.
        if problem.response["Error"]["Code"] != "InvalidBucketState":
            raise


def _put_encryption(op: Operation) -> str:
    rules = _ENCRYPTION.to_api(op.inputs["rules"])
    op.client.put_bucket_encryption(Bucket=op.inputs["bucket"], ServerSideEncryptionConfiguration={"Rules": rules})
    return str(op.inputs["bucket"])


def _read_encryption(op: Operation) -> Properties:
    response = op.client.get_bucket_encryption(Bucket=op.id)["ServerSideEncryptionConfiguration"]
    rules = _ENCRYPTION.from_api(response["Rules"])
    for rule, known in zip(rules, op.get("rules") or [], strict=False):
        # S3 chooses the blocked types where a program names none; moto does not tell them at all.
        asked = known.get("blockedEncryptionTypes")
        rule["blockedEncryptionTypes"] = rule.get("blockedEncryptionTypes", asked) if asked else []
    return _here(op, {"rules": rules})


_BLOCKS = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}


def _put_block(op: Operation) -> str:
    blocks = op.api(*_BLOCKS)
    op.client.put_public_access_block(Bucket=op.inputs["bucket"], PublicAccessBlockConfiguration=blocks)
    return str(op.inputs["bucket"])


def _read_block(op: Operation) -> Properties:
    response = op.client.get_public_access_block(Bucket=op.id)["PublicAccessBlockConfiguration"]
    return _here(op, {name: response.get(api, False) for name, api in _BLOCKS.items()})


def _delete_block(op: Operation) -> None:
    if not op.get("skipDestroy"):
        op.client.delete_public_access_block(Bucket=op.id)


def _put_policy(op: Operation) -> str:
    op.client.put_bucket_policy(Bucket=op.inputs["bucket"], Policy=op.inputs["policy"])
    return str(op.inputs["bucket"])


def _read_policy(op: Operation) -> Properties:
    return _here(op, {"policy": op.client.get_bucket_policy(Bucket=op.id)["Policy"]})


def _put_lock(op: Operation) -> str:
    configuration = op.api("objectLockEnabled", "rule")
    token = {"Token": op.inputs["token"]} if op.inputs.get("token") else {}
    op.client.put_object_lock_configuration(Bucket=op.inputs["bucket"], ObjectLockConfiguration=configuration, **token)
    return str(op.inputs["bucket"])


def _read_lock(op: Operation) -> Properties:
    response = op.client.get_object_lock_configuration(Bucket=op.id)["ObjectLockConfiguration"]
    rule = response.get("Rule")
    return _here(op, {"objectLockEnabled": "Enabled", "rule": _LOCK_RULE.from_api(rule) if rule else None})


def _delete_lock(op: Operation) -> None:
    # The lock itself cannot be taken off a bucket, only the rule for new objects.
    op.client.put_object_lock_configuration(Bucket=op.id, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})


def _put_lifecycle(op: Operation) -> str:
    rules = [_with_filter(rule) for rule in _LIFECYCLE.to_api(op.inputs.get("rules") or [])]
    extra = op.api("transitionDefaultMinimumObjectSize")
    op.client.put_bucket_lifecycle_configuration(
        Bucket=op.inputs["bucket"], LifecycleConfiguration={"Rules": rules}, **extra
    )
    return str(op.inputs["bucket"])


def _with_filter(rule: Properties) -> Properties:
    return rule if "Filter" in rule or "Prefix" in rule else {**rule, "Filter": {"Prefix": ""}}


def _read_lifecycle(op: Operation) -> Properties:
    response = op.client.get_bucket_lifecycle_configuration(Bucket=op.id)
    rules = [_dated(rule) for rule in _LIFECYCLE.from_api(response["Rules"])]
    return _here(op, {"rules": rules, **op.wire(response, "transitionDefaultMinimumObjectSize")})


def _dated(rule: Properties) -> Properties:
    for part in [rule.get("expiration", {}), *rule.get("transitions", [])]:
        if "date" in part:
            part["date"] = part["date"].strftime("%Y-%m-%dT%H:%M:%SZ")
    return rule


def _row(token: str, put, read, delete, inputs: dict[str, Prop], secrets: tuple[str, ...] = ()) -> ResourceType:
    return ResourceType(token, "s3", put, read, put, delete, "bucket", {**_BUCKET, **inputs}, secrets=secrets)


TYPES = (
    _row(
        "aws:s3/bucketVersioning:BucketVersioning",
        _put_versioning,
        _read_versioning,
        _suspend_versioning,
        {"versioningConfiguration": Prop("VersioningConfiguration", codec=_VERSIONING, required=True), **_OWNER},
    ),
    _row(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        _put_encryption,
        _read_encryption,
        lambda op: op.client.delete_bucket_encryption(Bucket=op.id),
        {"rules": Prop(codec=_ENCRYPTION, required=True), **_OWNER},
    ),
    _row(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        _put_block,
        _read_block,
        _delete_block,
        {
            **{name: Prop(api, codec=BOOLEAN, default=False) for name, api in _BLOCKS.items()},
            "skipDestroy": Prop(codec=BOOLEAN, kept=True),
        },
    ),
    _row(
        "aws:s3/bucketPolicy:BucketPolicy",
        _put_policy,
        _read_policy,
        lambda op: op.client.delete_bucket_policy(Bucket=op.id),
        {"policy": Prop(codec=POLICY, required=True)},
    ),
    _row(
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        _put_lock,
        _read_lock,
        _delete_lock,
        {
            "objectLockEnabled": Prop("ObjectLockEnabled", replaces=True, default="Enabled"),
            "rule": Prop("Rule", codec=_LOCK_RULE),
            "token": Prop(secret=True, kept=True),
            **_OWNER,
        },
    ),
    _row(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        _put_lifecycle,
        _read_lifecycle,
        lambda op: op.client.delete_bucket_lifecycle(Bucket=op.id),
        {
            "rules": Prop(codec=_LIFECYCLE),
            "transitionDefaultMinimumObjectSize": Prop(
                "TransitionDefaultMinimumObjectSize", codec=STRING, computed=True
            ),
            **_OWNER,
        },
    ),
)
