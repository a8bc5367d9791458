"""Examples of the S3 user guide: bucket policies."""

from __future__ import annotations

from typing import Any

from documented import (
    ANYBODY,
    FAR,
    FULL_ACCESS,
    HOME,
    Example,
    allow,
    deny,
    document,
    no,
    root,
    service,
    session,
    user,
    yes,
)

GUIDE = "S3 user guide: "
EXAMPLES_PAGE = f"{GUIDE}Bucket policy examples"
KEYS_PAGE = f"{GUIDE}Amazon S3 condition keys"
DANA, DAVE, ROOT = user("dana"), user("dave", FAR), root()
WRITER = session("backup-writer")
HERE = {"owner": HOME}
BOTH = ["arn:aws:s3:::scans", "arn:aws:s3:::scans/*"]
OBJECT, BUCKET = "arn:aws:s3:::scans/7.dcm", "arn:aws:s3:::scans"
KMS_KEY = f"arn:aws:kms:us-east-1:{HOME}:key/0f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0"


def bucket(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A bucket policy beside identity policies that allow everything, so that the bucket decides."""
    return {"resource": document(*statements), "identity": [FULL_ACCESS], **more}


def refuses(action: Any, resource: Any, **condition: Any) -> dict[str, Any]:
    """A bucket policy of one conditional Deny for everybody."""
    return bucket(deny(action, resource, Principal="*", Condition=condition))


def upload(**headers: Any) -> tuple[str, str, dict[str, Any]]:
    """A PutObject with headers as condition keys."""
    return "s3:PutObject", OBJECT, {f"s3:x-amz-{name.replace('_', '-')}": value for name, value in headers.items()}


MIX = document(
    allow(
        "s3:*",
        BOTH,
        Principal="*",
        Condition={
            "IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:DB8:1234:5678::/64"]},
            "NotIpAddress": {"aws:SourceIp": ["192.0.2.128/30", "2001:DB8:1234:5678:ABCD::/80"]},
        },
    )
)
TAXES = "arn:aws:s3:::scans/taxes/2026"
MFA = [
    deny("s3:*", "arn:aws:s3:::scans/taxes/*", Principal="*", Condition={"Null": {"aws:MultiFactorAuthAge": True}}),
    deny(
        "s3:*",
        "arn:aws:s3:::scans/taxes/*",
        Principal="*",
        Condition={"NumericGreaterThan": {"aws:MultiFactorAuthAge": 3600}},
    ),
    allow("s3:GetObject", "arn:aws:s3:::scans/*", Principal="*"),
]
INVENTORY = {
    "aws:SourceArn": "arn:aws:s3:::source",
    "aws:SourceAccount": HOME,
    "s3:x-amz-acl": "bucket-owner-full-control",
}

POLICIES = [
    Example(
        EXAMPLES_PAGE,
        "two accounts upload, each time with a public ACL",
        {
            "resource": document(
                allow(
                    ["s3:PutObject", "s3:PutObjectAcl"],
                    "arn:aws:s3:::scans/*",
                    Principal={"AWS": [f"arn:aws:iam::{FAR}:root", "arn:aws:iam::220000000009:root"]},
                    Condition={"StringEquals": {"s3:x-amz-acl": ["public-read"]}},
                )
            ),
            "identity": [FULL_ACCESS],
        },
        (
            yes(DAVE, *upload(acl="public-read"), **HERE),
            no(DAVE, *upload(), **HERE),
            no(DAVE, "s3:GetObject", OBJECT, {"s3:x-amz-acl": "public-read"}, **HERE),
            no(user("eve", "220000000008"), *upload(acl="public-read"), **HERE),
        ),
    ),
    Example(
        EXAMPLES_PAGE,
        "anybody reads objects and their versions, nobody writes",
        {"resource": document(allow(["s3:GetObject", "s3:GetObjectVersion"], "arn:aws:s3:::scans/*", Principal="*"))},
        (
            yes(ANYBODY, "s3:GetObject", OBJECT, **HERE),
            yes(ANYBODY, "s3:GetObjectVersion", OBJECT, **HERE),
            no(ANYBODY, "s3:PutObject", OBJECT, **HERE),
            no(ANYBODY, "s3:ListBucket", BUCKET, **HERE, twice="neither the action nor the bucket is covered"),
        ),
    ),
    Example(
        EXAMPLES_PAGE,
        "nothing from outside one range",
        refuses("s3:*", BOTH, NotIpAddress={"aws:SourceIp": "192.0.2.0/24"}),
        (
            yes(DANA, "s3:GetObject", OBJECT, {"aws:SourceIp": "192.0.2.9"}, **HERE),
            no(DANA, "s3:GetObject", OBJECT, {"aws:SourceIp": "198.51.100.9"}, **HERE),
        ),
    ),
    Example(
        EXAMPLES_PAGE,
        "ranges of both families, each without a part of itself",
        {"resource": MIX},
        tuple(
            make(DANA, "s3:GetObject", OBJECT, {"aws:SourceIp": address}, **HERE)
            for make, address in [
                (yes, "192.0.2.1"),
                (yes, "2001:DB8:1234:5678::1"),
                (no, "192.0.2.129"),
                (no, "2001:DB8:1234:5678:ABCD::1"),
            ]
        ),
    ),
    Example(
        EXAMPLES_PAGE,
        "reading from two web sites only",
        {
            "resource": document(
                allow(
                    "s3:GetObject",
                    "arn:aws:s3:::scans/*",
                    Principal="*",
                    Condition={
                        "StringLike": {"aws:Referer": ["http://www.clinic.example/*", "http://clinic.example/*"]}
                    },
                )
            )
        },
        (
            yes(ANYBODY, "s3:GetObject", OBJECT, {"aws:Referer": "http://www.clinic.example/page"}, **HERE),
            no(ANYBODY, "s3:GetObject", OBJECT, {"aws:Referer": "http://other.example/page"}, **HERE),
            no(ANYBODY, "s3:GetObject", OBJECT, **HERE),
        ),
    ),
    Example(
        EXAMPLES_PAGE,
        "one folder with MFA of the last hour only, the rest for everybody",
        {"resource": document(*MFA)},
        (
            yes(DANA, "s3:GetObject", TAXES, {"aws:MultiFactorAuthAge": 3599}, **HERE),
            no(DANA, "s3:GetObject", TAXES, {"aws:MultiFactorAuthAge": 3601}, **HERE),
            no(DANA, "s3:GetObject", TAXES, **HERE),
            yes(DANA, "s3:GetObject", OBJECT, **HERE),
        ),
    ),
    Example(
        EXAMPLES_PAGE,
        "another account uploads only if the bucket's owner gets full control",
        {
            "resource": document(
                allow(
                    "s3:PutObject",
                    "arn:aws:s3:::scans/*",
                    Principal={"AWS": FAR},
                    Condition={"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
                )
            ),
            "identity": [FULL_ACCESS],
        },
        (
            yes(DAVE, *upload(acl="bucket-owner-full-control"), **HERE),
            no(DAVE, *upload(acl="private"), **HERE),
            no(DAVE, *upload(), **HERE),
        ),
    ),
    Example(
        EXAMPLES_PAGE,
        "S3 itself writes inventories of one bucket of one account",
        {
            "resource": document(
                allow(
                    "s3:PutObject",
                    "arn:aws:s3:::scans/*",
                    Principal={"Service": "s3.amazonaws.com"},
                    Condition={
                        "ArnLike": {"aws:SourceArn": "arn:aws:s3:::source"},
                        "StringEquals": {"aws:SourceAccount": HOME, "s3:x-amz-acl": "bucket-owner-full-control"},
                    },
                )
            )
        },
        (
            yes(service("s3"), "s3:PutObject", OBJECT, INVENTORY, **HERE),
            no(service("s3"), "s3:PutObject", OBJECT, {**INVENTORY, "aws:SourceAccount": FAR}, **HERE),
            no(service("s3"), "s3:PutObject", OBJECT, {**INVENTORY, "aws:SourceArn": "arn:aws:s3:::other"}, **HERE),
            no(service("backup"), "s3:PutObject", OBJECT, INVENTORY, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Controlling access from VPC endpoints with bucket policies",
        "only through one endpoint",
        refuses("s3:*", BOTH, StringNotEquals={"aws:SourceVpce": "vpce-1a2b3c4d"}),
        (
            yes(DANA, "s3:GetObject", OBJECT, {"aws:SourceVpce": "vpce-1a2b3c4d"}, **HERE),
            no(DANA, "s3:GetObject", OBJECT, {"aws:SourceVpce": "vpce-5e6f7a8b"}, **HERE),
            no(DANA, "s3:GetObject", OBJECT, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Controlling access from VPC endpoints with bucket policies",
        "only from one VPC",
        refuses("s3:*", BOTH, StringNotEquals={"aws:SourceVpc": "vpc-111bbb22"}),
        (
            yes(DANA, "s3:GetObject", OBJECT, {"aws:SourceVpc": "vpc-111bbb22"}, **HERE),
            no(DANA, "s3:GetObject", OBJECT, {"aws:SourceVpc": "vpc-999aaa11"}, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Managing Object Lock",
        "locks of at most ten days",
        refuses(
            "s3:PutObjectRetention",
            "arn:aws:s3:::scans/*",
            NumericGreaterThan={"s3:object-lock-remaining-retention-days": "10"},
        ),
        (
            yes(WRITER, "s3:PutObjectRetention", OBJECT, {"s3:object-lock-remaining-retention-days": 10}, **HERE),
            no(WRITER, "s3:PutObjectRetention", OBJECT, {"s3:object-lock-remaining-retention-days": 11}, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Protecting data using server-side encryption with AWS KMS",
        "no upload but under a KMS key",
        refuses("s3:PutObject", "arn:aws:s3:::scans/*", StringNotEquals={"s3:x-amz-server-side-encryption": "aws:kms"}),
        (
            yes(WRITER, *upload(server_side_encryption="aws:kms"), **HERE),
            no(WRITER, *upload(server_side_encryption="AES256"), **HERE),
            no(WRITER, *upload(), **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Protecting data using server-side encryption with AWS KMS",
        "no upload but under this very key",
        refuses(
            "s3:PutObject",
            "arn:aws:s3:::scans/*",
            StringNotEquals={"s3:x-amz-server-side-encryption-aws-kms-key-id": KMS_KEY},
        ),
        (
            yes(WRITER, *upload(server_side_encryption_aws_kms_key_id=KMS_KEY), **HERE),
            no(WRITER, *upload(server_side_encryption_aws_kms_key_id=KMS_KEY.replace(HOME, FAR)), **HERE),
            no(WRITER, *upload(), **HERE),
        ),
    ),
    Example(
        "S3 API reference: PutBucketPolicy",
        "the root user of the bucket's account is not locked out; identities of other accounts are never offered it",
        {"resource": document(deny("s3:*", BOTH, Principal="*")), "identity": [FULL_ACCESS]},
        (
            yes(ROOT, "s3:PutBucketPolicy", BUCKET, **HERE, twice="no bucket policy counts"),
            yes(ROOT, "s3:DeleteBucketPolicy", BUCKET, **HERE, twice="no bucket policy counts"),
            no(ROOT, "s3:GetObject", OBJECT, **HERE),
            no(DANA, "s3:PutBucketPolicy", BUCKET, **HERE),
            no(
                DAVE,
                "s3:PutBucketPolicy",
                BUCKET,
                **HERE,
                twice="the service offers it to the bucket's account alone",
                given={"resource": document(allow("s3:*", BOTH, Principal={"AWS": FAR}))},
            ),
            no(
                ROOT,
                "s3:PutBucketPolicy",
                BUCKET,
                **HERE,
                given={"scps": [[FULL_ACCESS, document(deny("s3:PutBucketPolicy"))]]},
            ),
        ),
    ),
]

EXAMPLES = [*POLICIES]
