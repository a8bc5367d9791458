"""What the laptop's gateway does not serve, read from moto or recorded answers; and what follows without asking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from strongroom.authorization.deployed import asking, carriers, stores, stores_by_purpose
from strongroom.authorization.deployed.asking import one_by_one
from strongroom.authorization.deployed.carried import carried
from strongroom.authorization.deployed.obeyed import obeyed
from strongroom.authorization.deployed.survey import Survey
from strongroom.authorization.deployed.tasks import Definition, Start, Tasks, carriers_of, read_tasks
from strongroom.authorization.documents import Named
from strongroom.authorization.prover import Carrier, Identity, Key, Store
from strongroom.errors import UnknownElement
from strongroom.estate import duties, names
from strongroom.estate.loader import load
from strongroom.estate.manifest import Account, Copy, Manifest, Repository
from strongroom.estate.manifest import Store as Deployed

ROOT = Path(__file__).resolve().parents[3]
HOME = "123456789012"  # moto's account where nobody says another
HERE = f"us-east-1:{HOME}"
ROLE, OTHER = (f"arn:aws:iam::{HOME}:role/{name}" for name in ("worker", "other"))
ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def client(service: str, **more: Any) -> Any:
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x", **more)


@pytest.fixture(autouse=True)
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded answers are given in the order of the questions."""
    monkeypatch.setattr(asking, "AT_ONCE", 1)


def recorded(service: str, *answers: tuple[str, dict[str, Any] | str]) -> Any:
    """A real client whose answers are recorded; a text is an error code."""
    made = client(service)
    stub = Stubber(made)
    for operation, answer in answers:
        if isinstance(answer, str):
            stub.add_client_error(operation, answer)
        else:
            stub.add_response(operation, answer)
    stub.activate()
    return made


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_an_instance_is_entered_by_its_profiles_role(moto: str):
    iam, ec2 = client("iam", endpoint_url=moto), client("ec2", endpoint_url=moto)
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=ALL)
    profile = iam.create_instance_profile(InstanceProfileName="p")["InstanceProfile"]["Arn"]
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="worker")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    run = {"ImageId": image, "MinCount": 1, "MaxCount": 1}
    with_role = ec2.run_instances(**run, IamInstanceProfile={"Arn": profile})["Instances"][0]["InstanceId"]
    ended = ec2.run_instances(**run, IamInstanceProfile={"Arn": profile})["Instances"][0]["InstanceId"]
    ec2.terminate_instances(InstanceIds=[ended])
    ec2.run_instances(**run)
    found, unread = carriers.read_instances(ec2, HOME, lambda: carriers.read_profiles(iam))
    assert found == [Carrier(f"arn:aws:ec2:{HERE}:instance/{with_role}", HOME, "instance", ROLE)] and unread == {}
    found, unread = carriers.read_instances(ec2, HOME, dict)
    assert found == [] and f"its profile {profile} is not known" in unread.values()


def test_a_stack_carries_the_role_it_is_deployed_with(moto: str):
    made = client("cloudformation", endpoint_url=moto)
    template = json.dumps({"Resources": {"q": {"Type": "AWS::SQS::Queue"}}})
    with_role = made.create_stack(StackName="with", TemplateBody=template, RoleARN=ROLE)["StackId"]
    made.create_stack(StackName="without", TemplateBody=template)
    assert carriers.read_stacks(made, HOME) == ([Carrier(with_role, HOME, "stack", ROLE)], {})


