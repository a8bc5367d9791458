"""Rules of organisations: what control policies bind, whom they do not, and which are accepted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError
from contract_rows import (
    AUDIT,
    BACKUP,
    MANAGEMENT,
    WORKLOAD,
    allow,
    deny,
    document,
    name,
    new_bucket,
    new_key,
    new_role,
    root,
    row,
)

LAPTOP_ONLY = "control policies are written by a management account, and take effect after a while"
SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
MANAGER, MEMBER = f"admin@{MANAGEMENT}", f"admin@{AUDIT}"
EVERYTHING = "p-FullAWSAccess"


def manage(cloud: Any) -> Any:
    """The management account's client; the organisation is made, and the audit account joins it, at the first call."""
    client = cloud.client(MANAGER, "organizations")
    try:
        client.create_organization(FeatureSet="ALL")
    except ClientError as made:
        if made.response["Error"]["Code"] != "AlreadyInOrganizationException":
            raise
        return client
    client.enable_policy_type(RootId=root_id(client), PolicyType=RCP)
    join(cloud, client, AUDIT)
    return client


def join(cloud: Any, client: Any, account: str) -> None:
    handshake = client.invite_account_to_organization(Target={"Id": account, "Type": "ACCOUNT"})["Handshake"]
    cloud.client(f"admin@{account}", "organizations").accept_handshake(HandshakeId=handshake["Id"])


def root_id(client: Any) -> str:
    return str(client.list_roots()["Roots"][0]["Id"])


def policy(client: Any, text: str, kind: str = SCP) -> str:
    made = client.create_policy(Name=name("policy"), Description="d", Type=kind, Content=text)
    return str(made["Policy"]["PolicySummary"]["Id"])


@contextlib.contextmanager
def attached(client: Any, text: str, target: str, kind: str = SCP) -> Iterator[str]:
    """A control policy that hangs on a target while the block runs."""
    identifier = policy(client, text, kind)
    client.attach_policy(PolicyId=identifier, TargetId=target)
    try:
        yield identifier
    finally:
        client.detach_policy(PolicyId=identifier, TargetId=target)


@contextlib.contextmanager
def moved(client: Any, account: str, *path: str) -> Iterator[str]:
    """The account under new units, one inside the other, while the block runs; the outermost unit."""
    parent = top = client.create_organizational_unit(ParentId=root_id(client), Name=name("ou"))["OrganizationalUnit"][
        "Id"
    ]
    for unit in path:
        parent = client.create_organizational_unit(ParentId=parent, Name=unit)["OrganizationalUnit"]["Id"]
    client.move_account(AccountId=account, SourceParentId=root_id(client), DestinationParentId=parent)
    try:
        yield top
    finally:
        client.move_account(AccountId=account, SourceParentId=parent, DestinationParentId=root_id(client))


def no_queues(**more: Any) -> str:
    return document(allow("*"), deny("sqs:CreateQueue", **more))


@row("AccessDenied")
def an_scp_binds_administrators_of_a_member(cloud: Any) -> None:
    client = manage(cloud)
    sqs = cloud.client(MEMBER, "sqs")
    sqs.create_queue(QueueName=name("q"))
    with attached(client, no_queues(), AUDIT):
        sqs.list_queues()
        sqs.create_queue(QueueName=name("q"))


@row()
def an_scp_holds_from_the_next_call_on_and_ends_with_the_next(cloud: Any) -> None:
    client, sqs = manage(cloud), cloud.client(MEMBER, "sqs")
    with attached(client, no_queues(), AUDIT) as identifier:
        expect_denied(lambda: sqs.create_queue(QueueName=name("q")), "service control policy")
        client.update_policy(PolicyId=identifier, Content=document(allow("*")))
        sqs.create_queue(QueueName=name("q"))
        client.update_policy(PolicyId=identifier, Content=no_queues())
        expect_denied(lambda: sqs.create_queue(QueueName=name("q")), "service control policy")
    sqs.create_queue(QueueName=name("q"))


def expect_denied(call: Any, by: str) -> None:
    try:
        call()
    except ClientError as refused:
        assert "AccessDenied" in refused.response["Error"]["Code"], refused
        assert by in str(refused), refused
    else:
        raise AssertionError("allowed")


@row("AccessDenied")
def the_root_user_of_a_member_is_bound(cloud: Any) -> None:
    client, sqs = manage(cloud), cloud.client(f"root@{AUDIT}", "sqs")
    sqs.create_queue(QueueName=name("q"))
    with attached(client, no_queues(), AUDIT):
        sqs.create_queue(QueueName=name("q"))


@row(moto_differs=False)
def the_management_account_is_not_bound(cloud: Any) -> None:
    client = manage(cloud)
    with attached(client, no_queues(), root_id(client)):
        cloud.client(MANAGER, "sqs").create_queue(QueueName=name("q"))


@row(moto_differs=False)
def accounts_outside_are_not_bound(cloud: Any) -> None:
    client = manage(cloud)
    with attached(client, no_queues(), root_id(client)):
        cloud.client(f"admin@{BACKUP}", "sqs").create_queue(QueueName=name("q"))


