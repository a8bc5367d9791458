"""A bucket under a customer-managed key: versioned, private, TLS only, optionally locked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.private_bucket import PrivateBucket, PrivateBucketArgs
from infra.components.retention import kept
from strongroom.estate.model import Lock


@dataclass(frozen=True, kw_only=True)
class EncryptedBucketArgs:
    """What an encrypted bucket needs; `lock` makes every new version undeletable for its days."""

    bucket: str
    key_arn: pulumi.Input[str]
    policy: pulumi.Input[str]
    tags: Mapping[str, str]
    lock: Lock | None = None
    protect: bool = True


class EncryptedBucket(pulumi.ComponentResource):
    """Objects under one class's key, with a bucket key; customer-supplied keys are blocked."""

    arn: pulumi.Output[str]
    bucket: pulumi.Output[str]

    def __init__(self, name: str, args: EncryptedBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:s3:EncryptedBucket", name, None, opts)
        inner = PrivateBucket(
            name,
            PrivateBucketArgs(
                bucket=args.bucket, policy=args.policy, tags=args.tags, lock=args.lock, protect=args.protect
            ),
            pulumi.ResourceOptions(parent=self),
        )
        default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms", kms_master_key_id=args.key_arn
        )
        rule = aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
            apply_server_side_encryption_by_default=default,
            bucket_key_enabled=True,
            blocked_encryption_types=["SSE-C"],
        )
        self.encryption = aws.s3.BucketServerSideEncryptionConfiguration(
            name, bucket=inner.bucket, rules=[rule], opts=kept(self, args.protect)
        )
        self.arn, self.bucket = inner.arn, inner.bucket
        self.register_outputs({"arn": self.arn, "bucket": self.bucket})
