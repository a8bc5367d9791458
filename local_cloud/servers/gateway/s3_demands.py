"""Which permissions an S3 call needs, with the condition keys of S3 (service authorization reference, "Amazon S3")."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from moto.s3.models import FakeBucket

from .access import Demand
from .call import Call
from .cloud import Cloud
from .s3_buckets import blocks, bucket_of, is_public, policy_of
from .s3_lock import moment
from .s3_objects import copy_source, parse_tagging

#: Operations on a bucket whose action has another name than the operation.
BUCKET_ACTIONS = {
    "CreateBucket": "CreateBucket",
    "DeleteBucket": "DeleteBucket",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketVersioning": "GetBucketVersioning",
    "PutBucketVersioning": "PutBucketVersioning",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketPolicy": "GetBucketPolicy",
    "PutBucketPolicy": "PutBucketPolicy",
    "DeleteBucketPolicy": "DeleteBucketPolicy",
    "GetBucketPolicyStatus": "GetBucketPolicyStatus",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketTagging": "GetBucketTagging",
    "PutBucketTagging": "PutBucketTagging",
    "DeleteBucketTagging": "PutBucketTagging",
    "GetBucketAcl": "GetBucketAcl",
    "GetBucketLogging": "GetBucketLogging",
    "PutBucketLogging": "PutBucketLogging",
    "GetBucketCors": "GetBucketCORS",
    "PutBucketCors": "PutBucketCORS",
    "GetBucketWebsite": "GetBucketWebsite",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketRequestPayment": "GetBucketRequestPayment",
    "GetBucketReplication": "GetReplicationConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration",
    "GetBucketOwnershipControls": "GetBucketOwnershipControls",
    "PutBucketOwnershipControls": "PutBucketOwnershipControls",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
}
#: Operations on one object.
OBJECT_ACTIONS = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "PutObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "ListParts": "ListMultipartUploadParts",
    "DeleteObject": "DeleteObject",
    "CopyObject": "PutObject",
    "UploadPartCopy": "PutObject",
    "PutObjectRetention": "PutObjectRetention",
    "GetObjectRetention": "GetObjectRetention",
    "PutObjectLegalHold": "PutObjectLegalHold",
    "GetObjectLegalHold": "GetObjectLegalHold",
    "PutObjectTagging": "PutObjectTagging",
    "GetObjectTagging": "GetObjectTagging",
    "DeleteObjectTagging": "DeleteObjectTagging",
}
#: Actions that have a form of their own for a named version.
_VERSIONED = {
    "GetObject": "GetObjectVersion",
    "DeleteObject": "DeleteObjectVersion",
    "PutObjectTagging": "PutObjectVersionTagging",
    "GetObjectTagging": "GetObjectVersionTagging",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
}
#: Condition keys that repeat a request header, where the header is sent.
_HEADERS = (
    "x-amz-acl",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-content-sha256",
    "x-amz-grant-read",
    "x-amz-grant-full-control",
    "x-amz-object-ownership",
)
#: Actions for which the tags of the stored object are condition keys.
_TAGS = {"GetObject", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "PutObjectRetention"}


def context_of(call: Call) -> dict[str, Any]:
    """The condition keys of S3 for a call."""
    params = call.params
    context: dict[str, Any] = {}
    for header in _HEADERS:
        if call.headers.get(header):
            context[f"s3:{header}"] = call.headers[header]
    for member, key in (("Prefix", "prefix"), ("Delimiter", "delimiter"), ("MaxKeys", "max-keys")):
        if member in params:
            context[f"s3:{key}"] = params[member]
    for member, key in (("IfNoneMatch", "if-none-match"), ("IfMatch", "if-match"), ("VersionId", "versionid")):
        if params.get(member):
            context[f"s3:{key}"] = params[member]
    retention = params.get("Retention") or {}
    mode = params.get("ObjectLockMode") or retention.get("Mode")
    until: datetime | None = params.get("ObjectLockRetainUntilDate") or retention.get("RetainUntilDate")
    hold = params.get("ObjectLockLegalHoldStatus") or (params.get("LegalHold") or {}).get("Status")
    if mode:
        context["s3:object-lock-mode"] = mode
    if until is not None:
        seconds = moment(until)
        context["s3:object-lock-retain-until-date"] = datetime.fromtimestamp(seconds, call.now.tzinfo)
        context["s3:object-lock-remaining-retention-days"] = round((seconds - call.now.timestamp()) / 86400)
    if hold:
        context["s3:object-lock-legal-hold"] = hold
    tags = parse_tagging(params["Tagging"]) if isinstance(params.get("Tagging"), str) else {}
    if isinstance(params.get("Tagging"), dict):
        tags = {tag["Key"]: tag["Value"] for tag in params["Tagging"].get("TagSet", [])}
    if tags:
        context |= {f"s3:RequestObjectTag/{name}": value for name, value in tags.items()}
        context["s3:RequestObjectTagKeys"] = tuple(tags)
    if call.operation == "CreateBucket":
        configured = params.get("CreateBucketConfiguration") or {}
        context["s3:LocationConstraint"] = configured.get("LocationConstraint")
    return context


def _on(bucket: FakeBucket, call: Call, action: str, key: str = "", context: dict[str, Any] | None = None) -> Demand:
    resource = f"arn:aws:s3:::{bucket.name}" + (f"/{key}" if key else "")
    policy = policy_of(bucket)
    outsider = call.principal.account != bucket.account_id
    if policy is not None and outsider and blocks(bucket, "restrict_public_buckets"):
        # a public policy then serves only the bucket's own account (S3 user guide, "Blocking public access")
        policy = None if is_public(json.loads(str(policy.document))) else policy
    facts = {**context_of(call), **(context or {}), "s3:ResourceAccount": bucket.account_id}
    return Demand(f"s3:{action}", resource, facts, bucket.account_id, policy)


def demands(cloud: Cloud, call: Call) -> list[Demand] | None:
    """The permissions an S3 call needs; None where the operation is not known here."""
    operation, params = call.operation, call.params
    if operation == "ListBuckets":
        return [Demand("s3:ListAllMyBuckets", "*", context_of(call))]
    if operation == "CreateBucket":
        return _create_bucket(call)
    if operation == "DeleteObjects":
        # each object is asked for by itself while it is deleted; the bucket must exist
        bucket_of(params["Bucket"])
        return []
    if operation in BUCKET_ACTIONS:
        return [_on(bucket_of(params["Bucket"]), call, BUCKET_ACTIONS[operation])]
    if operation not in OBJECT_ACTIONS:
        return None
    bucket, key = bucket_of(params["Bucket"]), params["Key"]
    action = OBJECT_ACTIONS[operation]
    if params.get("VersionId"):
        action = _VERSIONED.get(action, action)
    existing = _existing_tags(cloud, bucket, key, params.get("VersionId")) if OBJECT_ACTIONS[operation] in _TAGS else {}
    needed = [_on(bucket, call, action, key, existing)]
    if operation in ("CopyObject", "UploadPartCopy"):
        name, source, version = copy_source(params["CopySource"])
        reading = replace(call, headers={}, params={"VersionId": version} if version else {})
        needed.append(_on(bucket_of(name), reading, "GetObjectVersion" if version else "GetObject", source))
    if params.get("Tagging") and operation in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        needed.append(_on(bucket, call, "PutObjectTagging", key))
    if params.get("ObjectLockMode"):
        needed.append(_on(bucket, call, "PutObjectRetention", key))
    if params.get("ObjectLockLegalHoldStatus"):
        needed.append(_on(bucket, call, "PutObjectLegalHold", key))
    return needed


def _existing_tags(cloud: Cloud, bucket: FakeBucket, key: str, version: str | None) -> dict[str, str]:
    found = cloud.objects.find(bucket.name, key, version)
    return {f"s3:ExistingObjectTag/{name}": value for name, value in found.tags.items()} if found else {}


def _create_bucket(call: Call) -> list[Demand]:
    resource = f"arn:aws:s3:::{call.params['Bucket']}"
    context = context_of(call)
    actions = ["CreateBucket"]
    if call.params.get("ObjectLockEnabledForBucket"):
        actions += ["PutBucketObjectLockConfiguration", "PutBucketVersioning"]
    if (call.params.get("CreateBucketConfiguration") or {}).get("Tags"):
        actions.append("TagResource")
    return [Demand(f"s3:{action}", resource, context, call.account) for action in actions]
