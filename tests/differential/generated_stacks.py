"""Random configurations of identities and keys, as data, and how an administrator deploys them by API calls.

Only conditions that follow from who asks are drawn, since only these are decided. Policies are either permissions
(`own`) or prohibitions (`guard`), so that a thief loses nothing by overwriting the one and removing the other.
"""

from __future__ import annotations

import base64
import copy
import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

from cloud_in_process import EVERYTHING, OUTSIDE, REGION, Answer, Credential, InProcess

SECRET = base64.b64encode(b"a patient's name").decode()
ADMIN = "landlord"
#: The first letters of what a thief calls what it makes.
NEW = "thiefs-own"
SCHEDULER = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
#: A Deny may lock the administrator out, and that is somebody's configuration too.
LOCKED_OUT = {"BypassPolicyLockoutSafetyCheck": True}
OPERATIONS = ("Decrypt", "Encrypt", "GenerateDataKey", "CreateGrant", "ReEncryptFrom", "ReEncryptTo")
KMS = (
    "kms:Decrypt kms:Decrypt kms:ScheduleKeyDeletion kms:ScheduleKeyDeletion kms:CreateGrant kms:PutKeyPolicy kms:*"
    " kms:Describe* kms:GenerateDataKey kms:ReplicateKey kms:CreateKey"
).split()
ON_USERS = (
    "iam:PutUserPolicy iam:AttachUserPolicy iam:CreateAccessKey iam:CreateLoginProfile"
    " iam:DeleteUserPermissionsBoundary iam:PutUserPermissionsBoundary iam:DetachUserPolicy iam:DeleteUserPolicy"
    " iam:CreateUser"
).split()
ON_ROLES = (
    "sts:AssumeRole sts:AssumeRole sts:AssumeRole iam:PutRolePolicy iam:AttachRolePolicy iam:UpdateAssumeRolePolicy"
    " iam:DeleteRolePermissionsBoundary iam:PutRolePermissionsBoundary iam:DetachRolePolicy iam:DeleteRolePolicy"
    " iam:CreateRole iam:PassRole"
).split()
ON_GROUPS = (
    "iam:PutGroupPolicy iam:AttachGroupPolicy iam:AddUserToGroup iam:RemoveUserFromGroup iam:DeleteGroupPolicy"
    " iam:DetachGroupPolicy"
).split()
ON_POLICIES = "iam:CreatePolicyVersion iam:SetDefaultPolicyVersion".split()
DENIED = (
    "kms:Decrypt kms:Decrypt kms:ScheduleKeyDeletion kms:CreateGrant kms:PutKeyPolicy sts:AssumeRole kms:*"
    " iam:CreateAccessKey iam:Put* iam:Attach*"
).split()
FENCES = ("kms:*", "sts:*", "iam:*", "scheduler:*", "kms:Describe*", "kms:Decrypt", "kms:ScheduleKeyDeletion")


@dataclass
class Holder:
    """A user, a role or a group: inline and attached policies by kind, and a boundary."""

    name: str
    own: list[dict[str, Any]] = field(default_factory=list)
    guard: list[dict[str, Any]] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    boundary: str = ""
    trust: list[dict[str, Any]] = field(default_factory=list)
    members: list[str] = field(default_factory=list)


@dataclass
class Managed:
    """A managed policy: the versions, oldest first, of which the last is in force.

    The oldest allows everything: the prover takes every policy to have such a version, since it reads the last only.
    """

    name: str
    kind: str  # own, guard, fence, everything
    versions: list[list[dict[str, Any]]]


@dataclass
class KeyPlan:
    """A key: statements of its policy beside the owner's, grantees, and whether it is of several Regions."""

    statements: list[dict[str, Any]]
    grants: list[tuple[str, tuple[str, ...]]]
    multi_region: bool = False


@dataclass
class Plan:
    """A configuration. Account `@`, key ARNs `@key0` and `@key1`, are filled in when it is deployed."""

    users: list[Holder]
    roles: list[Holder]
    groups: list[Holder]
    managed: list[Managed]
    keys: list[KeyPlan]


