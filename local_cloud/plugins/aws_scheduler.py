"""EventBridge Scheduler: groups and the schedules that start the jobs on AWS; the laptop keeps them as records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from local_cloud.plugins.aws_tags import REGION, TAGS, from_pairs, pairs, retag, told, wanted
from local_cloud.plugins.shapes import BOOLEAN, INTEGER, SET, Field, Record, Shape
from local_cloud.plugins.table import Autoname, Operation, Prop, Properties, ResourceType


class _Network(Record):
    """Where a task runs; the API wraps it once more and spells the boolean out."""

    def to_api(self, value: Properties) -> Properties:
        found = super().to_api(value)
        public = found.pop("AssignPublicIp", None)
        inner = found | ({"AssignPublicIp": "ENABLED" if public else "DISABLED"} if public is not None else {})
        return {"awsvpcConfiguration": inner}

    def from_api(self, value: Properties) -> Properties:
        inner = dict(value.get("awsvpcConfiguration") or {})
        if "AssignPublicIp" in inner:
            inner["AssignPublicIp"] = inner["AssignPublicIp"] == "ENABLED"
        return super().from_api(inner)


_NETWORK = _Network(
    {
        "subnets": Field("Subnets", SET),
        "securityGroups": Field("SecurityGroups", SET),
        "assignPublicIp": Field("AssignPublicIp", BOOLEAN),
    }
)


_ECS = Record(
    {
        "taskDefinitionArn": Field("TaskDefinitionArn"),
        "enableEcsManagedTags": Field("EnableECSManagedTags", BOOLEAN),
        "enableExecuteCommand": Field("EnableExecuteCommand", BOOLEAN),
        "group": Field("Group"),
        "launchType": Field("LaunchType"),
        "networkConfiguration": Field("NetworkConfiguration", _NETWORK),
        "platformVersion": Field("PlatformVersion"),
        "propagateTags": Field("PropagateTags"),
        "referenceId": Field("ReferenceId"),
        "taskCount": Field("TaskCount", INTEGER, absent=1),
    }
)
_RETRY = Record(
    {
        "maximumEventAgeInSeconds": Field("MaximumEventAgeInSeconds", INTEGER, absent=86400),
        "maximumRetryAttempts": Field("MaximumRetryAttempts", INTEGER, absent=185),
    }
)
_TARGET = Record(
    {
        "arn": Field("Arn"),
        "roleArn": Field("RoleArn"),
        "input": Field("Input"),
        "deadLetterConfig": Field("DeadLetterConfig", Record({"arn": Field("Arn")})),
        "ecsParameters": Field("EcsParameters", _ECS),
        "retryPolicy": Field("RetryPolicy", _RETRY, absent={"maximumRetryAttempts": 185}),
        "sqsParameters": Field("SqsParameters", Record({"messageGroupId": Field("MessageGroupId")})),
    }
)
_WINDOW = Record({"mode": Field("Mode"), "maximumWindowInMinutes": Field("MaximumWindowInMinutes", INTEGER)})


class _Instant(Shape):
    """A point in time as RFC 3339 text."""

    def to_api(self, value: str) -> datetime:
        return datetime.fromisoformat(value)

    def from_api(self, value: datetime) -> str:
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def canonical(self, value: str | None) -> Any:
        return datetime.fromisoformat(value) if value else None


def _create_group(op: Operation) -> str:
    tags = pairs(wanted(op))
    op.client.create_schedule_group(**op.api(), **({"Tags": tags} if tags else {}))
    return str(op.inputs["name"])


def _read_group(op: Operation) -> Properties:
    group = op.client.get_schedule_group(Name=op.id)
    found = {
        "name": op.id,
        "arn": group["Arn"],
        "state": group.get("State"),
        "creationDate": _Instant().from_api(group["CreationDate"]),
        "lastModificationDate": _Instant().from_api(group["LastModificationDate"]),
        "region": group["Arn"].split(":")[3],
    }
    return found | told(op, from_pairs(op.client.list_tags_for_resource(ResourceArn=group["Arn"]).get("Tags")))


def _update_group(op: Operation) -> None:
    arn = op.olds["arn"]
    retag(
        op,
        lambda tags: op.client.tag_resource(ResourceArn=arn, Tags=pairs(tags)),
        lambda names: op.client.untag_resource(ResourceArn=arn, TagKeys=names),
    )


def _delete_group(op: Operation) -> None:
    op.client.get_schedule_group(Name=op.id)  # moto fails on deleting a group that is not there
    op.client.delete_schedule_group(Name=op.id)


def _create(op: Operation) -> str:
    op.client.create_schedule(**op.api())
    return f"{op.inputs['groupName']}/{op.inputs['name']}"


def _where(op: Operation) -> Properties:
    group, _, name = op.id.rpartition("/")
    return {"GroupName": group or "default", "Name": name}


def _read(op: Operation) -> Properties:
    schedule = op.client.get_schedule(**_where(op))
    asked = ("actionAfterCompletion", "description", "endDate", "kmsKeyArn", "startDate")
    found = dict.fromkeys(asked) | op.wire(schedule)
    return found | {"arn": schedule["Arn"], "region": schedule["Arn"].split(":")[3]}


TYPES = (
    ResourceType(
        "aws:scheduler/scheduleGroup:ScheduleGroup",
        "scheduler",
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
        id="name",
        inputs={
            "name": Prop("Name", replaces=True, autoname=Autoname(64)),
            "namePrefix": Prop(replaces=True, kept=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "creationDate", "lastModificationDate", "state", "tagsAll"),
    ),
    ResourceType(
        "aws:scheduler/schedule:Schedule",
        "scheduler",
        create=_create,
        read=_read,
        # UpdateSchedule replaces the whole schedule: what is not given falls back to its default.
        update=lambda op: op.client.update_schedule(**op.api()),
        delete=lambda op: op.client.delete_schedule(**_where(op)),
        id="groupName/name",
        inputs={
            "actionAfterCompletion": Prop("ActionAfterCompletion", computed=True),
            "description": Prop("Description"),
            "endDate": Prop("EndDate", codec=_Instant()),
            "flexibleTimeWindow": Prop("FlexibleTimeWindow", codec=_WINDOW, required=True),
            "groupName": Prop("GroupName", replaces=True, default="default"),
            "kmsKeyArn": Prop("KmsKeyArn"),
            "name": Prop("Name", replaces=True, autoname=Autoname(64)),
            "namePrefix": Prop(replaces=True, kept=True),
            "scheduleExpression": Prop("ScheduleExpression", required=True),
            "scheduleExpressionTimezone": Prop("ScheduleExpressionTimezone", default="UTC"),
            "startDate": Prop("StartDate", codec=_Instant()),
            "state": Prop("State", default="ENABLED"),
            "target": Prop("Target", codec=_TARGET, required=True),
            **REGION,
        },
        outputs=("arn",),
    ),
)