@row("AccessDenied")
def an_scp_on_the_root_binds_every_member(cloud: Any) -> None:
    client = manage(cloud)
    with attached(client, no_queues(), root_id(client)):
        cloud.client(MEMBER, "sqs").create_queue(QueueName=name("q"))


@row("AccessDenied")
def an_scp_on_an_outer_unit_binds_accounts_of_inner_units(cloud: Any) -> None:
    client = manage(cloud)
    with moved(client, AUDIT, "inner") as outer, attached(client, no_queues(), outer):
        cloud.client(MEMBER, "sqs").create_queue(QueueName=name("q"))


@row("AccessDenied")
def every_level_must_allow(cloud: Any) -> None:
    client, sqs = manage(cloud), cloud.client(MEMBER, "sqs")
    with moved(client, AUDIT) as unit, attached(client, document(allow("sqs:ListQueues")), unit):
        client.detach_policy(PolicyId=EVERYTHING, TargetId=unit)
        try:
            sqs.list_queues()
            sqs.create_queue(QueueName=name("q"))
        finally:
            client.attach_policy(PolicyId=EVERYTHING, TargetId=unit)


@row("AccessDenied")
def an_scp_binds_what_a_resource_policy_allows(cloud: Any) -> None:
    client, bucket = manage(cloud), new_bucket(cloud, account=WORKLOAD)
    s3 = cloud.client(f"admin@{WORKLOAD}", "s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    statement = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal=root(AUDIT))
    s3.put_bucket_policy(Bucket=bucket, Policy=document(statement))
    assert cloud.client(MEMBER, "s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with attached(client, document(allow("*"), deny("s3:GetObject")), AUDIT):
        cloud.client(MEMBER, "s3").get_object(Bucket=bucket, Key="k")


@row("AccessDenied")
def an_scp_with_a_condition_is_decided(cloud: Any) -> None:
    client = manage(cloud)
    condition = {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}
    with attached(client, no_queues(Condition=condition), AUDIT):
        cloud.client(MEMBER, "sqs").create_queue(QueueName=name("q"))
        cloud.client(MEMBER, "sqs", "us-west-2").create_queue(QueueName=name("q"))


@row("AccessDenied")
def an_rcp_closes_a_bucket_whatever_its_policy_says(cloud: Any) -> None:
    client, bucket = manage(cloud), new_bucket(cloud, account=AUDIT)
    s3 = cloud.client(MEMBER, "s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    statement = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal=root(BACKUP))
    s3.put_bucket_policy(Bucket=bucket, Policy=document(statement))
    outside = cloud.client(f"admin@{BACKUP}", "s3")
    assert outside.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    ours = client.describe_organization()["Organization"]["Id"]
    condition = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": ours}}
    text = document(deny("s3:*", Principal="*", Condition=condition))
    with attached(client, text, AUDIT, RCP):
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
        outside.get_object(Bucket=bucket, Key="k")


@row("AccessDeniedException")
def an_rcp_closes_a_key_whatever_its_policy_says(cloud: Any) -> None:
    client = manage(cloud)
    key = new_key(cloud, allow("kms:Encrypt", Principal=root(BACKUP)), account=AUDIT)
    outside = cloud.client(f"admin@{BACKUP}", "kms")
    outside.encrypt(KeyId=key, Plaintext=b"x")
    ours = client.describe_organization()["Organization"]["Id"]
    condition = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": ours}}
    with attached(client, document(deny("kms:*", Principal="*", Condition=condition)), root_id(client), RCP):
        cloud.client(MEMBER, "kms").encrypt(KeyId=key, Plaintext=b"x")
        outside.encrypt(KeyId=key, Plaintext=b"x")


@row("AccessDenied")
def an_rcp_keeps_outsiders_from_assuming_roles(cloud: Any) -> None:
    client, role = manage(cloud), new_role(cloud, account=AUDIT)
    assert cloud.assume(cloud.session("alice"), role)
    condition = {"StringNotEquals": {"aws:PrincipalAccount": [AUDIT, MANAGEMENT]}}
    text = document(deny("sts:AssumeRole", Principal="*", Condition=condition))
    with attached(client, text, AUDIT, RCP):
        cloud.assume(cloud.session("alice"), role)


@row(moto_differs=False)
def rcps_do_not_bind_services_without_support(cloud: Any) -> None:
    client = manage(cloud)
    with attached(client, document(deny("sqs:CreateQueue", Principal="*")), AUDIT, RCP):
        cloud.client(MEMBER, "iam").list_roles()


@row("AccessDenied")
def organisation_paths_are_known(cloud: Any) -> None:
    client, bucket = manage(cloud), new_bucket(cloud, account=BACKUP)
    ours = client.describe_organization()["Organization"]["Id"]
    s3 = cloud.client(f"admin@{BACKUP}", "s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with moved(client, AUDIT) as unit:
        path = f"{ours}/{root_id(client)}/{unit}/*"
        condition = {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": [path]}}
        allowed = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": "*"}, Condition=condition)
        s3.put_bucket_policy(Bucket=bucket, Policy=document(allowed))
        assert cloud.client(MEMBER, "s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    cloud.client(MEMBER, "s3").get_object(Bucket=bucket, Key="k")
