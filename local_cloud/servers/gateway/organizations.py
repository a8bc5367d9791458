"""AWS Organizations: who may ask what, which policies are accepted, how many may hang on a target; moto keeps them.

Source: Organizations API reference, user guide ("Quotas for AWS Organizations", "SCP syntax", "RCP syntax") and the
service authorization reference.
"""

from __future__ import annotations

import json
import re
from typing import Any

from moto.organizations.models import FakePolicy, OrganizationsBackend
from moto.organizations.utils import DEFAULT_RCP_POLICY_ID, DEFAULT_SCP_POLICY_ID

from strongroom.authorization.documents import Form, Named, parse
from strongroom.errors import UsageError

from .access import Demand
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .operations import tag_context
from .organization import RCP, RCP_SERVICES, SCP, enabled, organisation, organisation_of

LARGEST_POLICY = 5120
MOST_ATTACHED = 5
_DEFAULT = {SCP: DEFAULT_SCP_POLICY_ID, RCP: DEFAULT_RCP_POLICY_ID}
#: Operations by the parameters that name what they act on; "*" where the action has no resource.
_ACTS_ON = {
    "*": """CreateOrganization DescribeOrganization DeleteOrganization LeaveOrganization CreatePolicy ListPolicies
        CreateAccount DescribeCreateAccountStatus ListCreateAccountStatus ListAccounts ListRoots
        ListHandshakesForAccount ListHandshakesForOrganization""",
    "HandshakeId": "AcceptHandshake CancelHandshake DeclineHandshake DescribeHandshake",
    "Target": "InviteAccountToOrganization",
    "AccountId": "DescribeAccount RemoveAccountFromOrganization CloseAccount",
    "AccountId SourceParentId DestinationParentId": "MoveAccount",
    "ParentId": "CreateOrganizationalUnit ListAccountsForParent ListChildren ListOrganizationalUnitsForParent",
    "ChildId": "ListParents",
    "OrganizationalUnitId": "DeleteOrganizationalUnit DescribeOrganizationalUnit UpdateOrganizationalUnit",
    "PolicyId": "DeletePolicy DescribePolicy ListTargetsForPolicy UpdatePolicy",
    "PolicyId TargetId": "AttachPolicy DetachPolicy",
    "TargetId": "ListPoliciesForTarget",
    "RootId": "DisablePolicyType EnablePolicyType",
    "ResourceId": "ListTagsForResource TagResource UntagResource",
}
_NAMES = {name: fields.split() for fields, names in _ACTS_ON.items() for name in names.split()}
#: What an account may ask that does not manage an organisation.
_OF_MEMBERS = frozenset(
    """CreateOrganization DescribeOrganization LeaveOrganization AcceptHandshake DeclineHandshake DescribeHandshake
    ListHandshakesForAccount""".split()
)
_KINDS = ((r"\d{12}", "account"), (r"ou-.+", "ou"), (r"r-.+", "root"), (r"h-.+", "handshake"))


def _arn(backend: OrganizationsBackend | None, account: str, identifier: str) -> str:
    """The ARN of what an identifier names; a handshake's kind is `invite`, the only one there is here."""
    if backend is None:
        return f"arn:aws:organizations::{account}:*"
    org = organisation(backend)
    found = next((policy for policy in list(backend.policies) if policy.id == identifier), None)
    if found is not None:
        owner = "aws" if found.aws_managed else org.master_account_id
        where = "" if found.aws_managed else f"{org.id}/"
        return f"arn:aws:organizations::{owner}:policy/{where}{found.type.lower()}/{found.id}"
    kind = next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, identifier)), "policy")
    middle = "invite/" if kind == "handshake" else ""
    return f"arn:aws:organizations::{org.master_account_id}:{kind}/{org.id}/{middle}{identifier}"


