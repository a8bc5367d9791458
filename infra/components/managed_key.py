"""A KMS key with alias, explicit rotation and a 30-day deletion window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.retention import kept


@dataclass(frozen=True, kw_only=True)
class ManagedKeyArgs:
    """What a key needs. `policy` is its key policy as JSON; `rotation_days` None for keys that cannot rotate."""

    alias: str
    description: str
    policy: pulumi.Input[str]
    tags: Mapping[str, str]
    rotation_days: int | None
    spec: str = "SYMMETRIC_DEFAULT"
    protect: bool = True


class ManagedKey(pulumi.ComponentResource):
    """A single-Region KMS key of one purpose and data class."""

    arn: pulumi.Output[str]
    key_id: pulumi.Output[str]

    def __init__(self, name: str, args: ManagedKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:kms:ManagedKey", name, None, opts)
        options = kept(self, args.protect)
        key = aws.kms.Key(
            name,
            description=args.description,
            key_usage=_USAGE[args.spec],
            customer_master_key_spec=args.spec,
            policy=args.policy,
            enable_key_rotation=args.rotation_days is not None,
            rotation_period_in_days=args.rotation_days,
            deletion_window_in_days=30,
            multi_region=False,
            tags=dict(args.tags),
            opts=options,
        )
        aws.kms.Alias(name, name=args.alias, target_key_id=key.key_id, opts=options)
        self.arn, self.key_id = key.arn, key.key_id
        self.register_outputs({"arn": self.arn, "key_id": self.key_id})


_USAGE = {"SYMMETRIC_DEFAULT": "ENCRYPT_DECRYPT", "HMAC_256": "GENERATE_VERIFY_MAC", "ECC_NIST_P256": "SIGN_VERIFY"}
