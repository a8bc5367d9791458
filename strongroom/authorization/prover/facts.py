"""What is deployed, as plain data: the input of a proof. Every document is the text that the service gave back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from strongroom.authorization.documents import Named
from strongroom.authorization.grants import Grant
from strongroom.authorization.prover.identities import ANYTHING, OUTSIDER, Identity, implied
from strongroom.authorization.prover.openbao_facts import OpenBao

__all__ = [
    "ANYTHING",
    "OUTSIDER",
    "Account",
    "Carrier",
    "Facts",
    "Human",
    "Identity",
    "Key",
    "Quorum",
    "Store",
]


@dataclass(frozen=True)
class Key:
    """A KMS key with its policy and its grants. aliases: their names; requests may name the key by them."""

    arn: str
    account: str
    policy: Named
    grants: Sequence[Grant] = ()
    multi_region: bool = False
    aliases: Sequence[str] = ()


@dataclass(frozen=True)
class Carrier:
    """Something whose content or command runs with a role: who may write it can do what the role can.

    arn: what the action names. kind: one of `rules.CARRIERS` (function, task, image, schedule, state, secret, ...).
    role: an ARN, or a login of OpenBao. policy: the resource's own policy, if it has one and is no store of the facts.
    key: the customer KMS key that reading it takes as well (secret, parameter), "" if none.
    """

    arn: str
    account: str
    kind: str
    role: str
    policy: Named | None = None
    key: str = ""


@dataclass(frozen=True)
class Store:
    """A bucket, queue, topic, secret, repository of images or backup vault, with its own policy.

    kind: bucket, queue, topic, secret, images, vault. policy: None if it has none. key: the ARN of the KMS key under
    which its service encrypts it, '' if that is a key of the service. An object of a bucket is named in abilities by
    its own ARN; the bucket's policy decides on it. acls: False only if access control lists are known to be off
    (BucketOwnerEnforced); else whoever may write one can let others in.
    """

    arn: str
    account: str
    kind: str
    policy: Named | None = None
    key: str = ""
    acls: bool = True


@dataclass(frozen=True)
class Account:
    """An account: the policies of its organisation, level by level; none if it is the management account."""

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
    """The whole input. organisation: the id of the organisation that all of `accounts` are in, if known.

    management: the id of its management account, if known; else any account without policies of an organisation may be.
    """

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
    management: str = ""

    @cached_property
    def by_arn(self) -> Mapping[str, Identity]:
        """Identities by ARN, those that follow from the facts among them."""
        followed = implied(self.identities, [account.id for account in self.accounts])
        return {identity.arn: identity for identity in (*followed, *self.identities)}

    @cached_property
    def account_of(self) -> Mapping[str, Account]:
        """Accounts by id."""
        return {account.id: account for account in self.accounts}

    @cached_property
    def key_of(self) -> Mapping[str, Key]:
        """Keys by ARN."""
        return {key.arn: key for key in self.keys}

    @cached_property
    def store_of(self) -> Mapping[str, Store]:
        """Stores by ARN."""
        return {store.arn: store for store in self.stores}

    @cached_property
    def arn_of(self) -> Mapping[str, str]:
        """The ARNs of identities by their unique ids, as far as these were read."""
        return {identity.unique_id: identity.arn for identity in self.identities if identity.unique_id}

    def digest(self) -> str:
        """The SHA-256 of the facts in a canonical form."""
        return _digest(self)

    def digests(self) -> dict[str, str]:
        """The SHA-256 of each part: `identities/ARN`, `keys/ARN`, ..., so that an auditor sees which one changed."""
        found: dict[str, str] = {}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Mapping):
                found |= {f"{item.name}/{key}": _digest(part) for key, part in value.items()}
            elif isinstance(value, list | tuple):
                for part in value:
                    name = next((getattr(part, key) for key in ("arn", "id", "name") if hasattr(part, key)), "")
                    place = f"{item.name}/{name}" if name else item.name
                    found[place] = _digest([found.get(place, ""), part])
            else:
                found[item.name] = _digest(value)
        return found


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()


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
