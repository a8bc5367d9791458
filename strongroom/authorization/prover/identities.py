"""Who can make a request: identities as they were read, and those that follow without being read.

Everybody has an account outside. Whoever may make users and roles has new ones. Whoever speaks for an identity provider
becomes the roles that trust it. Every account has a root user.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from strongroom.authorization.documents import Named
from strongroom.authorization.request import Principal

ANYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


@dataclass(frozen=True)
class Identity:
    """A user, a role, an account's root user, or an identity provider (whoever can speak for it).

    policies: inline, managed and of its groups, as texts. managed: the ARNs of customer managed policies among them,
    which whoever may write a new version controls. groups: ARNs of a user's groups. trust: a role's trust policy.
    boundary: named by its ARN. unique_id: as resource policies show it (AIDA..., AROA...), if it was read. made: it
    does not exist yet, somebody makes it under a name of their choice.
    """

    arn: str
    account: str
    kind: Literal["user", "role", "root", "federated"]
    policies: Sequence[Named] = ()
    boundary: Named | None = None
    trust: Named | None = None
    managed: Sequence[str] = ()
    groups: Sequence[str] = ()
    unique_id: str = ""
    made: bool = False

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


#: Everybody can open an AWS account: whoever may write a policy or grants may name this identity in it. It is in no
#: organisation of ours, under no boundary and no SCP.
OUTSIDER = Identity(
    arn="arn:aws:iam::000000000000:user/outsider",
    account="000000000000",
    kind="user",
    policies=(Named("outsider", ANYTHING),),
)
_FENCE = re.compile(r'"iam:permissionsboundary"\s*:\s*("[^"]*"|\[[^\]]*\])', re.IGNORECASE)


def implied(identities: Sequence[Identity], accounts: Sequence[str]) -> Iterator[Identity]:
    """The identities that follow from those of the facts and from the ids of their accounts."""
    yield OUTSIDER
    for account in accounts:
        yield Identity(f"arn:aws:iam::{account}:root", account, "root")
    for provider in sorted({name for role in identities if role.trust for name in _providers(role.trust)}):
        account = provider.split(":")[4] if provider.startswith("arn:") else ""
        yield Identity(provider, account, "federated")
    for account in sorted({identity.account for identity in identities}):
        for boundary in (None, *boundaries(identities, account)):
            under = f".under.{boundary.name.rpartition('/')[2]}" if boundary else ""
            for kind in ("user", "role"):
                arn = f"arn:aws:iam::{account}:{kind}/made-by-oneself{under}"
                yield Identity(arn, account, kind, boundary=boundary, made=True)


def boundaries(identities: Sequence[Identity], account: str) -> list[Named]:
    """The permission boundaries that an identity made in an account may be under.

    Those of its identities, and those that conditions name: of these nothing is known, so they allow everything.
    """
    found = {
        identity.boundary.name: identity.boundary
        for identity in identities
        if identity.boundary is not None and identity.account == account and identity.boundary.name.startswith("arn:")
    }
    for identity in identities:
        for policy in (*identity.policies, *((identity.boundary,) if identity.boundary else ())):
            text = policy.document if isinstance(policy.document, str) else json.dumps(policy.document)
            for values in _FENCE.findall(text):
                for arn in re.findall(r'"([^"]+)"', values):
                    named = arn.replace("*", "any").replace("?", "a")
                    if named.count(":") >= 5 and named.split(":")[4] in (account, "aws", "any"):
                        found.setdefault(named, Named(named, ANYTHING))
    return [found[name] for name in sorted(found)]


def _providers(trust: Named) -> Iterator[str]:
    """The identity providers that a trust policy lets in."""
    document: Any = json.loads(trust.document) if isinstance(trust.document, str) else trust.document
    listed = document.get("Statement", []) if isinstance(document, dict) else []
    for statement in listed if isinstance(listed, list) else [listed]:
        principal = statement.get("Principal") if isinstance(statement, dict) else None
        named = principal.get("Federated", []) if isinstance(principal, dict) else []
        yield from (name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str))
