"""ECS read back: what runs as which role, who starts it, and from which image.

The command of a task is chosen by whoever starts it, its content by whoever writes its image, its next revision by
whoever registers one, and a running task is entered by whoever may execute commands in it. Each is a carrier. A task
that is yet to run stands as `task/<cluster>/*`; whether commands are enabled in it is its starter's to choose. Tasks
that a function or a state machine starts are known while they run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from strongroom.authorization.deployed.asking import one_by_one
from strongroom.authorization.documents import Named
from strongroom.authorization.prover.facts import Carrier

SERVICE = "ecs-tasks.amazonaws.com"
_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com/([^:@]+)(?::[^@]+)?")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


@dataclass(frozen=True)
class Definition:
    """An active revision of a task definition. roles: the task's own, and the one that fetches its secrets if any."""

    arn: str
    family: str
    revision: int
    roles: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True)
class Start:
    """Something that starts tasks: a schedule, a rule, a service, or a task that runs.

    definition: `family`, `family:revision` or the ARN of either. role: the role that replaces the task's own, or ''.
    """

    definition: str
    role: str = ""
    cluster: str = ""

    @property
    def family(self) -> str:
        """The family that is started."""
        return self._name.partition(":")[0]

    @property
    def revision(self) -> int | None:
        """The revision that is started; None if it is the newest."""
        number = self._name.partition(":")[2]
        return int(number) if number else None

    @property
    def _name(self) -> str:
        return self.definition.rpartition("/")[2]

    def starts(self, definition: Definition) -> bool:
        """Whether it may start this revision: the newest is whichever is left active."""
        return self.family == definition.family and self.revision in (None, definition.revision)


@dataclass(frozen=True)
class Tasks:
    """The definitions, clusters (by name), starts and running tasks (ARN -> start) of one account and Region."""

    account: str
    region: str
    definitions: Sequence[Definition] = ()
    clusters: Sequence[str] = ()
    starts: Sequence[Start] = ()
    running: Mapping[str, Start] = field(default_factory=dict)


def read_tasks(client: Any, account: str) -> tuple[list[Tasks], dict[str, str]]:
    """What ECS knows in an account and Region; and for each definition that could not be read its ARN and the reason.

    Raises botocore's ClientError if definitions, clusters, services or tasks cannot be listed.
    """
    arns = _listed(client, "list_task_definitions", "taskDefinitionArns", status="ACTIVE")

    def read(arn: str) -> Definition:
        return _definition(client.describe_task_definition(taskDefinition=arn)["taskDefinition"])

    definitions, unread = one_by_one(arns, read)
    clusters = _listed(client, "list_clusters", "clusterArns")
    starts: list[Start] = []
    running: dict[str, Start] = {}
    for cluster in clusters:
        services = _listed(client, "list_services", "serviceArns", cluster=cluster)
        for some in _parts(services, 10):
            for service in client.describe_services(cluster=cluster, services=some)["services"]:
                starts.append(Start(service["taskDefinition"], cluster=cluster))
        tasks = _listed(client, "list_tasks", "taskArns", cluster=cluster)
        for some in _parts(tasks, 100):
            for task in client.describe_tasks(cluster=cluster, tasks=some)["tasks"]:
                role = task.get("overrides", {}).get("taskRoleArn", "")
                running[task["taskArn"]] = Start(task["taskDefinitionArn"], role, cluster)
    names = [cluster.rpartition("/")[2] for cluster in clusters]
    return [Tasks(account, client.meta.region_name, definitions, names, starts, running)], unread


def _definition(found: Mapping[str, Any]) -> Definition:
    containers = found.get("containerDefinitions", [])
    fetches = any(item.get("secrets") or item.get("environmentFiles") for item in containers)
    roles = [found.get("taskRoleArn", ""), found.get("executionRoleArn", "") if fetches else ""]
    return Definition(
        found["taskDefinitionArn"],
        found["family"],
        found["revision"],
        tuple(role for role in roles if role),
        tuple(dict.fromkeys(item["image"] for item in containers)),
    )


def carriers_of(
    tasks: Tasks, starts: Iterable[Start], passable: Sequence[str], policies: Mapping[str, Named | None]
) -> tuple[list[Carrier], list[str]]:
    """The carriers of one account and Region; and the images whose writers are not known, a sentence each.

    starts: what starts tasks there beside ECS itself. passable: the roles of the account that tasks may be given.
    policies: the repositories of images that were read, with their policies.
    """
    everything = [*starts, *tasks.starts, *tasks.running.values()]
    found: list[Carrier] = []
    foreign: list[str] = []
    begun: set[str] = set()
    for definition in tasks.definitions:
        mine = [start for start in everything if start.starts(definition)]
        roles = dict.fromkeys([*definition.roles, *(start.role for start in mine if start.role)])
        begun |= roles.keys()
        # who names no revision is asked about the family, which a policy on `family:*` does not cover
        for arn in (definition.arn, definition.arn.rpartition(":")[0]):
            found += [Carrier(arn, tasks.account, "task-override", role) for role in definition.roles]
        for image in definition.images if roles else ():
            repository = _repository(image)
            if repository in policies:
                account, policy = repository.split(":")[4], policies[repository]
                found += [Carrier(repository, account, "image", role, policy) for role in roles]
            elif repository:
                foreign.append(f"image {image} of {definition.arn}: who may replace it is not read")
    found += _entered(tasks, begun)
    found += _next_revisions(tasks, everything, passable)
    return list(dict.fromkeys(found)), foreign


def _repository(image: str) -> str:
    """The ARN of the repository of an image, the image itself if its registry is not ECR; '' if it is fixed."""
    if _DIGEST.search(image):
        return ""
    match = _IMAGE.fullmatch(image)
    return f"arn:aws:ecr:{match[2]}:{match[1]}:repository/{match[3]}" if match else image


def _entered(tasks: Tasks, roles: Iterable[str]) -> Iterator[Carrier]:
    """Commands in tasks that run, and in those that will."""
    place = f"arn:aws:ecs:{tasks.region}:{tasks.account}:task"
    for cluster in tasks.clusters:
        for role in sorted(roles):
            yield Carrier(f"{place}/{cluster}/*", tasks.account, "task", role)
    for arn, start in tasks.running.items():
        own = [role for definition in tasks.definitions if start.starts(definition) for role in definition.roles]
        for role in [start.role] if start.role else own:
            yield Carrier(arn, tasks.account, "task", role)


def _next_revisions(tasks: Tasks, starts: Sequence[Start], passable: Sequence[str]) -> Iterator[Carrier]:
    """Families whose newest revision is started: whoever registers it need not run it."""
    for start in starts:
        if start.revision is not None:
            continue
        arn = f"arn:aws:ecs:{tasks.region}:{tasks.account}:task-definition/{start.family}:*"
        if start.role:  # which the starter passes
            yield Carrier(arn, tasks.account, "family-started", start.role)
        else:
            yield from (Carrier(arn, tasks.account, "family", role) for role in passable)


def _listed(client: Any, operation: str, member: str, **given: Any) -> list[Any]:
    return [item for page in client.get_paginator(operation).paginate(**given) for item in page.get(member, ())]


def _parts(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