def test_services_and_running_tasks_are_starts(moto: str):
    ecs, ec2 = client("ecs", endpoint_url=moto), client("ec2", endpoint_url=moto)
    ecs.create_cluster(clusterName="c")
    container = {"name": "job", "image": "i", "memory": 1, "secrets": [{"name": "S", "valueFrom": "x"}]}
    ecs.register_task_definition(family="f", taskRoleArn=ROLE, executionRoleArn=OTHER, containerDefinitions=[container])
    ecs.create_service(cluster="c", serviceName="s", taskDefinition="f", desiredCount=0)
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    network = {"awsvpcConfiguration": {"subnets": [subnet]}}
    overrides = {"taskRoleArn": f"{ROLE}-override"}
    task = ecs.run_task(
        cluster="c", taskDefinition="f", launchType="FARGATE", networkConfiguration=network, overrides=overrides
    )["tasks"][0]["taskArn"]
    ((tasks,), unread) = read_tasks(ecs, HOME)
    assert unread == {} and tasks.clusters == ["c"]
    (definition,) = tasks.definitions
    assert definition.roles == (ROLE, OTHER)  # the latter fetches its secrets
    assert [start.family for start in tasks.starts] == ["f"] and tasks.running[task].role == f"{ROLE}-override"
    found, _ = carriers_of(tasks, [], [], {})
    assert Carrier(task, HOME, "task", f"{ROLE}-override") in found


def test_a_vault_is_read_with_its_policy():
    vaults = [{"BackupVaultName": n, "BackupVaultArn": f"arn:aws:backup:{HERE}:backup-vault:{n}"} for n in "ab"]
    listed = ("list_backup_vaults", {"BackupVaultList": [vaults[0] | {"EncryptionKeyArn": "k"}]})
    found, unread = stores.read_vaults(
        recorded("backup", listed, ("get_backup_vault_access_policy", {"Policy": ALL})), HOME
    )
    assert found == [Store(vaults[0]["BackupVaultArn"], HOME, "vault", Named("access policy of vault a", ALL), "k")]
    listed = ("list_backup_vaults", {"BackupVaultList": vaults[1:]})
    none, denied = "ResourceNotFoundException", "AccessDeniedException"
    (bare,), _ = stores.read_vaults(recorded("backup", listed, ("get_backup_vault_access_policy", none)), HOME)
    assert bare.policy is None
    _, unread = stores.read_vaults(recorded("backup", listed, ("get_backup_vault_access_policy", denied)), HOME)
    assert unread == {vaults[1]["BackupVaultArn"]: "GetBackupVaultAccessPolicy was refused: AccessDeniedException"}


def test_a_policy_of_the_whole_registry_is_not_decided():
    empty = ("describe_repositories", {"repositories": []})
    _, unread = stores.read_images(recorded("ecr", empty, ("get_registry_policy", {"policyText": ALL})), HOME)
    assert list(unread) == [f"arn:aws:ecr:{HERE}:*"]
    absent = ("get_registry_policy", "RegistryPolicyNotFoundException")
    assert stores.read_images(recorded("ecr", empty, absent), HOME) == ([], {})


def rule_with(target: dict[str, Any]) -> Any:
    return recorded(
        "events",
        ("list_event_buses", {"EventBuses": [{"Name": "default"}]}),
        ("list_rules", {"Rules": [{"Name": "r", "Arn": "arn:r"}]}),
        ("list_targets_by_rule", {"Targets": [{"Id": "1", "Arn": "arn:cluster", "RoleArn": ROLE, **target}]}),
    )


@pytest.mark.parametrize(
    "target",
    [
        {"EcsParameters": {"TaskDefinitionArn": "f"}, "InputPath": "$.detail"},
        {"EcsParameters": {"TaskDefinitionArn": "f"}, "Input": "not json"},
        {"EcsParameters": {"TaskDefinitionArn": "f"}, "Input": "[]"},
        {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "Input": "{}"},
    ],
)
def test_a_start_that_is_not_understood_is_unread(target: dict[str, Any]):
    found, unread = carriers.read_event_rules(rule_with(target), HOME)
    assert found == [] and list(unread) == ["arn:r"]


def test_a_schedule_may_call_ecs_itself():
    given = json.dumps({"TaskDefinition": "f:3", "Overrides": {"TaskRoleArn": OTHER}, "Cluster": "c"})
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "Input": given}
    (entry,), _ = carriers.read_event_rules(rule_with(target), HOME)
    assert entry == (Carrier("arn:r", HOME, "rule", ROLE), Start("f:3", OTHER, "c"))


