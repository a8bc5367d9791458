"""Examples of the S3 user guide: condition keys of object and bucket operations."""

from __future__ import annotations

from documented import (
    ANYBODY,
    FULL_ACCESS,
    Example,
    allow,
    deny,
    document,
    no,
    user,
    yes,
)
from documented_s3 import BUCKET, DANA, HERE, KEYS_PAGE, OBJECT, upload

FULL_CONTROL = {"s3:x-amz-grant-full-control": "id=owner"}
KEYS = [
    Example(
        KEYS_PAGE,
        "an address range without one address",
        {
            "resource": document(
                allow(
                    "s3:GetObject",
                    "arn:aws:s3:::scans/*",
                    Principal="*",
                    Condition={
                        "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
                        "NotIpAddress": {"aws:SourceIp": "192.0.2.188/32"},
                    },
                )
            )
        },
        (
            yes(ANYBODY, "s3:GetObject", OBJECT, {"aws:SourceIp": "192.0.2.187"}, **HERE),
            no(ANYBODY, "s3:GetObject", OBJECT, {"aws:SourceIp": "192.0.2.188"}, **HERE),
            no(ANYBODY, "s3:GetObject", OBJECT, {"aws:SourceIp": "192.0.3.1"}, **HERE),
        ),
    ),
    Example(
        KEYS_PAGE,
        "the Deny closes what another policy of the uploader opens",
        {
            "resource": document(
                allow(
                    "s3:PutObject",
                    "arn:aws:s3:::scans/*",
                    Principal={"AWS": DANA.arn},
                    Condition={"StringEquals": FULL_CONTROL},
                ),
                deny(
                    "s3:PutObject",
                    "arn:aws:s3:::scans/*",
                    Principal={"AWS": DANA.arn},
                    Condition={"StringNotEquals": FULL_CONTROL},
                ),
            ),
            "identity": [FULL_ACCESS],
        },
        (
            yes(DANA, *upload(grant_full_control="id=owner"), **HERE),
            no(DANA, *upload(grant_full_control="id=other"), **HERE),
            no(DANA, *upload(), **HERE),
            yes(user("bo"), *upload(), **HERE),
        ),
    ),
    Example(
        KEYS_PAGE,
        "copies from one folder of one bucket only; a plain upload has no source and is denied too",
        {
            "resource": document(
                allow("s3:PutObject", "arn:aws:s3:::scans/*", Principal={"AWS": DANA.arn}),
                deny(
                    "s3:PutObject",
                    "arn:aws:s3:::scans/*",
                    Principal={"AWS": DANA.arn},
                    Condition={"StringNotLike": {"s3:x-amz-copy-source": "scans/public/*"}},
                ),
            )
        },
        (
            yes(DANA, *upload(copy_source="scans/public/face.jpg"), **HERE),
            no(DANA, *upload(copy_source="scans/private/face.jpg"), **HERE),
            no(DANA, *upload(), **HERE),
        ),
    ),
    Example(
        KEYS_PAGE,
        "one version of an object",
        {
            "resource": document(
                allow("s3:GetObjectVersion", OBJECT, Principal={"AWS": DANA.arn}),
                deny(
                    "s3:GetObjectVersion",
                    OBJECT,
                    Principal={"AWS": DANA.arn},
                    Condition={"StringNotEquals": {"s3:VersionId": "AaaHbAQitwiL"}},
                ),
            )
        },
        (
            yes(DANA, "s3:GetObjectVersion", OBJECT, {"s3:VersionId": "AaaHbAQitwiL"}, **HERE),
            no(DANA, "s3:GetObjectVersion", OBJECT, {"s3:VersionId": "aaahbaqitwil"}, **HERE),
            no(DANA, "s3:GetObject", OBJECT, **HERE),
        ),
    ),
    Example(
        KEYS_PAGE,
        "one storage class",
        {
            "resource": document(
                allow(
                    "s3:PutObject",
                    "arn:aws:s3:::scans/*",
                    Principal={"AWS": DANA.arn},
                    Condition={"StringEquals": {"s3:x-amz-storage-class": ["STANDARD_IA"]}},
                )
            )
        },
        (
            yes(DANA, *upload(storage_class="STANDARD_IA"), **HERE),
            no(DANA, *upload(storage_class="GLACIER"), **HERE),
        ),
    ),
    Example(
        KEYS_PAGE,
        "buckets in one Region, even if a group's policy allows all",
        {
            "identity": [
                FULL_ACCESS,
                document(
                    allow(
                        "s3:CreateBucket",
                        "arn:aws:s3:::*",
                        Condition={"StringLike": {"s3:LocationConstraint": "sa-east-1"}},
                    ),
                    deny(
                        "s3:CreateBucket",
                        "arn:aws:s3:::*",
                        Condition={"StringNotLike": {"s3:LocationConstraint": "sa-east-1"}},
                    ),
                ),
            ]
        },
        (
            yes(DANA, "s3:CreateBucket", BUCKET, {"s3:LocationConstraint": "sa-east-1"}, **HERE),
            no(DANA, "s3:CreateBucket", BUCKET, {"s3:LocationConstraint": "eu-west-1"}, **HERE),
            no(DANA, "s3:CreateBucket", BUCKET, **HERE),
        ),
    ),
    Example(
        KEYS_PAGE,
        "listing under one prefix, no other and not without one",
        {
            "identity": [
                FULL_ACCESS,
                document(deny("s3:ListBucket", BUCKET, Condition={"StringNotEquals": {"s3:prefix": "projects"}})),
            ]
        },
        (
            yes(DANA, "s3:ListBucket", BUCKET, {"s3:prefix": "projects"}, **HERE),
            no(DANA, "s3:ListBucket", BUCKET, {"s3:prefix": "projects/alpha"}, **HERE),
            no(DANA, "s3:ListBucket", BUCKET, **HERE),
        ),
    ),
]

EXAMPLES = [*KEYS]
