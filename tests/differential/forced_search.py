"""What a thief can come to do, found by trying: every call of an alphabet with every credential, until nothing is new.

It knows what the stack has, by name, and which policies only restrict; it knows no rule of the prover and reads no
policy. Whatever it changes allows everybody everything, so no move can spoil another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cloud_in_process import EVERYTHING, REGION, Answer, Credential, InProcess
from generated_stacks import ADMIN, NEW, OPERATIONS, SECRET, Deployed, Holder

#: Rounds of trying; a chain longer than this is not found.
DEPTH = 10
FAR = "us-west-2"
_ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
OPEN_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [_ANYBODY, {**_ANYBODY, "Principal": {"Service": "scheduler.amazonaws.com"}}],
    }
)
OPEN_KEY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}],
    }
)


@dataclass(frozen=True)
class Move:
    """One call of the alphabet, and what comes of it where it works."""

    name: str
    call: Callable[[Credential], Answer]
    works: Callable[[Answer], None] = lambda answer: None
    #: the credential that it brings, which nobody needs twice
    brings: str = ""
    #: whether the call can reach another account: then the outsider tries too
    reaches: bool = False
    #: whether it takes a policy away that only restricts
    removes: bool = False


@dataclass
class Found:
    """What a thief can come to do on which keys, and the moves that worked, in order."""

    opens: set[str] = field(default_factory=set)
    destroys: set[str] = field(default_factory=set)
    moves: list[str] = field(default_factory=list)


class Search:
    """One thief against one deployed stack, which is spent afterwards."""

    def __init__(self, cloud: InProcess, stack: Deployed, thief: str) -> None:
        self.cloud, self.stack, self.plan = cloud, stack, stack.plan
        self.held = {stack.users[thief].who: stack.users[thief], cloud.outsider.who: cloud.outsider}
        self.done: set[str] = set()
        self.found = Found()
        self.users = [*(user.name for user in self.plan.users), ADMIN]
        self.roles = [role.name for role in self.plan.roles]
        self.groups = {group.name: group for group in self.plan.groups}

    def run(self) -> Found:
        """Tries until a round brings nothing, or everything is reached."""
        for _ in range(DEPTH):
            self._abilities()
            if len(self.found.opens) == len(self.found.destroys) == len(self.stack.keys):
                break
            # what restricts is taken away last: before, it may be what somebody could have rewritten
            if not self._round(removing=False) and not self._round(removing=True):
                break
        self._abilities()
        return self.found

    def _round(self, *, removing: bool) -> bool:
        """Every move that has not worked yet, by everybody that the thief is."""
        news = False
        for move in self._moves():
            if move.removes is not removing or move.name in self.done or move.brings in self.held:
                continue
            for credential in list(self.held.values()):
                if credential is self.cloud.outsider and not move.reaches:
                    continue
                answer = move.call(credential)
                if not answer.code:
                    self.done.add(move.name)
                    self.found.moves.append(f"{credential.who.rpartition(':')[2]} {move.name}")
                    move.works(answer)
                    news = True
                    break
        return news

    def _abilities(self) -> None:
        for key in self.stack.keys:
            for credential in self.held.values():
                if key not in self.found.opens and self._opens(credential, key):
                    self.found.opens.add(key)
                if key not in self.found.destroys and self._destroys(credential, key):
                    self.found.destroys.add(key)

    def _replicated(self, key: str) -> None:
        if self._opens(self.cloud.outsider, key, FAR):
            self.found.opens.add(key)

    def _opens(self, who: Credential, key: str, region: str = REGION) -> bool:
        blob, there = self.stack.ciphertexts[key], key.replace(REGION, region)
        answer = self.cloud.call(who, "kms", "Decrypt", region=region, CiphertextBlob=blob, KeyId=there)
        if answer.code:
            assert answer.code == "AccessDeniedException", answer.body
            return False
        assert json.loads(answer.body)["Plaintext"] == SECRET
        return True

    def _destroys(self, who: Credential, key: str) -> bool:
        answer = self.cloud.call(who, "kms", "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=30)
        if answer.code:
            assert answer.code == "AccessDeniedException", answer.body
            return False
        self.cloud.mend(key)
        return True

    # the alphabet

    def _moves(self) -> Iterator[Move]:
        for name in self.roles:
            arn = self._arn("role", name)
            yield Move(
                f"becomes {name}",
                self._call("sts", "AssumeRole", RoleArn=arn, RoleSessionName="thief"),
                self._session(arn),
                arn,
                reaches=True,
            )
            yield Move(f"passes {name} to a schedule", self._schedule(name, arn), self._scheduled(arn), arn)
        for name in self.users:
            arn = self._arn("user", name)
            yield Move(
                f"makes a key of {name}", self._call("iam", "CreateAccessKey", UserName=name), self._key(arn), arn
            )
            password = {"Password": "correct-horse-7", "PasswordResetRequired": "false"}
            yield Move(
                f"makes a password of {name}",
                self._call("iam", "CreateLoginProfile", UserName=name, **password),
                self._login(name, arn),
                arn,
            )
        yield from self._writes("User", self.users, {user.name: user for user in self.plan.users})
        yield from self._writes("Role", self.roles, {role.name: role for role in self.plan.roles})
        yield from self._writes("Group", list(self.groups), self.groups)
        for name in self.roles:
            yield Move(
                f"rewrites trust of {name}",
                self._call("iam", "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=OPEN_TRUST),
            )
        for group in list(self.groups.values()):
            for user in self.users:
                place = {"GroupName": group.name, "UserName": user}
                if group.guard and user in group.members and not self._widened(group.name):
                    call = self._call("iam", "RemoveUserFromGroup", **place)
                    yield Move(f"takes {user} out of {group.name}", call, removes=True)
                elif not group.guard:
                    yield Move(f"puts {user} into {group.name}", self._call("iam", "AddUserToGroup", **place))
        for policy in self.plan.managed:
            arn = self._arn("policy", policy.name)
            yield Move(
                f"writes {policy.name}",
                self._call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=EVERYTHING, SetAsDefault="true"),
            )
            if f"writes {policy.name}" not in self.done:
                yield Move(
                    f"sets {policy.name} back",
                    self._call("iam", "SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v1"),
                )
        yield Move(
            "makes a role",
            self._call("iam", "CreateRole", RoleName=NEW, AssumeRolePolicyDocument=OPEN_TRUST),
            lambda _: self.roles.append(NEW),
        )
        made = Holder(NEW)
        yield Move("makes a group", self._call("iam", "CreateGroup", GroupName=NEW), lambda _: self._grouped(made))
        yield Move("makes a user", self._call("iam", "CreateUser", UserName=NEW), lambda _: self.users.append(NEW))
        for number, key in enumerate(self.stack.keys):
            yield Move(
                f"rewrites the policy of key {number}",
                self._call("kms", "PutKeyPolicy", KeyId=key, PolicyName="default", Policy=OPEN_KEY),
                reaches=True,
            )
            for operations in (OPERATIONS, ("Decrypt",)):  # a grant hands on what it has, and no more
                grant = {"GranteePrincipal": self.cloud.outsider.who, "Operations": list(operations)}
                call = self._call("kms", "CreateGrant", KeyId=key, **grant)
                yield Move(f"grants {len(operations)} operations on key {number}", call, reaches=True)
            replica = {"ReplicaRegion": FAR, "Policy": OPEN_KEY, "BypassPolicyLockoutSafetyCheck": True}
            if self.plan.keys[number].multi_region:
                yield Move(
                    f"replicates key {number}",
                    self._call("kms", "ReplicateKey", KeyId=key, **replica),
                    lambda _, key=key: self._replicated(key),
                    reaches=True,
                )

    def _writes(self, kind: str, names: list[str], holders: dict[str, Holder]) -> Iterator[Move]:
        """What widens the policies of users, roles or groups, or takes away what restricts them."""
        everything = self._arn("policy", "everything")
        guards = {policy.name for policy in self.plan.managed if policy.kind == "guard"}
        for name in names:
            holder, place = holders.get(name, Holder(name)), {f"{kind}Name": name}

            def call(operation: str, place: dict[str, str] = place, **params: Any) -> Callable[[Credential], Answer]:
                return self._call("iam", operation, **place, **params)

            put = {"PolicyName": "own", "PolicyDocument": EVERYTHING}
            yield Move(f"puts a policy of {name}", call(f"Put{kind}Policy", **put))
            yield Move(f"attaches a policy of {name}", call(f"Attach{kind}Policy", PolicyArn=everything))
            if holder.boundary:
                yield Move(f"drops the boundary of {name}", call(f"Delete{kind}PermissionsBoundary"))
                limit = call(f"Put{kind}PermissionsBoundary", PermissionsBoundary=everything)
                yield Move(f"replaces the boundary of {name}", limit)
            if holder.guard:
                overwriting = f"overwrites the guard of {name}"
                yield Move(overwriting, call(f"Put{kind}Policy", **put | {"PolicyName": "guard"}))
                if overwriting not in self.done:
                    away = call(f"Delete{kind}Policy", PolicyName="guard")
                    yield Move(f"deletes the guard of {name}", away, removes=True)
            for policy in sorted(guards & set(holder.attached)):
                if not self.done & {f"writes {policy}", f"sets {policy} back"}:
                    away = call(f"Detach{kind}Policy", PolicyArn=self._arn("policy", policy))
                    yield Move(f"detaches {policy} of {name}", away, removes=True)

    # what comes of moves

    def _widened(self, group: str) -> bool:
        """Whether the group gives everything by now, so that its members had better stay."""
        return bool(self.done & {f"puts a policy of {group}", f"attaches a policy of {group}"})

    def _grouped(self, made: Holder) -> None:
        self.groups[made.name] = made

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:iam::{self.stack.account}:{kind}/{name}"

    def _call(self, service: str, operation: str, **params: Any) -> Callable[[Credential], Answer]:
        return lambda who: self.cloud.call(who, service, operation, **params)

    def _schedule(self, name: str, role: str) -> Callable[[Credential], Answer]:
        body = json.dumps(
            {
                "ScheduleExpression": "rate(1 hour)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:kms:decrypt", "RoleArn": role},
            }
        ).encode()
        headers = {"content-type": "application/json"}
        return lambda who: self.cloud.send(who, "scheduler", "POST", f"/schedules/{name}", headers, body)

    def _scheduled(self, role: str) -> Callable[[Answer], None]:
        """Schedules do not run here: the session is made as the scheduler makes it, if the role trusts it."""

        def works(_answer: Answer) -> None:
            if session := self.cloud.session_of_service(role, "scheduler.amazonaws.com"):
                self.held[role] = session

        return works

    def _session(self, role: str) -> Callable[[Answer], None]:
        def works(answer: Answer) -> None:
            names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
            self.held[role] = Credential(role, *(answer.text(name) for name in names))

        return works

    def _key(self, user: str) -> Callable[[Answer], None]:
        def works(answer: Answer) -> None:
            self.held[user] = Credential(user, answer.text("AccessKeyId"), answer.text("SecretAccessKey"))

        return works

    def _login(self, name: str, user: str) -> Callable[[Answer], None]:
        """There is no console here: who set the password of a user gets an access key of it from the administrator."""

        def works(_answer: Answer) -> None:
            self._key(user)(self.cloud.call(self.stack.admin, "iam", "CreateAccessKey", UserName=name))

        return works
