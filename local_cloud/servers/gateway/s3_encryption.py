"""Server-side encryption: which key an object's data key is wrapped under, and opening it again for a reader."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import Any

from moto.s3.models import FakeBucket

from .call import Call, Refuse
from .kms_use import KeyUse
from .s3_buckets import Buckets
from .s3_bytes import ObjectBytes


@dataclass(frozen=True)
class Sealing:
    """A data key for one object: plain, wrapped, and the facts that go into the index and the answer."""

    key: bytes
    wrapped: bytes
    facts: dict[str, Any]


def answered(facts: dict[str, Any]) -> dict[str, Any]:
    """The encryption members of an answer."""
    shown: dict[str, Any] = {"ServerSideEncryption": facts["sse"]}
    if facts["sse"] == "aws:kms":
        shown |= {"SSEKMSKeyId": facts["kms"], "BucketKeyEnabled": facts["bucket_key"]}
    return shown


def given_context(header: str) -> dict[str, str]:
    """The encryption context of a request: a JSON object, in base64. Raises Refuse (InvalidArgument)."""
    try:
        given = json.loads(base64.b64decode(header, validate=True))
    except ValueError as broken:
        raise Refuse("InvalidArgument", "x-amz-server-side-encryption-context is not base64 of JSON") from broken
    if not isinstance(given, dict) or "aws:s3:arn" in given:
        raise Refuse("InvalidArgument", "x-amz-server-side-encryption-context is an object without aws:s3:arn")
    return {str(name): str(value) for name, value in given.items()}


class Encryption:
    """Wraps data keys under S3's own key (SSE-S3) or under a KMS key on behalf of the caller (SSE-KMS)."""

    def __init__(self, bytes_: ObjectBytes, use: KeyUse, buckets: Buckets) -> None:
        self._bytes, self._use, self._buckets = bytes_, use, buckets

    @staticmethod
    def refuse_customer_keys(call: Call) -> None:
        """Raises Refuse for SSE-C, which is blocked on every bucket here (as on new buckets since April 2026)."""
        names = ("SSECustomerAlgorithm", "SSECustomerKey", "CopySourceSSECustomerAlgorithm")
        if any(name in call.params for name in names):
            raise Refuse("AccessDenied", "This bucket does not allow server-side encryption with customer keys", 403)

    @staticmethod
    def _via(call: Call, bucket: FakeBucket) -> Call:
        return replace(call, via_service=f"s3.{bucket.region_name}.amazonaws.com", region=bucket.region_name)

    @staticmethod
    def _context(bucket: FakeBucket, key: str, facts: dict[str, Any]) -> dict[str, str]:
        arn = f"arn:aws:s3:::{bucket.name}"
        return {**facts.get("context", {}), "aws:s3:arn": arn if facts["bucket_key"] else f"{arn}/{key}"}

    def seal(self, call: Call, bucket: FakeBucket, key: str) -> Sealing:
        """A data key by the request's headers, else by the bucket's default. Raises Refuse where KMS refuses."""
        self.refuse_customer_keys(call)
        rule = self._buckets.encryption(bucket.name)
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        asked = call.params.get("ServerSideEncryption")
        algorithm = asked or default.get("SSEAlgorithm", "AES256")
        if algorithm == "AES256":
            if call.params.get("SSEKMSKeyId"):
                raise Refuse("InvalidArgument", "a KMS key id needs x-amz-server-side-encryption: aws:kms")
            plain, wrapped = self._bytes.new_data_key()
            return Sealing(plain, wrapped, {"sse": "AES256"})
        if algorithm != "aws:kms":
            raise Refuse("InvalidArgument", f"this cloud does not offer server-side encryption {algorithm}")
        # a request that names aws:kms and no key means aws/s3, not the bucket's default key (S3 API, PutObject)
        reference = call.params.get("SSEKMSKeyId") or (None if asked else default.get("KMSMasterKeyID"))
        bucket_key = call.params.get("BucketKeyEnabled", rule.get("BucketKeyEnabled", False))
        facts: dict[str, Any] = {"sse": "aws:kms", "bucket_key": bool(bucket_key)}
        if call.params.get("SSEKMSEncryptionContext"):
            facts["context"] = given_context(call.params["SSEKMSEncryptionContext"])
        context = self._context(bucket, key, facts)
        used, plain, wrapped = self._use.data_key_via(self._via(call, bucket), reference or "alias/aws/s3", context)
        return Sealing(plain, wrapped, {**facts, "kms": used.arn})

    def open(self, call: Call, bucket: FakeBucket, key: str, wrapped: bytes, facts: dict[str, Any]) -> bytes:
        """The data key of a stored object, for a reader who may use its KMS key. Raises Refuse."""
        if facts["sse"] == "AES256":
            return self._bytes.unwrap(wrapped)
        return self._use.decrypt_via(self._via(call, bucket), wrapped, self._context(bucket, key, facts))
