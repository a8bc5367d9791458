"""Identity policies of the two service roles: what starts a job, and what fetches its image and writes its log."""

from __future__ import annotations

from infra.policies.document import Document, allow, document
from strongroom.estate import names
from strongroom.estate.model import Estate


def job_family(estate: Estate) -> str:
    """The family of the jobs' task definition."""
    return f"{names.prefix(estate)}-job"


def starter_policy(estate: Estate) -> Document:
    """The scheduler may run the jobs' tasks in the jobs' cluster and pass exactly their roles."""
    account = estate.accounts["workload"]
    tasks = f"arn:aws:ecs:{account.region}:{account.id}:task-definition/{job_family(estate)}:*"
    cluster = f"arn:aws:ecs:{account.region}:{account.id}:cluster/{names.prefix(estate)}-jobs"
    roles = [names.role_arn(estate, "workload", "task-starter")]
    roles += [
        names.role_arn(estate, "workload", name) for name, person in estate.people.items() if person.kind == "task"
    ]
    return document(
        [
            allow("TasksRun", ("ecs:RunTask",), [tasks], when={"ArnEquals": {"ecs:cluster": cluster}}),
            allow(
                "TaskRolesPass",
                ("iam:PassRole",),
                roles,
                when={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            ),
        ]
    )


def task_starter_policy(estate: Estate) -> Document:
    """ECS may pull the image and write the jobs' log."""
    pull = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")
    account = estate.accounts["workload"]
    return document(
        [
            allow("ImageLogin", ("ecr:GetAuthorizationToken",)),
            allow("ImagePull", pull, [f"arn:aws:ecr:{account.region}:{account.id}:repository/strongroom*"]),
            allow("LogWrite", ("logs:CreateLogStream", "logs:PutLogEvents"), [f"{names.log_group_arn(estate)}:*"]),
        ]
    )


def task_policy(estate: Estate, person: str) -> Document:
    """A job's task role may assume exactly the duties that its person holds."""
    held = [duty for duty, holders in estate.duties.items() if person in holders and duty != "bootstrap"]
    roles = [arn for duty in held for arn in names.role_arns(estate, duty)]
    return document([allow("DutiesAssume", ("sts:AssumeRole",), roles)])