def tasks(*images: str, roles: tuple[str, ...] = (ROLE,), **more: Any) -> Tasks:
    arn = f"arn:aws:ecs:{HERE}:task-definition/f:3"
    return Tasks(HOME, "us-east-1", [Definition(arn, "f", 3, roles, images)], ["c"], **more)


@pytest.mark.parametrize(
    ("definition", "starts"), [("f", True), ("f:3", True), ("f:2", False), ("g", False), ("arn:x:task/f:3", True)]
)
def test_a_start_names_a_revision_or_means_the_newest(definition: str, starts: bool):
    assert Start(definition).starts(tasks().definitions[0]) is starts


REPOSITORY = f"arn:aws:ecr:eu-west-1:{HOME}:repository/a/b"
IMAGE = f"{HOME}.dkr.ecr.eu-west-1.amazonaws.com/a/b"


@pytest.mark.parametrize(
    ("image", "runs", "foreign"),
    [
        (f"{IMAGE}:1", True, False),
        (IMAGE, True, False),
        (f"{IMAGE}@sha256:{'a' * 64}", False, False),
        (f"{IMAGE}:1@sha256:{'a' * 64}", False, False),
        (f"{IMAGE}/other:1", False, True),
        ("nginx", False, True),
        (f"nginx@sha256:{'a' * 64}", False, False),
    ],
)
def test_an_image_carries_what_it_runs_with_unless_it_is_fixed(image: str, runs: bool, foreign: bool):
    policy = Named("p", ALL)
    found, unknown = carriers_of(tasks(image), [], [], {REPOSITORY: policy})
    images = [carrier for carrier in found if carrier.kind == "image"]
    assert images == ([Carrier(REPOSITORY, HOME, "image", ROLE, policy)] if runs else [])
    assert bool(unknown) is foreign


def test_an_image_that_runs_with_no_role_carries_nothing():
    found, unknown = carriers_of(tasks("nginx", roles=()), [Start("f:3")], [], {})
    assert (found, unknown) == ([], [])


def test_the_family_is_asked_about_where_no_revision_is_named():
    found, _ = carriers_of(tasks(), [], [], {})
    arns = {carrier.arn for carrier in found if carrier.kind == "task-override"}
    assert arns == {f"arn:aws:ecs:{HERE}:task-definition/f:3", f"arn:aws:ecs:{HERE}:task-definition/f"}


def test_what_carries_nobody_is_left_out_and_what_carries_somebody_unknown_is_not_read():
    there = Identity(ROLE, HOME, "role")
    logins = ("bao:auth/approle/role/restorer", f"arn:aws:iam::{HOME}:root")
    named = (ROLE, f"{ROLE}-deleted", "arn:aws:iam::999999999999:role/far", "somebody", *logins)
    found = Survey(carriers=[Carrier(f"arn:{number}", HOME, "function", role) for number, role in enumerate(named)])
    kept, unknown = carried(found, [there])
    assert [carrier.role for carrier in kept] == [ROLE, *logins]
    assert [said.split()[2] for said in unknown] == ["arn:aws:iam::999999999999:role/far,", "somebody,"]
    assert len(carried(found, [])[1]) == 4  # where no identity was read, nobody was deleted


def test_a_refusal_and_what_has_no_meaning_are_reasons_and_any_other_failure_is_raised():
    def read(name: str) -> str:
        if name == "unknown":
            raise UnknownElement("no such thing", hint="x")
        if name == "broken":
            raise ZeroDivisionError
        return name

    assert one_by_one(["a", "unknown", "b"], read) == (["a", "b"], {"unknown": "no such thing"})
    with pytest.raises(ZeroDivisionError):
        one_by_one(["a", "broken"], read)


def key(region: str, *aliases: str) -> Key:
    return Key(f"arn:aws:kms:{region}:{HOME}:key/{region}", HOME, Named("k", ALL), aliases=aliases)


