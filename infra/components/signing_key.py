"""A signing key of one duty and its public half, which verifiers pin."""

from __future__ import annotations

import base64
import hashlib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.managed_key import ManagedKey, ManagedKeyArgs


@dataclass(frozen=True, kw_only=True)
class SigningKeyArgs:
    """What a signing key needs; `policy` names the one role that may sign."""

    alias: str
    duty: str
    policy: pulumi.Input[str]
    tags: Mapping[str, str]
    protect: bool = True


class SigningKey(pulumi.ComponentResource):
    """An ECDSA P-256 key in KMS; `keyid` is the SHA-256 of its SubjectPublicKeyInfo, 64 hex digits."""

    arn: pulumi.Output[str]
    spki_pem: pulumi.Output[str]
    keyid: pulumi.Output[str]

    def __init__(self, name: str, args: SigningKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:kms:SigningKey", name, None, opts)
        key = ManagedKey(
            name,
            ManagedKeyArgs(
                alias=args.alias,
                description=f"signs the evidence of {args.duty}",
                policy=args.policy,
                tags=args.tags,
                rotation_days=None,
                spec="ECC_NIST_P256",
                protect=args.protect,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        public = aws.kms.get_public_key_output(key_id=key.arn, opts=pulumi.InvokeOutputOptions(parent=key))
        self.arn = key.arn
        self.spki_pem = public.public_key.apply(spki_pem)
        self.keyid = public.public_key.apply(keyid)
        self.register_outputs({"arn": self.arn, "spki_pem": self.spki_pem, "keyid": self.keyid})


def spki_pem(der_base64: str) -> str:
    """The PEM form of a base64 SubjectPublicKeyInfo, one form whatever the provider's line breaks are."""
    lines = textwrap.wrap("".join(der_base64.split()), 64)
    return "\n".join(("-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""))


def keyid(der_base64: str) -> str:
    """The key id by which envelopes name a signing key."""
    return hashlib.sha256(base64.b64decode(der_base64)).hexdigest()
