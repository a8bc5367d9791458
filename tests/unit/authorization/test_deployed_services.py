"""Every kind of fact, made on the real gateway and read back with exactly what an auditor may; refused, it is a gap."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "contract"))

from gateway_process import WORKLOAD, GatewayProcess

from infra.policies.duty_permissions import CONFIGURATION, KEY_CONFIGURATION
from strongroom.authorization.deployed import read
from strongroom.authorization.deployed.carried import carried
from strongroom.authorization.deployed.stores import with_keys
from strongroom.authorization.deployed.survey import OF_ACCOUNT, OF_REGION, Place, Survey, survey
from strongroom.estate.loader import load
from strongroom.estate.manifest import Account, Key, Manifest

pytestmark = pytest.mark.cloud
ROOT = Path(__file__).resolve().parents[3]
HERE = f"us-east-1:{WORKLOAD}"
IAM = f"arn:aws:iam::{WORKLOAD}:"
IMAGE = f"{WORKLOAD}.dkr.ecr.us-east-1.amazonaws.com/jobs"
DIGEST = "@sha256:" + "0" * 64


def doc(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def policy(action: str, resource: str) -> str:
    who = {"AWS": f"{IAM}user/strongroom/alice"}
    return doc({"Effect": "Allow", "Principal": who, "Action": action, "Resource": resource})


def trusting(*services: str) -> str:
    return doc({"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sts:AssumeRole"})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("deployed"))
    yield process
    process.stop()


class Session:
    """The clients of one principal at the gateway, as a boto3 session gives them."""

    def __init__(self, gateway: GatewayProcess, who: str) -> None:
        self._gateway, self._who = gateway, who

    def client(self, service: str, region_name: str = "us-east-1") -> Any:
        return self._gateway.client(self._who, service, region_name)


def read_as(gateway: GatewayProcess, who: str) -> Survey:
    session = Session(gateway, who)
    return survey([Place("workload", WORKLOAD, ("us-east-1",))], lambda *_: session, lambda arn: arn)


@pytest.fixture(scope="module")
def key(gateway: GatewayProcess) -> str:
    """A key whose alias is `alias/stores`; returns its ARN."""
    kms = gateway.client(f"admin@{WORKLOAD}", "kms")
    root = {"Effect": "Allow", "Principal": {"AWS": f"{IAM}root"}, "Action": "kms:*", "Resource": "*"}
    arn = kms.create_key(Policy=doc(root))["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/stores", TargetKeyId=arn)
    return str(arn)


@pytest.fixture(scope="module")
def roles(gateway: GatewayProcess) -> None:
    """`reader` may what an auditor may, `blind` nothing; `worker` is what programs run with."""
    iam = gateway.client(f"admin@{WORKLOAD}", "iam")
    let_in = {"Effect": "Allow", "Principal": {"AWS": f"{IAM}user/strongroom/alice"}, "Action": "sts:AssumeRole"}
    for name in ("reader", "blind"):
        iam.create_role(Path="/strongroom/", RoleName=name, AssumeRolePolicyDocument=doc(let_in))
    reads = {"Effect": "Allow", "Action": [*CONFIGURATION, *KEY_CONFIGURATION], "Resource": "*"}
    iam.put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=doc(reads))
    services = ("ecs-tasks", "scheduler", "events", "lambda", "codebuild", "states")
    for name in ("worker", "other"):
        let_in = trusting(*(f"{service}.amazonaws.com" for service in services))
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=let_in)


@pytest.fixture(scope="module")
def stores(gateway: GatewayProcess, key: str) -> None:
    """One store of each kind with a policy, and one without where that can be."""

    def made(service: str) -> Any:
        return gateway.client(f"admin@{WORKLOAD}", service)

    s3 = made("s3")
    for name in ("sealed", "plain", "listed"):
        s3.create_bucket(Bucket=name)
    s3.put_bucket_policy(Bucket="sealed", Policy=policy("s3:GetObject", "arn:aws:s3:::sealed/*"))
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_ownership_controls(
        Bucket="listed", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    sqs = made("sqs")
    text = policy("sqs:SendMessage", f"arn:aws:sqs:{HERE}:letters")
    sqs.create_queue(QueueName="letters", Attributes={"Policy": text, "KmsMasterKeyId": key.rpartition("/")[2]})
    sqs.create_queue(QueueName="open")
    topic = made("sns").create_topic(Name="alarms")["TopicArn"]
    made("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=policy("sns:Publish", topic)
    )
    secret = made("secretsmanager").create_secret(Name="login", SecretString="x", KmsKeyId="alias/stores")["ARN"]
    text = policy("secretsmanager:GetSecretValue", "*")
    made("secretsmanager").put_resource_policy(SecretId=secret, ResourcePolicy=text)
    held = [{"Key": "strongroom:login", "Value": "bao:auth/approle/role/restorer"}]
    made("secretsmanager").create_secret(Name="bare", SecretString="x", Tags=held)
    ssm = made("ssm")
    for name, tags in (("/login", held), ("/other", [])):
        ssm.put_parameter(Name=name, Value="x", Type="SecureString", KeyId="alias/stores", Tags=tags)
    ecr = made("ecr")
    for name in ("jobs", "silent"):
        ecr.create_repository(repositoryName=name)
    text = {"Effect": "Allow", "Principal": {"AWS": f"{IAM}user/strongroom/alice"}, "Action": "ecr:PutImage"}
    ecr.set_repository_policy(repositoryName="jobs", policyText=doc(text))


def task(family: str, image: str, role: str = "") -> dict[str, Any]:
    container = {"name": "job", "image": image, "memory": 128}
    return {"family": family, "containerDefinitions": [container]} | ({"taskRoleArn": role} if role else {})


@pytest.fixture(scope="module")
def programs(gateway: GatewayProcess, roles: None, stores: None) -> None:
    """One of everything that runs as the role `worker`."""
    worker, other = f"{IAM}role/worker", f"{IAM}role/other"

    def made(service: str) -> Any:
        return gateway.client(f"admin@{WORKLOAD}", service)

    ecs = made("ecs")
    cluster = ecs.create_cluster(clusterName="jobs")["cluster"]["clusterArn"]
    for family, image, role in (
        ("own", f"{IMAGE}:latest", worker),
        ("lent", f"{IMAGE}{DIGEST}", ""),
        ("newest", "docker.io/somebody/else:1", ""),
        ("nobodys", "docker.io/somebody/other:1", ""),
    ):
        ecs.register_task_definition(**task(family, image, role))
    scheduler = made("scheduler")
    for name, definition, given in (
        ("nightly", f"arn:aws:ecs:{HERE}:task-definition/lent:1", {"taskRoleArn": other}),
        ("hourly", f"arn:aws:ecs:{HERE}:task-definition/newest", {"taskRoleArn": other}),
        ("daily", f"arn:aws:ecs:{HERE}:task-definition/nobodys", {}),
    ):
        target = {"Arn": cluster, "RoleArn": worker, "Input": json.dumps(given)}
        target |= {"EcsParameters": {"TaskDefinitionArn": definition}}
        scheduler.create_schedule(
            Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
        )
    events = made("events")
    events.put_rule(Name="changed", EventPattern='{"source": ["aws.s3"]}')
    events.put_targets(Rule="changed", Targets=[{"Id": "1", "Arn": cluster, "RoleArn": worker}])
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("main.py", "")
    made("lambda").create_function(
        FunctionName="f", Role=worker, Runtime="python3.11", Handler="main.x", Code={"ZipFile": code.getvalue()}
    )
    made("lambda").add_permission(
        FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    made("codebuild").create_project(
        name="builds",
        serviceRole=worker,
        source={"type": "NO_SOURCE", "location": "x"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
    )
    made("stepfunctions").create_state_machine(
        name="machine",
        roleArn=worker,
        definition='{"StartAt": "x", "States": {"x": {"Type": "Succeed"}}}',
    )


@pytest.fixture(scope="module")
def seen(gateway: GatewayProcess, programs: None) -> Survey:
    return read_as(gateway, f"{IAM}role/strongroom/reader")


def store_of(found: Survey, arn: str) -> Any:
    (store,) = [store for store in with_keys(found.stores, found.keys) if store.arn.startswith(arn)]
    return store


@pytest.mark.parametrize(
    ("arn", "kind", "words", "sealed"),
    [
        ("arn:aws:s3:::sealed", "bucket", "s3:GetObject", True),
        ("arn:aws:s3:::plain", "bucket", "", False),
        (f"arn:aws:sqs:{HERE}:letters", "queue", "sqs:SendMessage", True),
        (f"arn:aws:sqs:{HERE}:open", "queue", "", False),
        (f"arn:aws:sns:{HERE}:alarms", "topic", "sns:Publish", False),
        (f"arn:aws:secretsmanager:{HERE}:secret:login-", "secret", "secretsmanager:GetSecretValue", True),
        (f"arn:aws:secretsmanager:{HERE}:secret:bare-", "secret", "", False),
        (f"arn:aws:ecr:{HERE}:repository/jobs", "images", "ecr:PutImage", False),
        (f"arn:aws:ecr:{HERE}:repository/silent", "images", "", False),
    ],
)
def test_a_store_is_read_with_its_policy_and_its_key(
    seen: Survey, key: str, arn: str, kind: str, words: str, sealed: bool
):
    store = store_of(seen, arn)
    assert (store.kind, store.account, store.key) == (kind, WORKLOAD, key if sealed else "")
    assert words in str(store.policy.document) if words else store.policy is None


def test_a_bucket_whose_access_control_lists_are_in_force_is_a_gap_too(seen: Survey):
    assert {store.arn for store in seen.stores if store.kind == "bucket" and store.acls} == {"arn:aws:s3:::listed"}
    (gap,) = seen.gaps
    assert gap.key == "arn:aws:s3:::listed" and "access control lists are in force" in gap.reason


def carriers(found: Survey) -> set[tuple[str, str, str]]:
    """Kind, the end of the ARN and the role's name of each carrier."""
    identities = [identity for account in found.identities for identity in account.identities]
    made, _ = carried(found, identities)
    return {(c.kind, c.arn.split(":", 5)[5], c.role.rpartition("/")[2]) for c in made}


