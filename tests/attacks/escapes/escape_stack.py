"""A small stack in accounts of its own on a real gateway: made by API calls, read back for the prover, attacked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError
from gateway_process import GatewayProcess

from strongroom.authorization.deployed.iam import read_identities
from strongroom.authorization.deployed.kms import read_keys
from strongroom.authorization.deployed.organisation import Organisation, read_organisation
from strongroom.authorization.deployed.stores import read_buckets, read_queues, read_secrets, with_keys
from strongroom.authorization.prover import Ability, Account, Carrier, Facts, Human, Identity, Key, Pair, Quorum, Store

REGION, ELSEWHERE = "us-east-1", "us-west-2"
ACCOUNTS = [f"31{number:010d}" for number in range(200)]
#: Everybody can open an account: the prover's outsider is this user here.
OUTSIDE = "000000000000"
OUTSIDER_USER = {"user": "outsider", "path": "/", "account": OUTSIDE}
SECRET = b"a patient's name"
_STORES = (
    ("bucket", "s3", read_buckets),
    ("queue", "sqs", read_queues),
    ("secret", "secretsmanager", read_secrets),
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


def document(*statements: dict[str, Any]) -> str:
    """A policy document of statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """An Allow statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """A Deny statement."""
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def to(who: Any, action: Any, **more: Any) -> dict[str, Any]:
    """An Allow statement of a resource's own policy for somebody: an actor, an ARN or an account id."""
    arn = who.arn if isinstance(who, Actor) else f"arn:aws:iam::{who}:root" if str(who).isdigit() else who
    return allow(action, Principal={"AWS": arn}, **more)


def trusting(who: Any, **more: Any) -> dict[str, Any]:
    """A statement of a trust policy."""
    statement = to(who, "sts:AssumeRole", **more)
    del statement["Resource"]
    return statement


class Cloud:
    """The gateway process, accounts that nobody used yet, clients that share their service models."""

    def __init__(self, process: GatewayProcess) -> None:
        self.process = process
        self.accounts = iter(ACCOUNTS)
        self._models = boto3.Session(region_name=REGION)
        self._opened: list[Any] = []
        everything = document(allow("*"))
        outside = process.client(f"admin@{OUTSIDE}", "iam")
        outside.put_user_policy(UserName="outsider", PolicyName="own", PolicyDocument=everything)

    def actor(self, arn: str, session: boto3.Session) -> Actor:
        """Somebody with the credentials of a session."""
        return Actor(self, arn, session.get_credentials().get_frozen_credentials())

    def client(self, credentials: Any, service: str, region: str) -> Any:
        """A client with credentials of its own."""
        made = self.process.make(
            self._models,
            service,
            region,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
        )
        self._opened.append(made)
        return made

    def close_clients(self) -> None:
        """Closes every client made since the last time."""
        while self._opened:
            self._opened.pop().close()


@dataclass(frozen=True)
class Credentials:
    """An access key, with the token of a session."""

    access_key: str
    secret_key: str
    token: str | None = None


@dataclass
class Actor:
    """Somebody with credentials: a user, or the session of a role."""

    cloud: Cloud
    arn: str
    credentials: Any
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    def at(self, service: str, region: str = REGION) -> Any:
        """The actor's client of a service."""
        place = (service, region)
        if place not in self.clients:
            self.clients[place] = self.cloud.client(self.credentials, service, region)
        return self.clients[place]

    @property
    def iam(self) -> Any:
        """The actor's IAM client."""
        return self.at("iam")

    @property
    def kms(self) -> Any:
        """The actor's KMS client."""
        return self.at("kms")

    @property
    def s3(self) -> Any:
        """The actor's S3 client."""
        return self.at("s3")

    def becomes(self, role: str, **more: Any) -> Actor:
        """The session of a role that the actor assumes; its `arn` is the role's."""
        made = self.at("sts").assume_role(RoleArn=role, RoleSessionName="escape", **more)["Credentials"]
        return Actor(self.cloud, role, Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]))


