"""Examples of the guides of SQS and SNS."""

from __future__ import annotations

from typing import Any

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

DANA, CARLA = user("dana"), user("carla", FAR)
QUEUE, TOPIC = f"arn:aws:sqs:us-east-2:{HOME}:notices", f"arn:aws:sns:us-east-2:{HOME}:alarms"
SQS = "SQS developer guide: Basic examples of Amazon SQS policies"
SNS = "SNS developer guide: Example cases for Amazon SNS access control"
ABROAD = {"identity": [FULL_ACCESS]}


def on(resource: str, principal: Any, action: Any, **condition: Any) -> dict[str, Any]:
    """A resource policy of one Allow, beside identity policies that allow everything."""
    more = {"Condition": condition} if condition else {}
    return {"resource": document(allow(action, resource, Principal=principal, **more)), **ABROAD}


OF_QUEUES = [
    Example(
        SQS,
        "one action for one account",
        on(QUEUE, {"AWS": [FAR]}, "sqs:SendMessage"),
        (
            yes(CARLA, "sqs:SendMessage", QUEUE),
            no(CARLA, "sqs:ReceiveMessage", QUEUE),
            no(user("eve", VENDOR), "sqs:SendMessage", QUEUE),
        ),
    ),
    Example(
        SQS,
        "every action for a role and a user abroad, save those that SQS does not share",
        on(QUEUE, {"AWS": [f"arn:aws:iam::{FAR}:role/reader", CARLA.arn]}, "sqs:*"),
        (
            yes(CARLA, "sqs:PurgeQueue", QUEUE),
            yes(session("reader", account=FAR), "sqs:ReceiveMessage", QUEUE),
            no(user("eve", FAR), "sqs:ReceiveMessage", QUEUE),
            no(CARLA, "sqs:SetQueueAttributes", QUEUE, twice="the service offers it to the queue's account alone"),
            no(CARLA, "sqs:DeleteQueue", QUEUE, twice="the service offers it to the queue's account alone"),
            no(CARLA, "sqs:AddPermission", QUEUE, twice="the service offers it to the queue's account alone"),
        ),
    ),
    Example(
        SQS,
        "anybody receives, for three hours of one day",
        {
            "resource": document(
                allow(
                    "sqs:ReceiveMessage",
                    f"arn:aws:sqs:*:{HOME}:notices",
                    Principal="*",
                    Condition={
                        "DateGreaterThan": {"aws:CurrentTime": "2026-01-31T12:00Z"},
                        "DateLessThan": {"aws:CurrentTime": "2026-01-31T15:00Z"},
                    },
                )
            )
        },
        (
            yes(ANYBODY, "sqs:ReceiveMessage", QUEUE, {"aws:CurrentTime": "2026-01-31T13:30:00Z"}),
            no(ANYBODY, "sqs:ReceiveMessage", QUEUE, {"aws:CurrentTime": "2026-01-31T15:30:00Z"}),
            no(ANYBODY, "sqs:SendMessage", QUEUE, {"aws:CurrentTime": "2026-01-31T13:30:00Z"}),
        ),
    ),
    Example(
        SQS,
        "a range may send, but for one address of it; another range may do nothing",
        {
            "resource": document(
                allow(
                    "sqs:SendMessage",
                    QUEUE,
                    Principal="*",
                    Condition={
                        "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
                        "NotIpAddress": {"aws:SourceIp": "192.0.2.188/32"},
                    },
                ),
                allow("sqs:ReceiveMessage", QUEUE, Principal="*"),
                deny("sqs:*", QUEUE, Principal="*", Condition={"IpAddress": {"aws:SourceIp": "198.51.100.0/23"}}),
            )
        },
        (
            yes(ANYBODY, "sqs:SendMessage", QUEUE, {"aws:SourceIp": "192.0.2.1"}),
            no(ANYBODY, "sqs:SendMessage", QUEUE, {"aws:SourceIp": "192.0.2.188"}),
            no(ANYBODY, "sqs:ReceiveMessage", QUEUE, {"aws:SourceIp": "198.51.101.7"}),
            yes(ANYBODY, "sqs:ReceiveMessage", QUEUE, {"aws:SourceIp": "203.0.113.7"}),
        ),
    ),
]

