"""S3 buckets. What a bucket does (versions, encryption, locks, policy) are resources of their own: aws_s3.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from local_cloud.plugins.aws_tags import REGION, TAGS, from_pairs, pairs, told, wanted
from local_cloud.plugins.shapes import BOOLEAN
from local_cloud.plugins.table import Autoname, Invalid, Operation, Prop, Properties, ResourceType

# Route 53 zones of S3's website endpoints (AWS General Reference, "Amazon S3 endpoints and quotas").
_ZONES = {
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-west-1": "Z1BKCTXD74EZPE",
}
_BATCH = 1000


def _create(op: Operation) -> str:
    name, region = str(op.inputs["bucket"]), op.client.meta.region_name
    if _exists(op.client, name):
        # In us-east-1 CreateBucket succeeds on a bucket one owns: it would be taken over without a word.
        raise Invalid(f"bucket {name} exists already; import it or choose another name")
    request: Properties = {"Bucket": name, **op.api("objectLockEnabled")}
    if region != "us-east-1":
        request["CreateBucketConfiguration"] = {"LocationConstraint": region}
    op.client.create_bucket(**request)
    return name


def _exists(s3: Any, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as problem:
        if problem.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        if problem.response["Error"]["Code"] not in ("403", "AccessDenied"):
            raise
    return True


def _tag(op: Operation) -> None:
    if tags := wanted(op):
        op.client.put_bucket_tagging(Bucket=op.id, Tagging={"TagSet": pairs(tags)})


def _read(op: Operation) -> Properties:
    s3 = op.client
    region = s3.get_bucket_location(Bucket=op.id).get("LocationConstraint") or "us-east-1"
    found: Properties = {
        "bucket": op.id,
        "region": region,
        "bucketRegion": region,
        "arn": f"arn:aws:s3:::{op.id}",
        "bucketDomainName": f"{op.id}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{op.id}.s3.{region}.amazonaws.com",
        "hostedZoneId": _ZONES.get(region),
        "objectLockEnabled": _locked(s3, op.id),
    }
    return found | told(op, _tags(s3, op.id))


def _locked(s3: Any, bucket: str) -> bool:
    try:
        s3.get_object_lock_configuration(Bucket=bucket)
    except ClientError as problem:
        if problem.response["Error"]["Code"] == "ObjectLockConfigurationNotFoundError":
            return False
        raise
    return True


def _tags(s3: Any, bucket: str) -> dict[str, str]:
    try:
        return from_pairs(s3.get_bucket_tagging(Bucket=bucket)["TagSet"])
    except ClientError as problem:
        if problem.response["Error"]["Code"] == "NoSuchTagSet":
            return {}
        raise


def _update(op: Operation) -> None:
    if wanted(op) == (op.olds.get("tagsAll") or {}):
        return
    if wanted(op):
        _tag(op)
    else:
        op.client.delete_bucket_tagging(Bucket=op.id)


def versions_of(s3: Any, bucket: str, prefix: str = "") -> Iterator[dict[str, str]]:
    """Every version and delete marker under a prefix as {Key, VersionId}."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
            yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}


def remove_versions(s3: Any, bucket: str, versions: list[dict[str, str]], *, bypass: bool) -> None:
    """Deletes exactly these versions; Invalid, naming the first, if a lock holds any. `bypass` lifts GOVERNANCE."""
    for start in range(0, len(versions), _BATCH):
        batch = {"Objects": versions[start : start + _BATCH], "Quiet": True}
        extra = {"BypassGovernanceRetention": True} if bypass else {}
        if errors := s3.delete_objects(Bucket=bucket, Delete=batch, **extra).get("Errors"):
            first = errors[0]
            raise Invalid(
                f"{len(errors)} object versions of {bucket} cannot be deleted, the first is {first.get('Key')}: "
                f"{first.get('Code')}: {first.get('Message')}"
            )


def _delete(op: Operation) -> None:
    if op.get("forceDestroy"):
        remove_versions(op.client, op.id, list(versions_of(op.client, op.id)), bypass=bool(op.get("objectLockEnabled")))
    op.client.delete_bucket(Bucket=op.id)


TYPES = (
    ResourceType(
        "aws:s3/bucket:Bucket",
        "s3",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        id="bucket",
        hooks=(_tag,),
        inputs={
            "bucket": Prop(replaces=True, autoname=Autoname(63, lower=True, prefix="bucketPrefix")),
            "bucketPrefix": Prop(replaces=True, kept=True),
            "forceDestroy": Prop(codec=BOOLEAN, default=False, kept=True),
            "objectLockEnabled": Prop("ObjectLockEnabledForBucket", codec=BOOLEAN, replaces=True, computed=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "bucketDomainName", "bucketRegionalDomainName", "bucketRegion", "hostedZoneId", "tagsAll"),
    ),
)
