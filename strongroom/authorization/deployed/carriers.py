"""Things that run with a role, read back: functions, schedules, rules, instances, projects, stacks, state machines.

Each reader takes a client of its own service and the account (twelve digits), and gives a carrier for each role that
each thing runs with, and for each thing that could not be read its ARN with the reason; it raises botocore's
ClientError if the things cannot be listed. What starts tasks is read as `Start`, see `tasks`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from strongroom.authorization.deployed.asking import one_by_one, unless
from strongroom.authorization.deployed.tasks import Start
from strongroom.authorization.documents import Named
from strongroom.authorization.prover.facts import Carrier
from strongroom.errors import UnknownElement

Carriers = tuple[list[Carrier], dict[str, str]]
Starts = tuple[list[tuple[Carrier, Start | None]], dict[str, str]]


def read_functions(client: Any, account: str) -> Carriers:
    """The functions of an account and Region with their policies; no function's code is asked for."""
    roles = {found["FunctionArn"]: found.get("Role", "") for found in _listed(client, "list_functions", "Functions")}

    def read(arn: str) -> Carrier:
        text = unless("ResourceNotFoundException", client.get_policy, FunctionName=arn).get("Policy")
        policy = Named(f"function policy of {arn}", text) if text else None
        return Carrier(arn, account, "function", roles[arn], policy)

    found, unread = one_by_one(roles, read)
    return _with_role(found), unread


def read_projects(client: Any, account: str) -> Carriers:
    """The build projects of an account and Region."""
    listed = list(_listed(client, "list_projects", "projects"))
    found = [
        Carrier(project["arn"], account, "project", project.get("serviceRole", ""))
        for start in range(0, len(listed), 100)
        for project in client.batch_get_projects(names=listed[start : start + 100])["projects"]
    ]
    return _with_role(found), {}


def read_stacks(client: Any, account: str) -> Carriers:
    """The stacks of an account and Region that are deployed with a role of their own."""
    stacks = _listed(client, "describe_stacks", "Stacks")
    return _with_role(Carrier(stack["StackId"], account, "stack", stack.get("RoleARN", "")) for stack in stacks), {}


def read_machines(client: Any, account: str) -> Carriers:
    """The state machines of an account and Region."""
    arns = [machine["stateMachineArn"] for machine in _listed(client, "list_state_machines", "stateMachines")]

    def read(arn: str) -> Carrier:
        return Carrier(arn, account, "machine", client.describe_state_machine(stateMachineArn=arn)["roleArn"])

    return one_by_one(arns, read)


def read_instances(client: Any, account: str, roles_of_profiles: Callable[[], Mapping[str, str]]) -> Carriers:
    """The instances of an account and Region that have a profile; an instance is reached by a session or a command.

    roles_of_profiles: the role of each instance profile by the profile's ARN, asked only if an instance has one.
    """
    prefix = f"arn:aws:ec2:{client.meta.region_name}:{account}:instance/"
    profiles = {
        prefix + instance["InstanceId"]: instance["IamInstanceProfile"]["Arn"]
        for reservation in _listed(client, "describe_instances", "Reservations")
        for instance in reservation["Instances"]
        if instance.get("IamInstanceProfile") and instance["State"]["Name"] != "terminated"
    }
    roles = roles_of_profiles() if profiles else {}
    found = [Carrier(arn, account, "instance", roles[profile]) for arn, profile in profiles.items() if profile in roles]
    return found, {arn: f"its profile {name} is not known" for arn, name in profiles.items() if name not in roles}


def read_profiles(client: Any) -> Mapping[str, str]:
    """The role of each instance profile of an account, by the profile's ARN, with a client of IAM."""
    profiles = _listed(client, "list_instance_profiles", "InstanceProfiles")
    return {profile["Arn"]: role["Arn"] for profile in profiles for role in profile["Roles"]}


def read_schedules(client: Any, account: str) -> Starts:
    """The schedules of an account and Region, each with the task that it starts, if it starts one."""
    listed = {found["Arn"]: found for found in _listed(client, "list_schedules", "Schedules")}

    def read(arn: str) -> tuple[Carrier, Start | None]:
        named = {"Name": listed[arn]["Name"], "GroupName": listed[arn].get("GroupName", "default")}
        target = client.get_schedule(**named)["Target"]
        return Carrier(arn, account, "schedule", target["RoleArn"]), _start(arn, target)

    return one_by_one(listed, read)


def read_event_rules(client: Any, account: str) -> Starts:
    """The rules of every event bus of an account and Region, one entry a target that has a role."""
    places: dict[str, tuple[str, str]] = {}
    for bus in _buses(client):
        for rule in _listed(client, "list_rules", "Rules", EventBusName=bus):
            places[rule["Arn"]] = (bus, rule["Name"])

    def read(arn: str) -> list[tuple[Carrier, Start | None]]:
        bus, rule = places[arn]
        targets = _listed(client, "list_targets_by_rule", "Targets", Rule=rule, EventBusName=bus)
        return [
            (Carrier(arn, account, "rule", target["RoleArn"]), _start(arn, target))
            for target in targets
            if target.get("RoleArn")
        ]

    found, unread = one_by_one(places, read)
    return [entry for entries in found for entry in entries], unread


def _buses(client: Any) -> list[str]:
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = client.list_event_buses(**more)
        found += [bus["Name"] for bus in page["EventBuses"]]
        if not page.get("NextToken"):
            return found
        more = {"NextToken": page["NextToken"]}


def _start(arn: str, target: Mapping[str, Any]) -> Start | None:
    """The task that a target starts; UnknownElement if what it starts and with which role cannot be read."""
    parameters, calls = target.get("EcsParameters"), target["Arn"].lower().endswith(":aws-sdk:ecs:runtask")
    if not parameters and not calls:
        return None
    if target.get("InputTransformer") or target.get("InputPath"):
        raise UnknownElement(f"{arn}: what its task runs comes from the event", hint="write the input as JSON")
    try:
        given = json.loads(target.get("Input") or "{}")
        if parameters:
            return Start(parameters["TaskDefinitionArn"], given.get("taskRoleArn", ""), target["Arn"])
        role = given.get("Overrides", {}).get("TaskRoleArn", "")
        return Start(given["TaskDefinition"], role, given.get("Cluster", "default"))
    except (ValueError, KeyError, AttributeError):
        raise UnknownElement(f"{arn}: the input of its task is not understood", hint="write it as JSON") from None


def _listed(client: Any, operation: str, member: str, **given: Any) -> Iterable[Any]:
    for page in client.get_paginator(operation).paginate(**given):
        yield from page.get(member, ())


def _with_role(found: Iterable[Carrier]) -> list[Carrier]:
    return [carrier for carrier in found if carrier.role]
