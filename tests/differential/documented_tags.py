"""Examples of the IAM user guide: keys of several values, and tags."""

from __future__ import annotations

from typing import Any

from documented import (
    HOME,
    Example,
    allow,
    deny,
    document,
    no,
    session,
    user,
    yes,
)
from documented_conditions import DANA, GUIDE, unless, when

TABLE = f"arn:aws:dynamodb:us-east-1:{HOME}:table/thread"
ATTRIBUTES = {"dynamodb:requestedAttributes": ["PostDateTime", "Message", "Tags"]}
SEVERAL = [
    Example(
        f"{GUIDE}Creating a condition that tests multiple key values",
        "only listed attributes may be read",
        when("dynamodb:GetItem", TABLE, ForAllValues__StringLike=ATTRIBUTES),
        (
            yes(DANA, "dynamodb:GetItem", TABLE, {"dynamodb:requestedAttributes": ("PostDateTime", "Message")}),
            no(DANA, "dynamodb:GetItem", TABLE, {"dynamodb:requestedAttributes": ("PostDateTime", "UserName")}),
            yes(DANA, "dynamodb:GetItem", TABLE, {"dynamodb:requestedAttributes": ""}),
        ),
    ),
    Example(
        f"{GUIDE}Creating a condition that tests multiple key values",
        "an update that touches one forbidden attribute is denied",
        unless(
            "dynamodb:PutItem", TABLE, ForAnyValue__StringLike={"dynamodb:requestedAttributes": ["ID", "PostDateTime"]}
        ),
        (
            no(
                DANA,
                "dynamodb:PutItem",
                TABLE,
                {"dynamodb:requestedAttributes": ("UserName", "Message", "PostDateTime")},
            ),
            yes(DANA, "dynamodb:PutItem", TABLE, {"dynamodb:requestedAttributes": ("UserName",)}),
            yes(DANA, "dynamodb:PutItem", TABLE, {"dynamodb:requestedAttributes": ""}),
        ),
    ),
    Example(
        f"{GUIDE}Controlling access using tags",
        "start and stop one's own instance; the tag's name ignores case",
        when(
            ["ec2:StartInstances", "ec2:StopInstances"],
            "arn:aws:ec2:*:*:instance/*",
            StringEquals={"aws:ResourceTag/Owner": "${aws:username}"},
        ),
        (
            yes(
                DANA,
                "ec2:StartInstances",
                f"arn:aws:ec2:us-east-1:{HOME}:instance/i-1",
                {"aws:ResourceTag/Owner": "dana"},
            ),
            yes(
                DANA,
                "ec2:StopInstances",
                f"arn:aws:ec2:us-east-1:{HOME}:instance/i-1",
                {"aws:ResourceTag/owner": "dana"},
            ),
            no(
                DANA,
                "ec2:StartInstances",
                f"arn:aws:ec2:us-east-1:{HOME}:instance/i-1",
                {"aws:ResourceTag/Owner": "bo"},
            ),
            no(DANA, "ec2:StartInstances", f"arn:aws:ec2:us-east-1:{HOME}:instance/i-1"),
        ),
    ),
    Example(
        f"{GUIDE}Controlling access using tags",
        "tagging with one key in two values and nothing beside; the key's case counts among the tag keys",
        when(
            "ec2:CreateTags",
            "arn:aws:ec2:*:*:instance/*",
            StringEquals={"aws:RequestTag/environment": ["preprod", "production"]},
            ForAllValues__StringEquals={"aws:TagKeys": "environment"},
        ),
        tuple(
            make(
                DANA,
                "ec2:CreateTags",
                f"arn:aws:ec2:us-east-1:{HOME}:instance/i-1",
                {**{f"aws:RequestTag/{key}": value for key, value in tags.items()}, "aws:TagKeys": tuple(tags)},
            )
            for make, tags in [
                (yes, {"environment": "preprod"}),
                (no, {"environment": "test"}),
                (no, {"Environment": "production"}),
                (no, {"environment": "production", "owner": "dana"}),
            ]
        ),
    ),
    Example(
        f"{GUIDE}Controlling access using tags",
        "secrets may carry two tag keys only",
        when(
            ["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
            ForAllValues__StringEquals={"aws:TagKeys": ["environment", "cost-center"]},
        ),
        (
            yes(DANA, "secretsmanager:CreateSecret", "*", {"aws:TagKeys": ("cost-center",)}),
            yes(DANA, "secretsmanager:CreateSecret"),
            no(DANA, "secretsmanager:CreateSecret", "*", {"aws:TagKeys": ("cost-center", "team")}),
        ),
    ),
]

OF_TEAM = {f"aws:ResourceTag/access-{name}": f"${{aws:PrincipalTag/access-{name}}}" for name in ("project", "team")}
ABAC = document(
    allow(
        "secretsmanager:*",
        Condition={
            "StringEquals": OF_TEAM,
            "ForAllValues:StringEquals": {"aws:TagKeys": ["access-project", "access-team", "Name"]},
            "StringEqualsIfExists": {key.replace("Resource", "Request"): value for key, value in OF_TEAM.items()},
        },
    ),
    allow(["secretsmanager:GetRandomPassword", "secretsmanager:ListSecrets"]),
    allow(
        ["secretsmanager:Describe*", "secretsmanager:Get*", "secretsmanager:List*"],
        Condition={"StringEquals": {"aws:ResourceTag/access-team": "${aws:PrincipalTag/access-team}"}},
    ),
    deny("secretsmanager:UntagResource", Condition={"ForAnyValue:StringLike": {"aws:TagKeys": "access-*"}}),
    deny("secretsmanager:*Policy"),
)
ENGINEER = session("access-peg-eng", tags={"access-project": "peg", "access-team": "eng"})
SECRET = f"arn:aws:secretsmanager:us-east-1:{HOME}:secret:portal-a1b2c3"


def tagged(project: str, team: str, **more: Any) -> dict[str, Any]:
    """A secret's tags in the request context."""
    return {"aws:ResourceTag/access-project": project, "aws:ResourceTag/access-team": team, **more}


def asked(project: str, team: str) -> dict[str, Any]:
    """A secret's tags as they are asked for on creation, which are those of the resource too."""
    wanted = {"aws:RequestTag/access-project": project, "aws:RequestTag/access-team": team}
    return {**tagged(project, team), **wanted, "aws:TagKeys": ("access-project", "access-team")}


BY_TAGS = [
    Example(
        f"{GUIDE}IAM tutorial: Define permissions to access AWS resources based on tags",
        "create with one's own tags, change what has them, read what the team has, never untag or rewrite policies",
        {"identity": [ABAC]},
        (
            yes(ENGINEER, "secretsmanager:CreateSecret", SECRET, asked("peg", "eng")),
            no(ENGINEER, "secretsmanager:CreateSecret", SECRET, asked("uni", "eng")),
            yes(ENGINEER, "secretsmanager:UpdateSecret", SECRET, tagged("peg", "eng")),
            no(ENGINEER, "secretsmanager:UpdateSecret", SECRET, tagged("uni", "eng")),
            no(ENGINEER, "secretsmanager:DeleteSecret", SECRET, tagged("peg", "qas")),
            yes(ENGINEER, "secretsmanager:GetSecretValue", SECRET, tagged("uni", "eng")),
            no(ENGINEER, "secretsmanager:GetSecretValue", SECRET, tagged("peg", "qas")),
            yes(ENGINEER, "secretsmanager:ListSecrets"),
            no(
                ENGINEER,
                "secretsmanager:UntagResource",
                SECRET,
                tagged("peg", "eng", **{"aws:TagKeys": ("access-team",)}),
            ),
            yes(ENGINEER, "secretsmanager:UntagResource", SECRET, tagged("peg", "eng", **{"aws:TagKeys": ("Name",)})),
            no(ENGINEER, "secretsmanager:PutResourcePolicy", SECRET, tagged("peg", "eng")),
            no(ENGINEER, "secretsmanager:TagResource", SECRET, tagged("peg", "eng", **{"aws:TagKeys": ("stage",)})),
        ),
    ),
    Example(
        f"{GUIDE}IAM tutorial: Define permissions to access AWS resources based on tags",
        "a user assumes only roles of the name and with the tags of the user",
        {
            "identity": [
                document(
                    allow(
                        "sts:AssumeRole",
                        f"arn:aws:iam::{HOME}:role/access-*",
                        Condition={"StringEquals": {"iam:ResourceTag/access-team": "${aws:PrincipalTag/access-team}"}},
                    )
                )
            ],
            "resource": document(allow("sts:AssumeRole", None, Principal={"AWS": HOME})),
        },
        (
            yes(
                user("dana", tags={"access-team": "eng"}),
                "sts:AssumeRole",
                f"arn:aws:iam::{HOME}:role/access-eng",
                {"iam:ResourceTag/access-team": "eng"},
            ),
            no(
                user("dana", tags={"access-team": "eng"}),
                "sts:AssumeRole",
                f"arn:aws:iam::{HOME}:role/access-qas",
                {"iam:ResourceTag/access-team": "qas"},
            ),
            no(
                user("dana", tags={"access-team": "eng"}),
                "sts:AssumeRole",
                f"arn:aws:iam::{HOME}:role/admin",
                {"iam:ResourceTag/access-team": "eng"},
            ),
        ),
    ),
]

EXAMPLES = [*SEVERAL, *BY_TAGS]