def unguarded(plan: Plan) -> Plan:
    """The same plan without what identity policies deny."""
    bare = copy.deepcopy(plan)
    for holder in (*bare.users, *bare.roles, *bare.groups):
        holder.guard = []
    for policy in bare.managed:
        if policy.kind == "guard":
            policy.versions[-1] = [_allow("kms:Describe*")]
    return bare


def unnamed(plan: Plan) -> Plan:
    """The same plan with every permission on one user or role made a permission on all, as if names were free."""
    bare = copy.deepcopy(plan)
    statements = [item for holder in (*bare.users, *bare.roles, *bare.groups) for item in holder.own]
    statements += [item for policy in bare.managed for version in policy.versions for item in version]
    for item in statements:
        if isinstance(item["Resource"], str) and item["Effect"] == "Allow":
            item["Resource"] = re.sub(r":(user|role)/.+", r":\1/*", item["Resource"])
    return bare


class Draw:
    """Draws one plan."""

    def __init__(self, seed: int) -> None:
        self.choice = random.Random(seed)
        pick = self.choice
        self.users = [f"u{n}" for n in range(pick.choice([2, 2, 3]))]
        self.roles = [f"r{n}" for n in range(pick.choice([2, 2, 3]))]
        self.groups = [f"g{n}" for n in range(pick.choice([0, 1, 1]))]
        self.policies = [f"p{n}" for n in range(pick.choice([0, 1, 2]))]
        self.keys = range(pick.choice([1, 1, 2]))
        #: how freely this configuration permits: some are tight, so that both verdicts occur
        self.freedom = pick.choice([0.4, 0.8, 1.0, 1.0])

    def plan(self) -> Plan:
        """The whole configuration."""
        pick = self.choice
        managed = [self._managed(name) for name in self.policies]
        managed.append(Managed("everything", "everything", [[_allow("*")]]))
        if pick.random() < 0.5:
            fence = [_allow(pick.sample(FENCES, pick.randint(1, 3)))]
            fence += [self._deny()] if pick.random() < 0.3 else []
            managed.append(Managed("fence", "fence", [[_allow("*")], fence]))
        fenced = "fence" if managed[-1].name == "fence" else ""
        users = [self._holder(name, managed, fenced) for name in self.users]
        roles = [self._holder(name, managed, fenced) for name in self.roles]
        for role in roles:
            role.trust = self._trust(role.name)
        groups = [self._holder(name, managed, "") for name in self.groups]
        for group in groups:
            group.members = [name for name in self.users if pick.random() < 0.3]
            if pick.random() < 0.3:  # a group that only restricts
                group.own, group.attached, group.guard = [], [], [self._deny()]
            else:
                group.guard, group.attached = [], [name for name in group.attached if _kind(managed, name) != "guard"]
        plan = Plan(users, roles, groups, managed, [self._key() for _ in self.keys])
        if pick.random() < 0.6:
            self._tempt(plan)
        return plan

    def _tempt(self, plan: Plan) -> None:
        """Gives somebody what takes several permissions together, which chance alone would seldom draw."""
        pick = self.choice
        who, arn = pick.choice([*plan.users, *plan.users, *plan.roles]), "arn:aws:iam::@:"
        kind = "user" if who in plan.users else "role"
        own = f"{arn}{kind}/{who.name}"
        which = pick.choice(
            ["role", "user", "group", "guard", "attached guard", "guarding group", "schedule", "replica"]
        )
        missing = pick.random() < 0.3  # a temptation that lacks one permission is none
        actions: list[str] = []
        place: Any = "*"
        if which == "role":
            actions = ["iam:CreateRole", f"iam:{pick.choice(['Put', 'Attach'])}RolePolicy"]
            place = pick.choice(["*", f"{arn}role/{NEW[:4]}*"])
        elif which == "user":
            wide = pick.choice(["iam:PutUserPolicy", "iam:AttachUserPolicy", "iam:AddUserToGroup"])
            actions = ["iam:CreateUser", pick.choice(["iam:CreateAccessKey", "iam:CreateLoginProfile"]), wide]
        elif which == "group":
            actions = ["iam:CreateGroup", f"iam:{pick.choice(['Put', 'Attach'])}GroupPolicy", "iam:AddUserToGroup"]
        elif which == "guard":
            who.guard = [_forbid("kms:*")]
            actions, place = ["kms:*", f"iam:Delete{kind.title()}Policy"], pick.choice(["*", ["*", own]])
        elif which == "attached guard":
            plan.managed.append(Managed("restraint", "guard", [[_allow("*")], [_forbid(["kms:Decrypt", "kms:Put*"])]]))
            who.attached.append("restraint")
            actions = ["kms:*", f"iam:Detach{kind.title()}Policy"]
        elif which == "guarding group" and kind == "user":
            plan.groups.append(Holder("restrained", guard=[_forbid("kms:Decrypt")], members=[who.name]))
            actions = ["kms:Decrypt", "kms:ScheduleKeyDeletion", "iam:RemoveUserFromGroup"]
        elif which == "schedule":
            pick.choice(plan.roles).trust.append(SCHEDULER)
            actions = ["iam:PassRole", "scheduler:CreateSchedule"]
        elif which == "replica":
            plan.keys[0].multi_region = True
            actions = ["kms:CreateKey", "kms:ReplicateKey"]
        if missing and actions:
            actions.remove(pick.choice(actions))
        who.own += [_allow(actions, place)] if actions else []

    def _managed(self, name: str) -> Managed:
        pick = self.choice
        if pick.random() < 0.3:
            return Managed(name, "guard", [[_allow("*")], [self._deny()]])
        return Managed(name, "own", [[_allow("*")], self._own() or [_allow("kms:Describe*")]])

    def _holder(self, name: str, managed: list[Managed], fence: str) -> Holder:
        pick = self.choice
        free = [policy.name for policy in managed if policy.kind in ("own", "guard")]
        return Holder(
            name,
            own=self._own(),
            guard=[self._deny()] if pick.random() < 0.15 else [],
            attached=[policy for policy in free if pick.random() < 0.3],
            boundary=fence if fence and pick.random() < 0.5 else "",
        )

    def _own(self) -> list[dict[str, Any]]:
        pick, found = self.choice, []
        for _ in range(pick.randint(0, 3)):
            if pick.random() > self.freedom:
                continue
            actions, resources = self._target()
            found.append(_allow(actions, resources, self._condition()))
            if actions == "iam:PassRole":
                found.append(_allow("scheduler:CreateSchedule"))
        return found

    def _target(self) -> tuple[str, Any]:
        """An action and where it is allowed; making is allowed anywhere, since the names of the plan are taken."""
        actions, resource = self._any_target()
        return actions, "*" if actions in ("iam:CreateRole", "iam:CreateUser") else resource

    def _any_target(self) -> tuple[str, Any]:
        pick = self.choice
        kind = pick.choice(["kms", "kms", "users", "roles", "roles", "groups", "policies"])
        arn = "arn:aws:iam::@:"
        if kind == "kms":
            return pick.choice(KMS), pick.choice(["*", "*", *(f"@key{n}" for n in self.keys)])
        if kind == "users":
            named = [f"{arn}user/{name}" for name in self.users]
            return pick.choice(ON_USERS), pick.choice([*named, *named, "*", f"{arn}user/${{aws:username}}"])
        if kind == "roles":
            named = [f"{arn}role/{name}" for name in self.roles]
            return pick.choice(ON_ROLES), pick.choice([*named, *named, "*", f"{arn}role/*"])
        if kind == "groups":
            return pick.choice(ON_GROUPS), pick.choice(["*", *(f"{arn}group/{name}" for name in self.groups)])
        return pick.choice(ON_POLICIES), pick.choice(["*", *(f"{arn}policy/{name}" for name in self.policies)])

    def _deny(self) -> dict[str, Any]:
        pick = self.choice
        resource = pick.choice(["*", "*", "*", "@key0"])
        actions = pick.choice(DENIED)
        if resource != "*" and not actions.startswith("kms:"):
            resource = "*"
        return {**_allow(actions, resource, self._condition(0.3)), "Effect": "Deny"}

    def _condition(self, chance: float = 0.3) -> dict[str, Any]:
        """A condition on what follows from who asks."""
        pick = self.choice
        if pick.random() > chance:
            return {}
        somebody = [f"arn:aws:iam::@:user/{name}" for name in self.users]
        somebody += [f"arn:aws:iam::@:role/{name}" for name in self.roles]
        return pick.choice(
            [
                {"ArnEquals": {"aws:PrincipalArn": pick.sample(somebody, 2)}},
                {"ArnNotLike": {"aws:PrincipalArn": pick.choice(["arn:aws:iam::@:role/*", pick.choice(somebody)])}},
                {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::@:user/*"}},
                {"StringNotEquals": {"aws:PrincipalArn": pick.choice(somebody)}},
                {"StringEquals": {"aws:username": pick.choice(self.users)}},
                {"StringEqualsIfExists": {"aws:username": pick.choice(self.users)}},
                {"Null": {"aws:username": pick.choice(["true", "false"])}},
                {"StringEquals": {"aws:PrincipalAccount": pick.choice(["@", OUTSIDE])}},
                {"StringEquals": {"aws:PrincipalType": pick.choice(["User", "AssumedRole"])}},
                {"Bool": {"aws:ViaAWSService": pick.choice(["true", "false"])}},
                {"Bool": {"aws:PrincipalIsAWSService": pick.choice(["true", "false"])}},
                {"StringEquals": {"kms:CallerAccount": pick.choice(["@", OUTSIDE])}},
                {"StringNotEqualsIfExists": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
                {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
                {"Bool": {"kms:GrantIsForAWSResource": pick.choice(["true", "false"])}},
            ]
        )

    def _trust(self, name: str) -> list[dict[str, Any]]:
        pick = self.choice
        found = []
        for _ in range(pick.randint(1, 2)):
            who: Any = {"AWS": self._somebody(pick.random() < 0.3, but=name)}
            if pick.random() < 0.15:
                who = {"Service": "scheduler.amazonaws.com"}
            elif pick.random() < 0.03:
                who = {"AWS": "*"}
            effect = "Deny" if pick.random() < 0.1 and "AWS" in who else "Allow"
            statement = {"Effect": effect, "Principal": who, "Action": "sts:AssumeRole"}
            condition = self._condition(0.2)
            found.append(statement | ({"Condition": condition} if condition else {}))
        return found

    def _somebody(self, account: bool, but: str = "") -> str:
        if account:
            return "arn:aws:iam::@:root"
        users = [f"user/{name}" for name in self.users]
        return f"arn:aws:iam::@:{self.choice.choice([*users, *(f'role/{name}' for name in self.roles if name != but)])}"

    def _key(self) -> KeyPlan:
        pick = self.choice
        statements = []
        if pick.random() < 0.6:
            actions = pick.choice(["kms:*", "kms:*", "kms:*", "kms:Decrypt", "kms:ScheduleKeyDeletion"])
            statements.append(_to("arn:aws:iam::@:root", actions))
        for _ in range(pick.randint(1, 3)):
            who = self._somebody(pick.random() < 0.1)
            if pick.random() < 0.02:
                who = "*"
            statement = _to(who, pick.choice(KMS[:9]), self._condition(0.25))
            if pick.random() < 0.12:
                statement["Effect"] = "Deny"
                if "user/" not in who and "role/" not in who:  # whoever reads the key must not be denied that
                    statement["Action"] = pick.choice(KMS[:6])
            statements.append(statement)
        grants = []
        if pick.random() < 0.15:
            grants.append(
                (self._somebody(False), pick.choice([("Decrypt",), ("Decrypt", "CreateGrant"), ("Encrypt",)]))
            )
        return KeyPlan(statements, grants, pick.random() < 0.1)


def _kind(managed: list[Managed], name: str) -> str:
    return next(policy.kind for policy in managed if policy.name == name)


def _allow(actions: Any, resource: Any = "*", condition: dict[str, Any] | None = None) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return made | ({"Condition": condition} if condition else {})


def _forbid(actions: Any) -> dict[str, Any]:
    return {**_allow(actions), "Effect": "Deny"}


def _to(who: str, actions: Any, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    return {**_allow(actions, "*", condition), "Principal": {"AWS": who}}


@dataclass
class Deployed:
    """A plan that runs: where, with which access keys, key ARNs and something to open under each."""

    plan: Plan
    account: str
    admin: Credential
    users: dict[str, Credential]
    keys: list[str]
    ciphertexts: dict[str, str]


def deploy(cloud: InProcess, plan: Plan) -> Deployed:
    """Makes everything by the API calls of an administrator; every call must be accepted."""
    account = cloud.unused_account()
    admin = cloud.new_user(account, ADMIN, EVERYTHING)
    keys: list[str] = []

    def ask(service: str, operation: str, **params: Any) -> Answer:
        answer = cloud.call(admin, service, operation, **params)
        assert not answer.code, (operation, params, answer.body)
        return answer

    def text(statements: list[dict[str, Any]]) -> str:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        for number, arn in enumerate(keys):
            document = document.replace(f"@key{number}", arn)
        return document.replace("@", account)

    def arn(kind: str, name: str) -> str:
        return f"arn:aws:iam::{account}:{kind}/{name}"

    users: dict[str, Credential] = {}
    for user in plan.users:
        ask("iam", "CreateUser", UserName=user.name)
        made = ask("iam", "CreateAccessKey", UserName=user.name)
        users[user.name] = Credential(arn("user", user.name), made.text("AccessKeyId"), made.text("SecretAccessKey"))
    for role in plan.roles:
        closed = text([{"Effect": "Allow", "Principal": {"AWS": admin.who}, "Action": "sts:AssumeRole"}])
        ask("iam", "CreateRole", RoleName=role.name, AssumeRolePolicyDocument=closed)
    ciphertexts = {}
    for key in plan.keys:
        made = ask("kms", "CreateKey", MultiRegion=key.multi_region)
        keys.append(json.loads(made.body)["KeyMetadata"]["Arn"])
        sealed = ask("kms", "Encrypt", KeyId=keys[-1], Plaintext=SECRET)
        ciphertexts[keys[-1]] = json.loads(sealed.body)["CiphertextBlob"]
        for who, operations in key.grants:
            grantee = who.replace("@", account)
            ask("kms", "CreateGrant", KeyId=keys[-1], GranteePrincipal=grantee, Operations=list(operations))
        policy = text([_to(admin.who, "kms:*"), *key.statements])
        ask("kms", "PutKeyPolicy", KeyId=keys[-1], PolicyName="default", Policy=policy, **LOCKED_OUT)
    for policy in plan.managed:
        ask("iam", "CreatePolicy", PolicyName=policy.name, PolicyDocument=text(policy.versions[0]))
        for version in policy.versions[1:]:
            ask(
                "iam",
                "CreatePolicyVersion",
                PolicyArn=arn("policy", policy.name),
                PolicyDocument=text(version),
                SetAsDefault="true",
            )
    for kind, holders in (("User", plan.users), ("Role", plan.roles), ("Group", plan.groups)):
        for holder in holders:
            place = {f"{kind}Name": holder.name}
            if kind == "Group":
                ask("iam", "CreateGroup", **place)
                for member in holder.members:
                    ask("iam", "AddUserToGroup", **place, UserName=member)
            for name, statements in (("own", holder.own), ("guard", holder.guard)):
                if statements:
                    ask("iam", f"Put{kind}Policy", **place, PolicyName=name, PolicyDocument=text(statements))
            for policy in holder.attached:
                ask("iam", f"Attach{kind}Policy", **place, PolicyArn=arn("policy", policy))
            if holder.boundary:
                ask("iam", f"Put{kind}PermissionsBoundary", **place, PermissionsBoundary=arn("policy", holder.boundary))
            if kind == "Role":
                ask("iam", "UpdateAssumeRolePolicy", **place, PolicyDocument=text(holder.trust))
    return Deployed(plan, account, admin, users, keys, ciphertexts)
