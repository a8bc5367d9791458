"""Rules of authentication, roles, sessions, and of the other services' permissions and keys."""

from __future__ import annotations

import time
from typing import Any

import boto3
from botocore.exceptions import ClientError
from contract_rows import (
    ADMIN,
    BACKUP,
    NOBODY,
    WORKLOAD,
    allow,
    deny,
    document,
    ghost,
    name,
    new_key,
    new_role,
    root,
    row,
)

from local_cloud.servers.gateway.sts import totp


def caller(cloud: Any, session: Any) -> str:
    return str(cloud.make(session, "sts").get_caller_identity()["Arn"])


@row("InvalidClientTokenId")
def unknown_access_keys_are_refused(cloud: Any) -> None:
    caller(cloud, boto3.Session("AKIAAAAAAAAAAAAAAAAA", "secret", region_name="us-east-1"))


@row("SignatureDoesNotMatch")
def wrong_secrets_are_refused(cloud: Any) -> None:
    key = cloud.session("alice").get_credentials().access_key
    caller(cloud, boto3.Session(key, "not the secret", region_name="us-east-1"))


@row("InvalidClientTokenId")
def session_tokens_belong_to_their_key(cloud: Any) -> None:
    held = cloud.session(ADMIN).get_credentials()
    caller(cloud, boto3.Session(held.access_key, held.secret_key, "another token", region_name="us-east-1"))


@row("InvalidClientTokenId")
def inactive_access_keys_are_refused(cloud: Any) -> None:
    iam, user = cloud.client(ADMIN, "iam"), name("user")
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    assert caller(cloud, session).endswith(user)
    iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    caller(cloud, session)


@row(moto_differs=False)
def a_session_is_the_role_in_its_own_account(cloud: Any) -> None:
    role = new_role(cloud, account=BACKUP)
    arn = caller(cloud, cloud.assume(cloud.session("alice"), role))
    assert arn == f"arn:aws:sts::{BACKUP}:assumed-role/{role.rsplit('/', 1)[-1]}/tests"


@row("AccessDenied")
def roles_that_do_not_exist_are_not_assumed(cloud: Any) -> None:
    cloud.assume(cloud.session("alice"), ghost())


@row("AccessDenied")
def a_role_is_assumed_by_whom_it_trusts(cloud: Any) -> None:
    cloud.assume(cloud.session("nobody"), new_role(cloud))


@row("AccessDenied")
def trusting_the_account_leaves_the_decision_to_identity_policies(cloud: Any) -> None:
    role = new_role(cloud, trust={"Principal": root()})
    assert caller(cloud, cloud.assume(cloud.session("alice"), role))
    cloud.assume(cloud.session("nobody"), role)


@row("AccessDenied")
def another_accounts_trust_policy_is_checked(cloud: Any) -> None:
    trust = {"Principal": {"AWS": NOBODY}}
    cloud.assume(cloud.session("alice"), new_role(cloud, account=BACKUP, trust=trust))


@row("AccessDenied")
def a_missing_external_id_is_refused(cloud: Any) -> None:
    role = new_role(cloud, trust={"Condition": {"StringEquals": {"sts:ExternalId": "e1"}}})
    assert cloud.assume(cloud.session("alice"), role, ExternalId="e1")
    cloud.assume(cloud.session("alice"), role)


@row("AccessDenied")
def a_role_that_wants_mfa_is_not_assumed_without(cloud: Any) -> None:
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    cloud.assume(cloud.session("alice"), new_role(cloud, trust={"Condition": condition}))


@row("AccessDenied")
def session_policies_narrow_the_role(cloud: Any) -> None:
    role = new_role(cloud, allow("s3:*"))
    session = cloud.assume(cloud.session("alice"), role, Policy=document(allow("s3:ListAllMyBuckets")))
    s3 = cloud.make(session, "s3")
    s3.list_buckets()
    s3.create_bucket(Bucket=name("bucket"))