@pytest.mark.parametrize(
    ("kind", "place", "named", "region"),
    [
        ("queue", f"arn:aws:sqs:{HERE}:q", "alias/data", "us-east-1"),
        ("queue", f"arn:aws:sqs:eu-west-1:{HOME}:q", "alias/data", "eu-west-1"),
        ("queue", f"arn:aws:sqs:{HERE}:q", f"arn:aws:kms:us-east-1:{HOME}:alias/data", "us-east-1"),
        ("queue", f"arn:aws:sqs:{HERE}:q", f"arn:aws:kms:us-east-1:{HOME}:key/us-east-1", "us-east-1"),
        ("bucket", "arn:aws:s3:::b", "eu-west-1", "eu-west-1"),
        ("queue", f"arn:aws:sqs:{HERE}:q", "alias/aws/sqs", ""),
        ("queue", f"arn:aws:sqs:{HERE}:q", "", ""),
    ],
)
def test_the_key_of_a_store_is_named_by_its_arn(kind: str, place: str, named: str, region: str):
    keys = [key("us-east-1", "alias/data"), key("eu-west-1", "alias/data")]
    (store,) = stores.with_keys([Store(place, HOME, kind, key=named)], keys)
    assert store.key == (f"arn:aws:kms:{region}:{HOME}:key/{region}" if region else "")


def manifest() -> Manifest:
    estate = load(ROOT / "stacks" / "estate.dev.yaml")
    accounts = {}
    for account, declared in estate.accounts.items():
        roles = {d: names.role_arn(estate, account, d) for d in duties.all_duties() if account in duties.accounts_of(d)}
        accounts[str(account)] = Account(id=declared.id, regions=declared.regions, roles=roles)
    copies = (
        Copy(name="primary", backend="s3", url="s3://data", control_url="s3://control", recipients=()),
        Copy(name="disk", backend="local", url="file:copies", recipients=()),
    )
    return Manifest(
        env="dev",
        environment_kind="sandbox",
        accounts=accounts,
        keys=(),
        stores=(
            Deployed.model_validate({"name": "images", "kind": "bucket", "class": "imaging", "arn": "arn:aws:s3:::i"}),
            Deployed.model_validate(
                {"name": "db", "kind": "postgres", "class": "x", "arn": f"arn:aws:rds:{HERE}:db:d"}
            ),
            Deployed.model_validate({"name": "folder", "kind": "folder", "class": "imaging", "endpoint": "file:x"}),
        ),
        repositories=(Repository(id="r", id_key="id", copies=copies, lock_days=1, lock_mode="GOVERNANCE"),),
        evidence=None,
        digests={},
    )


def test_a_part_of_the_manifest_moves_every_job_and_a_state_its_deployer():
    estate = load(ROOT / "stacks" / "estate.dev.yaml")
    found = obeyed(manifest(), estate)
    part = "arn:aws:s3:::strongroom-dev-manifest/dev/jobs.json"
    runs = {carrier.role.rpartition("/")[2] for carrier in found if carrier.arn == part}
    assert runs == set(duties.JOBS.values()) and {carrier.kind for carrier in found} == {"manifest"}
    kept = estate.model_copy(update={"bootstrap": estate.bootstrap.model_copy(update={"state_bucket": True})})
    states = [carrier for carrier in obeyed(manifest(), kept) if carrier.kind == "state"]
    assert {c.role for c in states if "/access/" in c.arn} == set(names.role_arns(estate, "deployer.access"))
    assert "arn:aws:s3:::strongroom-dev-state/jobs/.pulumi/stacks/strongroom/jobs.dev.json" in {c.arn for c in states}


def test_stores_have_a_purpose():
    estate = load(ROOT / "stacks" / "estate.dev.yaml")
    assert stores_by_purpose(manifest(), estate) == {
        "images": ("data", "arn:aws:s3:::i"),
        "r.primary repository": ("repository", "arn:aws:s3:::data"),
        "r.primary control": ("control", "arn:aws:s3:::control"),
        "manifest": ("manifest", "arn:aws:s3:::strongroom-dev-manifest"),
    }
