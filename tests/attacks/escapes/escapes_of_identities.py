"""Escapes through identity policies, groups, boundaries and credentials: who widens itself, or becomes somebody."""

from __future__ import annotations

from collections.abc import Iterator

from escape_stack import Stack, allow, deny, document, to, trusting
from escape_table import escape, given

USERS = (
    "no duty writes to IAM (`Work`); deployers write to roles (`DutyRoles`), not to users or groups (`NoIdentities`)"
)
VERSIONS = "no duty writes to IAM (`Work`); no deployer writes a version of any policy (`NoBoundaryChange`)"
CEILINGS = "no duty writes to IAM (`Work`); no deployer drops or replaces a ceiling (`NoBoundaryChange`)"
MADE = "who makes a role makes it under the ceiling of duties (`DutyRolesUnderTheirBoundary`)"
EVERYTHING = document(allow("*"))
DECRYPT = document(allow("kms:Decrypt"))


@escape("user-policy-put", USERS)
def puts_its_own_policy(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:PutUserPolicy on oneself."""
    dana = stack.dana
    stack.permits(dana, *given(hole, allow("iam:PutUserPolicy", dana.arn)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.put_user_policy(UserName="dana", PolicyName="more", PolicyDocument=DECRYPT)
    stack.opens(dana)


@escape("user-policy-attach", USERS)
def attaches_a_policy_to_itself(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:AttachUserPolicy on oneself."""
    dana = stack.dana
    everything = stack.policy("everything", allow("*"))
    stack.permits(dana, *given(hole, allow("iam:AttachUserPolicy", dana.arn)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.attach_user_policy(UserName="dana", PolicyArn=everything)
    stack.opens(dana)


@escape("group-policy-put", USERS)
def puts_the_policy_of_its_group(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:PutGroupPolicy on one's own group."""
    dana = stack.dana
    group = stack.group("administrators", members=[dana])
    stack.permits(dana, *given(hole, allow("iam:PutGroupPolicy", group)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.put_group_policy(GroupName="administrators", PolicyName="more", PolicyDocument=DECRYPT)
    stack.opens(dana)


@escape("group-policy-attach", USERS)
def attaches_a_policy_to_its_group(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:AttachGroupPolicy on one's own group."""
    dana = stack.dana
    everything, group = stack.policy("everything", allow("*")), stack.group("administrators", members=[dana])
    stack.permits(dana, *given(hole, allow("iam:AttachGroupPolicy", group)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.attach_group_policy(GroupName="administrators", PolicyArn=everything)
    stack.opens(dana)


@escape("group-join", USERS)
def joins_a_group(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:AddUserToGroup on a group that may open."""
    dana = stack.dana
    group = stack.group("restorers", allow("kms:Decrypt"))
    stack.permits(dana, *given(hole, allow("iam:AddUserToGroup", group)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.add_user_to_group(GroupName="restorers", UserName="dana")
    stack.opens(dana)


@escape("policy-version", VERSIONS)
def writes_a_new_version(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:CreatePolicyVersion of a policy that one has."""
    dana = stack.dana
    policy = stack.policy("administration", allow("kms:Describe*"))
    stack.admin.iam.attach_user_policy(UserName="dana", PolicyArn=policy)
    stack.permits(dana, *given(hole, allow("iam:CreatePolicyVersion", policy)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.create_policy_version(PolicyArn=policy, PolicyDocument=EVERYTHING, SetAsDefault=True)
    stack.opens(dana)


@escape("policy-default", VERSIONS)
def puts_an_old_version_in_force(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:SetDefaultPolicyVersion where an old version was wider."""
    dana = stack.dana
    policy = stack.policy("administration", allow("kms:*"))
    narrow = document(allow("kms:Describe*"))
    stack.admin.iam.create_policy_version(PolicyArn=policy, PolicyDocument=narrow, SetAsDefault=True)
    stack.admin.iam.attach_user_policy(UserName="dana", PolicyArn=policy)
    stack.permits(dana, *given(hole, allow("iam:SetDefaultPolicyVersion", policy)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.set_default_policy_version(PolicyArn=policy, VersionId="v1")
    stack.opens(dana)


@escape("user-boundary-drop", CEILINGS)
def drops_its_boundary(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:DeleteUserPermissionsBoundary on oneself."""
    dana = stack.dana
    ceiling = stack.policy("ceiling", allow(["kms:Describe*", "iam:*"]))
    stack.permits(dana, allow("kms:Decrypt"), *given(hole, allow("iam:DeleteUserPermissionsBoundary", dana.arn)))
    stack.admin.iam.put_user_permissions_boundary(UserName="dana", PermissionsBoundary=ceiling)
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.delete_user_permissions_boundary(UserName="dana")
    stack.opens(dana)


@escape("role-boundary-drop", CEILINGS)
def drops_the_boundary_of_its_role(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:DeleteRolePermissionsBoundary on a role that one has."""
    dana = stack.dana
    ceiling = stack.policy("ceiling", allow("kms:Describe*"))
    role = stack.role("operator", dana, allow("kms:Decrypt"), boundary=ceiling)
    stack.permits(dana, *given(hole, allow("iam:DeleteRolePermissionsBoundary", role)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.delete_role_permissions_boundary(RoleName="operator")
    stack.opens(dana.becomes(role))


@escape("role-boundary-put", CEILINGS)
def replaces_the_boundary_of_its_role(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:PutRolePermissionsBoundary on a role that one has."""
    dana = stack.dana
    ceiling, everything = stack.policy("ceiling", allow("kms:Describe*")), stack.policy("everything", allow("*"))
    role = stack.role("operator", dana, allow("kms:Decrypt"), boundary=ceiling)
    stack.permits(dana, *given(hole, allow("iam:PutRolePermissionsBoundary", role)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.put_role_permissions_boundary(RoleName="operator", PermissionsBoundary=everything)
    stack.opens(dana.becomes(role))


@escape("boundary-version", VERSIONS)
def rewrites_the_boundary(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:CreatePolicyVersion of the policy that is one's boundary."""
    dana = stack.dana
    ceiling = stack.policy("ceiling", allow(["kms:Describe*", "iam:*"]))
    stack.permits(dana, allow("kms:Decrypt"), *given(hole, allow("iam:CreatePolicyVersion", ceiling)))
    stack.admin.iam.put_user_permissions_boundary(UserName="dana", PermissionsBoundary=ceiling)
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.create_policy_version(PolicyArn=ceiling, PolicyDocument=EVERYTHING, SetAsDefault=True)
    stack.opens(dana)


@escape("access-key", USERS)
def makes_a_key_of_another_user(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:CreateAccessKey of another user."""
    dana = stack.dana
    runner = stack.person("runner")
    stack.permits(dana, *given(hole, allow("iam:CreateAccessKey", runner.arn)))
    stack.key(to(runner, "kms:Decrypt"))
    yield
    stack.opens(stack.becomes_user(dana, runner.name))


@escape("login-create", USERS, shows="the password is taken; there is no console on the laptop to use it in")
def makes_a_password_of_another_user(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:CreateLoginProfile of another user."""
    dana = stack.dana
    runner = stack.person("runner")
    stack.permits(dana, *given(hole, allow("iam:CreateLoginProfile", runner.arn)))
    stack.key(to(runner, "kms:Decrypt"))
    yield
    dana.iam.create_login_profile(UserName="runner", Password="correct-horse-7", PasswordResetRequired=False)
    assert stack.admin.iam.get_login_profile(UserName="runner")["LoginProfile"]["UserName"] == "runner"


@escape("may kms:Decrypt", "the estate declares who is the same person, and shared keys and logins merge them")
def two_accounts_of_one_person(stack: Stack, hole: bool) -> Iterator[None]:
    """Two users of one person are one person."""
    runner = stack.user("runner") if hole else stack.person("runner")
    if hole:
        stack.people["dana"].append(runner)
    stack.key(to(runner, "kms:Decrypt"))
    yield
    if hole:
        stack.opens(runner)
    else:
        stack.opens(stack.dana)


@escape("user-policy-detach", USERS)
def detaches_what_denies_it(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:DetachUserPolicy takes an explicit Deny away."""
    dana = stack.dana
    guard = stack.policy("guard", deny("kms:Decrypt"))
    stack.admin.iam.attach_user_policy(UserName="dana", PolicyArn=guard)
    stack.permits(dana, allow("kms:Decrypt"), *given(hole, allow("iam:DetachUserPolicy", dana.arn)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.detach_user_policy(UserName="dana", PolicyArn=guard)
    stack.opens(dana)


@escape("group-leave", USERS)
def leaves_a_group_that_denies(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:RemoveUserFromGroup takes away what the group denies."""
    dana = stack.dana
    group = stack.group("restrained", deny("kms:Decrypt"), members=[dana])
    stack.permits(dana, allow("kms:Decrypt"), *given(hole, allow("iam:RemoveUserFromGroup", group)))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.remove_user_from_group(GroupName="restrained", UserName="dana")
    stack.opens(dana)


@escape("create-role", MADE)
def makes_a_role_of_its_own(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:CreateRole with iam:PutRolePolicy."""
    dana = stack.dana
    stack.permits(dana, allow("iam:PutRolePolicy"), *given(hole, allow("iam:CreateRole")))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    trust = document(trusting(dana))
    role = dana.iam.create_role(RoleName="mine", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    dana.iam.put_role_policy(RoleName="mine", PolicyName="all", PolicyDocument=EVERYTHING)
    stack.opens(dana.becomes(role))


@escape("create-user-key", USERS)
def makes_a_user_of_its_own(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:CreateUser with iam:CreateAccessKey and iam:AddUserToGroup."""
    dana = stack.dana
    mine = f"arn:aws:iam::{stack.account}:user/mine"
    group = stack.group("restorers", allow("kms:Decrypt"))
    stack.permits(
        dana,
        deny("kms:Decrypt"),
        allow("iam:CreateAccessKey", mine),
        allow("iam:AddUserToGroup", group),
        *given(hole, allow("iam:CreateUser", mine)),
    )
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.create_user(UserName="mine")
    dana.iam.add_user_to_group(GroupName="restorers", UserName="mine")
    stack.opens(stack.becomes_user(dana, "mine"))


@escape("create-group-put", USERS)
def makes_a_group_of_its_own(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:CreateGroup with iam:PutGroupPolicy and iam:AddUserToGroup."""
    dana = stack.dana
    rest = allow(["iam:PutGroupPolicy", "iam:AddUserToGroup"])
    stack.permits(dana, rest, *given(hole, allow("iam:CreateGroup")))
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    dana.iam.create_group(GroupName="mine")
    dana.iam.put_group_policy(GroupName="mine", PolicyName="all", PolicyDocument=EVERYTHING)
    dana.iam.add_user_to_group(GroupName="mine", UserName="dana")
    stack.opens(dana)
