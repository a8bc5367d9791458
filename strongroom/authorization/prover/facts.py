"""What is deployed, as plain data: the input of a proof. Every document is the text that the service gave back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from strongroom.authorization.documents import Named
from strongroom.authorization.grants import Grant
from strongroom.authorization.prover.openbao_facts import OpenBao
from strongroom.authorization.request import Principal

ANYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


@dataclass(frozen=True)
class Identity:
    """A user, a role or an account's root user.

    policies: inline, managed and of its groups, as texts. managed: the ARNs of customer managed policies among them,
    which whoever may write a new version controls. groups: ARNs of a user's groups. trust: a role's trust policy.
    boundary: named by its ARN.
    """

    arn: str
    account: str
    kind: Literal["user", "role", "root"]
    policies: Sequence[Named] = ()
    boundary: Named | None = None
    trust: Named | None = None
    managed: Sequence[str] = ()
    groups: Sequence[str] = ()

    @cached_property
    def principal(self) -> Principal:
        """The principal of a request that this identity makes; a role makes it as a session named `prover`."""
        if self.kind != "role":
            return Principal(self.arn, self.account, self.kind)
        session = f"arn:aws:sts::{self.account}:assumed-role/{self.arn.rsplit('/', 1)[-1]}/prover"
        return Principal(session, self.account, "role-session", role_arn=self.arn)

    def shared(self, kind: str) -> Sequence[str]:
        """The ARNs of what it has in common with others: of kind `group`, `managed` or `boundary`, else none."""
        limit = (self.boundary.name,) if self.boundary and self.boundary.name.startswith("arn:") else ()
        return {"group": self.groups, "managed": self.managed, "boundary": limit}.get(kind, ())


#: Everybody can open an AWS account: whoever may write a key's policy or grants may name this identity in it. It is in
#: no organisation, under no boundary and no SCP of ours.
OUTSIDER = Identity(
    arn="arn:aws:iam::000000000000:user/outsider",
    account="000000000000",
    kind="user",
    policies=(Named("outsider", ANYTHING),),
)


@dataclass(frozen=True)
class Key:
    """A KMS key with its policy and its grants."""

    arn: str
    account: str
    policy: Named
    grants: Sequence[Grant] = ()
    multi_region: bool = False


@dataclass(frozen=True)
class Carrier:
    """Something whose content or command runs with a role: who may write it can do what the role can.

    arn: what the writing action names. kind: one of `rules.CARRIERS` (function, task, image, schedule, state, ...).
    policy: the resource's own policy, if it has one.
    """

    arn: str
    account: str
    kind: str
    role: str
    policy: Named | None = None


@dataclass(frozen=True)
class Store:
    """A bucket, queue, topic, secret, repository of images or backup vault, with its own policy.

    kind: bucket, queue, topic, secret, images, vault. policy: None if it has none. key: the ARN of the KMS key under
    which its service encrypts it, '' if that is a key of the service. An object of a bucket is named in abilities by
    its own ARN; the bucket's policy decides on it.
    """

    arn: str
    account: str
    kind: str
    policy: Named | None = None
    key: str = ""


@dataclass(frozen=True)
class Account:
    """An account: the policies of its organisation, level by level."""

    id: str
    scps: Sequence[Sequence[Named]] = ()
    rcps: Sequence[Sequence[Named]] = ()


@dataclass(frozen=True)
class Human:
    """A person, with every identity the person can use without anybody's help: all accounts of one person merged."""

    name: str
    identities: Sequence[str]


@dataclass(frozen=True)
class Quorum:
    """An assumption: this action on this resource takes several people, by a mechanism the proof cannot read."""

    action: str
    resource: str
    people: int
    mechanism: str


@dataclass(frozen=True)
class Facts:
    """The whole input. organisation: the id of the organisation all these accounts are in, if known."""

    humans: Sequence[Human]
    identities: Sequence[Identity]
    keys: Sequence[Key] = ()
    carriers: Sequence[Carrier] = ()
    stores: Sequence[Store] = ()
    accounts: Sequence[Account] = ()
    quorums: Sequence[Quorum] = ()
    openbao: OpenBao | None = None
    organisation: str = ""
    groups: Mapping[str, Sequence[Named]] = field(default_factory=dict)

    @cached_property
    def by_arn(self) -> Mapping[str, Identity]:
        """Identities by ARN, the outsider among them."""
        return {identity.arn: identity for identity in (*self.identities, OUTSIDER)}

    @cached_property
    def account_of(self) -> Mapping[str, Account]:
        """Accounts by id."""
        return {account.id: account for account in self.accounts}

    def digest(self) -> str:
        """The SHA-256 of the facts in a canonical form."""
        return hashlib.sha256(json.dumps(_plain(self), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
