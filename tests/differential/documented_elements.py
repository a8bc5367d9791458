"""Examples of the IAM user guide: NotAction, NotResource, NotPrincipal and Principal."""

from __future__ import annotations

from documented import (
    ANYBODY,
    FAR,
    FULL_ACCESS,
    HOME,
    VENDOR,
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
from documented_iam import ABROAD, BO, DANA, GUIDE, HERE, NOTHING, RESTORER, ROLE, SCAN

BUCKET = ["arn:aws:s3:::vault", "arn:aws:s3:::vault/*"]
OPEN = allow("s3:*", BUCKET, Principal="*")
AUDITOR = session("reads", "audit-app", FAR)


def except_for(*arns: str) -> dict[str, object]:
    """A bucket policy open to everybody, then closed to all but these."""
    return document(OPEN, deny("s3:*", BUCKET, NotPrincipal={"AWS": list(arns)}))


MFA = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
ELEMENTS = [
    Example(
        f"{GUIDE}AWS JSON policy elements: NotAction",
        "all that can be done to S3 resources except deleting a bucket; no action whose resource is *",
        {"identity": [document(allow("", "arn:aws:s3:::*", NotAction="s3:DeleteBucket"))]},
        (
            yes(DANA, "s3:PutObject", SCAN, **HERE),
            no(DANA, "s3:DeleteBucket", "arn:aws:s3:::scans", **HERE),
            no(DANA, "s3:ListAllMyBuckets"),
            no(DANA, "iam:ListUsers"),
        ),
    ),
    Example(
        f"{GUIDE}AWS JSON policy elements: NotAction",
        "everything except IAM",
        {"identity": [document(allow("", NotAction="iam:*"))]},
        (yes(DANA, "ec2:RunInstances"), no(DANA, "iam:CreateUser", BO.arn)),
    ),
    Example(
        f"{GUIDE}AWS JSON policy elements: NotAction",
        "without MFA nothing but IAM; the statement itself allows nothing",
        {"identity": [FULL_ACCESS, document(deny("", NotAction="iam:*", Condition=MFA))]},
        (
            yes(DANA, "ec2:RunInstances", "*", {"aws:MultiFactorAuthPresent": "true"}),
            no(DANA, "ec2:RunInstances", "*", {"aws:MultiFactorAuthPresent": "false"}),
            no(DANA, "ec2:RunInstances"),
            yes(DANA, "iam:ListUsers"),
            no(
                DANA,
                "ec2:RunInstances",
                "*",
                {"aws:MultiFactorAuthPresent": "true"},
                given={"identity": [document(deny("", NotAction="iam:*", Condition=MFA))]},
                twice="nothing allows",
            ),
        ),
    ),
    Example(
        f"{GUIDE}AWS JSON policy elements: NotResource",
        "no S3 resource but the payroll folder",
        {
            "identity": [
                FULL_ACCESS,
                document(deny("s3:*", NotResource=["arn:aws:s3:::staff/Payroll", "arn:aws:s3:::staff/Payroll/*"])),
            ]
        },
        (
            yes(DANA, "s3:GetObject", "arn:aws:s3:::staff/Payroll/may", **HERE),
            no(DANA, "s3:GetObject", "arn:aws:s3:::staff/Contracts/may", **HERE),
            no(DANA, "s3:ListBucket", "arn:aws:s3:::staff", **HERE),
            yes(DANA, "ec2:RunInstances"),
        ),
    ),
    Example(
        f"{GUIDE}AWS JSON policy elements: NotPrincipal",
        "everybody but one user of another account is denied; user and account are listed",
        {"identity": [FULL_ACCESS], "resource": except_for(ABROAD.arn, f"arn:aws:iam::{FAR}:root")},
        (
            yes(ABROAD, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(user("eve", FAR), "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(DANA, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
        ),
    ),
    Example(
        f"{GUIDE}AWS JSON policy elements: NotPrincipal",
        "everybody but one session; it is listed with its role and its account",
        {"identity": [FULL_ACCESS], "resource": except_for(AUDITOR.arn, AUDITOR.role_arn, f"arn:aws:iam::{FAR}:root")},
        (
            yes(AUDITOR, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(session("reads", "other-app", FAR), "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(session("writes", "audit-app", FAR), "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Permissions boundaries for IAM entities",
        "NotPrincipal with Deny always denies who has a boundary",
        {"identity": [FULL_ACCESS], "resource": except_for(DANA.arn, f"arn:aws:iam::{HOME}:root")},
        (
            yes(DANA, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(DANA, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE, given={"boundary": FULL_ACCESS}),
        ),
    ),
    Example(
        f"{GUIDE}AWS JSON policy elements: Principal",
        "in place of NotPrincipal: a Deny to everybody whose ARN is another",
        {
            "identity": [FULL_ACCESS],
            "resource": document(
                OPEN, deny("s3:*", BUCKET, Principal="*", Condition={"ArnNotEquals": {"aws:PrincipalArn": DANA.arn}})
            ),
        },
        (
            yes(DANA, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(BO, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(ANYBODY, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
        ),
    ),
    Example(
        f"{GUIDE}AWS JSON policy elements: Principal",
        "a wildcard grants to whoever is at home, also anonymously; from abroad an identity policy is needed too",
        {"resource": document(OPEN)},
        (
            yes(DANA, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            yes(ANYBODY, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(ABROAD, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE, given={"identity": [NOTHING]}),
            yes(ABROAD, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE, given={"identity": [FULL_ACCESS]}),
        ),
    ),
    Example(
        f"{GUIDE}AWS JSON policy elements: Principal",
        "a role by condition: boundary and session policy do not limit the grant unless they deny",
        {
            "resource": document(
                allow("s3:*", BUCKET, Principal="*", Condition={"ArnEquals": {"aws:PrincipalArn": ROLE}})
            ),
            "boundary": NOTHING,
            "session": [NOTHING],
        },
        (
            yes(RESTORER, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(session("auditor"), "s3:GetObject", "arn:aws:s3:::vault/x", **HERE),
            no(RESTORER, "s3:GetObject", "arn:aws:s3:::vault/x", **HERE, given={"boundary": document(deny("s3:*"))}),
        ),
    ),
    Example(
        f"{GUIDE}AWS JSON policy elements: Principal",
        "two services may assume a role, a third may not; account id and account ARN mean the same",
        {
            "resource": document(
                allow(
                    "sts:AssumeRole",
                    None,
                    Principal={"Service": ["ecs.amazonaws.com", "elasticloadbalancing.amazonaws.com"], "AWS": VENDOR},
                )
            )
        },
        (
            yes(service("ecs"), "sts:AssumeRole", ROLE),
            yes(service("elasticloadbalancing"), "sts:AssumeRole", ROLE),
            no(service("ec2"), "sts:AssumeRole", ROLE),
            yes(user("ops", VENDOR), "sts:AssumeRole", ROLE, given={"identity": [FULL_ACCESS]}),
            no(user("ops", FAR), "sts:AssumeRole", ROLE, given={"identity": [FULL_ACCESS]}),
        ),
    ),
]

EXAMPLES = [*ELEMENTS]