ALARM = f"arn:aws:cloudwatch:us-east-2:{FAR}:alarm:disk"
OF_TOPICS = [
    Example(
        SNS,
        "another account subscribes over HTTPS only",
        on(TOPIC, {"AWS": FAR}, ["sns:Subscribe"], StringEquals={"sns:Protocol": "https"}),
        (
            yes(CARLA, "sns:Subscribe", TOPIC, {"sns:Protocol": "https"}),
            no(CARLA, "sns:Subscribe", TOPIC, {"sns:Protocol": "http"}),
            no(CARLA, "sns:Publish", TOPIC, {"sns:Protocol": "https"}),
        ),
    ),
    Example(
        SNS,
        "a topic writes to a queue",
        on(QUEUE, {"Service": "sns.amazonaws.com"}, ["sqs:SendMessage"], ArnEquals={"aws:SourceArn": TOPIC}),
        (
            yes(service("sns"), "sqs:SendMessage", QUEUE, {"aws:SourceArn": TOPIC}),
            no(service("sns"), "sqs:SendMessage", QUEUE, {"aws:SourceArn": TOPIC + "2"}),
            no(service("sns"), "sqs:SendMessage", QUEUE),
            no(service("events"), "sqs:SendMessage", QUEUE, {"aws:SourceArn": TOPIC}),
        ),
    ),
    Example(
        SNS,
        "buckets of one account publish",
        on(TOPIC, {"Service": "s3.amazonaws.com"}, "sns:Publish", StringEquals={"AWS:SourceAccount": FAR}),
        (
            yes(service("s3"), "sns:Publish", TOPIC, {"aws:SourceAccount": FAR}),
            no(service("s3"), "sns:Publish", TOPIC, {"aws:SourceAccount": VENDOR}),
        ),
    ),
    Example(
        SNS,
        "a service publishes about what another account owns",
        on(TOPIC, {"Service": "ses.amazonaws.com"}, "SNS:Publish", StringEquals={"aws:SourceOwner": FAR}),
        (
            yes(service("ses"), "sns:Publish", TOPIC, {"aws:SourceOwner": FAR}),
            no(service("ses"), "sns:Publish", TOPIC, {"aws:SourceOwner": VENDOR}),
        ),
    ),
    Example(
        SNS,
        "any account of the organisation publishes",
        on(TOPIC, {"AWS": "*"}, "SNS:Publish", StringEquals={"aws:PrincipalOrgID": "o-clinic"}),
        (
            yes(CARLA, "sns:Publish", TOPIC, {"aws:PrincipalOrgID": "o-clinic"}),
            no(user("eve", VENDOR), "sns:Publish", TOPIC, {"aws:PrincipalOrgID": "o-other"}),
            no(user("eve", VENDOR), "sns:Publish", TOPIC),
        ),
    ),
    Example(
        SNS,
        "any alarm of another account publishes",
        on(
            TOPIC, {"AWS": "*"}, "SNS:Publish", ArnLike={"aws:SourceArn": f"arn:aws:cloudwatch:us-east-2:{FAR}:alarm:*"}
        ),
        (
            yes(service("cloudwatch"), "sns:Publish", TOPIC, {"aws:SourceArn": ALARM}),
            no(service("cloudwatch"), "sns:Publish", TOPIC, {"aws:SourceArn": ALARM.replace(FAR, VENDOR)}),
        ),
    ),
    Example(
        SNS,
        "publishing through one VPC endpoint only",
        {
            "resource": document(
                deny(
                    "SNS:Publish",
                    TOPIC,
                    Principal="*",
                    Condition={"StringNotEquals": {"aws:sourceVpce": "vpce-1ab2c34d"}},
                )
            ),
            **ABROAD,
        },
        (
            yes(DANA, "sns:Publish", TOPIC, {"aws:SourceVpce": "vpce-1ab2c34d"}),
            no(DANA, "sns:Publish", TOPIC),
            yes(DANA, "sns:Subscribe", TOPIC),
        ),
    ),
]

EXAMPLES = [*OF_QUEUES, *OF_TOPICS]
