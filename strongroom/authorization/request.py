"""A request as IAM sees it: who asks, for which action, on which resource, in which context."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from strongroom.errors import UnknownElement, UsageError

Kind = Literal["user", "role-session", "root", "federated-user", "federated", "service", "anonymous"]
#: What a context key may hold. A tuple, list or set makes the key multi-valued, whatever its length.
Value = str | bool | int | float | bytes | datetime | Sequence[str] | Set[str] | None

_PRINCIPAL_TYPES = {
    "user": "User",
    "role-session": "AssumedRole",
    "root": "Account",
    "federated-user": "FederatedUser",
    "anonymous": "Anonymous",
}


@dataclass(frozen=True)
class Principal:
    """Who asks.

    kind            arn                                                     account
    user            arn:aws:iam::A:user/path/name                           A
    role-session    arn:aws:sts::A:assumed-role/ROLE/SESSION, and role_arn  A
    root            arn:aws:iam::A:root                                     A
    federated-user  arn:aws:sts::A:federated-user/name (GetFederationToken) A
                    and federated_by, the ARN of the user who asked for the session; else the user of the same name
    federated       the identity provider (an ARN, or the host name of a web identity provider); before AssumeRole only
    service         the service principal, e.g. backup.amazonaws.com        ""
    anonymous       *                                                       ""
    """

    arn: str
    account: str
    kind: Kind
    role_arn: str = ""
    session_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    user_id: str = ""
    canonical_user: str = ""
    federated_by: str = ""

    def __post_init__(self) -> None:
        if self.kind == "role-session" and not self.role_arn:
            raise UsageError(
                f"principal {self.arn} is a role session without role_arn", hint="name the role's full ARN"
            )

    @cached_property
    def user_arn(self) -> str:
        """The IAM user a federated-user session was made by, else the principal's own ARN."""
        if self.kind != "federated-user":
            return self.arn
        if self.federated_by:
            return self.federated_by
        return self.arn.replace(":sts:", ":iam:", 1).replace(":federated-user/", ":user/", 1)

    @cached_property
    def account_arn(self) -> str:
        """The ARN of the principal's account in its partition, '' where it has none."""
        return f"arn:{self.arn.split(':')[1]}:iam::{self.account}:root" if self.account else ""

    @cached_property
    def service_linked(self) -> bool:
        """True for sessions of service-linked roles, which neither SCPs nor RCPs restrict."""
        # in the resource part only: a path of one's own may hold the same letters after a colon
        return self.role_arn.split(":", 5)[-1].startswith("role/aws-service-role/")

    def context(self) -> dict[str, str | tuple[str, ...]]:
        """The context keys that follow from who asks (global condition context keys, "Properties of the principal")."""
        keys: dict[str, str | tuple[str, ...]] = {"aws:principalisawsservice": "false"}
        if self.kind == "service":
            keys |= {"aws:principalisawsservice": "true", "aws:principalservicename": self.arn}
            return keys
        if self.kind in _PRINCIPAL_TYPES:
            keys["aws:principaltype"] = _PRINCIPAL_TYPES[self.kind]
        if self.kind in ("federated", "anonymous"):
            return keys
        keys["aws:principalarn"] = self.role_arn or self.arn
        keys["aws:principalaccount"] = self.account
        if self.user_id:
            keys["aws:userid"] = self.user_id
        if self.kind == "user":
            keys["aws:username"] = self.arn.rsplit("/", 1)[-1]
        for name, value in self.tags.items():
            _put(keys, f"aws:PrincipalTag/{name}", value)
        return keys


@dataclass(frozen=True)
class Request:
    """One request.

    action: `service:Operation`, any case. resource: the ARN, or `*` where the action has no resource.
    context: condition keys in any case; keys that follow from the principal or resource are filled in unless given.
    resource_account: needed where the ARN names none (S3); else taken from the ARN, and for `*` from the principal.
    """

    principal: Principal
    action: str
    resource: str
    context: Mapping[str, Value] = field(default_factory=dict)
    resource_account: str = ""

    @cached_property
    def action_key(self) -> str:
        """The action in lower case: actions are not case-sensitive."""
        return self.action.lower()

    @cached_property
    def service(self) -> str:
        """The service prefix of the action."""
        return self.action_key.partition(":")[0]

    @cached_property
    def owner(self) -> str:
        """The account that owns the resource; raises UsageError where nothing says it."""
        if self.resource_account:
            return self.resource_account
        parts = self.resource.split(":", 5)
        if len(parts) == 6 and parts[4]:
            return parts[4]
        if self.resource != "*":
            raise UsageError(f"the resource {self.resource} names no account", hint="give an ARN and resource_account")
        return self.principal.account

    @cached_property
    def facts(self) -> Mapping[str, str | tuple[str, ...]]:
        """The context in the form conditions read: lower-case keys, text values, tuples for multi-valued keys."""
        facts: dict[str, str | tuple[str, ...]] = self.principal.context()
        if self.resource_account:
            facts["aws:resourceaccount"] = self.resource_account
        given: dict[str, str | tuple[str, ...]] = {}
        for key, value in self.context.items():
            normal = _normal(value)
            if normal is None:
                facts.pop(key.lower(), None)
            else:
                _put(given, key, normal)
        return facts | given

    @cached_property
    def encryption_context(self) -> Mapping[str, str]:
        """The KMS encryption context with its own case, from the keys `kms:EncryptionContext:NAME`."""
        prefix = "kms:encryptioncontext:"
        return {
            key[len(prefix) :]: str(value)
            for key, value in self.context.items()
            if value is not None and key.lower().startswith(prefix)
        }


def _put(keys: dict[str, str | tuple[str, ...]], key: str, value: str | tuple[str, ...]) -> None:
    """Adds a context key; raises UnknownElement where case or Unicode folding makes two keys one.

    Tags and encryption contexts may have names that differ in case alone, which conditions do not: AWS documents no
    choice between them ("Controlling access using tags"), and either might be the one that somebody chose.
    """
    lowered = key.lower()
    if keys.setdefault(lowered, value) != value or (lowered.isascii() and not key.isascii()):
        raise UnknownElement(f"request: the context key {key} is another one in other letters", hint="send one of them")


def _normal(value: Value) -> str | tuple[str, ...] | None:
    """A context value as text, or as a tuple of texts; None and empty sets count as absent."""
    if isinstance(value, str):
        return value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise UsageError("a time in the request context has no time zone", hint="use an aware datetime")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return tuple(str(item) for item in value) or None
