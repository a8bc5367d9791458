"""Principal and NotPrincipal elements, and how closely a statement names who asks.

Closeness matters: a statement that names the account only delegates, one that names a role leaves boundary and session
policy in force, one that names the session, the user or everybody grants by itself.
Source: IAM user guide, "AWS JSON policy elements: Principal" and "NotPrincipal".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from strongroom.authorization import catalogue
from strongroom.authorization.request import Principal
from strongroom.errors import UnknownElement

_ACCOUNT = re.compile(r"[0-9]{12}|arn:[a-z0-9-]+:iam::[0-9]{12}:root")
#: Paths are ASCII without blanks (IAM user guide, "IAM identifiers"); stars and variables have no meaning here.
_IDENTITY = re.compile(
    r"arn:[a-z0-9-]+:(?:iam::[0-9]{12}:(?:user|role)|sts::[0-9]{12}:(?:assumed-role|federated-user))/[!-)+->@-~]+"
)
#: What AWS leaves in a policy when the named user or role was deleted; it matches nobody any more.
_DELETED = re.compile(r"A(?:IDA|ROA|GPA|NPA)[A-Z0-9]{8,}")


class Match(IntEnum):
    """How closely a statement names the principal; higher is closer."""

    NONE = 0
    ACCOUNT = 1
    ROLE = 2
    DIRECT = 3


@dataclass(frozen=True, slots=True)
class Principals:
    """A parsed Principal or NotPrincipal element; `accounts` holds ids and ARNs, which name one partition."""

    everybody: bool
    accounts: frozenset[str]
    arns: frozenset[str]
    services: frozenset[str]
    federated: frozenset[str]
    canonical: frozenset[str]
    negated: bool = False

    def match(self, principal: Principal) -> Match:
        """How closely the element names the principal; for NotPrincipal DIRECT if it applies to it, else NONE."""
        if self.negated:
            return Match.NONE if self._exempts(principal) else Match.DIRECT
        if self.everybody:
            return Match.DIRECT
        if principal.kind == "service":
            return Match.DIRECT if principal.arn in self.services else Match.NONE
        if principal.kind == "federated":
            return Match.DIRECT if principal.arn in self.federated else Match.NONE
        if principal.kind == "anonymous":
            return Match.NONE
        if principal.arn in self.arns:
            return Match.DIRECT
        # a canonical user id is another name of an account ("Principal", "AWS account principals")
        in_account = self._account(principal) or principal.canonical_user in self.canonical
        if principal.kind == "root":
            return Match.DIRECT if in_account else Match.NONE
        if principal.kind == "role-session" and principal.role_arn in self.arns:
            return Match.ROLE
        if principal.kind == "federated-user" and principal.user_arn in self.arns:
            return Match.ROLE
        return Match.ACCOUNT if in_account else Match.NONE

    def _account(self, principal: Principal) -> bool:
        return principal.account in self.accounts or principal.account_arn in self.accounts

    def _exempts(self, principal: Principal) -> bool:
        """True if NotPrincipal lists the principal at every level at which AWS may check it.

        The account is checked first, then the role, then the session, so each must be listed for the exemption to hold.
        """
        if self.everybody:
            return True
        if principal.kind == "service":
            return principal.arn in self.services
        if principal.kind == "federated":
            return principal.arn in self.federated
        if principal.kind == "anonymous" or not self._account(principal):
            return False
        levels = {principal.arn, principal.role_arn or principal.user_arn} if principal.kind != "root" else set()
        return levels <= self.arns


def parse_principals(element: Any, *, negated: bool, where: str) -> Principals:
    """The principals of an element; raises UnknownElement on a wildcard inside an ARN and on unknown forms."""
    if element == "*":
        element = {"AWS": "*"}
    if not isinstance(element, Mapping) or not element:
        raise UnknownElement(f"{where}: the principal is neither * nor an object", hint='write {"AWS": ARN}')
    everybody = False
    sets: dict[str, set[str]] = {
        "accounts": set(),
        "arns": set(),
        "Service": set(),
        "Federated": set(),
        "CanonicalUser": set(),
    }
    for kind, listed in element.items():
        if kind not in catalogue.PRINCIPAL_TYPES:
            raise UnknownElement(
                f"{where}: {kind} is no type of principal", hint="AWS, Service, Federated, CanonicalUser"
            )
        values = listed if isinstance(listed, list) else [listed]
        if not values:
            raise UnknownElement(f"{where}: {kind} lists nobody", hint="remove it or name somebody")
        for value in values:
            if not isinstance(value, str) or not value:
                raise UnknownElement(f"{where}: a principal of type {kind} is not a text", hint="write an ARN")
            if kind != "AWS":
                if "*" in value or "?" in value:
                    raise UnknownElement(f"{where}: {kind} {value} has a wildcard", hint="name the principal")
                sets[kind].add(value)
            elif value == "*":
                everybody = True
            elif _ACCOUNT.fullmatch(value):
                sets["accounts"].add(value)
            elif (_IDENTITY.fullmatch(value) and "${" not in value) or _DELETED.fullmatch(value):
                sets["arns"].add(value)
            else:
                raise UnknownElement(
                    f"{where}: {value!r} names no principal", hint="an ARN without wildcards, an account id, or * alone"
                )
    return Principals(
        everybody=everybody,
        accounts=frozenset(sets["accounts"]),
        arns=frozenset(sets["arns"]),
        services=frozenset(sets["Service"]),
        federated=frozenset(sets["Federated"]),
        canonical=frozenset(sets["CanonicalUser"]),
        negated=negated,
    )