class Stack:
    """What a case deploys. `dana` is the thief: she may administer the first key and must never open it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.accounts: list[str] = []
        self.admins: dict[str, Actor] = {}
        self.account = self.another_account()
        self.keys: list[str] = []
        self.kinds: set[str] = set()
        self.carriers: list[Carrier] = []
        self.quorums: list[Quorum] = []
        self.ciphertexts: dict[str, bytes] = {}
        self.context: dict[str, str] = {}
        self.people: dict[str, list[Actor]] = {}
        self.chosen_pairs: list[Pair] = []
        self.dana = self.person("dana")
        self.outsider = cloud.actor(f"arn:aws:iam::{OUTSIDE}:user/outsider", cloud.process.session("outsider"))

    # deploying, as the account's administrator

    def another_account(self) -> str:
        """One more account of the stack; its id."""
        account = next(self.cloud.accounts)
        admin = f"admin@{account}"
        self.admins[account] = self.cloud.actor(_access_role(account), self.cloud.process.session(admin))
        self.accounts.append(account)
        return account

    @property
    def admin(self) -> Actor:
        """The administrator of the first account, whom no case attacks."""
        return self.admins[self.account]

    def person(self, name: str, *statements: dict[str, Any], account: str = "", boundary: str = "") -> Actor:
        """A user who is a human of her own."""
        made = self.user(name, *statements, account=account, boundary=boundary)
        self.people[name] = [made]
        return made

    def user(self, name: str, *statements: dict[str, Any], account: str = "", boundary: str = "") -> Actor:
        """A user with an inline policy and an access key, who is nobody's yet."""
        iam = self.admins[account or self.account].iam
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
        if boundary:
            iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=boundary)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Actor(self.cloud, arn, Credentials(key["AccessKeyId"], key["SecretAccessKey"]))

    def permits(self, who: Actor, *statements: dict[str, Any]) -> None:
        """Gives a user an inline policy; without statements nothing."""
        if statements:
            admin = self.admins[who.arn.split(":")[4]]
            admin.iam.put_user_policy(UserName=who.name, PolicyName="given", PolicyDocument=document(*statements))

    def role(
        self, name: str, trust: Any, *statements: dict[str, Any], account: str = "", boundary: str = "", **more: Any
    ) -> str:
        """A role; `trust` is an actor, an ARN, an account id or a statement. Its ARN."""
        iam = self.admins[account or self.account].iam
        trusted = trust if isinstance(trust, dict) else trusting(trust)
        more |= {"PermissionsBoundary": boundary} if boundary else {}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trusted), **more)
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
        return str(made["Role"]["Arn"])

    def policy(self, name: str, *statements: dict[str, Any]) -> str:
        """A managed policy; its ARN."""
        made = self.admin.iam.create_policy(PolicyName=name, PolicyDocument=document(*statements))
        return str(made["Policy"]["Arn"])

    def group(self, name: str, *statements: dict[str, Any], members: Sequence[Actor] = ()) -> str:
        """A group; its ARN."""
        made = self.admin.iam.create_group(GroupName=name)
        if statements:
            self.admin.iam.put_group_policy(GroupName=name, PolicyName="own", PolicyDocument=document(*statements))
        for member in members:
            self.admin.iam.add_user_to_group(GroupName=name, UserName=member.name)
        return str(made["Group"]["Arn"])

    def key(self, *statements: dict[str, Any], context: dict[str, str] | None = None, **more: Any) -> str:
        """A key of the administrator's that dana may destroy; what a patient is called lies under it. Its ARN."""
        destroying = to(self.dana, ["kms:ScheduleKeyDeletion", "kms:DescribeKey"])
        policy = document(to(self.admin, "kms:*"), destroying, *statements)
        arn = str(self.admin.kms.create_key(Policy=policy, **more)["KeyMetadata"]["Arn"])
        made = self.admin.kms.encrypt(KeyId=arn, Plaintext=SECRET, EncryptionContext=context or {})
        self.ciphertexts[arn], self.context = made["CiphertextBlob"], context or {}
        self.keys.append(arn)
        return arn

    def bucket(self, *statements: dict[str, Any], lock: bool = False, **objects: bytes) -> str:
        """A bucket whose policy has the statements (on `@`, which stands for its ARN), with objects; its ARN."""
        name = f"{self.account}-bucket"
        self.admin.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        self.kinds.add("bucket")
        arn = f"arn:aws:s3:::{name}"
        if statements:
            self.admin.s3.put_bucket_policy(Bucket=name, Policy=document(*statements).replace('"@', f'"{arn}'))
        for key, body in objects.items():
            self.admin.s3.put_object(Bucket=name, Key=key, Body=body)
        return arn

    def secret(self, value: str, *statements: dict[str, Any]) -> str:
        """A secret, under the service's own key, with a policy; its ARN."""
        client = self.admin.at("secretsmanager")
        arn = str(client.create_secret(Name="credentials", SecretString=value)["ARN"])
        self.kinds.add("secret")
        if statements:
            client.put_resource_policy(SecretId=arn, ResourcePolicy=document(*statements))
        return arn

    def queue(self, *statements: dict[str, Any]) -> str:
        """A queue with a policy; its URL."""
        url = str(self.admin.at("sqs").create_queue(QueueName="notices")["QueueUrl"])
        self.kinds.add("queue")
        if statements:
            arn = f"arn:aws:sqs:{REGION}:{self.account}:notices"
            text = document(*statements).replace('"@', f'"{arn}')
            self.admin.at("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})
        return url

    def nobody_may(self, *abilities: tuple[str, str]) -> None:
        """The pair of this stack: nobody may do the action on the resource, or both of two."""
        first, *rest = (Ability(action, (action,), (arn,)) for action, arn in abilities)
        self.chosen_pairs = [Pair(" and ".join(action for action, _ in abilities), first, rest[0] if rest else None)]

    # attacking

    def opens(self, who: Actor, region: str = REGION) -> None:
        """`who` reads what lies under the first key, and dana destroys that key. Raises ClientError where refused."""
        key = self.keys[0]
        answer = who.at("kms", region).decrypt(
            KeyId=key.replace(REGION, region), CiphertextBlob=self.ciphertexts[key], EncryptionContext=self.context
        )
        assert answer["Plaintext"] == SECRET
        answer = self.dana.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        assert answer["KeyState"] == "PendingDeletion"

    def with_key(self, arn: str, key: str, secret: str) -> Actor:
        """A user by its access key."""
        return Actor(self.cloud, arn, Credentials(key, secret))

    def becomes_user(self, who: Actor, name: str) -> Actor:
        """A user, by an access key that `who` makes."""
        key = who.iam.create_access_key(UserName=name)["AccessKey"]
        arn = f"arn:aws:iam::{self.account}:user/{name}"
        return self.with_key(arn, key["AccessKeyId"], key["SecretAccessKey"])

    # proving

    def facts(self) -> Facts:
        """What the readers see of the stack."""
        identities: list[Identity] = []
        keys: list[Key] = []
        groups: dict[str, Any] = {}
        stores: list[Store] = []
        unread_keys: dict[str, str] = {}
        organisation = Organisation("", "", tuple(Account(account) for account in self.accounts), ())
        if "organisation" in self.kinds:
            organisation = read_organisation(self.accounts, lambda account: self.admins[account].at("organizations"))
        for account in self.accounts:
            for kind, service, read_stores in _STORES:
                if kind in self.kinds:
                    found_here, unread = read_stores(self.admins[account].at(service), account)
                    assert not unread
                    stores += found_here
            found = read_identities(self.cloud.client(self.admins[account].credentials, "iam", REGION), account)
            identities += found.identities
            groups |= found.groups
            for region in (REGION, ELSEWHERE):
                read, missed = read_keys(self.admins[account].at("kms", region), account)
                keys += read
                unread_keys |= missed
        assert unread_keys.keys() <= {key.arn for key in keys}  # a key of several Regions is read in each
        return Facts(
            humans=[Human(name, tuple(actor.arn for actor in actors)) for name, actors in self.people.items()],
            identities=identities,
            keys=keys,
            carriers=self.carriers,
            quorums=self.quorums,
            stores=with_keys(stores, keys),
            accounts=organisation.accounts,
            organisation=organisation.id,
            management=organisation.management,
            groups=groups,
        )

    def pairs(self) -> list[Pair]:
        """What nobody may hold together: to destroy the first key and to open what lies under it, unless chosen."""
        if self.chosen_pairs:
            return self.chosen_pairs
        key = self.keys[:1]
        destroy = Ability("destroy", ("kms:ScheduleKeyDeletion",), key)
        return [Pair("destroy and open", destroy, Ability("open", ("kms:Decrypt",), key))]


def _access_role(account: str) -> str:
    return f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"


def refused(run: Iterator[None]) -> str:
    """The code with which the rest of a case is refused, or '' where all of it works."""
    try:
        for _ in run:
            pass
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        assert code in DENIED, error
        return code
    return ""
