"""A queue and its dead-letter queue under one class's key, TLS only, closed to other accounts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.retention import kept


@dataclass(frozen=True, kw_only=True)
class EncryptedQueueArgs:
    """What a queue needs; the policies are those of the queue and of its dead-letter queue."""

    name: str
    key_arn: pulumi.Input[str]
    policy: str
    dead_letter_policy: str
    tags: Mapping[str, str]
    attempts: int = 5
    protect: bool = True


class EncryptedQueue(pulumi.ComponentResource):
    """A message that fails `attempts` times lies in the dead-letter queue for 14 days, under the same key."""

    arn: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(self, name: str, args: EncryptedQueueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:sqs:EncryptedQueue", name, None, opts)
        options = kept(self, args.protect)
        dead = aws.sqs.Queue(
            f"{name}-dead",
            name=f"{args.name}-dead",
            kms_master_key_id=args.key_arn,
            message_retention_seconds=14 * 86400,
            tags=dict(args.tags),
            opts=options,
        )
        queue = aws.sqs.Queue(
            name,
            name=args.name,
            kms_master_key_id=args.key_arn,
            message_retention_seconds=4 * 86400,
            redrive_policy=dead.arn.apply(
                lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": args.attempts})
            ),
            tags=dict(args.tags),
            opts=options,
        )
        aws.sqs.QueuePolicy(f"{name}-dead", queue_url=dead.url, policy=args.dead_letter_policy, opts=options)
        aws.sqs.QueuePolicy(name, queue_url=queue.url, policy=args.policy, opts=options)
        self.arn, self.url = queue.arn, queue.url
        self.register_outputs({"arn": self.arn, "url": self.url})
