"""IAM: which resource each operation acts on, principals of trust policies, boundaries of users."""

from __future__ import annotations

from typing import Any

from strongroom.authorization.documents import Form, Named, parse
from strongroom.errors import UsageError

from .access import Demand
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .identity import iam_of
from .kms_policy import checked_policy
from .operations import tag_context

_ROLE = """CreateRole GetRole DeleteRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy PutRolePolicy
    GetRolePolicy DeleteRolePolicy ListRolePolicies AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies
    TagRole UntagRole ListRoleTags PutRolePermissionsBoundary DeleteRolePermissionsBoundary
    ListInstanceProfilesForRole""".split()
_USER = """CreateUser GetUser DeleteUser UpdateUser PutUserPolicy GetUserPolicy DeleteUserPolicy ListUserPolicies
    AttachUserPolicy DetachUserPolicy ListAttachedUserPolicies TagUser UntagUser ListUserTags ListGroupsForUser
    CreateAccessKey DeleteAccessKey UpdateAccessKey ListAccessKeys ListMFADevices EnableMFADevice DeactivateMFADevice
    PutUserPermissionsBoundary DeleteUserPermissionsBoundary CreateLoginProfile GetLoginProfile UpdateLoginProfile
    DeleteLoginProfile""".split()
_GROUP = """CreateGroup GetGroup DeleteGroup PutGroupPolicy GetGroupPolicy DeleteGroupPolicy ListGroupPolicies
    AttachGroupPolicy DetachGroupPolicy ListAttachedGroupPolicies AddUserToGroup RemoveUserFromGroup""".split()
_POLICY = """CreatePolicy GetPolicy DeletePolicy CreatePolicyVersion GetPolicyVersion DeletePolicyVersion
    ListPolicyVersions SetDefaultPolicyVersion ListEntitiesForPolicy TagPolicy UntagPolicy ListPolicyTags""".split()
_PROVIDER = """CreateOpenIDConnectProvider GetOpenIDConnectProvider DeleteOpenIDConnectProvider
    UpdateOpenIDConnectProviderThumbprint AddClientIDToOpenIDConnectProvider TagOpenIDConnectProvider
    UntagOpenIDConnectProvider ListOpenIDConnectProviderTags""".split()
_ANY = """ListRoles ListUsers ListGroups ListPolicies ListOpenIDConnectProviders GetAccountSummary ListAccountAliases
    GetAccountAuthorizationDetails GetAccountPasswordPolicy GetAccessKeyLastUsed ListVirtualMFADevices
    CreateVirtualMFADevice DeleteVirtualMFADevice ListInstanceProfiles""".split()


def _named(call: Call, kind: str, field: str, existing: dict[str, Any]) -> str:
    """The ARN by name: that of the entity where it exists, else as it would be made."""
    name = call.params.get(field)
    if name is None:  # IAM then means the caller, where that is a user
        return call.principal.entity_arn
    found = existing.get(name)
    if found is not None:
        return str(found.arn)
    path = call.params.get("Path") or "/"
    return f"arn:aws:iam::{call.account}:{kind}{path}{name}"


def demands(call: Call) -> list[Demand] | None:
    """The permissions an IAM call needs; None where the operation is not known here."""
    operation, params, backend = call.operation, call.params, iam_of(call.account)
    context = tag_context(call)
    if params.get("PolicyArn"):
        context["iam:PolicyARN"] = params["PolicyArn"]
    if params.get("PermissionsBoundary"):
        context["iam:PermissionsBoundary"] = params["PermissionsBoundary"]
    if operation in _ROLE:
        roles = {role.name: role for role in list(backend.roles.values())}
        arn = _named(call, "role", "RoleName", roles)
        role = roles.get(params["RoleName"])
        if role is not None and role.permissions_boundary_arn and operation not in ("PutRolePermissionsBoundary",):
            context["iam:PermissionsBoundary"] = role.permissions_boundary_arn
    elif operation in _USER:
        arn = _named(call, "user", "UserName", backend.users)
    elif operation in _GROUP:
        arn = _named(call, "group", "GroupName", backend.groups)
    elif operation in _POLICY:
        path = params.get("Path") or "/"
        arn = params.get("PolicyArn") or f"arn:aws:iam::{call.account}:policy{path}{params['PolicyName']}"
    elif operation in _PROVIDER:
        url = str(params.get("Url", "")).removeprefix("https://")
        arn = params.get("OpenIDConnectProviderArn") or f"arn:aws:iam::{call.account}:oidc-provider/{url}"
    elif operation in _ANY:
        arn = "*"
    else:
        return None
    return [Demand(f"iam:{operation}", arn, context, owner=call.account)]


class Iam:
    """What moto does not check when identities and policies are written."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rules(self) -> list[Rule]:
        """Rules that refuse before moto, and the user boundaries it does not keep."""
        inline = ("PutRolePolicy", "PutUserPolicy", "PutGroupPolicy", "CreatePolicy", "CreatePolicyVersion")
        return [
            Rule("iam", "CreateRole", before=self._trust),
            Rule("iam", "UpdateAssumeRolePolicy", before=self._trust),
            *(Rule("iam", operation, before=self._identity) for operation in inline),
            Rule("iam", "PutUserPermissionsBoundary", replace=self._put_boundary),
            Rule("iam", "DeleteUserPermissionsBoundary", replace=self._delete_boundary),
        ]

    def _trust(self, call: Call) -> Refuse | None:
        text = call.params.get("AssumeRolePolicyDocument") or call.params["PolicyDocument"]
        role = call.params["RoleName"]
        checked_policy(text, Form.TRUST, f"trust policy of {role}", self._cloud.identities, "MalformedPolicyDocument")
        boundary = call.params.get("PermissionsBoundary")
        if boundary and boundary not in iam_of(call.account).managed_policies:
            return Refuse("NoSuchEntity", f"Scope ARN: {boundary} does not exist or is not attachable.", 404)
        return None

    def _identity(self, call: Call) -> Refuse | None:
        try:
            parse(Named("policy", call.params["PolicyDocument"]), Form.IDENTITY)
        except UsageError as unknown:
            return Refuse("MalformedPolicyDocument", f"the policy is not valid: {unknown.message}")
        return None

    def _put_boundary(self, call: Call) -> Response:
        user = _user(call)
        if call.params["PermissionsBoundary"] not in iam_of(call.account).managed_policies:
            raise Refuse("NoSuchEntity", "the policy of the boundary does not exist", 404)
        arn = call.params["PermissionsBoundary"]
        self._cloud.identities.user_boundaries[user.arn] = arn
        # what GetUser and GetAccountAuthorizationDetails show is read from moto's own object
        user.permissions_boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}  # type: ignore[attr-defined]
        return call.answer()

    def _delete_boundary(self, call: Call) -> Response:
        user = _user(call)
        self._cloud.identities.user_boundaries.pop(user.arn, None)
        user.permissions_boundary = None  # type: ignore[attr-defined]
        return call.answer()


def _user(call: Call) -> Any:
    """moto's user that the call names. Raises Refuse (NoSuchEntity)."""
    user = iam_of(call.account).users.get(call.params["UserName"])
    if user is None:
        raise Refuse("NoSuchEntity", f"The user with name {call.params['UserName']} cannot be found.", 404)
    return user
