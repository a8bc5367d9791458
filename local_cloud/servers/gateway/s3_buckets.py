"""Buckets: moto keeps their configuration; the gateway keeps what moto forgets and refuses what AWS refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from moto.s3.models import FakeBucket, PublicAccessBlock, s3_backends

from strongroom.authorization.documents import Form, Named

from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_policy import checked_policy

#: A grant to everybody is not public where one of these keys fixes who or from where (S3 user guide, "The meaning of
#: public").
_FIXING = frozenset(
    key.lower()
    for key in (
        "aws:PrincipalArn aws:PrincipalOrgID aws:PrincipalAccount aws:SourceAccount aws:SourceArn aws:SourceOrgID "
        "aws:SourceVpc aws:SourceVpce aws:SourceIp aws:userid s3:DataAccessPointAccount"
    ).split()
)


def bucket_of(name: str) -> FakeBucket:
    """moto's bucket, whichever account owns it. Raises Refuse (NoSuchBucket)."""
    place = s3_backends.bucket_accounts.get(name)
    if place is None:
        raise Refuse("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=name)
    return s3_backends[place[1]][place[0]].buckets[name]


def policy_of(bucket: FakeBucket) -> Named | None:
    """The bucket's policy; None where it has none."""
    if not bucket.policy:
        return None
    text = bucket.policy.decode() if isinstance(bucket.policy, bytes) else str(bucket.policy)
    return Named(f"bucket policy of {bucket.name}", text)


def is_public(document: Mapping[str, Any]) -> bool:
    """True if a bucket policy grants something to everybody without a condition that fixes who or from where."""
    statements = document.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal")
        named: Any = principal.get("AWS", []) if isinstance(principal, dict) else principal
        everybody = named == "*" or (isinstance(named, list) and "*" in named)
        keys = {key.lower() for keys in statement.get("Condition", {}).values() for key in keys}
        if statement.get("Effect") == "Allow" and everybody and not keys & _FIXING:
            return True
    return False


def blocks(bucket: FakeBucket, what: str) -> bool:
    """A flag of the bucket's public access block, e.g. restrict_public_buckets."""
    block = bucket.public_access_block
    return block is not None and str(getattr(block, what)).lower() == "true"


def default_retention(bucket: FakeBucket, now: datetime) -> tuple[str, float]:
    """(mode, until) that a new object gets when its writer says nothing; ("", 0) where the bucket has no default."""
    if not bucket.object_lock_enabled or not bucket.default_lock_mode:
        return "", 0.0
    days = int(bucket.default_lock_days or 0) + 365 * int(bucket.default_lock_years or 0)
    return str(bucket.default_lock_mode), (now + timedelta(days=days)).timestamp()


class Buckets:
    """The rules of bucket configuration."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._index = cloud, cloud.objects

    def rules(self) -> list[Rule]:
        """Rules that refuse before moto, answer instead of it, or complete what it made."""
        return [
            Rule("s3", "CreateBucket", before=self._create, after=self._created),
            Rule("s3", "DeleteBucket", before=self._delete, after=self._deleted),
            Rule("s3", "PutBucketPolicy", before=self._put_policy),
            Rule("s3", "PutBucketVersioning", before=self._put_versioning),
            Rule("s3", "PutBucketEncryption", replace=self._put_encryption),
            Rule("s3", "GetBucketEncryption", replace=self._get_encryption),
            Rule("s3", "DeleteBucketEncryption", replace=self._delete_encryption),
            Rule("s3", "HeadBucket", replace=self._head),
            Rule("s3", "GetBucketPolicyStatus", replace=self._policy_status),
        ]

    def encryption(self, name: str) -> dict[str, Any]:
        """The default encryption rule of a bucket: SSE-S3 where nothing else was set."""
        kept = self._index.setting(name, "encryption")
        if kept is None:
            return {
                "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                "BucketKeyEnabled": False,
                "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
            }
        return dict(kept["Rules"][0])

    def _create(self, call: Call) -> Refuse | None:
        name = call.params["Bucket"]
        place = s3_backends.bucket_accounts.get(name)
        if place is None:
            return None
        if place[1] == call.account:
            return Refuse("BucketAlreadyOwnedByYou", "Your previous request to create the bucket succeeded", 409)
        return Refuse("BucketAlreadyExists", "The requested bucket name is not available", 409)

    def _created(self, call: Call, response: Response) -> Response:
        if response.status == 200:
            # new buckets are closed to the public and without ACLs since April 2023; moto leaves them open
            bucket = bucket_of(call.params["Bucket"])
            bucket.public_access_block = PublicAccessBlock("true", "true", "true", "true")
            bucket.ownership_rule = bucket.ownership_rule or "BucketOwnerEnforced"
        return response

    def _delete(self, call: Call) -> Refuse | None:
        if not self._index.empty(call.params["Bucket"]):
            return Refuse("BucketNotEmpty", "The bucket you tried to delete is not empty", 409)
        return None

    def _deleted(self, call: Call, response: Response) -> Response:
        if response.status < 300:
            self._index.forget(call.params["Bucket"])
        return response

    def _put_policy(self, call: Call) -> Refuse | None:
        name, text = call.params["Bucket"], call.params["Policy"]
        checked_policy(text, Form.RESOURCE, f"bucket policy of {name}", self._cloud.identities, "MalformedPolicy")
        document = json.loads(text)
        statements = document["Statement"]
        for statement in [statements] if isinstance(statements, dict) else statements:
            listed: Any = statement.get("Resource", statement.get("NotResource", []))
            for resource in [listed] if isinstance(listed, str) else listed:
                if resource.split(":::")[-1].split("/")[0] != name:
                    return Refuse("MalformedPolicy", f"Policy has invalid resource: {resource}")
        if is_public(document) and blocks(bucket_of(name), "block_public_policy"):
            return Refuse("AccessDenied", "public policies are blocked by the BlockPublicPolicy setting", 403)
        return None

    def _put_versioning(self, call: Call) -> Refuse | None:
        bucket = bucket_of(call.params["Bucket"])
        status = call.params.get("VersioningConfiguration", {}).get("Status")
        if bucket.object_lock_enabled and status != "Enabled":
            return Refuse(
                "InvalidBucketState",
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
                409,
            )
        return None

    def _put_encryption(self, call: Call) -> Response:
        configuration = call.params["ServerSideEncryptionConfiguration"]
        rules = configuration.get("Rules", [])
        if len(rules) != 1:
            raise Refuse("MalformedXML", "an encryption configuration has one rule")
        applied = rules[0].get("ApplyServerSideEncryptionByDefault", {})
        if applied.get("SSEAlgorithm", "AES256") not in ("AES256", "aws:kms"):
            raise Refuse("NotImplemented", f"this cloud does not offer {applied['SSEAlgorithm']}", 501)
        if applied.get("SSEAlgorithm") != "aws:kms" and applied.get("KMSMasterKeyID"):
            raise Refuse("InvalidArgument", "a KMSMasterKeyID needs the algorithm aws:kms")
        rules[0].setdefault("BucketKeyEnabled", False)
        self._index.set(bucket_of(call.params["Bucket"]).name, "encryption", {"Rules": rules})
        return call.answer()

    def _get_encryption(self, call: Call) -> Response:
        rule = self.encryption(bucket_of(call.params["Bucket"]).name)
        return call.answer({"ServerSideEncryptionConfiguration": {"Rules": [rule]}})

    def _delete_encryption(self, call: Call) -> Response:
        self._index.set(bucket_of(call.params["Bucket"]).name, "encryption", None)
        return call.answer()

    def _head(self, call: Call) -> Response:
        return call.answer({"BucketRegion": bucket_of(call.params["Bucket"]).region_name})

    def _policy_status(self, call: Call) -> Response:
        policy = policy_of(bucket_of(call.params["Bucket"]))
        if policy is None:
            raise Refuse("NoSuchBucketPolicy", "The bucket policy does not exist", 404)
        return call.answer({"PolicyStatus": {"IsPublic": is_public(json.loads(str(policy.document)))}})
