"""Examples of the IAM user guide: condition operators on keys of one value."""

from __future__ import annotations

from typing import Any

from documented import (
    FULL_ACCESS,
    HOME,
    Example,
    allow,
    deny,
    document,
    no,
    service,
    session,
    user,
    yes,
)

GUIDE = "IAM user guide: "
OPERATORS = f"{GUIDE}IAM JSON policy elements: Condition operators"
DANA, BO = user("dana"), user("bo")
KEYS = f"arn:aws:iam::{HOME}:user/*"
HERE = {"owner": HOME}
QUEUE = f"arn:aws:sqs:us-east-1:{HOME}:notices"
TOPIC = f"arn:aws:sns:us-east-1:{HOME}:alarms"


def when(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    """Identity policies of one conditional Allow; underscores stand for the colon of a set operator."""
    made = {operator.replace("__", ":"): keys for operator, keys in condition.items()}
    return {"identity": [document(allow(action, resource, Condition=made))]}


def unless(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    """Identity policies that allow everything but one conditional Deny."""
    made = {operator.replace("__", ":"): keys for operator, keys in condition.items()}
    return {"identity": [FULL_ACCESS, document(deny(action, resource, Condition=made))]}


RANGES = ["203.0.113.0/24", "2001:DB8:1234:5678::/64"]
FINANCE = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"
SINGLE = [
    Example(
        OPERATORS,
        "only principals whose job category is the stated one; without the tag nothing matches",
        when("iam:*AccessKey*", KEYS, StringEquals={"aws:PrincipalTag/job-category": "iamuser-admin"}),
        (
            yes(user("dana", tags={"job-category": "iamuser-admin"}), "iam:CreateAccessKey", BO.arn),
            no(user("dana", tags={"job-category": "IAMUser-Admin"}), "iam:CreateAccessKey", BO.arn),
            no(DANA, "iam:CreateAccessKey", BO.arn),
        ),
    ),
    Example(
        OPERATORS,
        "one's own home folder in a bucket, listed by prefix with a variable",
        {
            "identity": [
                document(
                    allow(
                        "s3:ListBucket",
                        "arn:aws:s3:::shared",
                        Condition={"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/"]}},
                    ),
                    allow(
                        "s3:*",
                        ["arn:aws:s3:::shared/home/${aws:username}", "arn:aws:s3:::shared/home/${aws:username}/*"],
                    ),
                )
            ]
        },
        (
            yes(DANA, "s3:ListBucket", "arn:aws:s3:::shared", {"s3:prefix": "home/dana/"}, **HERE),
            yes(DANA, "s3:ListBucket", "arn:aws:s3:::shared", {"s3:prefix": ""}, **HERE),
            no(DANA, "s3:ListBucket", "arn:aws:s3:::shared", {"s3:prefix": "home/bo/"}, **HERE),
            yes(DANA, "s3:PutObject", "arn:aws:s3:::shared/home/dana/x", **HERE),
            no(DANA, "s3:PutObject", "arn:aws:s3:::shared/home/bo/x", **HERE),
        ),
    ),
    Example(
        OPERATORS,
        "at most ten keys in one listing",
        when("s3:ListBucket", "arn:aws:s3:::scans", NumericLessThanEquals={"s3:max-keys": "10"}),
        (
            yes(DANA, "s3:ListBucket", "arn:aws:s3:::scans", {"s3:max-keys": 10}, **HERE),
            no(DANA, "s3:ListBucket", "arn:aws:s3:::scans", {"s3:max-keys": 11}, **HERE),
        ),
    ),
    Example(
        OPERATORS,
        "only temporary credentials issued after a date; access keys carry no such key",
        when("iam:*AccessKey*", KEYS, DateGreaterThan={"aws:TokenIssueTime": "2020-01-01T00:00:01Z"}),
        (
            yes(session("admin"), "iam:ListAccessKeys", BO.arn, {"aws:TokenIssueTime": "2020-06-01T00:00:00Z"}),
            no(session("admin"), "iam:ListAccessKeys", BO.arn, {"aws:TokenIssueTime": "2019-12-31T23:59:59Z"}),
            no(DANA, "iam:ListAccessKeys", BO.arn),
        ),
    ),
    Example(
        OPERATORS,
        "no S3 without TLS",
        unless("s3:*", ["arn:aws:s3:::scans", "arn:aws:s3:::scans/*"], Bool={"aws:SecureTransport": "false"}),
        (
            yes(DANA, "s3:GetObject", "arn:aws:s3:::scans/x", {"aws:SecureTransport": True}, **HERE),
            no(DANA, "s3:GetObject", "arn:aws:s3:::scans/x", {"aws:SecureTransport": False}, **HERE),
        ),
    ),
    Example(
        OPERATORS,
        "a binary key is compared byte for byte with the base64 in the policy",
        when("ec2:RunInstances", BinaryEquals={"example:seal": "QmluYXJ5VmFsdWVJbkJhc2U2NA=="}),
        (
            yes(DANA, "ec2:RunInstances", "*", {"example:seal": b"BinaryValueInBase64"}),
            no(DANA, "ec2:RunInstances", "*", {"example:seal": b"BinaryValueInBase63"}),
            no(DANA, "ec2:RunInstances"),
        ),
    ),
    Example(
        OPERATORS,
        "only from address ranges of both families; through a VPC endpoint the key is absent and nothing matches",
        when("iam:*AccessKey*", KEYS, IpAddress={"aws:SourceIp": RANGES}),
        (
            yes(DANA, "iam:ListAccessKeys", BO.arn, {"aws:SourceIp": "203.0.113.255"}),
            yes(DANA, "iam:ListAccessKeys", BO.arn, {"aws:SourceIp": "2001:db8:1234:5678::9"}),
            no(DANA, "iam:ListAccessKeys", BO.arn, {"aws:SourceIp": "203.0.114.0"}),
            no(DANA, "iam:ListAccessKeys", BO.arn, {"aws:SourceIp": "2001:db8:1234:5679::9"}),
            no(DANA, "iam:ListAccessKeys", BO.arn),
        ),
    ),
    Example(
        OPERATORS,
        "StringLike runs over colons",
        when("ec2:RunInstances", StringLike={"aws:SourceArn": "arn:aws:someservice:*:111122223333:finance/*"}),
        (
            yes(DANA, "ec2:RunInstances", "*", {"aws:SourceArn": FINANCE}),
            no(DANA, "ec2:RunInstances", "*", {"aws:SourceArn": FINANCE.replace("finance", "records")}),
        ),
    ),
    Example(
        OPERATORS,
        "ArnLike compares segment by segment, so its star stays within one",
        when("ec2:RunInstances", ArnLike={"aws:SourceArn": "arn:aws:someservice:*:111122223333:finance/*"}),
        (
            no(DANA, "ec2:RunInstances", "*", {"aws:SourceArn": FINANCE}),
            yes(
                DANA, "ec2:RunInstances", "*", {"aws:SourceArn": "arn:aws:someservice:us-east-2:111122223333:finance/a"}
            ),
        ),
    ),
    Example(
        OPERATORS,
        "a queue takes messages on behalf of one topic only; a user who sends directly has no source",
        {
            "resource": document(
                allow(
                    "SQS:SendMessage", QUEUE, Principal={"AWS": HOME}, Condition={"ArnEquals": {"aws:SourceArn": TOPIC}}
                )
            ),
            "identity": [document(allow("iam:ListUsers"))],
        },
        (
            no(DANA, "sqs:SendMessage", QUEUE),
            no(service("sns"), "sqs:SendMessage", QUEUE, {"aws:SourceArn": TOPIC}),
            yes(
                service("sns"),
                "sqs:SendMessage",
                QUEUE,
                {"aws:SourceArn": TOPIC},
                given={
                    "resource": document(
                        allow(
                            "sqs:SendMessage",
                            QUEUE,
                            Principal={"Service": "sns.amazonaws.com"},
                            Condition={"ArnEquals": {"aws:SourceArn": TOPIC}},
                        )
                    )
                },
            ),
        ),
    ),
    Example(
        OPERATORS,
        "with IfExists the instance type is tested where there is one: instances must be small, images may be any",
        when("ec2:RunInstances", StringLikeIfExists={"ec2:InstanceType": ["t1.*", "t2.*", "m3.*"]}),
        (
            yes(DANA, "ec2:RunInstances", "*", {"ec2:InstanceType": "t2.micro"}),
            no(DANA, "ec2:RunInstances", "*", {"ec2:InstanceType": "m5.large"}),
            yes(DANA, "ec2:RunInstances", f"arn:aws:ec2:us-east-1:{HOME}:image/ami-1"),
            no(
                DANA,
                "ec2:RunInstances",
                f"arn:aws:ec2:us-east-1:{HOME}:image/ami-1",
                given=when("ec2:RunInstances", StringLike={"ec2:InstanceType": ["t1.*", "t2.*", "m3.*"]}),
            ),
        ),
    ),
    Example(
        OPERATORS,
        "a Deny with StringNotEqualsIfExists also denies where the key is missing",
        unless("ec2:StartInstances", StringNotEqualsIfExists={"aws:ResourceTag/stage": "test"}),
        (
            yes(DANA, "ec2:StartInstances", "*", {"aws:ResourceTag/stage": "test"}),
            no(DANA, "ec2:StartInstances", "*", {"aws:ResourceTag/stage": "live"}),
            no(DANA, "ec2:StartInstances"),
        ),
    ),
    Example(
        OPERATORS,
        "only with one's own credentials: the key of temporary ones must be absent",
        when("ec2:*", Null={"aws:TokenIssueTime": "true"}),
        (
            yes(DANA, "ec2:RunInstances"),
            no(session("admin"), "ec2:RunInstances", "*", {"aws:TokenIssueTime": "2026-03-01T00:00:00Z"}),
        ),
    ),
    Example(
        f"{GUIDE}AWS: Allows access within specific dates",
        "half a year, both ends included to the second",
        when(
            "ec2:RunInstances",
            DateGreaterThan={"aws:CurrentTime": "2026-01-01T00:00:00Z"},
            DateLessThan={"aws:CurrentTime": "2026-06-30T23:59:59Z"},
        ),
        (
            yes(DANA, "ec2:RunInstances", "*", {"aws:CurrentTime": "2026-03-01T12:00:00Z"}),
            no(DANA, "ec2:RunInstances", "*", {"aws:CurrentTime": "2025-12-31T23:00:00Z"}),
            no(DANA, "ec2:RunInstances", "*", {"aws:CurrentTime": "2026-07-01T00:00:00Z"}),
        ),
    ),
    Example(
        f"{GUIDE}AWS: Allows specific access using MFA within specific dates",
        "MFA and the dates must both hold",
        when(
            ["kms:*", "s3:GetObject"],
            Bool={"aws:MultiFactorAuthPresent": True},
            DateLessThan={"aws:CurrentTime": "2026-06-30T23:59:59Z"},
        ),
        (
            yes(DANA, "kms:ListKeys", "*", {"aws:MultiFactorAuthPresent": True, "aws:CurrentTime": "2026-03-01"}),
            no(DANA, "kms:ListKeys", "*", {"aws:CurrentTime": "2026-03-01"}),
            no(DANA, "kms:ListKeys", "*", {"aws:MultiFactorAuthPresent": True, "aws:CurrentTime": "2026-08-01"}),
        ),
    ),
    Example(
        f"{GUIDE}AWS: Denies access to AWS based on the source IP",
        "nothing from outside the two ranges",
        unless("*", NotIpAddress={"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}),
        (
            yes(DANA, "ec2:RunInstances", "*", {"aws:SourceIp": "192.0.2.44"}),
            no(DANA, "ec2:RunInstances", "*", {"aws:SourceIp": "198.51.100.7"}),
        ),
    ),
    Example(
        f"{GUIDE}AWS: Denies access to AWS based on the requested Region",
        "two Regions, but for services that have no Region of their own",
        {
            "identity": [
                FULL_ACCESS,
                document(
                    deny(
                        "",
                        NotAction=["cloudfront:*", "iam:*", "route53:*", "support:*"],
                        Condition={"StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-1"]}},
                    )
                ),
            ]
        },
        (
            yes(DANA, "ec2:RunInstances", "*", {"aws:RequestedRegion": "eu-west-1"}),
            no(DANA, "ec2:RunInstances", "*", {"aws:RequestedRegion": "us-east-1"}),
            yes(DANA, "iam:ListUsers", "*", {"aws:RequestedRegion": "us-east-1"}),
        ),
    ),
]

EXAMPLES = [*SINGLE]