@row("ValidationError")
def sessions_end_with_the_roles_limit(cloud: Any) -> None:
    cloud.assume(cloud.session("alice"), new_role(cloud), DurationSeconds=7200)


@row("AccessDenied")
def a_permission_boundary_limits_the_role(cloud: Any) -> None:
    iam = cloud.client(ADMIN, "iam")
    boundary = iam.create_policy(PolicyName=name("limit"), PolicyDocument=document(allow("sqs:*")))["Policy"]["Arn"]
    role = new_role(cloud, allow("*"), PermissionsBoundary=boundary)
    cloud.client(role, "sqs").list_queues()
    cloud.client(role, "s3").list_buckets()


@row("AccessDenied")
def identity_policies_are_needed(cloud: Any) -> None:
    cloud.client(new_role(cloud), "iam").list_roles()


@row("AccessDenied")
def an_explicit_deny_wins(cloud: Any) -> None:
    role = new_role(cloud, allow("iam:*"), deny("iam:ListRoles"))
    cloud.client(role, "iam").list_users()
    cloud.client(role, "iam").list_roles()


@row("AccessDenied")
def a_condition_on_the_region_is_decided(cloud: Any) -> None:
    role = new_role(cloud, allow("sqs:ListQueues", Condition={"StringEquals": {"aws:RequestedRegion": "us-west-2"}}))
    cloud.client(role, "sqs", "us-west-2").list_queues()
    cloud.client(role, "sqs").list_queues()


@row("AccessDenied")
def managed_policies_count(cloud: Any) -> None:
    iam, role = cloud.client(ADMIN, "iam"), new_role(cloud)
    made = iam.create_policy(PolicyName=name("p"), PolicyDocument=document(allow("sqs:ListQueues")))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role.rsplit("/", 1)[-1], PolicyArn=made)
    cloud.client(role, "sqs").list_queues()
    cloud.client(role, "sqs").create_queue(QueueName=name())


@row("MalformedPolicyDocument")
def trust_policies_name_existing_principals(cloud: Any) -> None:
    new_role(cloud, trust={"Principal": {"AWS": f"arn:aws:iam::{WORKLOAD}:user/ghost"}})


