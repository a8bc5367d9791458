"""Actions and resources of the services that moto answers: tables of operations by the resource they act on.

An operation that stands in no table has no known permission and is refused. Source: service authorization reference.
"""

from __future__ import annotations

import re
from typing import Any

from moto.ecs.models import TaskDefinitionNotFoundException, ecs_backends

from .access import Demand
from .call import Call

_FIELD = re.compile(r"\{(\w+)\}")
_LIST = re.compile(r"\{(\w+)\[\]\}")


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """Lines of `template [| template]: Operation Operation ...`; a template is the last part of an ARN, or `*`."""
    table: dict[str, tuple[str, ...]] = {}
    for line in text.strip().splitlines():
        templates, _, names = line.strip().rpartition(": ")
        for name in names.split():
            table[name] = tuple(part.strip() for part in templates.split("|"))
    return table


RDS = _table("""
    *: DescribeAccountAttributes DescribeCertificates DescribeEngineDefaultParameters DescribeOrderableDBInstanceOptions
    *: DescribeEvents DescribeSourceRegions DescribeExportTasks
    db:*: DescribeDBInstances
    db:{DBInstanceIdentifier}: DeleteDBInstance ModifyDBInstance RebootDBInstance StartDBInstance StopDBInstance
    db:{DBInstanceIdentifier}: DescribeDBLogFiles
    db:{DBInstanceIdentifier} | subgrp:{DBSubnetGroupName} | pg:{DBParameterGroupName}: CreateDBInstance
    db:{DBInstanceIdentifier} | snapshot:{DBSnapshotIdentifier}: CreateDBSnapshot RestoreDBInstanceFromDBSnapshot
    snapshot:{DBSnapshotIdentifier}: DeleteDBSnapshot ModifyDBSnapshotAttribute DescribeDBSnapshotAttributes
    snapshot:{SourceDBSnapshotIdentifier} | snapshot:{TargetDBSnapshotIdentifier}: CopyDBSnapshot
    snapshot:*: DescribeDBSnapshots
    subgrp:{DBSubnetGroupName}: CreateDBSubnetGroup DeleteDBSubnetGroup ModifyDBSubnetGroup
    subgrp:*: DescribeDBSubnetGroups
    pg:{DBParameterGroupName}: CreateDBParameterGroup DeleteDBParameterGroup ModifyDBParameterGroup DescribeDBParameters
    pg:{DBParameterGroupName}: ResetDBParameterGroup
    pg:*: DescribeDBParameterGroups
    ={ResourceName}: AddTagsToResource ListTagsForResource RemoveTagsFromResource
""")
EC2 = _table("""
    vpc/*: CreateVpc
    vpc/{VpcId}: DeleteVpc ModifyVpcAttribute DescribeVpcAttribute
    subnet/* | vpc/{VpcId}: CreateSubnet
    subnet/{SubnetId}: DeleteSubnet ModifySubnetAttribute
    security-group/* | vpc/{VpcId}: CreateSecurityGroup
    security-group/{GroupId}: DeleteSecurityGroup AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress
    security-group/{GroupId}: RevokeSecurityGroupIngress RevokeSecurityGroupEgress
    security-group/{GroupId}: UpdateSecurityGroupRuleDescriptionsIngress UpdateSecurityGroupRuleDescriptionsEgress
    */*: CreateTags DeleteTags
    *: DescribeVpcs DescribeSubnets DescribeSecurityGroups DescribeSecurityGroupRules DescribeTags DescribeRegions
    *: DescribeAvailabilityZones DescribeNetworkAcls DescribeRouteTables DescribeNetworkInterfaces DescribeImages
    *: DescribeAccountAttributes DescribeVpcEndpoints DescribeInternetGateways DescribeNatGateways DescribeInstances
    *: DescribeInstanceTypes DescribeVpcClassicLink DescribeVpcClassicLinkDnsSupport DescribeVolumes DescribeAddresses
""")
LOGS = _table("""
    log-group:{logGroupName}: CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy AssociateKmsKey
    log-group:{logGroupName}: DisassociateKmsKey DescribeLogStreams FilterLogEvents ListTagsLogGroup TagLogGroup
    log-group:{logGroupName}: UntagLogGroup PutMetricFilter DeleteMetricFilter DescribeMetricFilters
    log-group:{logGroupName}: PutSubscriptionFilter DescribeSubscriptionFilters DeleteSubscriptionFilter
    log-group:{logGroupName}:log-stream:{logStreamName}: CreateLogStream PutLogEvents GetLogEvents DeleteLogStream
    log-group:*: DescribeLogGroups
    ={resourceArn}: ListTagsForResource TagResource UntagResource
""")
ECS = _table("""
    cluster/{clusterName}: CreateCluster
    cluster/{cluster}: DeleteCluster UpdateCluster UpdateClusterSettings PutClusterCapacityProviders
    cluster/{clusters[]}: DescribeClusters
    task-definition/{family}:*: RegisterTaskDefinition
    *: DeregisterTaskDefinition DescribeTaskDefinition DeleteTaskDefinitions ListTaskDefinitions ListClusters ListTasks
    *: ListTaskDefinitionFamilies ListServices ListAccountSettings PutAccountSettingDefault
    task-definition/{taskDefinition}: RunTask
    task/*: DescribeTasks StopTask
    service/{cluster}/*: DescribeServices
    service/{cluster}/{serviceName}: CreateService
    service/{cluster}/{service}: UpdateService DeleteService
    ={resourceArn}: ListTagsForResource TagResource UntagResource
""")
SCHEDULER = _table("""
    schedule/{GroupName}/{Name}: CreateSchedule GetSchedule UpdateSchedule DeleteSchedule
    schedule-group/{Name}: CreateScheduleGroup GetScheduleGroup DeleteScheduleGroup
    *: ListSchedules ListScheduleGroups
    ={ResourceArn}: ListTagsForResource TagResource UntagResource
""")
SNS = _table("""
    {Name}: CreateTopic
    ={TopicArn}: DeleteTopic GetTopicAttributes SetTopicAttributes Publish PublishBatch Subscribe
    ={TopicArn}: ListSubscriptionsByTopic AddPermission RemovePermission ConfirmSubscription
    *: ListTopics ListSubscriptions
    *: Unsubscribe GetSubscriptionAttributes SetSubscriptionAttributes
    ={ResourceArn}: ListTagsForResource TagResource UntagResource
""")
ECR = _table("""
    repository/{repositoryName}: CreateRepository
    ={resourceArn}: ListTagsForResource TagResource UntagResource
    repository/*: DescribeRepositories
    *: GetRegistryPolicy PutRegistryPolicy DeleteRegistryPolicy GetAuthorizationToken
""")
EVENTS = _table("""
    rule/{Name}: PutRule DeleteRule DescribeRule EnableRule DisableRule
    rule/{Rule}: PutTargets RemoveTargets ListTargetsByRule
    rule/*: ListRules
    event-bus/{Name}: CreateEventBus DeleteEventBus DescribeEventBus
    *: ListEventBuses
""")
LAMBDA = _table("""
    function:{FunctionName}: CreateFunction DeleteFunction GetFunction GetFunctionConfiguration UpdateFunctionCode
    function:{FunctionName}: UpdateFunctionConfiguration GetPolicy AddPermission RemovePermission PublishVersion
    function:{FunctionName}: ListVersionsByFunction
    *: ListFunctions
""")
CODEBUILD = _table("""
    project/{name}: CreateProject UpdateProject DeleteProject
    project/{projectName}: StartBuild
    project/{names[]}: BatchGetProjects
    *: ListProjects
""")
CLOUDFORMATION = _table("""
    *: DescribeStacks ListStacks
""")
STATES = _table("""
    stateMachine:{name}: CreateStateMachine
    ={stateMachineArn}: DescribeStateMachine UpdateStateMachine DeleteStateMachine
    *: ListStateMachines
""")
DYNAMODB = _table("""
    table/{TableName}: CreateTable DeleteTable DescribeTable UpdateTable DescribeContinuousBackups
    table/{TableName}: UpdateContinuousBackups DescribeTimeToLive UpdateTimeToLive PutItem GetItem UpdateItem DeleteItem
    table/{TableName}: Query Scan CreateBackup
    table/*: ListTables
    ={ResourceArn}: ListTagsOfResource TagResource UntagResource
""")
CLOUDTRAIL = _table("""
    trail/{Name}: CreateTrail DeleteTrail GetTrail GetTrailStatus StartLogging StopLogging UpdateTrail
    trail/{TrailName}: PutEventSelectors GetEventSelectors PutInsightSelectors GetInsightSelectors
    *: DescribeTrails ListTrails LookupEvents ListPublicKeys
    ={ResourceId}: AddTags RemoveTags
    trail/*: ListTags
""")
SECRETS = _table("""
    *: ListSecrets GetRandomPassword BatchGetSecretValue
""")
TABLES = {
    "rds": RDS,
    "ec2": EC2,
    "logs": LOGS,
    "ecs": ECS,
    "scheduler": SCHEDULER,
    "sns": SNS,
    "dynamodb": DYNAMODB,
    "cloudtrail": CLOUDTRAIL,
    "secretsmanager": SECRETS,
    "ecr": ECR,
    "events": EVENTS,
    "lambda": LAMBDA,
    "codebuild": CODEBUILD,
    "cloudformation": CLOUDFORMATION,
    "states": STATES,
}
#: Values of a parameter that a service fills in itself.
_DEFAULTS = {"GroupName": "default", "cluster": "default", "clusterName": "default", "DBSubnetGroupName": "default"}
#: Operations that hand a role to a service: parameter path, and the service that will use it.
_PASSES = {
    ("ecs", "RegisterTaskDefinition"): (("taskRoleArn",), ("executionRoleArn",), "ecs-tasks.amazonaws.com"),
    ("ecs", "RunTask"): (("overrides", "taskRoleArn"), ("overrides", "executionRoleArn"), "ecs-tasks.amazonaws.com"),
    ("scheduler", "CreateSchedule"): (("Target", "RoleArn"), "scheduler.amazonaws.com"),
    ("scheduler", "UpdateSchedule"): (("Target", "RoleArn"), "scheduler.amazonaws.com"),
    ("rds", "CreateDBInstance"): (("MonitoringRoleArn",), "monitoring.rds.amazonaws.com"),
    ("rds", "ModifyDBInstance"): (("MonitoringRoleArn",), "monitoring.rds.amazonaws.com"),
    ("cloudtrail", "CreateTrail"): (("CloudWatchLogsRoleArn",), "cloudtrail.amazonaws.com"),
    ("lambda", "CreateFunction"): (("Role",), "lambda.amazonaws.com"),
    ("lambda", "UpdateFunctionConfiguration"): (("Role",), "lambda.amazonaws.com"),
    ("codebuild", "CreateProject"): (("serviceRole",), "codebuild.amazonaws.com"),
    ("codebuild", "UpdateProject"): (("serviceRole",), "codebuild.amazonaws.com"),
    ("events", "PutTargets"): (("Targets", "RoleArn"), "events.amazonaws.com"),
    ("states", "CreateStateMachine"): (("roleArn",), "states.amazonaws.com"),
    ("states", "UpdateStateMachine"): (("roleArn",), "states.amazonaws.com"),
}


