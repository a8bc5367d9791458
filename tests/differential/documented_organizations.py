"""Examples of the Organizations user guide: service control policies."""

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
    root,
    session,
    user,
    yes,
)

GUIDE = "Organizations user guide: "
GENERAL = f"{GUIDE}General examples"
DANA, OPERATOR = user("dana"), session("operator")
EVERYTHING = [FULL_ACCESS]


def under(*statements: dict[str, Any]) -> dict[str, Any]:
    """An organisation whose account has FullAWSAccess and a policy beside; identities that may do everything."""
    return {"scps": [EVERYTHING, [FULL_ACCESS, document(*statements)]], "identity": [FULL_ACCESS]}


PROTECTED = ["iam:AttachRolePolicy", "iam:DeleteRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"]
LANDING = f"arn:aws:iam::{HOME}:role/landing-zone"
GLOBAL = ["iam:*", "organizations:*", "route53:*", "cloudfront:*", "sts:*", "support:*", "s3:ListAllMyBuckets"]
INSTANCE = f"arn:aws:ec2:us-east-1:{HOME}:instance/i-1"
TAGGED = {"aws:RequestTag/Project": "alpha", "aws:RequestTag/CostCenter": "7"}
SCPS = [
    Example(
        GENERAL,
        "two Regions, but for global services and one role",
        under(
            deny(
                "",
                NotAction=GLOBAL,
                Condition={
                    "StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-1"]},
                    "ArnNotLike": {"aws:PrincipalARN": "arn:aws:iam::*:role/bypass"},
                },
            )
        ),
        (
            yes(DANA, "ec2:RunInstances", "*", {"aws:RequestedRegion": "eu-west-1"}),
            no(DANA, "ec2:RunInstances", "*", {"aws:RequestedRegion": "us-east-1"}),
            yes(DANA, "iam:ListUsers", "*", {"aws:RequestedRegion": "us-east-1"}),
            yes(session("bypass"), "ec2:RunInstances", "*", {"aws:RequestedRegion": "us-east-1"}),
            no(root(), "ec2:RunInstances", "*", {"aws:RequestedRegion": "us-east-1"}),
        ),
    ),
    Example(
        GENERAL,
        "one role in every account stays as it is, whoever asks",
        under(deny(PROTECTED, "arn:aws:iam::*:role/landing-zone")),
        (
            no(DANA, "iam:DeleteRole", LANDING),
            no(DANA, "iam:UpdateAssumeRolePolicy", LANDING),
            yes(DANA, "iam:DeleteRole", f"arn:aws:iam::{HOME}:role/other"),
            yes(DANA, "iam:GetRole", LANDING),
        ),
    ),
    Example(
        GENERAL,
        "it may be changed by one administrating role",
        under(
            deny(
                PROTECTED,
                "arn:aws:iam::*:role/landing-zone",
                Condition={"StringNotLike": {"aws:PrincipalARN": "arn:aws:iam::*:role/landing-admin"}},
            )
        ),
        (
            no(OPERATOR, "iam:DeleteRole", LANDING),
            yes(session("landing-admin"), "iam:DeleteRole", LANDING),
        ),
    ),
    Example(
        GENERAL,
        "instances are stopped with MFA only",
        under(
            deny(
                ["ec2:StopInstances", "ec2:TerminateInstances"],
                Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": False}},
            )
        ),
        (
            yes(DANA, "ec2:StopInstances", INSTANCE, {"aws:MultiFactorAuthPresent": True}),
            no(DANA, "ec2:StopInstances", INSTANCE, {"aws:MultiFactorAuthPresent": False}),
            no(DANA, "ec2:StopInstances", INSTANCE),
            yes(DANA, "ec2:StartInstances", INSTANCE),
        ),
    ),
    Example(
        GENERAL,
        "nothing in EC2 for the root user",
        under(deny("ec2:*", Condition={"StringLike": {"aws:PrincipalArn": ["arn:aws:iam::*:root"]}})),
        (
            no(root(), "ec2:RunInstances"),
            yes(root(), "s3:ListAllMyBuckets"),
            yes(DANA, "ec2:RunInstances"),
        ),
    ),
    Example(
        GENERAL,
        "no account leaves the organisation",
        under(deny("organizations:LeaveOrganization")),
        (no(DANA, "organizations:LeaveOrganization"), yes(DANA, "organizations:DescribeOrganization")),
    ),
    Example(
        f"{GUIDE}Strategies for using SCPs",
        "as a deny list: in one policy with the Allow, or in one beside FullAWSAccess",
        under(deny("dynamodb:*")),
        (
            no(DANA, "dynamodb:ListTables"),
            yes(DANA, "ec2:RunInstances"),
            no(DANA, "dynamodb:ListTables", given={"scps": [[document(allow("*"), deny("dynamodb:*"))]]}),
            no(DANA, "ec2:RunInstances", given={"identity": [document(allow("s3:*"))]}),
        ),
    ),
    Example(
        f"{GUIDE}Strategies for using SCPs",
        "as an allow list: two services and no other",
        {"scps": [EVERYTHING, [document(allow(["ec2:*", "cloudwatch:*"]))]], "identity": [FULL_ACCESS]},
        (
            yes(DANA, "cloudwatch:PutMetricData"),
            no(DANA, "s3:ListAllMyBuckets"),
            no(DANA, "cloudwatch:PutMetricData", given={"identity": []}, twice="there is no identity policy to change"),
        ),
    ),
    Example(
        f"{GUIDE}Inheritance for service control policies",
        "what passes is what every level allows",
        {
            "scps": [[document(allow(["a:*", "b:*", "c:*"]))], [document(allow(["c:*", "d:*", "e:*"]))]],
            "identity": [FULL_ACCESS],
        },
        (yes(DANA, "c:Do"), no(DANA, "a:Do"), no(DANA, "d:Do")),
    ),
    Example(
        f"{GUIDE}Example SCPs for tagging resources",
        "secrets and instances are made with both tags only",
        under(
            *(
                deny(action, resource, Condition={"Null": {f"aws:RequestTag/{tag}": "true"}})
                for action, resource in [
                    ("secretsmanager:CreateSecret", "*"),
                    ("ec2:RunInstances", "arn:aws:ec2:*:*:instance/*"),
                ]
                for tag in ("Project", "CostCenter")
            )
        ),
        (
            yes(DANA, "secretsmanager:CreateSecret", "*", TAGGED),
            no(DANA, "secretsmanager:CreateSecret", "*", {"aws:RequestTag/Project": "alpha"}),
            no(DANA, "secretsmanager:CreateSecret", "*", {"aws:RequestTag/CostCenter": "7"}),
            no(DANA, "ec2:RunInstances", INSTANCE, {"aws:RequestTag/CostCenter": "7"}),
            yes(DANA, "ec2:RunInstances", f"arn:aws:ec2:us-east-1:{HOME}:subnet/s-1"),
        ),
    ),
    Example(
        f"{GUIDE}Example SCPs for tagging resources",
        "tags are changed by whom the resource's own tag names, or by the one administrator",
        under(
            deny(
                ["ec2:CreateTags", "ec2:DeleteTags"],
                Condition={
                    "StringNotEquals": {
                        "ec2:ResourceTag/access-project": "${aws:PrincipalTag/access-project}",
                        "aws:PrincipalArn": f"arn:aws:iam::{HOME}:role/iam-admin",
                    },
                    "Null": {"ec2:ResourceTag/access-project": False},
                },
            ),
            deny(
                ["ec2:CreateTags", "ec2:DeleteTags"],
                Condition={
                    "StringNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:role/iam-admin"},
                    "Null": {"aws:PrincipalTag/access-project": True},
                },
            ),
        ),
        (
            yes(
                user("dana", tags={"access-project": "peg"}),
                "ec2:CreateTags",
                INSTANCE,
                {"ec2:ResourceTag/access-project": "peg"},
            ),
            no(
                user("dana", tags={"access-project": "uni"}),
                "ec2:CreateTags",
                INSTANCE,
                {"ec2:ResourceTag/access-project": "peg"},
            ),
            no(DANA, "ec2:CreateTags", INSTANCE),
            yes(session("iam-admin"), "ec2:CreateTags", INSTANCE, {"ec2:ResourceTag/access-project": "peg"}),
        ),
    ),
]

EXAMPLES = [*SCPS]
