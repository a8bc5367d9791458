"""Examples of the Organizations user guide: resource control policies."""

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
    root,
    service,
    session,
    user,
    yes,
)
from documented_organizations import DANA, GUIDE

OPEN_RCP = document(allow("*", Principal="*"))
OBJECT = "arn:aws:s3:::scans/7.dcm"
SERVICES = ["s3:*", "sqs:*", "kms:*", "secretsmanager:*", "sts:*"]


def guarded(*statements: dict[str, Any], actions: Any = "s3:*") -> dict[str, Any]:
    """Resource control policies over a bucket that its own policy opens to everybody and to services."""
    return {
        "rcps": [[OPEN_RCP], [OPEN_RCP, document(*statements)]],
        "resource": document(allow(actions, "arn:aws:s3:::scans/*", Principal="*")),
        "identity": [FULL_ACCESS],
    }


HERE = {"owner": HOME}
OURS, THEIRS = {"aws:PrincipalOrgID": "o-clinic"}, {"aws:PrincipalOrgID": "o-other"}
FROM = {"aws:SourceArn": f"arn:aws:cloudtrail:us-east-1:{HOME}:trail/all", "aws:SourceAccount": HOME}
RCPS = [
    Example(
        f"{GUIDE}Resource control policy examples",
        "services act on our resources for our organisation or one named account; integrations without a source go on",
        guarded(
            deny(
                SERVICES,
                Principal="*",
                Condition={
                    "StringNotEqualsIfExists": {"aws:SourceOrgID": "o-clinic", "aws:SourceAccount": [VENDOR]},
                    "Bool": {"aws:PrincipalIsAWSService": "true"},
                    "Null": {"aws:SourceArn": "false"},
                },
            )
        ),
        (
            yes(service("cloudtrail"), "s3:PutObject", OBJECT, {**FROM, "aws:SourceOrgID": "o-clinic"}, **HERE),
            no(
                service("cloudtrail"),
                "s3:PutObject",
                OBJECT,
                {**FROM, "aws:SourceOrgID": "o-other", "aws:SourceAccount": FAR},
                **HERE,
            ),
            yes(
                service("cloudtrail"),
                "s3:PutObject",
                OBJECT,
                {**FROM, "aws:SourceOrgID": "o-other", "aws:SourceAccount": VENDOR},
                **HERE,
            ),
            yes(service("cloudtrail"), "s3:PutObject", OBJECT, **HERE),
            yes(user("eve", FAR), "s3:PutObject", OBJECT, {**FROM, "aws:SourceOrgID": "o-other"}, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Resource control policy examples",
        "no access but over TLS",
        guarded(deny(SERVICES, Principal="*", Condition={"BoolIfExists": {"aws:SecureTransport": "false"}})),
        (
            yes(DANA, "s3:GetObject", OBJECT, {"aws:SecureTransport": True}, **HERE),
            no(DANA, "s3:GetObject", OBJECT, {"aws:SecureTransport": False}, **HERE),
            no(DANA, "s3:GetObject", OBJECT, **HERE),
            no(service("cloudtrail"), "s3:PutObject", OBJECT, {"aws:SecureTransport": False}, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Resource control policy examples",
        "S3 over TLS 1.2 or later",
        guarded(deny("s3:*", Principal="*", Condition={"NumericLessThan": {"s3:TlsVersion": ["1.2"]}})),
        (
            yes(DANA, "s3:GetObject", OBJECT, {"s3:TlsVersion": "1.3"}, **HERE),
            yes(DANA, "s3:GetObject", OBJECT, {"s3:TlsVersion": "1.2"}, **HERE),
            no(DANA, "s3:GetObject", OBJECT, {"s3:TlsVersion": "1.1"}, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Resource control policies (RCPs)",
        "only the organisation's identities and services, even where a bucket policy is open to the world",
        guarded(
            deny(
                "s3:*",
                Principal="*",
                Condition={
                    "StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-clinic"},
                    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
                },
            )
        ),
        (
            yes(DANA, "s3:GetObject", OBJECT, OURS, **HERE),
            yes(user("carla", FAR), "s3:GetObject", OBJECT, OURS, **HERE),
            no(user("eve", VENDOR), "s3:GetObject", OBJECT, THEIRS, **HERE),
            no(root(VENDOR), "s3:GetObject", OBJECT, THEIRS, **HERE),
            yes(service("cloudtrail"), "s3:PutObject", OBJECT, **HERE),
            yes(
                session("aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup", account=VENDOR),
                "s3:GetObject",
                OBJECT,
                THEIRS,
                **HERE,
            ),
        ),
    ),
    Example(
        f"{GUIDE}Resource control policies (RCPs)",
        "an RCP gives nothing: somebody's policies must still allow",
        {"rcps": [[OPEN_RCP]], "identity": [document(allow("s3:GetObject", "arn:aws:s3:::scans/*"))]},
        (
            yes(DANA, "s3:GetObject", OBJECT, **HERE),
            no(DANA, "s3:PutObject", OBJECT, **HERE),
            no(DANA, "s3:GetObject", OBJECT, **HERE, given={"rcps": [[document(allow("sqs:*", Principal="*"))]]}),
        ),
    ),
]

EXAMPLES = [*RCPS]
