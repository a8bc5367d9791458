"""What rows make on AWS and how it goes away again: recorded as the calls are made, removed newest first.

KMS keys end seven days later, the shortest wait there is; until then they are disabled and cost nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from contract_rows import PATH

#: Operations of IAM that take a path.
_PATHED = ("CreateUser", "CreateRole", "CreateGroup", "CreatePolicy", "CreateVirtualMFADevice")


@dataclass(frozen=True)
class Made:
    """One thing a row made: its kind (`service:Operation`), its name or ARN, and where."""

    kind: str
    name: str
    account: str
    region: str


class Ledger:
    """The things made so far; `watch` hears of them from a client, `remove` takes them away."""

    def __init__(self, client: Callable[[str, str, str], Any]) -> None:
        """`client(account, service, region)` is an administrator's."""
        self._client = client
        self.made: list[Made] = []

    def watch(self, client: Any, account: str) -> None:
        """Records what a client makes from now on, under PATH where it is of IAM."""
        service, region = client.meta.service_model.service_name, client.meta.region_name

        def remember(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
            if service == "iam" and model.name in _PATHED:
                params.setdefault("Path", PATH)
            context["asked"] = params

        def record(parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
            kind, asked = f"{service}:{model.name}", context.get("asked", {})
            if parsed["ResponseMetadata"]["HTTPStatusCode"] < 300 and kind in _NAMES:
                there = asked.get("ReplicaRegion", region)
                self.made.append(Made(kind, str(_NAMES[kind](asked, parsed)), account, there))

        client.meta.events.register("provide-client-params", remember)
        client.meta.events.register("after-call", record)

    def remove(self) -> list[str]:
        """Removes everything, newest first; what could not be removed and why."""
        failures = []
        while self.made:
            item = self.made.pop()
            try:
                _REMOVE[item.kind](self._client(item.account, item.kind.partition(":")[0], item.region), item.name)
            except ClientError as problem:
                if problem.response["Error"]["Code"] not in _GONE:
                    failures.append(f"{item.kind} {item.name} of {item.account}: {problem}")
        return failures


_GONE = frozenset(
    "NoSuchEntity NoSuchBucket NotFoundException AWS.SimpleQueueService.NonExistentQueue ParameterNotFound".split()
)


def _key(kms: Any, arn: str) -> None:
    state = kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"]
    if state.startswith("Pending"):
        return
    everything = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{arn.split(':')[4]}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    # a row's own policy may forbid the deletion; whoever may remove it may still change the policy
    kms.put_key_policy(
        KeyId=arn, PolicyName="default", Policy=json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    )
    kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)


def _bucket(s3: Any, bucket: str) -> None:
    s3.delete_bucket_policy(Bucket=bucket)
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            named = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
            try:
                s3.delete_object(**named, BypassGovernanceRetention=True)
            except ClientError:
                s3.put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
                s3.delete_object(**named, BypassGovernanceRetention=True)
    s3.delete_bucket(Bucket=bucket)


def _user(iam: Any, user: str) -> None:
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    for device in iam.list_mfa_devices(UserName=user)["MFADevices"]:
        iam.deactivate_mfa_device(UserName=user, SerialNumber=device["SerialNumber"])
    for policy in iam.list_user_policies(UserName=user)["PolicyNames"]:
        iam.delete_user_policy(UserName=user, PolicyName=policy)
    for group in iam.list_groups_for_user(UserName=user)["Groups"]:
        iam.remove_user_from_group(UserName=user, GroupName=group["GroupName"])
    for remove in (iam.delete_login_profile, iam.delete_user_permissions_boundary):
        try:
            remove(UserName=user)
        except iam.exceptions.NoSuchEntityException:
            continue
    iam.delete_user(UserName=user)


def _role(iam: Any, role: str) -> None:
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=policy)
    for row in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=row["PolicyArn"])
    iam.delete_role(RoleName=role)


def _group(iam: Any, group: str) -> None:
    for policy in iam.list_group_policies(GroupName=group)["PolicyNames"]:
        iam.delete_group_policy(GroupName=group, PolicyName=policy)
    for user in iam.get_group(GroupName=group)["Users"]:
        iam.remove_user_from_group(GroupName=group, UserName=user["UserName"])
    iam.delete_group(GroupName=group)


def _policy(iam: Any, arn: str) -> None:
    # what was attached after it was made is removed before it; a role that a row was refused to detach is not
    for role in iam.list_entities_for_policy(PolicyArn=arn).get("PolicyRoles", ()):
        iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


_NAMES: dict[str, Callable[[dict[str, Any], dict[str, Any]], str]] = {
    "kms:CreateKey": lambda asked, got: got["KeyMetadata"]["Arn"],
    "kms:ReplicateKey": lambda asked, got: got["ReplicaKeyMetadata"]["Arn"],
    "kms:CreateAlias": lambda asked, got: asked["AliasName"],
    "s3:CreateBucket": lambda asked, got: asked["Bucket"],
    "iam:CreateUser": lambda asked, got: asked["UserName"],
    "iam:CreateRole": lambda asked, got: asked["RoleName"],
    "iam:CreateGroup": lambda asked, got: asked["GroupName"],
    "iam:CreatePolicy": lambda asked, got: got["Policy"]["Arn"],
    "iam:CreateVirtualMFADevice": lambda asked, got: got["VirtualMFADevice"]["SerialNumber"],
    "sqs:CreateQueue": lambda asked, got: got["QueueUrl"],
    "secretsmanager:CreateSecret": lambda asked, got: got["ARN"],
    "ssm:PutParameter": lambda asked, got: asked["Name"],
}
#: The services whose makings can be removed; rows of others do not run on AWS.
SERVICES = frozenset({"sts", "ecs", *(kind.partition(":")[0] for kind in _NAMES)})
_REMOVE: dict[str, Callable[[Any, str], Any]] = {
    "kms:CreateKey": _key,
    "kms:ReplicateKey": _key,
    "kms:CreateAlias": lambda kms, name: kms.delete_alias(AliasName=name),
    "s3:CreateBucket": _bucket,
    "iam:CreateUser": _user,
    "iam:CreateRole": _role,
    "iam:CreateGroup": _group,
    "iam:CreatePolicy": _policy,
    "iam:CreateVirtualMFADevice": lambda iam, serial: iam.delete_virtual_mfa_device(SerialNumber=serial),
    "sqs:CreateQueue": lambda sqs, url: sqs.delete_queue(QueueUrl=url),
    "secretsmanager:CreateSecret": lambda s, arn: s.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True),
    "ssm:PutParameter": lambda ssm, name: ssm.delete_parameter(Name=name),
}