@pytest.mark.parametrize(
    ("kind", "what", "role"),
    [
        ("task-override", "task-definition/own:1", "worker"),
        ("image", "repository/jobs", "worker"),
        ("task", "task/jobs/*", "worker"),
        ("task", "task/jobs/*", "other"),
        ("family-started", "task-definition/newest:*", "other"),
        ("family", "task-definition/nobodys:*", "worker"),
        ("family", "task-definition/nobodys:*", "other"),
        ("schedule", "schedule/default/nightly", "worker"),
        ("rule", "rule/changed", "worker"),
        ("function", "function:f", "worker"),
        ("project", "project/builds", "worker"),
        ("machine", "stateMachine:machine", "worker"),
        ("parameter", "parameter/login", "restorer"),
    ],
)
def test_what_runs_with_a_role_carries_it(seen: Survey, kind: str, what: str, role: str):
    assert (kind, what, role) in carriers(seen)


def test_what_is_fixed_or_another_services_carries_nothing(seen: Survey):
    found = carriers(seen)
    assert not [entry for entry in found if entry[0] == "image" and entry[2] == "other"]  # its image is a digest
    assert not [entry for entry in found if entry[0] == "family" and "own" in entry[1]]  # nothing starts its newest
    assert {entry[0] for entry in found} == {
        *("task-override", "image", "task", "family", "family-started", "schedule", "rule", "function", "project"),
        *("machine", "secret", "parameter"),
    }