def request_tags(params: dict[str, Any]) -> dict[str, str]:
    """The tags a request sets, from whichever of AWS's shapes the service uses."""
    listed = params.get("Tags") or params.get("tags") or params.get("TagList") or []
    specifications = params.get("TagSpecifications") or []
    if isinstance(listed, dict):
        return {str(name): str(value) for name, value in listed.items()}
    rows = [*listed, *(tag for specification in specifications for tag in specification.get("Tags", []))]
    return {
        str(row.get("Key", row.get("key"))): str(row.get("Value", row.get("value", "")))
        for row in rows
        if isinstance(row, dict) and ("Key" in row or "key" in row)
    }


def tag_context(call: Call) -> dict[str, Any]:
    """aws:RequestTag and aws:TagKeys of a call."""
    tags = request_tags(call.params)
    context: dict[str, Any] = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    keys = tuple(tags) or tuple(call.params.get("TagKeys") or call.params.get("tagKeys") or ())
    if keys:
        context["aws:TagKeys"] = keys
    return context


def _fill(call: Call, template: str) -> str | None:
    """The ARN of a template; None where the call does not name that resource."""
    if template == "*":
        return "*"
    named = {
        field: call.params.get(field, _DEFAULTS.get(field) if not template.startswith("=") else None)
        for field in _FIELD.findall(template)
    }
    if any(not isinstance(value, str) or not value for value in named.values()):
        return None
    text = _FIELD.sub(lambda match: str(named[match[1]]), template)
    if text.startswith("="):
        return text[1:]
    prefix = f"arn:aws:{call.service}:{call.region}:{call.account}:"
    given = next((str(value) for value in named.values() if str(value).startswith("arn:")), None)
    return given or prefix + text


