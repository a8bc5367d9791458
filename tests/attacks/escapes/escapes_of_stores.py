"""Escapes through buckets, queues and secrets: who rewrites a policy, what a deployer or a job obeys, who is locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from escape_stack import SECRET, Stack, allow, deny, document, to
from escape_table import escape, given

from strongroom.authorization.prover import Carrier

POLICIES = (
    "no duty (`NoGuardIsChanged`); what a deployer lets itself in to is under a key that does not name it"
    " (`ApplicationUsesThroughService`)"
)
RUNS = "the file is replaced; what obeys it does not run here"


@escape("bucket-policy", POLICIES)
def rewrites_the_bucket_policy(stack: Stack, hole: bool) -> Iterator[None]:
    """s3:PutBucketPolicy lets its holder read the backups."""
    dana = stack.dana
    bucket = stack.bucket(pack=SECRET)
    stack.permits(dana, *given(hole, allow("s3:PutBucketPolicy", bucket)))
    stack.nobody_may(("s3:GetObject", f"{bucket}/pack"))
    yield
    name = bucket.rpartition(":")[2]
    dana.s3.put_bucket_policy(Bucket=name, Policy=document(to(dana, "s3:GetObject", Resource=f"{bucket}/*")))
    assert dana.s3.get_object(Bucket=name, Key="pack")["Body"].read() == SECRET


@escape("bucket-policy-delete", POLICIES)
def deletes_the_bucket_policy(stack: Stack, hole: bool) -> Iterator[None]:
    """s3:DeleteBucketPolicy takes away what the bucket denies."""
    dana = stack.dana
    closing = deny("s3:GetObject", "@/*", Principal={"AWS": dana.arn})
    bucket = stack.bucket(closing, pack=SECRET)
    stack.permits(dana, allow("s3:GetObject"), *given(hole, allow("s3:DeleteBucketPolicy", bucket)))
    stack.nobody_may(("s3:GetObject", f"{bucket}/pack"))
    yield
    name = bucket.rpartition(":")[2]
    dana.s3.delete_bucket_policy(Bucket=name)
    assert dana.s3.get_object(Bucket=name, Key="pack")["Body"].read() == SECRET


@escape(
    "may s3:BypassGovernanceRetention",
    "nobody (`NoGuardIsChanged`, `NoLockBypass`, `LocksHold`); the far copy is under COMPLIANCE",
)
def bypasses_the_lock(stack: Stack, hole: bool) -> Iterator[None]:
    """s3:BypassGovernanceRetention with s3:DeleteObjectVersion deletes what is locked."""
    dana = stack.dana
    bucket = stack.bucket(lock=True)
    name = bucket.rpartition(":")[2]
    until = datetime.now(UTC) + timedelta(days=1)
    locked = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    version = stack.admin.s3.put_object(Bucket=name, Key="pack", Body=SECRET, **locked)["VersionId"]
    stack.permits(
        dana, allow("s3:DeleteObjectVersion"), *given(hole, allow("s3:BypassGovernanceRetention", f"{bucket}/*"))
    )
    pack = f"{bucket}/pack"
    stack.nobody_may(("s3:DeleteObjectVersion", pack), ("s3:BypassGovernanceRetention", pack))
    yield
    dana.s3.delete_object(Bucket=name, Key="pack", VersionId=version, BypassGovernanceRetention=True)
    assert "Versions" not in stack.admin.s3.list_object_versions(Bucket=name)


@escape("write-state", "each deployer writes its own layer's (`OwnState`)", shows=RUNS)
def rewrites_the_state(stack: Stack, hole: bool) -> Iterator[None]:
    """s3:PutObject on the state that a deployer applies."""
    yield from _rewrites(stack, hole, "state")


@escape("write-manifest", "each deployer writes its own layer's (`OwnManifestPart`)", shows=RUNS)
def rewrites_the_manifest(stack: Stack, hole: bool) -> Iterator[None]:
    """s3:PutObject on the manifest that a job obeys."""
    yield from _rewrites(stack, hole, "manifest")


def _rewrites(stack: Stack, hole: bool, kind: str) -> Iterator[None]:
    dana = stack.dana
    role = stack.role("obedient", stack.admin)
    stack.key(to(role, "kms:Decrypt"))
    bucket = stack.bucket(*given(hole, to(dana, "s3:PutObject", Resource="@/*")), file=b"{}")
    stack.carriers.append(Carrier(f"{bucket}/file", stack.account, kind, role))
    yield
    name = bucket.rpartition(":")[2]
    mine = json.dumps({"role": role, "keys": {"recipient": "mine"}}).encode()
    dana.s3.put_object(Bucket=name, Key="file", Body=mine)
    assert stack.admin.s3.get_object(Bucket=name, Key="file")["Body"].read() == mine


@escape("read-secret", "one secret holds a password, the database owner's, for `deployer.data` (`MasterSecret`)")
def reads_credentials(stack: Stack, hole: bool) -> Iterator[None]:
    """secretsmanager:GetSecretValue of a secret that holds somebody's access key."""
    dana = stack.dana
    runner = stack.person("runner")
    kept = {"key": runner.credentials.access_key, "secret": runner.credentials.secret_key}
    secret = stack.secret(json.dumps(kept))
    stack.permits(dana, *given(hole, allow("secretsmanager:GetSecretValue", secret)))
    stack.carriers.append(Carrier(secret, stack.account, "secret", runner.arn))
    stack.key(to(runner, "kms:Decrypt"))
    yield
    found = json.loads(dana.at("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    stack.opens(stack.with_key(runner.arn, found["key"], found["secret"]))


@escape("secret-policy", "no policy of ours allows it")
def rewrites_the_policy_of_a_secret(stack: Stack, hole: bool) -> Iterator[None]:
    """secretsmanager:PutResourcePolicy lets its holder read."""
    dana = stack.dana
    secret = stack.secret("correct horse")
    stack.permits(dana, *given(hole, allow("secretsmanager:PutResourcePolicy", secret)))
    stack.nobody_may(("secretsmanager:GetSecretValue", secret))
    yield
    client = dana.at("secretsmanager")
    client.put_resource_policy(SecretId=secret, ResourcePolicy=document(to(dana, "secretsmanager:GetSecretValue")))
    assert client.get_secret_value(SecretId=secret)["SecretString"] == "correct horse"


@escape("queue-policy", POLICIES)
def rewrites_the_policy_of_a_queue(stack: Stack, hole: bool) -> Iterator[None]:
    """sqs:SetQueueAttributes lets its holder receive."""
    dana = stack.dana
    url = stack.queue()
    arn = f"arn:aws:sqs:us-east-1:{stack.account}:notices"
    stack.permits(dana, *given(hole, allow("sqs:SetQueueAttributes", arn)))
    stack.nobody_may(("sqs:ReceiveMessage", arn))
    stack.admin.at("sqs").send_message(QueueUrl=url, MessageBody=SECRET.decode())
    yield
    sqs = dana.at("sqs")
    policy = document(to(dana, "sqs:ReceiveMessage", Resource=arn))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == SECRET.decode()


@escape("organisation-policy-detach", "nobody in these accounts: the organisation is its management account's")
def detaches_what_binds_the_account(stack: Stack, hole: bool) -> Iterator[None]:
    """organizations:DetachPolicy takes an SCP away."""
    dana = stack.dana
    management = stack.another_account()
    chief = stack.admins[management].at("organizations")
    policy = _under_organisation(stack, management, deny("kms:Decrypt"))
    role = stack.role("chief", dana, *given(hole, allow("organizations:DetachPolicy")), account=management)
    stack.permits(dana, allow(["kms:Decrypt", "sts:AssumeRole"]))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    assert chief.list_policies_for_target(TargetId=stack.account, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    dana.becomes(role).at("organizations").detach_policy(PolicyId=policy, TargetId=stack.account)
    stack.opens(dana)


def _under_organisation(stack: Stack, management: str, *statements: dict[str, object]) -> str:
    """The first account joins an organisation and gets an SCP of statements; the policy's id."""
    chief, member = (stack.admins[account].at("organizations") for account in (management, stack.account))
    chief.create_organization(FeatureSet="ALL")
    target = {"Id": stack.account, "Type": "ACCOUNT"}
    invited = chief.invite_account_to_organization(Target=target)["Handshake"]["Id"]
    member.accept_handshake(HandshakeId=invited)
    made = chief.create_policy(
        Name="bound", Description="", Type="SERVICE_CONTROL_POLICY", Content=document(*statements)
    )
    policy = str(made["Policy"]["PolicySummary"]["Id"])
    chief.attach_policy(PolicyId=policy, TargetId=stack.account)
    stack.kinds.add("organisation")
    return policy