@row("MalformedPolicyDocument", moto_differs=False)
def an_unknown_element_in_a_policy_is_refused(cloud: Any) -> None:
    new_role(cloud, {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Unless": "x"})


@row("AccessDeniedException", laptop_only="AWS knows every operation")
def an_operation_of_unknown_permission_is_refused(cloud: Any) -> None:
    cloud.client(ADMIN, "logs").start_query(logGroupName="g", startTime=1, endTime=2, queryString="x")


@row("AccessDeniedException")
def passing_a_role_needs_permission(cloud: Any) -> None:
    passed = new_role(cloud)
    role = new_role(cloud, allow("ecs:*"))
    containers = [{"name": "c", "image": "i", "memory": 128}]
    cloud.client(role, "ecs").register_task_definition(family="f", taskRoleArn=passed, containerDefinitions=containers)


@row("AccessDeniedException")
def starting_a_task_passes_the_roles_of_its_definition(cloud: Any) -> None:
    trust = {"Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    passed, family = new_role(cloud, trust=trust), name("f")
    containers = [{"name": "c", "image": "i", "memory": 128}]
    cloud.client(ADMIN, "ecs").register_task_definition(
        family=family, taskRoleArn=passed, containerDefinitions=containers
    )
    ecs = cloud.client(new_role(cloud, allow("ecs:*")), "ecs")
    ecs.describe_task_definition(taskDefinition=family)
    ecs.run_task(taskDefinition=family, cluster="default")


def queue(cloud: Any, **attributes: str) -> str:
    return str(cloud.client(ADMIN, "sqs").create_queue(QueueName=name("q"), Attributes=attributes)["QueueUrl"])


@row("AccessDenied")
def a_queue_policy_denies_its_own_account(cloud: Any) -> None:
    url = queue(cloud)
    arn = f"arn:aws:sqs:us-east-1:{WORKLOAD}:{url.rsplit('/', 1)[-1]}"
    policy = document(deny("sqs:SendMessage", arn, Principal="*"))
    cloud.client(ADMIN, "sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    cloud.client(ADMIN, "sqs").send_message(QueueUrl=url, MessageBody="m")


@row()
def a_queue_policy_admits_another_account(cloud: Any) -> None:
    url = queue(cloud)
    arn = f"arn:aws:sqs:us-east-1:{WORKLOAD}:{url.rsplit('/', 1)[-1]}"
    policy = document(allow("sqs:SendMessage", arn, Principal=root(BACKUP)))
    cloud.client(ADMIN, "sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    cloud.client(f"admin@{BACKUP}", "sqs").send_message(QueueUrl=url, MessageBody="m")
    received = cloud.client(ADMIN, "sqs").receive_message(QueueUrl=url)["Messages"]
    assert [message["Body"] for message in received] == ["m"]


@row("KmsDisabled")
def a_queue_with_a_disabled_key_takes_no_messages(cloud: Any) -> None:
    key = new_key(cloud)
    url = queue(cloud, KmsMasterKeyId=key)
    cloud.client(ADMIN, "sqs").send_message(QueueUrl=url, MessageBody="m")
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    cloud.client(ADMIN, "sqs").send_message(QueueUrl=url, MessageBody="m")


@row("KmsAccessDenied")
def receiving_needs_the_queues_key(cloud: Any) -> None:
    url = queue(cloud, KmsMasterKeyId=new_key(cloud))
    cloud.client(new_role(cloud, allow("sqs:*")), "sqs").receive_message(QueueUrl=url)


@row("AccessDeniedException")
def reading_a_secret_needs_its_key(cloud: Any) -> None:
    secret = name("secret")
    cloud.client(ADMIN, "secretsmanager").create_secret(Name=secret, SecretString="s", KmsKeyId=new_key(cloud))
    cloud.client(new_role(cloud, allow("secretsmanager:*")), "secretsmanager").get_secret_value(SecretId=secret)


@row("DecryptionFailure")
def a_disabled_key_hides_the_secret(cloud: Any) -> None:
    secret, key = name("secret"), new_key(cloud)
    cloud.client(ADMIN, "secretsmanager").create_secret(Name=secret, SecretString="s", KmsKeyId=key)
    assert cloud.client(ADMIN, "secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == "s"
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    cloud.client(ADMIN, "secretsmanager").get_secret_value(SecretId=secret)


@row("InvalidRequestException")
def a_secret_without_a_function_does_not_rotate_itself(cloud: Any) -> None:
    secret = name("secret")
    cloud.client(ADMIN, "secretsmanager").create_secret(Name=secret, SecretString="s")
    cloud.client(ADMIN, "secretsmanager").rotate_secret(SecretId=secret)


@row(laptop_only="each code of a device is good once in half a minute")
def a_code_of_the_callers_device_makes_a_session_with_mfa(cloud: Any) -> None:
    iam, user = cloud.client(ADMIN, "iam"), name("user")
    iam.create_user(UserName=user)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document(allow("sts:AssumeRole")))
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName=user)["VirtualMFADevice"]
    serial, seed = device["SerialNumber"], device["Base32StringSeed"].decode()
    iam.enable_mfa_device(
        UserName=user, SerialNumber=serial, AuthenticationCode1="000000", AuthenticationCode2="000000"
    )
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    role = new_role(cloud, trust={"Principal": root(), "Condition": condition})
    session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], region_name="us-east-1")
    assert cloud.assume(session, role, SerialNumber=serial, TokenCode=totp(seed, int(time.time()) // 30))
    try:
        cloud.assume(session, role, SerialNumber=serial, TokenCode="000000")
    except ClientError as refused:
        assert refused.response["Error"]["Code"] == "AccessDenied"
    else:
        raise AssertionError("any code would do")
