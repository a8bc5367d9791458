"""The same programs with a production estate: task roles, CI trust, state keys, locks that nobody shortens."""

from __future__ import annotations

import json
import shutil

import pytest
from recording import run_stack

from infra.policies import bucket_policies, deployer_permissions
from infra.policies.document import to_json
from infra.policies.key_policies import key_policy
from infra.program import ROOT
from strongroom.authorization import Form, Named, Policies, Principal, Request, evaluate, parse
from strongroom.estate import duties, names
from strongroom.estate.keyring import keyring
from strongroom.estate.loader import load
from strongroom.estate.manifest import LAYERS, merge


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    made = tmp_path_factory.mktemp("production")
    (made / "stacks").mkdir()
    shutil.copy(ROOT / "stacks" / "estate.prod.example.yaml", made / "stacks" / "estate.prod.yaml")
    for name in ("tools/restore.py", "docs/formats/repository.md"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text("text\n")
    return made


@pytest.fixture(scope="module")
def estate(root):
    return load(root / "stacks" / "estate.prod.yaml")


@pytest.fixture(scope="module")
def stacks(root):
    return {layer: run_stack(f"{layer}.prod", root) for layer in LAYERS}


def test_the_whole_environment_composes_and_merges(stacks):
    parts = {
        f"prod/{layer}.json": s.one("BucketObjectv2", "manifest-part").inputs["content"] for layer, s in stacks.items()
    }
    merged = merge({name: text.encode() for name, text in parts.items()})
    assert merged.environment_kind == "production"
    assert merged.store("archive").arn == "arn:aws:s3:::example-imaging-archive"


def test_locks_are_compliance_and_every_key_is_protected(stacks):
    locks = [
        r.inputs["rule"]["defaultRetention"]["mode"]
        for s in stacks.values()
        for r in s.of("BucketObjectLockConfiguration")
    ]
    assert locks == ["COMPLIANCE"] * 3


def test_state_has_a_key_and_a_prefix_a_layer(stacks, estate):
    names_of_keys = {k.name for k in stacks["bootstrap"].of("Key")}
    assert names_of_keys == {"storage-manifest", *(f"state-{layer}" for layer in duties.DEPLOYERS)}
    role = names.role_arn(estate, "workload", "deployer.keys")
    number = estate.accounts["workload"].id
    principal = Principal(f"arn:aws:sts::{number}:assumed-role/deployer.keys/ci", number, "role-session", role)
    own = deployer_permissions.deployer_policy(estate, "workload", "keys")
    identity, ceiling = (Named("own", to_json(own)),), Named("boundary", to_json(deployer_permissions.boundary(estate)))
    for spec in (s for s in keyring(estate) if s.purpose == "state" and s.duty):
        policies = Policies(
            identity=identity, boundary=ceiling, resource=Named("key", to_json(key_policy(estate, spec)))
        )
        arn = f"arn:aws:kms:us-east-1:{number}:key/{spec.name}"
        alias = {"kms:ResourceAliases": (names.alias(estate, spec.name),)}
        mine = spec.duty == "deployer.keys"
        assert evaluate(Request(principal, "kms:Decrypt", arn, alias), policies).allowed is mine
        assert not evaluate(Request(principal, "kms:Decrypt", arn), policies).allowed
    bucket = Named("state", to_json(bucket_policies.state_bucket(estate)))
    for layer in duties.DEPLOYERS:
        request = Request(
            principal,
            "s3:GetObject",
            f"arn:aws:s3:::strongroom-prod-state/{layer}/.pulumi/stacks/x.json",
            {"aws:SecureTransport": True},
            resource_account=number,
        )
        allowed = evaluate(request, Policies(identity=identity, boundary=ceiling, resource=bucket)).allowed
        assert allowed is (layer == "keys")


def test_deployers_are_assumed_from_protected_environments_alone(stacks):
    for role in stacks["bootstrap"].of("Role"):
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        subject = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
        assert subject == f"repo:example/estate:environment:prod-{role.inputs['name'].removeprefix('deployer.')}"
        assert statement["Action"] == ["sts:AssumeRoleWithWebIdentity"]


def test_people_need_a_second_factor(stacks):
    trust = json.loads(stacks["access"].one("Role", "key-admin-workload").inputs["assumeRolePolicy"])["Statement"]
    assert [s["Condition"] for s in trust] == [{"Bool": {"aws:MultiFactorAuthPresent": "true"}}]


def test_a_job_runs_as_its_runner_which_may_only_become_its_duty(stacks, estate):
    target = stacks["jobs"].one("Schedule", "copy").inputs["target"]
    runner = "arn:aws:iam::222222222222:role/strongroom/prod/runner.copier"
    assert json.loads(target["input"])["taskRoleArn"] == runner
    assert target["ecsParameters"]["networkConfiguration"]["subnets"]
    policy = stacks["access"].document("RolePolicy", "runner.copier-workload")
    assert [s["Resource"] for s in policy["Statement"]] == [[names.role_arn(estate, "backup", "copier")]]
    trust = json.loads(stacks["access"].one("Role", "copier-backup").inputs["assumeRolePolicy"])["Statement"]
    assert [s["Principal"] for s in trust] == [{"AWS": [runner]}]
    passed = [
        s
        for s in stacks["access"].document("RolePolicy", "job-starter-workload")["Statement"]
        if s["Sid"] == "TaskRolesPass"
    ]
    assert (
        runner in passed[0]["Resource"] and names.role_arn(estate, "workload", "restorer") not in passed[0]["Resource"]
    )


def test_every_policy_is_understood_and_fits(stacks, estate):
    """No element without documented meaning; inline policies 10,240 characters, managed 6,144."""
    for stack in stacks.values():
        for policy in stack.of("RolePolicy"):
            parse(Named(policy.name, policy.inputs["policy"]), Form.IDENTITY)
            assert len(policy.inputs["policy"]) <= 10240, policy.name
        for role in stack.of("Role"):
            parse(Named(role.name, role.inputs["assumeRolePolicy"]), Form.TRUST)
            assert len(role.inputs["assumeRolePolicy"]) <= 2048
        for key in stack.of("Key"):
            parse(Named(key.name, key.inputs["policy"]), Form.KEY)
        for short in ("BucketPolicy", "QueuePolicy"):
            for resource in stack.of(short):
                parse(Named(resource.name, resource.inputs["policy"]), Form.RESOURCE)
    ceiling = to_json(deployer_permissions.boundary(estate))
    parse(Named("boundary", ceiling), Form.BOUNDARY)
    assert len(ceiling) <= 6144


def test_ci_deploys_with_its_web_identity_token(root):
    import pulumi

    pulumi.runtime.set_all_config({"strongroom:webIdentityTokenFile": "/run/ci/token"})
    try:
        stack = run_stack("keys.prod", root)
    finally:
        pulumi.runtime.set_all_config({})
    provider = stack.one("aws", "workload")
    assert "assumeRoles" not in provider.inputs
    web = provider.inputs["assumeRoleWithWebIdentity"]
    web = json.loads(web) if isinstance(web, str) else web
    assert web["webIdentityTokenFile"] == "/run/ci/token" and web["roleArn"].endswith("/deployer.keys")
