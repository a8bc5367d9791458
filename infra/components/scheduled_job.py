"""A schedule that starts one job as a Fargate task, with the role of that job's runner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class ScheduledJobArgs:
    """What a schedule needs. `task_role` is the runner that may assume the job's duty; empty where none is made."""

    job: str
    env: str
    schedule: str
    group: pulumi.Input[str]
    cluster_arn: pulumi.Input[str]
    task_definition_arn: pulumi.Input[str]
    starter_role: str
    task_role: str
    subnet_ids: Sequence[str]


class ScheduledJob(pulumi.ComponentResource):
    """An EventBridge schedule in UTC; a failed start is tried again for an hour, then the next run heals it."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: ScheduledJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:scheduler:ScheduledJob", name, None, opts)
        overrides: dict[str, object] = {
            "containerOverrides": [{"name": "job", "command": ["job", "run", args.job, "-e", args.env]}]
        }
        if args.task_role:
            overrides["taskRoleArn"] = args.task_role
        network = None
        if args.subnet_ids:
            network = aws.scheduler.ScheduleTargetEcsParametersNetworkConfigurationArgs(
                subnets=list(args.subnet_ids), assign_public_ip=False
            )
        schedule = aws.scheduler.Schedule(
            name,
            name=args.job,
            group_name=args.group,
            schedule_expression=args.schedule,
            schedule_expression_timezone="UTC",
            flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            target=aws.scheduler.ScheduleTargetArgs(
                arn=args.cluster_arn,
                role_arn=args.starter_role,
                input=json.dumps(overrides, sort_keys=True),
                ecs_parameters=aws.scheduler.ScheduleTargetEcsParametersArgs(
                    task_definition_arn=args.task_definition_arn,
                    launch_type="FARGATE",
                    task_count=1,
                    network_configuration=network,
                ),
                retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=3600, maximum_retry_attempts=10
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = schedule.arn
        self.register_outputs({"arn": self.arn})