def test_a_secret_and_a_parameter_say_whose_credentials_they_hold(seen: Survey, key: str):
    held = [carrier for carrier in with_keys(seen.carriers, seen.keys) if carrier.kind in ("secret", "parameter")]
    assert {(c.kind, c.role) for c in held} == {
        ("secret", "bao:auth/approle/role/restorer"),
        ("parameter", "bao:auth/approle/role/restorer"),
    }
    assert {c.kind: c.key for c in held} == {"secret": "", "parameter": key}


def test_a_functions_own_policy_is_read(seen: Survey):
    (function,) = [carrier for carrier in seen.carriers if carrier.kind == "function"]
    assert function.policy is not None and "lambda:InvokeFunction" in str(function.policy.document)


def test_an_image_of_elsewhere_that_runs_with_a_role_is_not_read(seen: Survey):
    _, unknown = carried(seen, [identity for account in seen.identities for identity in account.identities])
    (said,) = unknown
    assert "docker.io/somebody/else:1" in said and "who may replace it is not read" in said


def test_what_is_refused_is_a_gap_each_and_nothing_else_is_said(gateway: GatewayProcess, programs: None):
    found = read_as(gateway, f"{IAM}role/strongroom/blind")
    assert (found.stores, found.carriers, found.keys, found.identities) == ([], [], [], [])
    # identities and instances are read beside the table
    assert len(found.gaps) == len(OF_ACCOUNT) + len(OF_REGION) + 2
    assert {gap.key for gap in found.gaps} == {""}
    for operation in ("GetAccountAuthorizationDetails", "ListBuckets", "ListAliases", "DescribeInstances"):
        assert len([gap for gap in found.gaps if f"{operation} was refused" in gap.reason]) == 1, operation


