"""Every AWS type lives its whole life over gRPC against moto: preview, create, refresh, change, delete."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local_cloud.plugins.aws import AwsProvider

pytestmark = pytest.mark.cloud

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": ["sts:AssumeRole"]},
    ],
}


def policy(*actions: str, resource: str = "*", principal: Any = None) -> str:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    if principal:
        statement["Principal"] = principal
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ROOT = {"AWS": "arn:aws:iam::123456789012:root"}


def bucket(engine: Any, **inputs: Any) -> str:
    return engine.create("aws:s3/bucket:Bucket", "base", {"forceDestroy": True, **inputs}).id


def subnets(engine: Any) -> tuple[str, list[str]]:
    vpc = engine.create("aws:ec2/vpc:Vpc", "net", {"cidrBlock": "10.9.0.0/16"}).id
    return vpc, [
        engine.create(
            "aws:ec2/subnet:Subnet",
            f"net-{zone}",
            {"vpcId": vpc, "cidrBlock": f"10.9.{index}.0/24", "availabilityZone": f"us-east-1{zone}"},
        ).id
        for index, zone in enumerate("ab")
    ]


def key(engine: Any) -> str:
    return engine.create("aws:kms/key:Key", "base", {"deletionWindowInDays": 7}).outputs["arn"]


Case = dict[str, Any]
CASES: dict[str, Callable[[Any], Case]] = {
    "aws:iam/role:Role": lambda engine: {
        "inputs": {
            "name": "rotator",
            "path": "/strongroom/dev/",
            "assumeRolePolicy": json.dumps(TRUST),
            "tags": {"duty": "rotator"},
        },
        "change": {"description": "rotates", "maxSessionDuration": 7200, "tags": {"duty": "other"}},
        "replacement": {"path": "/other/"},
        "outputs": ("arn", "uniqueId", "createDate", "tagsAll"),
    },
    "aws:iam/rolePolicy:RolePolicy": lambda engine: {
        "inputs": {
            "role": engine.create("aws:iam/role:Role", "base", {"assumeRolePolicy": json.dumps(TRUST)}).id,
            "policy": policy("kms:RotateKeyOnDemand"),
        },
        "change": {"policy": policy("kms:RotateKeyOnDemand", "kms:ReEncryptFrom")},
        "replacement": {"name": "other"},
    },
    "aws:iam/policy:Policy": lambda engine: {
        "inputs": {"policy": policy("s3:GetObject"), "path": "/strongroom/"},
        "change": {"policy": policy("s3:GetObject", "s3:PutObject"), "tags": {"a": "b"}},
        "replacement": {"description": "new"},
        "outputs": ("arn", "policyId"),
    },
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": lambda engine: {
        "inputs": {
            "url": "https://token.actions.githubusercontent.com",
            "clientIdLists": ["sts.amazonaws.com"],
            "thumbprintLists": ["6938fd4d98bab03faadb97b34396831e3780aea1"],
        },
        # moto does not know AddClientIDToOpenIDConnectProvider: the list of clients is not changed here.
        "change": {"thumbprintLists": ["1c58a3a8518e8759bf075b76b750d4f2df264fcd"], "tags": {"a": "b"}},
        "replacement": {"url": "https://other.example"},
        "outputs": ("arn",),
    },
    "aws:kms/key:Key": lambda engine: {
        "inputs": {
            "description": "storage of clinical records",
            "enableKeyRotation": True,
            "rotationPeriodInDays": 180,
            "deletionWindowInDays": 30,
            "policy": policy("kms:*", principal=ROOT),
        },
        "change": {
            "description": "clinical",
            "policy": policy("kms:Describe*", "kms:PutKeyPolicy", principal=ROOT),
            "enableKeyRotation": False,
            "isEnabled": False,
            "tags": {"class": "clinical"},
        },
        "replacement": {"keyUsage": "GENERATE_VERIFY_MAC"},
        "outputs": ("arn", "keyId", "tagsAll"),
    },
    "aws:kms/alias:Alias": lambda engine: {
        "inputs": {"name": "alias/strongroom/dev/storage-clinical", "targetKeyId": key(engine)},
        "change": {"targetKeyId": engine.create("aws:kms/key:Key", "second", {"deletionWindowInDays": 7}).id},
        "replacement": {"name": "alias/other"},
        "outputs": ("arn", "targetKeyArn"),
    },
    "aws:s3/bucket:Bucket": lambda engine: {
        "inputs": {"bucket": "strongroom-dev-images", "objectLockEnabled": True, "tags": {"class": "imaging"}},
        "change": {"tags": {"class": "clinical"}},
        "replacement": {"bucket": "strongroom-dev-other"},
        "outputs": ("arn", "bucketDomainName", "bucketRegionalDomainName", "hostedZoneId", "tagsAll"),
    },
    "aws:s3/bucketVersioning:BucketVersioning": lambda engine: {
        "inputs": {"bucket": bucket(engine), "versioningConfiguration": {"status": "Enabled"}},
        "change": {"versioningConfiguration": {"status": "Suspended"}},
        "replacement": {"bucket": "other"},
        "gone_by_delete": False,
    },
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": lambda engine: {
        "inputs": {
            "bucket": bucket(engine),
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key(engine)},
                    "bucketKeyEnabled": True,
                }
            ],
        },
        "change": {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
    },
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": lambda engine: {
        "inputs": {
            "bucket": bucket(engine),
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
        "change": {"blockPublicAcls": False},
    },
    "aws:s3/bucketPolicy:BucketPolicy": lambda engine: (
        lambda name: {
            "inputs": {
                "bucket": name,
                "policy": policy("s3:GetObject", resource=f"arn:aws:s3:::{name}/*", principal=ROOT),
            },
            "change": {"policy": policy("s3:PutObject", resource=f"arn:aws:s3:::{name}/*", principal=ROOT)},
        }
    )(bucket(engine)),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": lambda engine: {
        "inputs": {
            "bucket": bucket(engine, objectLockEnabled=True),
            "rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 1}},
        },
        "change": {"rule": {"defaultRetention": {"mode": "COMPLIANCE", "days": 2}}},
        "gone_by_delete": False,
    },
    "aws:s3/bucketObjectv2:BucketObjectv2": lambda engine: {
        "inputs": {
            "bucket": bucket(engine),
            "key": "dev/keys.json",
            "content": '{"schema": "strongroom.manifest/1"}',
            "contentType": "application/json",
            "kmsKeyId": key(engine),
            "bucketKeyEnabled": True,
        },
        "change": {"content": "{}", "tags": {"layer": "keys"}},
        "replacement": {"key": "dev/other.json"},
        "outputs": ("arn", "etag"),
    },
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": lambda engine: {
        "inputs": {
            "bucket": bucket(engine),
            "rules": [
                {
                    "id": "noncurrent",
                    "status": "Enabled",
                    "filter": {"prefix": "cache/"},
                    "noncurrentVersionExpiration": {"noncurrentDays": 7},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 3},
                },
                {"id": "old", "status": "Enabled", "expiration": {"days": 400}},
            ],
        },
        "change": {"rules": [{"id": "old", "status": "Disabled", "filter": {}, "expiration": {"days": 400}}]},
    },
    "aws:sqs/queue:Queue": lambda engine: (
        lambda dead: {
            "inputs": {
                "name": "strongroom-dev-notices",
                "kmsMasterKeyId": "alias/strongroom/dev/storage-clinical",
                "kmsDataKeyReusePeriodSeconds": 300,
                "redrivePolicy": json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 5}),
            },
            "change": {"visibilityTimeoutSeconds": 60, "messageRetentionSeconds": 1209600, "tags": {"a": "b"}},
            "replacement": {"name": "other"},
            "outputs": ("arn", "url"),
        }
    )(engine.create("aws:sqs/queue:Queue", "dead", {}).outputs["arn"]),
    "aws:sqs/queuePolicy:QueuePolicy": lambda engine: (
        lambda queue: {
            "inputs": {
                "queueUrl": queue.id,
                "policy": policy("sqs:SendMessage", resource=queue.outputs["arn"], principal=ROOT),
            },
            "change": {"policy": policy("sqs:ReceiveMessage", resource=queue.outputs["arn"], principal=ROOT)},
            "replacement": {"queueUrl": "other"},
        }
    )(engine.create("aws:sqs/queue:Queue", "base", {})),
    "aws:ec2/vpc:Vpc": lambda engine: {
        "inputs": {"cidrBlock": "10.8.0.0/16", "enableDnsHostnames": True},
        "change": {"enableDnsHostnames": False, "tags": {"Name": "other"}},
        "replacement": {"cidrBlock": "10.7.0.0/16"},
        "outputs": ("arn", "defaultSecurityGroupId", "mainRouteTableId", "ownerId"),
    },
    "aws:ec2/subnet:Subnet": lambda engine: {
        "inputs": {
            "vpcId": engine.create("aws:ec2/vpc:Vpc", "net", {"cidrBlock": "10.8.0.0/16"}).id,
            "cidrBlock": "10.8.1.0/24",
        },
        "change": {"mapPublicIpOnLaunch": True, "tags": {"Name": "a"}},
        "replacement": {"cidrBlock": "10.8.2.0/24"},
        "outputs": ("arn", "ownerId", "availabilityZone"),
    },
    "aws:ec2/securityGroup:SecurityGroup": lambda engine: {
        "inputs": {
            "vpcId": engine.create("aws:ec2/vpc:Vpc", "net", {"cidrBlock": "10.8.0.0/16"}).id,
            "ingress": [
                {"protocol": "tcp", "fromPort": 5432, "toPort": 5432, "self": True, "description": "jobs"},
                {"protocol": "tcp", "fromPort": 5432, "toPort": 5432, "cidrBlocks": ["10.8.1.0/24", "10.8.2.0/24"]},
            ],
        },
        "change": {"egress": [{"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["10.8.0.0/16"]}]},
        "replacement": {"description": "other"},
        "outputs": ("arn", "ownerId"),
    },
    "aws:rds/subnetGroup:SubnetGroup": lambda engine: {
        "inputs": {"subnetIds": subnets(engine)[1]},
        # moto loses a group on ModifyDBSubnetGroup: neither description nor subnets are changed here.
        "change": {"tags": {"a": "b"}},
        "replacement": {"name": "other"},
        "outputs": ("arn", "vpcId"),
    },
    "aws:rds/parameterGroup:ParameterGroup": lambda engine: {
        "inputs": {"family": "postgres17", "parameters": [{"name": "rds.force_ssl", "value": "1"}]},
        # moto does not know ResetDBParameterGroup: no parameter is taken away here.
        "change": {"parameters": [{"name": "rds.force_ssl", "value": "0", "applyMethod": "pending-reboot"}]},
        "replacement": {"family": "postgres16"},
        "outputs": ("arn",),
    },
    "aws:rds/instance:Instance": lambda engine: {
        "inputs": {
            "identifier": "strongroom-dev-portal",
            "engine": "postgres",
            "engineVersion": "17",
            "instanceClass": "db.t4g.micro",
            "allocatedStorage": 20,
            "dbName": "portal",
            "username": "portal_owner",
            "manageMasterUserPassword": True,
            "storageEncrypted": True,
            "kmsKeyId": key(engine),
            "backupRetentionPeriod": 7,
            "skipFinalSnapshot": True,
            "enabledCloudwatchLogsExports": ["postgresql"],
            "dbSubnetGroupName": engine.create(
                "aws:rds/subnetGroup:SubnetGroup", "db", {"subnetIds": subnets(engine)[1]}
            ).id,
        },
        "change": {"backupRetentionPeriod": 35, "multiAz": True, "tags": {"a": "b"}},
        "replacement": {"storageEncrypted": False},
        "outputs": ("arn", "address", "endpoint", "port", "resourceId", "status", "masterUserSecrets"),
    },
    "aws:secretsmanager/secret:Secret": lambda engine: {
        "inputs": {"name": "strongroom/dev/portal", "description": "database", "recoveryWindowInDays": 0},
        "change": {
            "description": "portal database",
            "policy": policy("secretsmanager:GetSecretValue", principal=ROOT),
            "tags": {"a": "b"},
        },
        "replacement": {"name": "other"},
        "outputs": ("arn",),
    },
    "aws:cloudwatch/logGroup:LogGroup": lambda engine: {
        "inputs": {"name": "/strongroom/dev/jobs", "retentionInDays": 2192, "kmsKeyId": key(engine)},
        "change": {"retentionInDays": 0, "tags": {"a": "b"}},
        "replacement": {"name": "other"},
        "outputs": ("arn",),
    },
    "aws:ecs/cluster:Cluster": lambda engine: {
        "inputs": {"settings": [{"name": "containerInsights", "value": "enabled"}]},
        "change": {"settings": [{"name": "containerInsights", "value": "disabled"}], "tags": {"a": "b"}},
        "replacement": {"name": "other"},
        "outputs": ("arn",),
    },
    "aws:ecs/taskDefinition:TaskDefinition": lambda engine: {
        "inputs": {
            "family": "strongroom-backup",
            "cpu": "512",
            "memory": "1024",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "taskRoleArn": "arn:aws:iam::123456789012:role/strongroom/dev/backup-writer",
            "containerDefinitions": json.dumps(
                [
                    {
                        "name": "job",
                        "image": "strongroom:0.1",
                        "command": ["job", "run", "backup"],
                        "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
                        "readonlyRootFilesystem": True,
                    }
                ]
            ),
        },
        "change": {"tags": {"a": "b"}},
        "replacement": {"cpu": "1024"},
        "outputs": ("arn", "arnWithoutRevision", "revision"),
    },
    "aws:scheduler/scheduleGroup:ScheduleGroup": lambda engine: {
        "inputs": {"name": "strongroom-dev"},
        "change": {"tags": {"a": "b"}},
        "replacement": {"name": "other"},
        "outputs": ("arn", "state", "creationDate"),
    },
    "aws:scheduler/schedule:Schedule": lambda engine: {
        "inputs": {
            "name": "backup",
            "groupName": engine.create("aws:scheduler/scheduleGroup:ScheduleGroup", "jobs", {}).id,
            "scheduleExpression": "rate(1 days)",
            "flexibleTimeWindow": {"mode": "OFF"},
            "target": {
                "arn": "arn:aws:ecs:us-east-1:123456789012:cluster/jobs",
                "roleArn": "arn:aws:iam::123456789012:role/strongroom/dev/starter",
                "ecsParameters": {
                    "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/job",
                    "launchType": "FARGATE",
                    "networkConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": False},
                },
                "retryPolicy": {"maximumRetryAttempts": 3},
            },
        },
        "change": {"scheduleExpression": "cron(0 3 * * ? *)", "state": "DISABLED"},
        "replacement": {"name": "other"},
        "outputs": ("arn",),
    },
}


def test_every_type_of_the_table_has_a_case() -> None:
    assert set(CASES) == set(AwsProvider.table)


@pytest.mark.parametrize("token", CASES)
def test_whole_life(aws: Any, token: str) -> None:
    case = CASES[token](aws)
    aws.whole_life(token, **case)
    aws.clean_up()


@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        ({"read": lambda row: lambda op: row.read(op) | {"delaySeconds": 7}}, "differs.*delaySeconds"),
        ({"update": lambda row: lambda op: None}, "differs.*visibilityTimeoutSeconds"),
        ({"delete": lambda row: lambda op: None}, "still there"),
    ],
    ids=["reads something else", "updates nothing", "deletes nothing"],
)
def test_the_harness_sees_a_broken_type(aws: Any, broken: dict[str, Any], seen: str) -> None:
    row = AwsProvider.table["aws:sqs/queue:Queue"]
    wrong = replace(row, **{name: make(row) for name, make in broken.items()})
    aws.servicer.table = {**AwsProvider.table, row.token: wrong}
    with pytest.raises(AssertionError, match=seen):
        aws.whole_life(row.token, {}, change={"visibilityTimeoutSeconds": 60})
