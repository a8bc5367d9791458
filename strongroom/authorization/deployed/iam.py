"""IAM read back: every user, role and group of an account, each policy as the text that IAM gave.

One paged call (GetAccountAuthorizationDetails) and, for attached policies of AWS, one GetPolicyVersion each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from strongroom.authorization.documents import Named
from strongroom.authorization.prover.facts import Identity
from strongroom.errors import UnknownElement

_KINDS = ("User", "Role", "Group", "LocalManagedPolicy")


@dataclass(frozen=True)
class AccountIdentities:
    """The identities of one account and its groups (ARN -> policies)."""

    identities: tuple[Identity, ...]
    groups: Mapping[str, tuple[Named, ...]]


def read_identities(client: Any, account: str) -> AccountIdentities:
    """Reads one account (twelve digits) with an IAM client of its own, which hereafter gives documents as text.

    Raises botocore's ClientError as it comes, UnknownElement for an attached policy that IAM does not show.
    """
    from botocore.handlers import json_decode_policies

    # botocore decodes the documents: an element that stands twice would be gone before anybody could refuse it
    client.meta.events.unregister("after-call.iam", json_decode_policies)
    pages = list(client.get_paginator("get_account_authorization_details").paginate(Filter=list(_KINDS)))
    return _Account(client, account, pages).read()


class _Account:
    def __init__(self, client: Any, account: str, pages: Sequence[Mapping[str, Any]]) -> None:
        self.client, self.account = client, account
        self.users, self.roles, self.groups, self.managed = (
            [item for page in pages for item in page.get(name, ())]
            for name in ("UserDetailList", "RoleDetailList", "GroupDetailList", "Policies")
        )
        self.texts = {policy["Arn"]: _version_in_force(policy) for policy in self.managed}

    def read(self) -> AccountIdentities:
        by_name = {group["GroupName"]: group for group in self.groups}
        found = [self._user(user, [by_name[name] for name in user.get("GroupList", ())]) for user in self.users]
        found += [self._role(role) for role in self.roles]
        groups = {group["Arn"]: self._policies(group, "GroupPolicyList") for group in self.groups}
        return AccountIdentities(tuple(found), groups)

    def _user(self, user: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]) -> Identity:
        policies = self._policies(user, "UserPolicyList")
        for group in groups:
            policies += self._policies(group, "GroupPolicyList")
        return Identity(
            arn=user["Arn"],
            account=self.account,
            kind="user",
            policies=policies,
            boundary=self._boundary(user),
            managed=self._own_managed(user, *groups),
            groups=tuple(group["Arn"] for group in groups),
            unique_id=user.get("UserId", ""),
        )

    def _role(self, role: Mapping[str, Any]) -> Identity:
        return Identity(
            arn=role["Arn"],
            account=self.account,
            kind="role",
            policies=self._policies(role, "RolePolicyList"),
            boundary=self._boundary(role),
            trust=Named(f"trust policy of {role['Arn']}", unquote(role["AssumeRolePolicyDocument"])),
            managed=self._own_managed(role),
            unique_id=role.get("RoleId", ""),
        )

    def _policies(self, holder: Mapping[str, Any], inline: str) -> tuple[Named, ...]:
        where = holder["Arn"].rpartition(":")[2]
        own = [
            Named(f"{policy['PolicyName']} (inline policy of {where})", unquote(policy["PolicyDocument"]))
            for policy in holder.get(inline, ())
        ]
        return (*own, *(Named(arn, self._text(arn)) for arn in _attached(holder)))

    def _boundary(self, holder: Mapping[str, Any]) -> Named | None:
        limit = holder.get("PermissionsBoundary")
        return Named(limit["PermissionsBoundaryArn"], self._text(limit["PermissionsBoundaryArn"])) if limit else None

    def _own_managed(self, *holders: Mapping[str, Any]) -> tuple[str, ...]:
        """Attached policies of this account; those of AWS nobody writes."""
        return tuple(arn for holder in holders for arn in _attached(holder) if arn.split(":")[4] == self.account)

    def _text(self, arn: str) -> str:
        if arn not in self.texts:
            if arn.split(":")[4] != "aws":
                raise UnknownElement(f"{arn}: attached, and not shown by IAM", hint="read again")
            version = self.client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            shown = self.client.get_policy_version(PolicyArn=arn, VersionId=version)
            self.texts[arn] = unquote(shown["PolicyVersion"]["Document"])
        return self.texts[arn]


def _attached(holder: Mapping[str, Any]) -> list[str]:
    return [policy["PolicyArn"] for policy in holder.get("AttachedManagedPolicies", ())]


def _version_in_force(policy: Mapping[str, Any]) -> str:
    for version in policy["PolicyVersionList"]:
        if version["VersionId"] == policy["DefaultVersionId"]:
            return unquote(version["Document"])
    raise UnknownElement(f"{policy['Arn']}: the version in force is not shown", hint="read again")
