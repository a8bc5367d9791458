"""KMS grants: permissions that a key carries beside its policy, for named operations and encryption contexts.

Source: KMS developer guide, "Grants in AWS KMS" and "Using grant constraints". A grant only allows; a Deny in any
policy still wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from strongroom.authorization.principals import Match
from strongroom.authorization.request import Principal, Request
from strongroom.errors import UnknownElement

OPERATIONS = frozenset(
    {
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
        "Sign",
        "Verify",
        "GetPublicKey",
        "CreateGrant",
        "RetireGrant",
        "DescribeKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateMac",
        "VerifyMac",
        "DeriveSharedSecret",
        "Encapsulate",
        "Decapsulate",
    }
)
#: Operations without an encryption context, which constraints on it do not restrict.
_WITHOUT_CONTEXT = frozenset({"kms:describekey", "kms:retiregrant"})
_CONSTRAINTS = frozenset({"EncryptionContextSubset", "EncryptionContextEquals", "SourceArn"})


@dataclass(frozen=True)
class Grant:
    """One grant as ListGrants shows it; `grantee` is an ARN or a service principal."""

    id: str
    key: str
    grantee: str
    operations: frozenset[str]
    constraints: Mapping[str, object] = field(default_factory=dict)
    retiring: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        unknown = sorted((set(self.operations) - OPERATIONS) | (set(self.constraints) - _CONSTRAINTS))
        if unknown:
            raise UnknownElement(f"grant {self.id}: {unknown[0]} is not known", hint="see CreateGrant")
        for kind in ("EncryptionContextEquals", "EncryptionContextSubset"):
            if not isinstance(self.constraints.get(kind, {}), Mapping):
                raise UnknownElement(f"grant {self.id}: {kind} is not a set of pairs", hint="see CreateGrant")

    def match(self, request: Request) -> Match:
        """How closely the grant covers the request: NONE, ROLE if it names the session's role, else DIRECT."""
        if request.resource != self.key:
            return Match.NONE
        if request.action_key == "kms:retiregrant" and self.retiring and _names(self.retiring, request.principal):
            return _names(self.retiring, request.principal)
        match = _names(self.grantee, request.principal)
        if not match or request.action_key not in {f"kms:{operation.lower()}" for operation in self.operations}:
            return Match.NONE
        return match if self._constraints_hold(request) else Match.NONE

    def covers(self, child: Grant) -> bool:
        """True if a principal whose CreateGrant comes from this grant may create `child`.

        The child's operations are among these, and its constraints are at least as strict (KMS developer guide,
        "Granting CreateGrant permission").
        """
        if not set(child.operations) <= set(self.operations):
            return False
        equals, subset = _pairs(self.constraints, "Equals"), _pairs(self.constraints, "Subset")
        child_equals, child_subset = _pairs(child.constraints, "Equals"), _pairs(child.constraints, "Subset")
        if equals is not None and child_equals != equals:
            return False
        if subset is not None:
            required = child_equals if child_equals is not None else child_subset
            if required is None or not subset.items() <= required.items():
                return False
        source = self.constraints.get("SourceArn")
        return source is None or child.constraints.get("SourceArn") == source

    def _constraints_hold(self, request: Request) -> bool:
        source = self.constraints.get("SourceArn")
        if source is not None and request.facts.get("aws:sourcearn") != source:
            return False
        if request.action_key in _WITHOUT_CONTEXT:
            return True
        given = request.encryption_context
        equals, subset = _pairs(self.constraints, "Equals"), _pairs(self.constraints, "Subset")
        if equals is not None and equals != given:
            return False
        return subset is None or subset.items() <= given.items()


def _pairs(constraints: Mapping[str, object], kind: str) -> Mapping[str, str] | None:
    """The encryption context of a constraint of one kind, None if there is none."""
    pairs = constraints.get(f"EncryptionContext{kind}")
    return {str(key): str(value) for key, value in pairs.items()} if isinstance(pairs, Mapping) else None


def _names(who: str, principal: Principal) -> Match:
    """How closely a grantee or retiring principal names who asks."""
    if who == principal.arn:
        return Match.DIRECT
    if principal.kind == "role-session" and who == principal.role_arn:
        return Match.ROLE
    if principal.kind == "federated-user" and who == principal.user_arn:
        return Match.ROLE
    return Match.NONE