@pytest.mark.parametrize(
    ("action", "what"),
    [
        ("s3:GetBucketPolicy", "arn:aws:s3:::sealed"),
        ("s3:GetBucketOwnershipControls", "arn:aws:s3:::plain"),
        ("s3:GetEncryptionConfiguration", "arn:aws:s3:::plain"),
        ("sqs:GetQueueAttributes", f"arn:aws:sqs:{HERE}:letters"),
        ("sns:GetTopicAttributes", f"arn:aws:sns:{HERE}:alarms"),
        ("secretsmanager:GetResourcePolicy", f"arn:aws:secretsmanager:{HERE}:secret:login"),
        ("ecr:GetRepositoryPolicy", f"arn:aws:ecr:{HERE}:repository/jobs"),
        ("ecs:DescribeTaskDefinition", f"arn:aws:ecs:{HERE}:task-definition/own:1"),
        ("scheduler:GetSchedule", f"arn:aws:scheduler:{HERE}:schedule/default/nightly"),
        ("events:ListTargetsByRule", f"arn:aws:events:{HERE}:rule/changed"),
        ("lambda:GetPolicy", f"arn:aws:lambda:{HERE}:function:f"),
        ("states:DescribeStateMachine", f"arn:aws:states:{HERE}:stateMachine:machine"),
        ("ssm:ListTagsForResource", f"arn:aws:ssm:{HERE}:parameter/login"),
        ("kms:GetKeyPolicy", f"arn:aws:kms:{HERE}:key/"),
        ("kms:ListGrants", f"arn:aws:kms:{HERE}:key/"),
    ],
)
def test_one_permission_less_is_a_gap_about_what_it_reads(
    gateway: GatewayProcess, programs: None, action: str, what: str
):
    iam = gateway.client(f"admin@{WORKLOAD}", "iam")
    iam.put_role_policy(
        RoleName="reader",
        PolicyName="not",
        PolicyDocument=doc({"Effect": "Deny", "Action": action, "Resource": "*"}),
    )
    try:
        gaps = [
            gap for gap in read_as(gateway, f"{IAM}role/strongroom/reader").gaps if "control lists" not in gap.reason
        ]
    finally:
        iam.delete_role_policy(RoleName="reader", PolicyName="not")
    assert any(gap.reason.startswith(what) and "was refused" in gap.reason for gap in gaps), gaps


def test_the_facts_are_composed_and_a_gap_through_which_somebody_acts_concerns_everything(
    gateway: GatewayProcess, programs: None
):
    s3 = gateway.client(f"admin@{WORKLOAD}", "s3")
    s3.create_bucket(Bucket="strongroom-dev-manifest")
    written = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket="strongroom-dev-manifest", OwnershipControls=written)
    roles = {"auditor": f"{IAM}role/strongroom/reader", "rotator": f"{IAM}role/other"}
    lost = f"arn:aws:kms:{HERE}:key/lost"
    manifest = Manifest(
        env="dev",
        environment_kind="sandbox",
        accounts={
            "workload": Account(id=WORKLOAD, regions=("us-east-1",), roles=roles),
            "management": Account(id="210000000009", regions=("us-east-1",)),
        },
        keys=(Key(name="lost", purpose="storage", provider="aws-kms", ref=lost),),
        stores=(),
        repositories=(),
        evidence=None,
        digests={},
    )
    session = Session(gateway, roles["auditor"])
    estate = load(ROOT / "stacks" / "estate.dev.yaml").model_copy(update={"vault": None, "quorums": ()})
    found = read(manifest, estate, lambda *_: session)
    said = {gap.reason: gap.key for gap in found.gaps}
    for account in ("audit", "backup"):
        assert said[f"account {account} is declared and not deployed: the auditor has no role in it"] == ""
    assert said["key lost is in the manifest and in no Region that was read"] == lost
    in_force = {reason.split(": ")[0]: about for reason, about in said.items() if "lists" in reason}
    assert in_force == {"arn:aws:s3:::listed": "arn:aws:s3:::listed", "arn:aws:s3:::strongroom-dev-manifest": ""}
    (note,) = found.notes
    assert note.startswith("account management is not read")
    facts = found.facts
    assert {"manifest", "task", "function"} <= {carrier.kind for carrier in facts.carriers}
    assert {"bucket", "queue", "topic", "secret", "images"} == {store.kind for store in facts.stores}
    assert [account.id for account in facts.accounts] == [WORKLOAD] and facts.organisation == ""