def _fill_each(call: Call, template: str) -> list[str]:
    """The ARNs of a template; `{names[]}` stands for every value of a list parameter."""
    listed = _LIST.search(template)
    if listed is None:
        arn = _fill(call, template)
        return [] if arn is None else [arn]
    prefix = f"arn:aws:{call.service}:{call.region}:{call.account}:"
    values = [str(value) for value in call.params.get(listed[1]) or ()]
    return [v if v.startswith("arn:") else prefix + _LIST.sub(lambda _, v=v: v, template) for v in values]


def _at(params: Any, path: tuple[str, ...]) -> set[str]:
    """The texts at a path of members, through lists."""
    found = [params]
    for name in path:
        nested = [value.get(name) for value in found if isinstance(value, dict)]
        found = [item for value in nested for item in (value if isinstance(value, list) else [value])]
    return {value for value in found if isinstance(value, str) and value}


def pass_role_demands(call: Call) -> list[Demand]:
    """iam:PassRole for every role that the call hands to a service."""
    *paths, service = _PASSES.get((call.service, call.operation), ("",))
    roles = {role for path in paths if isinstance(path, tuple) for role in _at(call.params, path)}
    if (call.service, call.operation) == ("ecs", "RunTask"):
        roles |= _roles_of_task(call)
    context = {"iam:PassedToService": service}
    return [Demand("iam:PassRole", role, context, owner=role.split(":")[4]) for role in sorted(roles)]


def _roles_of_task(call: Call) -> set[str]:
    """The roles of the definition that a task starts from: its starter passes them too unless it overrides them."""
    try:
        found = ecs_backends[call.account][call.region].describe_task_definition(call.params["taskDefinition"])
    except (TaskDefinitionNotFoundException, ValueError):
        return set()  # ECS says so itself
    overridden = call.params.get("overrides") or {}
    named = {"taskRoleArn": "task_role_arn", "executionRoleArn": "execution_role_arn"}
    return {getattr(found, held, "") for member, held in named.items() if not overridden.get(member)} - {"", None}


def demands(call: Call) -> list[Demand] | None:
    """The permissions a call needs by the tables; None where its operation stands in none."""
    templates = TABLES.get(call.service, {}).get(call.operation)
    if templates is None:
        return None
    context = tag_context(call)
    # several templates name several resources of one call, of which the optional ones may be absent
    arns = [arn for template in templates for arn in _fill_each(call, template)] or ["*"]
    needed = [Demand(f"{call.service}:{call.operation}", arn, context) for arn in arns]
    return needed + pass_role_demands(call)
