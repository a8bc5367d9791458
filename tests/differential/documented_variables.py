"""Examples of the IAM user guide: policy variables."""

from __future__ import annotations

from documented import FAR, FULL_ACCESS, HOME, Example, allow, document, no, session, user, yes
from documented_conditions import BO, DANA, GUIDE, HERE, TOPIC, when

EXAMPLES = [
    Example(
        f"{GUIDE}IAM policy elements: Variables and tags",
        "one policy gives each user their own queue in one Region",
        {"identity": [document(allow("sqs:*", "arn:aws:sqs:us-east-2:*:${aws:username}-queue"))]},
        (
            yes(DANA, "sqs:CreateQueue", f"arn:aws:sqs:us-east-2:{HOME}:dana-queue"),
            no(DANA, "sqs:CreateQueue", f"arn:aws:sqs:us-east-2:{HOME}:bo-queue"),
            no(DANA, "sqs:CreateQueue", f"arn:aws:sqs:us-east-1:{HOME}:dana-queue"),
            no(session("admin", "dana"), "sqs:CreateQueue", f"arn:aws:sqs:us-east-2:{HOME}:dana-queue"),
        ),
    ),
    Example(
        f"{GUIDE}IAM policy elements: Variables and tags",
        "before version 2012-10-17 a variable is its own text",
        {
            "identity": [
                {"Version": "2008-10-17", "Statement": [allow("s3:GetObject", "arn:aws:s3:::shared/${aws:username}/*")]}
            ]
        },
        (
            no(DANA, "s3:GetObject", "arn:aws:s3:::shared/dana/x", **HERE),
            yes(DANA, "s3:GetObject", "arn:aws:s3:::shared/${aws:username}/x", **HERE),
        ),
    ),
    Example(
        f"{GUIDE}IAM policy elements: Variables and tags",
        "a topic may be managed by an account's users whose name is in the endpoint, over HTTPS",
        {
            "resource": document(
                allow(
                    "sns:*",
                    TOPIC,
                    Principal={"AWS": FAR},
                    Condition={
                        "StringLike": {"sns:endpoint": "https://clinic.example/${aws:username}/"},
                        "StringEquals": {"sns:Protocol": "https"},
                    },
                )
            ),
            "identity": [FULL_ACCESS],
        },
        (
            yes(
                user("dana", FAR),
                "sns:Subscribe",
                TOPIC,
                {"sns:Endpoint": "https://clinic.example/dana/", "sns:Protocol": "https"},
            ),
            no(
                user("dana", FAR),
                "sns:Subscribe",
                TOPIC,
                {"sns:Endpoint": "https://clinic.example/bo/", "sns:Protocol": "https"},
            ),
            no(
                user("dana", FAR),
                "sns:Subscribe",
                TOPIC,
                {"sns:Endpoint": "https://clinic.example/dana/", "sns:Protocol": "http"},
            ),
        ),
    ),
    Example(
        f"{GUIDE}IAM policy elements: Variables and tags",
        "users with one of two cost centres may be managed; without the tag the request fails",
        when("iam:*user*", StringLike={"iam:ResourceTag/costCenter": ["12345", "67890"]}),
        (
            yes(DANA, "iam:DeleteUser", BO.arn, {"iam:ResourceTag/costCenter": "67890"}),
            no(DANA, "iam:DeleteUser", BO.arn, {"iam:ResourceTag/costCenter": "11111"}),
            no(DANA, "iam:DeleteUser", BO.arn),
        ),
    ),
    Example(
        f"{GUIDE}IAM policy elements: Variables and tags",
        "a default stands in where the variable has no value; ${*} is a star and no wildcard",
        {
            "identity": [
                document(
                    allow(
                        "s3:GetObject",
                        ["arn:aws:s3:::shared/${aws:PrincipalTag/team, 'anonymous'}/*", "arn:aws:s3:::shared/${*}"],
                    )
                )
            ]
        },
        (
            yes(DANA, "s3:GetObject", "arn:aws:s3:::shared/anonymous/x", **HERE),
            no(user("dana", tags={"team": "records"}), "s3:GetObject", "arn:aws:s3:::shared/anonymous/x", **HERE),
            yes(DANA, "s3:GetObject", "arn:aws:s3:::shared/*", **HERE),
            no(DANA, "s3:GetObject", "arn:aws:s3:::shared/x", **HERE),
        ),
    ),
]