def demands(call: Call) -> list[Demand] | None:
    """The permissions an Organizations call needs; None where the operation is not known here."""
    fields = _NAMES.get(call.operation)
    if fields is None:
        return None
    backend, context = organisation_of(call.account), tag_context(call)
    kind = call.params.get("PolicyType") or call.params.get("Type") or call.params.get("Filter")
    if backend is not None and "PolicyId" in fields:
        kind = next((p.type for p in list(backend.policies) if p.id == call.params["PolicyId"]), kind)
    if kind:
        context["organizations:PolicyType"] = kind
    if fields == ["*"]:
        return [Demand(f"organizations:{call.operation}", "*", context)]
    named = [call.params[field] for field in fields]
    arns = [_arn(backend, call.account, n["Id"] if isinstance(n, dict) else n) for n in named]
    # an organisation is its management account's: whoever belongs to it asks within it
    return [Demand(f"organizations:{call.operation}", arn, context, owner=call.account) for arn in arns]


def violated(reason: str, message: str) -> Refuse:
    """ConstraintViolationException with its reason."""
    return Refuse("ConstraintViolationException", message, Reason=reason)


def check_policy(kind: str, text: str) -> None:
    """Raises Refuse unless a control policy is one AWS would keep: its size, its language, and what an RCP may say."""
    if len(text.encode()) > LARGEST_POLICY:
        raise violated("POLICY_CONTENT_LIMIT_EXCEEDED", f"a policy has at most {LARGEST_POLICY} bytes")
    try:
        parse(Named("the policy", text), Form.SCP if kind == SCP else Form.RCP)
    except UsageError as unknown:
        raise Refuse(
            "MalformedPolicyDocumentException", f"The provided policy document does not meet the requirements of the "
            f"specified policy type: {unknown.message}",
        ) from unknown  # fmt: skip
    if kind == RCP:
        listed = json.loads(text)["Statement"]
        for statement in listed if isinstance(listed, list) else [listed]:
            actions = statement.get("Action", [])
            actions = [actions] if isinstance(actions, str) else actions
            services = {action.partition(":")[0].lower() for action in actions}
            if statement["Effect"] != "Deny" or statement.get("Principal") != "*" or not services <= RCP_SERVICES:
                raise Refuse(
                    "MalformedPolicyDocumentException",
                    'A resource control policy of one\'s own denies, names Principal "*", and actions of services that '
                    f"support it ({', '.join(sorted(RCP_SERVICES))}).",
                )


