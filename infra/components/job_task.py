"""Where jobs run: a cluster, an encrypted log, and one task definition whose command a schedule chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.retention import kept
from strongroom.estate.model import Runtime

LOG_DAYS = 2192  # six years, 45 CFR 164.316(b)(2)


@dataclass(frozen=True, kw_only=True)
class JobTaskArgs:
    """What the jobs' task needs; `environment` holds places and names, never a secret."""

    family: str
    cluster: str
    log_group: str
    log_key_arn: pulumi.Input[str]
    region: str
    runtime: Runtime
    execution_role: str
    environment: Mapping[str, str]
    tags: Mapping[str, str]
    protect: bool = True


class JobTask(pulumi.ComponentResource):
    """A container without a shell's needs: read-only root, no privileges, not root, scratch space in one volume."""

    cluster_arn: pulumi.Output[str]
    task_definition_arn: pulumi.Output[str]

    def __init__(self, name: str, args: JobTaskArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:ecs:JobTask", name, None, opts)
        child, tags = pulumi.ResourceOptions(parent=self), dict(args.tags)
        log = aws.cloudwatch.LogGroup(
            name,
            name=args.log_group,
            kms_key_id=args.log_key_arn,
            retention_in_days=LOG_DAYS,
            tags=tags,
            opts=kept(self, args.protect),
        )
        cluster = aws.ecs.Cluster(
            name,
            name=args.cluster,
            settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value="enabled")],
            tags=tags,
            opts=child,
        )
        task = aws.ecs.TaskDefinition(
            name,
            family=args.family,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(args.runtime.cpu),
            memory=str(args.runtime.memory),
            execution_role_arn=args.execution_role,
            container_definitions=log.name.apply(lambda group: container(args, group)),
            volumes=[aws.ecs.TaskDefinitionVolumeArgs(name="scratch")],
            tags=tags,
            opts=child,
        )
        self.cluster_arn, self.task_definition_arn = cluster.arn, task.arn
        self.register_outputs({"cluster_arn": self.cluster_arn, "task_definition_arn": self.task_definition_arn})


def container(args: JobTaskArgs, log_group: str) -> str:
    """The container definitions as JSON."""
    options = {"awslogs-group": log_group, "awslogs-region": args.region, "awslogs-stream-prefix": "job"}
    definition = {
        "name": "job",
        "image": args.runtime.image,
        "essential": True,
        "command": ["job", "list"],
        "user": "65532:65532",
        "privileged": False,
        "readonlyRootFilesystem": True,
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/scratch", "readOnly": False}],
        "environment": [{"name": key, "value": value} for key, value in sorted(args.environment.items())],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    return json.dumps([definition], sort_keys=True)
