"""A versioned bucket that nobody outside its policies reaches; the base of every bucket here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.retention import kept
from strongroom.estate.model import Lock


@dataclass(frozen=True, kw_only=True)
class PrivateBucketArgs:
    """What a bucket needs. Without further configuration S3 applies SSE-S3, which repository buckets want."""

    bucket: str
    policy: pulumi.Input[str]
    tags: Mapping[str, str]
    lock: Lock | None = None
    protect: bool = True


class PrivateBucket(pulumi.ComponentResource):
    """Public access blocked, versioned, under a policy; with `lock` under object lock by default."""

    arn: pulumi.Output[str]
    bucket: pulumi.Output[str]

    def __init__(self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:s3:PrivateBucket", name, None, opts)
        # what guards the data stays as long as the data: a bucket without its policy would be open to its account
        options = kept(self, args.protect)
        bucket = aws.s3.Bucket(
            name,
            bucket=args.bucket,
            object_lock_enabled=args.lock is not None,
            force_destroy=False,
            tags=dict(args.tags),
            opts=options,
        )
        blocked = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=options,
        )
        if args.lock is None:
            versioning = aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled")
            aws.s3.BucketVersioning(name, bucket=bucket.bucket, versioning_configuration=versioning, opts=options)
        else:  # object lock brings versioning with it
            retention = aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                mode=args.lock.mode, days=args.lock.days
            )
            rule = aws.s3.BucketObjectLockConfigurationRuleArgs(default_retention=retention)
            aws.s3.BucketObjectLockConfiguration(
                name, bucket=bucket.bucket, object_lock_enabled="Enabled", rule=rule, opts=options
            )
        # two concurrent changes of one bucket's access are refused by S3
        after = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[blocked]))
        aws.s3.BucketPolicy(name, bucket=bucket.bucket, policy=args.policy, opts=after)
        self.arn, self.bucket = bucket.arn, bucket.bucket
        self.register_outputs({"arn": self.arn, "bucket": self.bucket})
