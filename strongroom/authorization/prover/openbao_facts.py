"""What is deployed in OpenBao or Vault, as plain data: the other half of the input of a proof.

Subjects are texts that begin with `bao:`: `bao:auth/<mount>/role/<name>` and `bao:auth/<mount>/users/<name>` (logins),
`bao:token/<accessor>`, `bao:entity/<name>`, `bao:group/<name>`, `bao:policy/<name>`, `bao:<mount>/keys/<name>`,
`bao:share/<number>` (a share of the unseal key), `bao:root` (a root token). Whoever holds one names it as an identity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from strongroom.authorization.openbao_policies import VaultPolicy

ROOT = "bao:root"
#: A token of one's own with any one of the policies that there are.
ANY_POLICY = "bao:policy/*"
_OPERATIONS = ("decrypt", "encrypt", "rewrap", "datakey/plaintext", "datakey/wrapped", "hmac", "sign", "verify")


@dataclass(frozen=True)
class Login:
    """A way to get a token, or a token that exists.

    name: as humans and carriers name it. policies: of its tokens, without those of its entity. mount: of the auth
    method, `auth/` left out; "" for a token. entity: the name of the entity its tokens belong to. secret: False if
    whoever knows its name gets a token (an AppRole without secret id).
    """

    name: str
    policies: Sequence[str] = ()
    mount: str = ""
    entity: str = ""
    secret: bool = True


@dataclass(frozen=True)
class Mount:
    """A secrets engine or, among `auth`, a way of logging in; path without slash at the end and without `auth/`."""

    path: str
    type: str


@dataclass(frozen=True)
class Entity:
    """Somebody, as OpenBao knows them over all their logins."""

    name: str
    id: str = ""
    policies: Sequence[str] = ()


@dataclass(frozen=True)
class Group:
    """Members are names of entities and groups; `mounts`: auth mounts whose logins may be in it by an alias."""

    name: str
    id: str = ""
    policies: Sequence[str] = ()
    entities: Sequence[str] = ()
    groups: Sequence[str] = ()
    mounts: Sequence[str] = ()


@dataclass(frozen=True)
class TokenRole:
    """A role of auth/token: which policies its tokens may have, by name and by glob; aliases of entities it may use."""

    name: str
    allowed: Sequence[str] = ()
    allowed_globs: Sequence[str] = ()
    disallowed: Sequence[str] = ()
    disallowed_globs: Sequence[str] = ()
    entity_aliases: Sequence[str] = ()


@dataclass(frozen=True)
class TransitKey:
    """A transit key and the switches that let its material out or let it be deleted."""

    mount: str
    name: str
    exportable: bool = False
    allow_plaintext_backup: bool = False
    deletion_allowed: bool = False
    imported: bool = False

    @property
    def subject(self) -> str:
        """Its name in gains and abilities."""
        return f"bao:{self.mount}/keys/{self.name}"

    @cached_property
    def uses(self) -> frozenset[str]:
        """The paths that do what the key's material does."""
        return frozenset(f"bao:{self.mount}/{operation}/{self.name}" for operation in _OPERATIONS)


@dataclass(frozen=True, eq=False)
class OpenBao:
    """One server.

    shares, threshold: how many shares the unseal key has and how many open it. unauthenticated_root: whether shares
    alone make a root token, without a login. workflows: their names. database_roles: paths of dynamic and static roles.
    """

    policies: Sequence[VaultPolicy] = ()
    logins: Sequence[Login] = ()
    auth: Sequence[Mount] = (Mount("token", "token"),)
    mounts: Sequence[Mount] = ()
    entities: Sequence[Entity] = ()
    groups: Sequence[Group] = ()
    token_roles: Sequence[TokenRole] = ()
    keys: Sequence[TransitKey] = ()
    database_roles: Sequence[str] = ()
    workflows: Sequence[str] = ()
    audits: Sequence[str] = ()
    shares: int = 0
    threshold: int = 0
    unauthenticated_root: bool = True

    @cached_property
    def policy(self) -> Mapping[str, VaultPolicy]:
        """Policies by name, each as text."""
        return {policy.name: _as_text(policy) for policy in self.policies}

    @cached_property
    def login(self) -> Mapping[str, Login]:
        """Logins by name."""
        return {login.name: login for login in self.logins}

    @cached_property
    def entity(self) -> Mapping[str, Entity]:
        """Entities by name."""
        return {entity.name: entity for entity in self.entities}

    @cached_property
    def policy_names(self) -> tuple[str, ...]:
        """Every name of a policy that is there or that somebody has."""
        holders: list[Login | Entity | Group] = [*self.logins, *self.entities, *self.groups]
        return tuple(sorted({*self.policy, *(name for holder in holders for name in holder.policies)} - {"root"}))

    def memberships(self, entity: str, mount: str) -> tuple[Group, ...]:
        """The groups of an entity, or of logins of an auth mount, with the groups that these are members of."""
        found = {group.name for group in self.groups if entity in group.entities or mount in group.mounts}
        while more := {group.name for group in self.groups if found & set(group.groups)} - found:
            found |= more
        return tuple(group for group in self.groups if group.name in found)

    def above(self, name: str) -> tuple[Group, ...]:
        """A group with the groups that it is a member of, directly or not."""
        found = {name}
        while more := {group.name for group in self.groups if found & set(group.groups)} - found:
            found |= more
        return tuple(group for group in self.groups if group.name in found)


def _as_text(policy: VaultPolicy) -> VaultPolicy:
    if isinstance(policy.rules, str):
        return policy
    return VaultPolicy(policy.name, json.dumps(policy.rules, sort_keys=True))
