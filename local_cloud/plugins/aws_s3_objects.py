"""S3 objects that a program writes: the content is in the program, the bucket holds its latest version."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local_cloud.plugins.aws_buckets import remove_versions, versions_of
from local_cloud.plugins.aws_tags import REGION, TAGS, from_pairs, pairs, told, wanted
from local_cloud.plugins.shapes import BOOLEAN, KEY, SOURCE, TEXTS, Shape
from local_cloud.plugins.table import Autoname, Gone, Invalid, Operation, Prop, Properties, ResourceType
from local_cloud.plugins.wire import Asset

_BODIES = ("content", "contentBase64", "source")
_CHECKSUMS = {
    "checksumCrc32": "ChecksumCRC32",
    "checksumCrc32c": "ChecksumCRC32C",
    "checksumCrc64nvme": "ChecksumCRC64NVME",
    "checksumSha1": "ChecksumSHA1",
    "checksumSha256": "ChecksumSHA256",
}


class _Instant(Shape):
    """A point in time as RFC 3339 text."""

    def to_api(self, value: str) -> datetime:
        return datetime.fromisoformat(value)

    def from_api(self, value: datetime) -> str:
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def canonical(self, value: str | None) -> Any:
        return datetime.fromisoformat(value) if value else None


def _body(op: Operation) -> bytes:
    given = [name for name in _BODIES if op.inputs.get(name) is not None]
    if len(given) > 1:
        raise Invalid(f"{' and '.join(given)} are given; one of them is the object's content")
    value = op.inputs[given[0]] if given else ""
    if isinstance(value, Asset):
        return value.read()
    return base64.b64decode(value) if given == ["contentBase64"] else str(value).encode()


def _put(op: Operation) -> str:
    request = {"Bucket": op.inputs["bucket"], "Key": op.inputs["key"], "Body": _body(op), **op.api()}
    if "SSEKMSKeyId" in request:
        request.setdefault("ServerSideEncryption", "aws:kms")
    op.client.put_object(**request)
    if tags := wanted(op):
        op.client.put_object_tagging(Bucket=request["Bucket"], Key=request["Key"], Tagging={"TagSet": pairs(tags)})
    return str(op.inputs["key"])


def _read(op: Operation) -> Properties:
    bucket, key = str(op.get("bucket", "")), op.id
    if not bucket:
        bucket, _, key = op.id.removeprefix("s3://").partition("/")
        op.id = key
    head = op.client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    found = {name: head.get(prop.api) for name, prop in _SHOWN.items()}
    found = {name: value if value is None else _SHOWN[name].codec.from_api(value) for name, value in found.items()}
    found |= {
        "bucket": bucket,
        "key": key,
        "etag": head["ETag"].strip('"'),
        "versionId": head.get("VersionId"),
        "arn": f"arn:aws:s3:::{bucket}/{key}",
        "region": op.client.meta.region_name,
        **{name: head.get(api) for name, api in _CHECKSUMS.items()},
    }
    if op.olds.get("etag") not in (None, found["etag"]) and not op.inputs:
        # Somebody else wrote the object: what the program gave is no longer its content.
        found |= dict.fromkeys(_BODIES)
    tags = op.client.get_object_tagging(Bucket=bucket, Key=key).get("TagSet")
    return found | told(op, from_pairs(tags))


def _update(op: Operation) -> None:
    lock = op.changed & {"objectLockMode", "objectLockRetainUntilDate", "objectLockLegalHoldStatus"}
    where = {"Bucket": op.inputs["bucket"], "Key": op.inputs["key"]}
    if op.changed - lock - {"tags", "tagsAll", "forceDestroy"}:
        _put(op)
        return
    if op.changed & {"objectLockMode", "objectLockRetainUntilDate"}:
        request = op.api("objectLockMode", "objectLockRetainUntilDate")
        retention = {"Mode": request["ObjectLockMode"], "RetainUntilDate": request["ObjectLockRetainUntilDate"]}
        op.client.put_object_retention(**where, Retention=retention)
    if "objectLockLegalHoldStatus" in op.changed:
        status = op.inputs.get("objectLockLegalHoldStatus") or "OFF"
        op.client.put_object_legal_hold(**where, LegalHold={"Status": status})
    if wanted(op) != (op.olds.get("tagsAll") or {}):
        op.client.put_object_tagging(**where, Tagging={"TagSet": pairs(wanted(op))})


def _delete(op: Operation) -> None:
    bucket = str(op.get("bucket"))
    try:
        versions = [entry for entry in versions_of(op.client, bucket, op.id) if entry["Key"] == op.id]
    except ClientError as problem:
        if problem.response["Error"]["Code"] == "NoSuchBucket":
            raise Gone(bucket) from problem
        raise
    remove_versions(op.client, bucket, versions, bypass=bool(op.get("forceDestroy")))


_SHOWN = {
    "bucketKeyEnabled": Prop("BucketKeyEnabled", codec=BOOLEAN, computed=True),
    "cacheControl": Prop("CacheControl"),
    "contentDisposition": Prop("ContentDisposition"),
    "contentEncoding": Prop("ContentEncoding"),
    "contentLanguage": Prop("ContentLanguage"),
    "contentType": Prop("ContentType", computed=True),
    "kmsKeyId": Prop("SSEKMSKeyId", codec=KEY, computed=True),
    "metadata": Prop("Metadata", codec=TEXTS),
    "objectLockLegalHoldStatus": Prop("ObjectLockLegalHoldStatus", computed=True),
    "objectLockMode": Prop("ObjectLockMode", computed=True),
    "objectLockRetainUntilDate": Prop("ObjectLockRetainUntilDate", codec=_Instant(), computed=True),
    "serverSideEncryption": Prop("ServerSideEncryption", computed=True),
    "storageClass": Prop("StorageClass", computed=True),
    "websiteRedirect": Prop("WebsiteRedirectLocation"),
}

TYPES = (
    ResourceType(
        "aws:s3/bucketObjectv2:BucketObjectv2",
        "s3",
        create=_put,
        read=_read,
        update=_update,
        delete=_delete,
        id="key",
        inputs={
            "bucket": Prop(replaces=True, required=True),
            "key": Prop(replaces=True, autoname=Autoname(1024)),
            "checksumAlgorithm": Prop("ChecksumAlgorithm", kept=True),
            "content": Prop(),
            "contentBase64": Prop(),
            "source": Prop(codec=SOURCE),
            "sourceHash": Prop(kept=True),
            "etag": Prop(computed=True),
            "forceDestroy": Prop(codec=BOOLEAN, default=False, kept=True),
            **_SHOWN,
            **REGION,
            **TAGS,
        },
        outputs=("arn", "versionId", "tagsAll", *_CHECKSUMS),
        volatile=("versionId", "etag", *_CHECKSUMS),
    ),
)
