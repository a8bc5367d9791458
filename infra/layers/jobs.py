"""What starts the jobs: a schedule each, one task definition, one encrypted log."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.components.job_task import JobTask, JobTaskArgs
from infra.components.scheduled_job import ScheduledJob, ScheduledJobArgs
from infra.deployment import Deployment
from infra.layers.manifest import publish
from infra.policies.service_permissions import job_family
from strongroom.estate import duties, names
from strongroom.estate.keyring import storage_key


def deploy(deployment: Deployment) -> None:
    """Composes the layer."""
    estate = deployment.estate
    prefix = names.prefix(estate)
    task = JobTask(
        "job",
        JobTaskArgs(
            family=job_family(estate),
            cluster=f"{prefix}-jobs",
            log_group=names.log_group(estate),
            log_key_arn=deployment.key_arn(storage_key(estate.runtime.log_class)),
            region=estate.accounts["workload"].region,
            runtime=estate.runtime,
            execution_role=names.role_arn(estate, "workload", "task-starter"),
            environment={
                "STRONGROOM_MANIFEST": f"s3://{names.manifest_bucket(estate)}",
                "STRONGROOM_HOME": "/scratch/strongroom",
                "TMPDIR": "/scratch",
            },
            tags=deployment.tags(owner="deployer.jobs"),
            protect=estate.protection.data,
        ),
        deployment.in_account("workload"),
    )
    group = aws.scheduler.ScheduleGroup(
        "jobs",
        name=prefix,
        tags=deployment.tags(owner="deployer.jobs"),
        opts=pulumi.ResourceOptions(provider=deployment.aws("workload")),
    )
    for job, declared in estate.jobs.items():
        ScheduledJob(
            job,
            ScheduledJobArgs(
                job=job,
                env=estate.env,
                schedule=declared.schedule,
                group=group.name,
                cluster_arn=task.cluster_arn,
                task_definition_arn=task.task_definition_arn,
                starter_role=names.role_arn(estate, "workload", "job-starter"),
                task_role=_runner(deployment, job),
                subnet_ids=estate.runtime.subnets,
            ),
            deployment.in_account("workload"),
        )
    publish(deployment, {})


def _runner(deployment: Deployment, job: str) -> str:
    """The task role of a job: that of the first task among the holders of its duty."""
    estate = deployment.estate
    for holder in estate.duties.get(duties.JOBS[job], ()):
        if estate.people[holder].kind == "task":
            return names.role_arn(estate, "workload", holder)
    return ""
