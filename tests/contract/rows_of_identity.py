"""Rules of users, groups, boundaries and the ends of credentials."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.exceptions import ClientError
from contract_rows import ADMIN, ALICE, NOBODY, PATH, WORKLOAD, allow, deny, document, name, new_role, row


def user(cloud: Any, *permissions: dict[str, Any], **more: Any) -> tuple[str, boto3.Session]:
    """A new user with an inline policy, and a session with its access key."""
    iam, who = cloud.client(ADMIN, "iam"), name("user")
    iam.create_user(UserName=who, **more)
    if permissions:
        iam.put_user_policy(UserName=who, PolicyName="p", PolicyDocument=document(*permissions))
    made = iam.create_access_key(UserName=who)["AccessKey"]
    return who, boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], region_name="us-east-1")


def limit(cloud: Any, *statements: dict[str, Any]) -> str:
    """A managed policy to be a boundary."""
    text = document(*statements)
    return str(cloud.client(ADMIN, "iam").create_policy(PolicyName=name("limit"), PolicyDocument=text)["Policy"]["Arn"])


@row("AccessDenied")
def a_permission_boundary_limits_a_user(cloud: Any) -> None:
    who, session = user(cloud, allow("*"))
    cloud.make(session, "iam").list_users()
    boundary = limit(cloud, allow("sqs:*"))
    cloud.client(ADMIN, "iam").put_user_permissions_boundary(UserName=who, PermissionsBoundary=boundary)
    cloud.make(session, "sqs").list_queues()
    cloud.make(session, "iam").list_users()


@row()
def without_its_boundary_a_user_is_free(cloud: Any) -> None:
    who, session = user(cloud, allow("iam:ListUsers"))
    iam = cloud.client(ADMIN, "iam")
    iam.put_user_permissions_boundary(UserName=who, PermissionsBoundary=limit(cloud, allow("sqs:*")))
    iam.delete_user_permissions_boundary(UserName=who)
    cloud.make(session, "iam").list_users()


@row("NoSuchEntity")
def a_users_boundary_exists(cloud: Any) -> None:
    who, _ = user(cloud)
    ghost = f"arn:aws:iam::{WORKLOAD}:policy/ghost"
    cloud.client(ADMIN, "iam").put_user_permissions_boundary(UserName=who, PermissionsBoundary=ghost)


@row("AccessDenied")
def a_boundary_gives_nothing(cloud: Any) -> None:
    role = new_role(cloud, PermissionsBoundary=limit(cloud, allow("*")))
    cloud.client(role, "sqs").list_queues()


@row("AccessDenied")
def roles_without_the_boundary_are_not_made_where_it_is_asked_for(cloud: Any) -> None:
    boundary = limit(cloud, allow("sqs:*"))
    condition = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    role = new_role(cloud, allow("iam:CreateRole", Condition=condition))
    trust = document({"Effect": "Allow", "Principal": {"AWS": ALICE}, "Action": "sts:AssumeRole"})
    iam = cloud.client(role, "iam")
    iam.create_role(RoleName=name(), AssumeRolePolicyDocument=trust, PermissionsBoundary=boundary)
    iam.create_role(RoleName=name(), AssumeRolePolicyDocument=trust)


@row("AccessDenied")
def policies_of_a_group_hold_for_members_only(cloud: Any) -> None:
    iam, group = cloud.client(ADMIN, "iam"), name("group")
    who, session = user(cloud)
    iam.create_group(GroupName=group)
    text = document(allow("sqs:ListQueues"))
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=text)
    iam.add_user_to_group(GroupName=group, UserName=who)
    cloud.make(session, "sqs").list_queues()
    iam.remove_user_from_group(GroupName=group, UserName=who)
    cloud.make(session, "sqs").list_queues()


@row("InvalidClientTokenId")
def a_deleted_access_key_ends_at_once(cloud: Any) -> None:
    who, session = user(cloud)
    cloud.make(session, "sts").get_caller_identity()
    key = session.get_credentials().access_key
    cloud.client(ADMIN, "iam").delete_access_key(UserName=who, AccessKeyId=key)
    cloud.make(session, "sts").get_caller_identity()


@row("InvalidClientTokenId")
def sessions_of_a_deleted_role_end(cloud: Any) -> None:
    role = new_role(cloud)
    session = cloud.assume(cloud.session("alice"), role)
    cloud.make(session, "sts").get_caller_identity()
    cloud.client(ADMIN, "iam").delete_role(RoleName=role.rsplit("/", 1)[-1])
    cloud.make(session, "sts").get_caller_identity()


@row("AccessDenied")
def a_trust_policy_that_changed_stops_new_sessions(cloud: Any) -> None:
    role = new_role(cloud)
    assert cloud.assume(cloud.session("alice"), role)
    text = document({"Effect": "Allow", "Principal": {"AWS": NOBODY}, "Action": "sts:AssumeRole"})
    iam = cloud.client(ADMIN, "iam")
    iam.update_assume_role_policy(RoleName=role.rsplit("/", 1)[-1], PolicyDocument=text)
    cloud.assume(cloud.session("alice"), role)


@row("ValidationError")
def chained_sessions_last_an_hour(cloud: Any) -> None:
    second = name("role")
    first = new_role(cloud, allow("sts:AssumeRole"))
    trust = document({"Effect": "Allow", "Principal": {"AWS": first}, "Action": "sts:AssumeRole"})
    made = cloud.client(ADMIN, "iam").create_role(
        RoleName=second, Path=PATH, AssumeRolePolicyDocument=trust, MaxSessionDuration=43200
    )
    session = cloud.assume(cloud.session("alice"), first)
    cloud.assume(session, made["Role"]["Arn"], DurationSeconds=3600)
    cloud.assume(session, made["Role"]["Arn"], DurationSeconds=7200)


@row("AccessDenied")
def session_tags_need_their_own_trust(cloud: Any) -> None:
    tags = [{"Key": "team", "Value": "keys"}]
    wide = new_role(cloud, trust={"Action": ["sts:AssumeRole", "sts:TagSession"]})
    alice = cloud.session("alice")
    iam = cloud.client(ADMIN, "iam")
    may_tag = document(allow("sts:TagSession"))
    iam.put_user_policy(UserName=ALICE.rsplit("/", 1)[-1], PolicyName="tag", PolicyDocument=may_tag)
    assert cloud.assume(alice, wide, Tags=tags)
    cloud.assume(alice, new_role(cloud), Tags=tags)


@row("AccessDenied")
def tags_of_the_principal_are_decided(cloud: Any) -> None:
    condition = {"StringEquals": {"aws:PrincipalTag/team": "keys"}}
    _, keeper = user(cloud, allow("sqs:ListQueues", Condition=condition), Tags=[{"Key": "team", "Value": "keys"}])
    _, other = user(cloud, allow("sqs:ListQueues", Condition=condition), Tags=[{"Key": "team", "Value": "web"}])
    cloud.make(keeper, "sqs").list_queues()
    cloud.make(other, "sqs").list_queues()


@row("AccessDenied")
def a_denied_version_of_a_managed_policy_decides(cloud: Any) -> None:
    iam, role = cloud.client(ADMIN, "iam"), new_role(cloud)
    arn = limit(cloud, allow("sqs:ListQueues"))
    iam.attach_role_policy(RoleName=role.rsplit("/", 1)[-1], PolicyArn=arn)
    cloud.client(role, "sqs").list_queues()
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(deny("sqs:*")), SetAsDefault=True)
    cloud.client(role, "sqs").list_queues()


@row()
def a_source_identity_stays_through_the_chain(cloud: Any) -> None:
    actions = ["sts:AssumeRole", "sts:SetSourceIdentity"]
    first = new_role(cloud, allow(actions), trust={"Action": actions})
    trust = {"Effect": "Allow", "Principal": {"AWS": first}, "Action": actions}
    iam, second = cloud.client(ADMIN, "iam"), name("role")
    made = iam.create_role(RoleName=second, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    condition = {"StringEquals": {"aws:SourceIdentity": "alice"}}
    text = document(allow("sqs:ListQueues", Condition=condition))
    iam.put_role_policy(RoleName=second, PolicyName="p", PolicyDocument=text)
    may_name = document(allow("sts:SetSourceIdentity"))
    iam.put_user_policy(UserName=ALICE.rsplit("/", 1)[-1], PolicyName="source", PolicyDocument=may_name)
    session = cloud.assume(cloud.session("alice"), first, SourceIdentity="alice")
    chained = cloud.assume(session, made)
    cloud.make(chained, "sqs").list_queues()
    plain = cloud.assume(cloud.assume(cloud.session("alice"), first), made)
    try:
        cloud.make(plain, "sqs").list_queues()
    except ClientError as refused:
        assert refused.response["Error"]["Code"] == "AccessDenied"
    else:
        raise AssertionError("the condition was not decided")
