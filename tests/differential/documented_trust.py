"""Examples of the IAM user guide: becoming a role, sessions and their tags, revoking them, MFA, the confused deputy."""

from __future__ import annotations

from typing import Any

from documented import (
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

from strongroom.authorization import Principal

GUIDE = "IAM user guide: "
DANA, OPS = user("dana"), user("ops", VENDOR)
ROLE = f"arn:aws:iam::{HOME}:role/cost-reader"
MAY_ASSUME = document(allow("sts:AssumeRole", f"arn:aws:iam::{HOME}:role/*"))
HERE = {"owner": HOME}
OBJECT = "arn:aws:s3:::scans/7.dcm"


def trust(principal: Any, action: Any = "sts:AssumeRole", **condition: Any) -> dict[str, Any]:
    """A trust policy of one statement."""
    return document(allow(action, None, Principal=principal, **({"Condition": condition} if condition else {})))


def federated(name: str) -> Principal:
    """A session that the user `token-app` made with GetFederationToken."""
    maker = f"arn:aws:iam::{HOME}:user/token-app"
    return Principal(f"arn:aws:sts::{HOME}:federated-user/{name}", HOME, "federated-user", federated_by=maker)


def without(principal: str) -> dict[str, Any]:
    """A bucket policy that denies one principal, whose own policies would allow it."""
    return {
        "resource": document(
            deny("s3:*", ["arn:aws:s3:::scans", "arn:aws:s3:::scans/*"], Principal={"AWS": principal})
        ),
        "identity": [FULL_ACCESS],
    }


FOR_BO = {"session": [FULL_ACCESS]}
GIVEN_TAGS = {"Project": "Automation", "CostCenter": "12345", "Department": "Engineering"}
PASSING = document(
    allow(
        "sts:AssumeRole",
        None,
        Principal={"AWS": DANA.arn},
        Condition={
            "StringLike": {f"aws:RequestTag/{name}": "*" for name in GIVEN_TAGS},
            "StringEquals": {"sts:ExternalId": "Example987"},
        },
    ),
    allow(
        "sts:TagSession",
        None,
        Principal={"AWS": DANA.arn},
        Condition={
            "StringLike": {"aws:RequestTag/Project": "*", "aws:RequestTag/CostCenter": "*"},
            "StringEquals": {"aws:RequestTag/Department": ["Engineering", "Marketing"]},
            "ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["Project", "Department"]},
        },
    ),
)
ID = {"sts:ExternalId": "Example987"}

EXAMPLES = [
    Example(
        f"{GUIDE}How to use an external ID when granting access to your AWS resources to a third party",
        "the vendor becomes the role only with the customer's own external id",
        {"resource": trust({"AWS": VENDOR}, StringEquals={"sts:ExternalId": "12345"}), "identity": [MAY_ASSUME]},
        (
            yes(OPS, "sts:AssumeRole", ROLE, {"sts:ExternalId": "12345"}),
            no(OPS, "sts:AssumeRole", ROLE, {"sts:ExternalId": "67890"}),
            no(OPS, "sts:AssumeRole", ROLE),
            no(user("ops", FAR), "sts:AssumeRole", ROLE, {"sts:ExternalId": "12345"}),
        ),
    ),
    Example(
        f"{GUIDE}The confused deputy problem",
        "a service may call for one resource of one account only",
        {
            "resource": document(
                allow(
                    "s3:PutObject",
                    "arn:aws:s3:::trail/*",
                    Principal={"Service": "cloudtrail.amazonaws.com"},
                    Condition={
                        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudtrail:*:{HOME}:trail/*"},
                        "StringEquals": {"aws:SourceAccount": HOME},
                    },
                )
            )
        },
        (
            yes(
                service("cloudtrail"),
                "s3:PutObject",
                "arn:aws:s3:::trail/log",
                {"aws:SourceArn": f"arn:aws:cloudtrail:us-east-1:{HOME}:trail/all", "aws:SourceAccount": HOME},
                **HERE,
            ),
            no(
                service("cloudtrail"),
                "s3:PutObject",
                "arn:aws:s3:::trail/log",
                {"aws:SourceArn": f"arn:aws:cloudtrail:us-east-1:{FAR}:trail/all", "aws:SourceAccount": FAR},
                **HERE,
            ),
            no(service("cloudtrail"), "s3:PutObject", "arn:aws:s3:::trail/log", **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Configuring MFA-protected API access",
        "users of another account become the role only if they authenticated with MFA",
        {"resource": trust({"AWS": FAR}, Bool={"aws:MultiFactorAuthPresent": "true"}), "identity": [MAY_ASSUME]},
        (
            yes(user("richard", FAR), "sts:AssumeRole", ROLE, {"aws:MultiFactorAuthPresent": True}),
            no(user("richard", FAR), "sts:AssumeRole", ROLE),
            no(
                user("richard", FAR),
                "sts:AssumeRole",
                ROLE,
                {"aws:MultiFactorAuthPresent": True},
                given={"identity": []},
                twice="there is no identity policy to change",
            ),
        ),
    ),
    Example(
        f"{GUIDE}Configuring MFA-protected API access",
        "destructive actions with MFA only; long-term keys carry no such key",
        {
            "identity": [
                document(
                    allow(
                        ["ec2:StopInstances", "ec2:TerminateInstances"],
                        Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}},
                    ),
                    allow("ec2:DescribeInstances"),
                )
            ]
        },
        (
            yes(DANA, "ec2:TerminateInstances", "*", {"aws:MultiFactorAuthPresent": True}),
            no(DANA, "ec2:TerminateInstances"),
            yes(DANA, "ec2:DescribeInstances"),
        ),
    ),
    Example(
        f"{GUIDE}Configuring MFA-protected API access",
        "by how long ago: at most an hour; without MFA the key is absent",
        {"identity": [document(allow("ec2:*", Condition={"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}))]},
        (
            yes(DANA, "ec2:StopInstances", "*", {"aws:MultiFactorAuthAge": 300}),
            no(DANA, "ec2:StopInstances", "*", {"aws:MultiFactorAuthAge": 3601}),
            no(DANA, "ec2:StopInstances"),
        ),
    ),
    Example(
        f"{GUIDE}Passing session tags in AWS STS",
        "the three tags and the external id must be passed; two departments; two keys may be transitive",
        {"resource": PASSING},
        (
            yes(DANA, "sts:AssumeRole", ROLE, ID, tags=GIVEN_TAGS),
            yes(
                DANA,
                "sts:AssumeRole",
                ROLE,
                {**ID, "sts:TransitiveTagKeys": ("Project", "Department")},
                tags=GIVEN_TAGS,
            ),
            no(DANA, "sts:AssumeRole", ROLE, {**ID, "sts:TransitiveTagKeys": ("CostCenter",)}, tags=GIVEN_TAGS),
            no(DANA, "sts:AssumeRole", ROLE, ID, tags={**GIVEN_TAGS, "Department": "Sales"}),
            no(
                DANA,
                "sts:AssumeRole",
                ROLE,
                ID,
                tags={"Project": "Automation", "Department": "Engineering"},
                twice="both statements ask for the tag",
            ),
            no(DANA, "sts:AssumeRole", ROLE, tags=GIVEN_TAGS),
            no(
                DANA, "sts:AssumeRole", ROLE, ID, tags=GIVEN_TAGS, given={"resource": document(PASSING["Statement"][0])}
            ),
        ),
    ),
    Example(
        f"{GUIDE}Disabling permissions for temporary security credentials",
        "a Deny on one federated session leaves others",
        without(f"arn:aws:sts::{HOME}:federated-user/bob"),
        (
            no(federated("bob"), "s3:GetObject", OBJECT, **HERE, given=FOR_BO),
            yes(federated("bea"), "s3:GetObject", OBJECT, **HERE, given=FOR_BO),
        ),
    ),
    Example(
        f"{GUIDE}Disabling permissions for temporary security credentials",
        "a Deny on the user who made them reaches all sessions of that user, whatever their names",
        without(f"arn:aws:iam::{HOME}:user/token-app"),
        (
            no(federated("bob"), "s3:GetObject", OBJECT, **HERE, given=FOR_BO),
            no(federated("bea"), "s3:GetObject", OBJECT, **HERE, given=FOR_BO),
            yes(DANA, "s3:GetObject", OBJECT, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Disabling permissions for temporary security credentials",
        "a Deny on one session of a role leaves its others",
        without(f"arn:aws:sts::{HOME}:assumed-role/accounting/mary"),
        (
            no(session("accounting", "mary"), "s3:GetObject", OBJECT, **HERE),
            yes(session("accounting", "john"), "s3:GetObject", OBJECT, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Disabling permissions for temporary security credentials",
        "a Deny on a role reaches every session of it",
        without(f"arn:aws:iam::{HOME}:role/accounting"),
        (
            no(session("accounting", "mary"), "s3:GetObject", OBJECT, **HERE),
            no(session("accounting", "john"), "s3:GetObject", OBJECT, **HERE),
            yes(session("records", "mary"), "s3:GetObject", OBJECT, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Disabling permissions for temporary security credentials",
        "credentials issued before a moment are void; long-term keys have no such moment",
        {
            "identity": [
                FULL_ACCESS,
                document(deny("*", Condition={"DateLessThan": {"aws:TokenIssueTime": "2026-03-01T09:00:00Z"}})),
            ]
        },
        (
            no(session("accounting"), "ec2:RunInstances", "*", {"aws:TokenIssueTime": "2026-03-01T08:59:59Z"}),
            yes(session("accounting"), "ec2:RunInstances", "*", {"aws:TokenIssueTime": "2026-03-01T09:00:01Z"}),
            yes(DANA, "ec2:RunInstances"),
        ),
    ),
]