class Organizations:
    """The rules of policies and of who may ask; `handshakes.Handshakes` lets accounts in."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rules(self) -> list[Rule]:
        """Membership before every operation, then what moto does not check, then what it leaves out."""
        checks = {
            "CreatePolicy": self._create_policy,
            "UpdatePolicy": self._update_policy,
            "AttachPolicy": self._attach,
            "DetachPolicy": self._detach,
            "DeleteOrganizationalUnit": self._delete_unit,
            "MoveAccount": self._move,
        }
        after = {
            "CreateOrganization": self._created,
            "EnablePolicyType": self._enabled,
            "DisablePolicyType": self._disabled,
        }
        return [
            *(Rule("organizations", operation, before=self._membership) for operation in _NAMES),
            *(Rule("organizations", operation, before=check) for operation, check in checks.items()),
            *(Rule("organizations", operation, after=then) for operation, then in after.items()),
        ]

    @staticmethod
    def _membership(call: Call) -> Refuse | None:
        backend = organisation_of(call.account)
        if call.operation in _OF_MEMBERS:
            return None
        if backend is None:
            return Refuse("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", 400)
        if organisation(backend).master_account_id != call.account:
            return Refuse("AccessDeniedException", "You don't have permissions to access this resource.", 400)
        return None

    @staticmethod
    def _create_policy(call: Call) -> Refuse | None:
        check_policy(call.params["Type"], call.params["Content"])
        return None

    @staticmethod
    def _update_policy(call: Call) -> Refuse | None:
        policy = _policy(call)
        if policy.aws_managed:
            return Refuse("InvalidInputException", "AWS's own policies do not change", Reason="IMMUTABLE_POLICY")
        if call.params.get("Content"):
            check_policy(policy.type, call.params["Content"])
        return None

    @staticmethod
    def _attach(call: Call) -> Refuse | None:
        backend, policy, target = _backend(call), _policy(call), _target(call)
        if not enabled(backend, policy.type):
            return Refuse("PolicyTypeNotEnabledException", f"{policy.type} is not enabled in the root")
        if policy in target.attached_policies:
            return Refuse("DuplicatePolicyAttachmentException", f"{policy.id} is attached to {target.id} already")
        if sum(held.type == policy.type for held in target.attached_policies) >= MOST_ATTACHED:
            return violated(
                "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", f"a target has at most {MOST_ATTACHED} of a type"
            )
        return None

    @staticmethod
    def _detach(call: Call) -> Refuse | None:
        policy, target = _policy(call), _target(call)
        if policy not in target.attached_policies:
            return Refuse("PolicyNotAttachedException", f"{policy.id} is not attached to {target.id}")
        alone = sum(held.type == policy.type for held in target.attached_policies) == 1
        if policy.id == DEFAULT_RCP_POLICY_ID or (policy.type == SCP and alone):
            return violated(
                "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", f"{target.id} must keep {policy.name} or another one"
            )
        return None

    @staticmethod
    def _delete_unit(call: Call) -> Refuse | None:
        backend, unit = _backend(call), call.params["OrganizationalUnitId"]
        if any(node.parent_id == unit for node in [*backend.ou, *backend.accounts]):
            return Refuse("OrganizationalUnitNotEmptyException", f"{unit} holds accounts or units")
        return None

    @staticmethod
    def _move(call: Call) -> Refuse | None:
        member = next((m for m in _backend(call).accounts if m.id == call.params["AccountId"]), None)
        if member is not None and member.parent_id != call.params["SourceParentId"]:
            return Refuse("SourceParentNotFoundException", f"{member.id} is not in {call.params['SourceParentId']}")
        return None

    @staticmethod
    def _created(call: Call, response: Response) -> Response:
        backend = organisation_of(call.account)
        if response.status == 200 and backend is not None and organisation(backend).feature_set == "ALL":
            root: Any = backend.ou[0]
            root.add_policy_type(SCP)  # AWS enables SCPs with all features, RCPs only when asked
        return response

    @staticmethod
    def _enabled(call: Call, response: Response) -> Response:
        if response.status == 200 and (default := _DEFAULT.get(call.params["PolicyType"])):
            backend = _backend(call)
            for node in [*backend.ou, *backend.accounts]:
                backend.attach_policy(PolicyId=default, TargetId=node.id)
        return response

    @staticmethod
    def _disabled(call: Call, response: Response) -> Response:
        # every attachment of the type goes, and does not come back with it (API reference, DisablePolicyType)
        if response.status == 200:
            backend = _backend(call)
            for policy in [p for p in backend.policies if p.type == call.params["PolicyType"]]:
                for node in list(policy.attachments):
                    backend.detach_policy(PolicyId=policy.id, TargetId=node.id)
        return response


def _backend(call: Call) -> OrganizationsBackend:
    backend = organisation_of(call.account)
    assert backend is not None, "membership was checked"
    return backend


def _policy(call: Call) -> FakePolicy:
    found = next((policy for policy in _backend(call).policies if policy.id == call.params["PolicyId"]), None)
    if found is None:
        raise Refuse("PolicyNotFoundException", f"there is no policy {call.params['PolicyId']}")
    return found


def _target(call: Call) -> Any:
    backend = _backend(call)
    found = next((n for n in [*backend.ou, *backend.accounts] if n.id == call.params["TargetId"]), None)
    if found is None:
        raise Refuse("TargetNotFoundException", f"there is no root, unit or account {call.params['TargetId']}")
    return found
