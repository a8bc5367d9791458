"""Runs a layer's program against recording mocks and returns what it declared, as plain data.

Assertions belong behind the run, on the recorded list: an assertion inside `.apply` that never runs passes silently.
An unknown resource type or function fails the run, so that no computed output is None by accident.
"""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from infra.program import ROOT, split_stack

Inputs = dict[str, Any]

with warnings.catch_warnings():
    # pulumi_aws warns of classes that it defines itself; its packages load at their first attribute
    warnings.simplefilter("ignore", DeprecationWarning)
    for package in ("cloudwatch", "ec2", "ecs", "iam", "kms", "rds", "s3", "scheduler", "secretsmanager", "sqs"):
        getattr(getattr(pulumi_aws, package), "_inputs", None)


def _public_key(name: str) -> str:
    """A real P-256 public key, always the same for the same name."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    number = int.from_bytes(name.encode().ljust(16, b"\0")[:16], "big") + 1
    key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def _arn(service: str, region: str = "us-east-1", account: str = "210000000001") -> str:
    return f"arn:aws:{service}:{region}:{account}"


#: type -> outputs that the service computes, from name and inputs
COMPUTED: dict[str, Callable[[str, Inputs], Inputs]] = {
    "aws:iam/role:Role": lambda n, i: {"arn": f"arn:aws:iam::000000000000:role{i['path']}{i['name']}"},
    "aws:iam/rolePolicy:RolePolicy": lambda n, i: {},
    "aws:iam/policy:Policy": lambda n, i: {"arn": f"arn:aws:iam::000000000000:policy{i['path']}{i['name']}"},
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": lambda n, i: {"arn": f"arn:oidc:{n}"},
    "aws:kms/key:Key": lambda n, i: {"arn": f"{_arn('kms')}:key/{n}", "keyId": n},
    "aws:kms/alias:Alias": lambda n, i: {"arn": f"{_arn('kms')}:{i['name']}"},
    "aws:s3/bucket:Bucket": lambda n, i: {"arn": f"arn:aws:s3:::{i['bucket']}"},
    "aws:s3/bucketVersioning:BucketVersioning": lambda n, i: {},
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": lambda n, i: {},
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": lambda n, i: {},
    "aws:s3/bucketPolicy:BucketPolicy": lambda n, i: {},
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": lambda n, i: {},
    "aws:s3/bucketObjectv2:BucketObjectv2": lambda n, i: {"versionId": "v1"},
    "aws:sqs/queue:Queue": lambda n, i: {"arn": f"{_arn('sqs')}:{i['name']}", "url": f"https://sqs/{i['name']}"},
    "aws:sqs/queuePolicy:QueuePolicy": lambda n, i: {},
    "aws:ec2/vpc:Vpc": lambda n, i: {"arn": f"{_arn('ec2')}:vpc/{n}"},
    "aws:ec2/subnet:Subnet": lambda n, i: {"arn": f"{_arn('ec2')}:subnet/{n}"},
    "aws:ec2/securityGroup:SecurityGroup": lambda n, i: {"arn": f"{_arn('ec2')}:security-group/{n}"},
    "aws:rds/subnetGroup:SubnetGroup": lambda n, i: {},
    "aws:rds/parameterGroup:ParameterGroup": lambda n, i: {},
    "aws:rds/instance:Instance": lambda n, i: {
        "arn": f"{_arn('rds')}:db:{i['identifier']}",
        "endpoint": f"{i['identifier']}.example:5432",
        "address": f"{i['identifier']}.example",
        "port": 5432,
        "masterUserSecrets": [{"secretArn": f"{_arn('secretsmanager')}:secret:rds!db-{n}", "secretStatus": "active"}],
    },
    "aws:cloudwatch/logGroup:LogGroup": lambda n, i: {"arn": f"{_arn('logs')}:log-group:{i['name']}"},
    "aws:ecs/cluster:Cluster": lambda n, i: {"arn": f"{_arn('ecs')}:cluster/{i['name']}"},
    "aws:ecs/taskDefinition:TaskDefinition": lambda n, i: {"arn": f"{_arn('ecs')}:task-definition/{i['family']}:1"},
    "aws:scheduler/scheduleGroup:ScheduleGroup": lambda n, i: {"arn": f"{_arn('scheduler')}:group/{i['name']}"},
    "aws:scheduler/schedule:Schedule": lambda n, i: {"arn": f"{_arn('scheduler')}:schedule/{i['name']}"},
    "vault:index/mount:Mount": lambda n, i: {"accessor": n},
    "vault:index/authBackend:AuthBackend": lambda n, i: {"accessor": n},
    "vault:index/policy:Policy": lambda n, i: {},
    "vault:appRole/authBackendRole:AuthBackendRole": lambda n, i: {"roleId": f"role-id-{n}"},
    "vault:transit/secretBackendKey:SecretBackendKey": lambda n, i: {"latestVersion": 1},
    "vault:database/secretBackendConnection:SecretBackendConnection": lambda n, i: {},
    "vault:database/secretBackendRole:SecretBackendRole": lambda n, i: {},
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert": lambda n, i: {"serialNumber": "1"},
    "vault:pkiSecret/secretBackendRole:SecretBackendRole": lambda n, i: {},
    "pulumi:providers:aws": lambda n, i: {},
    "pulumi:providers:vault": lambda n, i: {},
}

MASTER_PASSWORD = "master-password-of-the-mock"
FUNCTIONS: dict[str, Callable[[Inputs], Inputs]] = {
    "aws:kms/getAlias:getAlias": lambda i: {
        "name": i["name"],
        "arn": f"{_arn('kms')}:{i['name']}",
        "targetKeyArn": f"{_arn('kms')}:key/{i['name'].rpartition('/')[2]}",
        "targetKeyId": i["name"].rpartition("/")[2],
    },
    "aws:kms/getPublicKey:getPublicKey": lambda i: {"keyId": i["keyId"], "publicKey": _public_key(i["keyId"][-16:])},
    "aws:secretsmanager/getSecretVersion:getSecretVersion": lambda i: {
        "secretId": i["secretId"],
        "secretString": json.dumps({"username": "strongroom_owner", "password": MASTER_PASSWORD}),
    },
}


@dataclass(frozen=True)
class Recorded:
    """One resource a program declared, with the inputs it gave; `provider` is the reference of its provider."""

    type: str
    name: str
    inputs: Inputs
    provider: str


@dataclass
class RecordingMocks(Mocks):
    """Remembers every resource; computes outputs as the services would."""

    resources: list[Recorded] = field(default_factory=list)
    calls: list[tuple[str, Inputs]] = field(default_factory=list)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ.startswith("strongroom:"):
            return args.name, {}
        if args.typ not in COMPUTED:
            raise AssertionError(f"unknown resource type {args.typ}: add what it computes to COMPUTED")
        inputs = dict(args.inputs)
        self.resources.append(Recorded(args.typ, args.name, inputs, args.provider or ""))
        return f"{args.name}-id", {**inputs, **COMPUTED[args.typ](args.name, inputs)}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        if args.token not in FUNCTIONS:
            raise AssertionError(f"unknown function {args.token}")
        self.calls.append((args.token, dict(args.args)))
        return FUNCTIONS[args.token](dict(args.args)), []


@dataclass(frozen=True)
class Stack:
    """What a layer declared and exported."""

    resources: list[Recorded]
    calls: list[tuple[str, Inputs]]
    outputs: dict[str, Any]

    def of(self, short: str) -> list[Recorded]:
        """Resources whose type ends in the class name `short`, for example `Bucket`."""
        return [r for r in self.resources if r.type.endswith(f":{short}")]

    def one(self, short: str, name: str) -> Recorded:
        """The resource of a class and name."""
        found = [r for r in self.of(short) if r.name == name]
        assert len(found) == 1, f"{len(found)} resources {short} {name!r} among {[r.name for r in self.of(short)]}"
        return found[0]

    def document(self, short: str, name: str, key: str = "policy") -> dict[str, Any]:
        """A policy that a resource carries as JSON text."""
        return dict(json.loads(self.one(short, name).inputs[key]))


def run_stack(stack: str, root: Path = ROOT) -> Stack:
    """Runs the program of a stack as Pulumi would, and waits for every output."""
    from infra import program

    split_stack(stack)
    mocks, outputs = RecordingMocks(), {}

    def keep(name: str, value: Any) -> None:
        outputs[name] = pulumi.Output.from_input(value)

    pulumi.runtime.set_mocks(mocks, project="strongroom", stack=stack, preview=False)
    original = pulumi.export
    resolved: dict[str, Any] = {}
    pulumi.export = keep
    try:

        @pulumi.runtime.test
        def execute() -> Any:
            program.run(root)
            return pulumi.Output.all(**outputs).apply(resolved.update)

        execute()
    finally:
        pulumi.export = original
    return Stack(mocks.resources, mocks.calls, resolved)
