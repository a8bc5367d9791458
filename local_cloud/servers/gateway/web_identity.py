"""AssumeRoleWithWebIdentity: a token of an OpenID Connect provider of the role's account, and what its claims say.

Source: STS API reference, "AssumeRoleWithWebIdentity"; IAM user guide, "Create an OpenID Connect identity provider" and
"Available keys for AWS OIDC federation"; RFC 7515, 7518, 7519.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from strongroom.authorization.documents import Named
from strongroom.authorization.request import Principal as Subject

from .access import Demand
from .call import Call, Refuse
from .identity import iam_of, role_by_arn, tags_of
from .issuers import Issuers, PublicKey, decode

ACTION = "sts:AssumeRoleWithWebIdentity"
_TAGS, _SOURCE = "https://aws.amazon.com/tags", "https://aws.amazon.com/source_identity"


@dataclass(frozen=True)
class WebIdentity:
    """What a token says that was signed by a provider of the account."""

    provider: str  # ARN
    issuer: str  # as condition keys spell it, without https://
    subject: str
    audience: str
    original_audience: str
    methods: tuple[str, ...]
    tags: Mapping[str, str]
    source_identity: str

    def context(self) -> dict[str, Any]:
        """The condition keys of the identity."""
        keys: dict[str, Any] = {f"{self.issuer}:sub": self.subject, f"{self.issuer}:aud": self.audience}
        if self.original_audience:
            keys[f"{self.issuer}:oaud"] = self.original_audience
        if self.methods:
            keys[f"{self.issuer}:amr"] = self.methods
        keys |= {f"aws:RequestTag/{name}": value for name, value in self.tags.items()}
        if self.tags:
            keys["aws:TagKeys"] = tuple(self.tags)
        if self.source_identity:
            keys["sts:SourceIdentity"] = self.source_identity
        return keys


def _invalid(message: str) -> Refuse:
    return Refuse("InvalidIdentityToken", message, 400)


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """(header, claims, signed text, signature) of a compact token."""
    pieces = token.split(".")
    try:
        header, claims, signature = json.loads(decode(pieces[0])), json.loads(decode(pieces[1])), decode(pieces[2])
    except (IndexError, ValueError) as broken:
        raise _invalid("The ID Token provided is not a valid JWT.") from broken
    if len(pieces) != 3 or not isinstance(header, dict) or not isinstance(claims, dict):
        raise _invalid("The ID Token provided is not a valid JWT.")
    return header, claims, f"{pieces[0]}.{pieces[1]}".encode(), signature


def _signed(key: PublicKey, text: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        else:
            pair = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
            der = encode_dss_signature(*pair) if len(signature) == 64 else b""
            key.verify(der, text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _when(claims: Mapping[str, Any], name: str) -> datetime:
    if not isinstance(claims.get(name), int | float):
        raise _invalid(f"Missing a required claim: {name}")
    return datetime.fromtimestamp(claims[name], UTC)


def verify(issuers: Issuers, account: str, token: str, now: datetime) -> WebIdentity:
    """The identity of a token for roles of an account.

    Raises Refuse: InvalidIdentityToken (form, provider, key, signature, audience, missing claim),
    ExpiredTokenException, IDPRejectedClaim (not valid yet, or taken back by the issuer).
    """
    header, claims, text, signature = _parts(token)
    url = claims.get("iss")
    providers = {f"https://{row.url}": row for row in list(iam_of(account).open_id_providers.values())}
    provider = providers.get(str(url))
    if provider is None:
        raise _invalid(f"No OpenIDConnect provider found in your account for {url}")
    issuer = issuers.find(str(url))
    key = issuer.keys.get((str(header.get("kid")), str(header.get("alg")))) if issuer is not None else None
    if issuer is None or key is None:
        raise _invalid("Couldn't retrieve verification key from your identity provider")
    if not _signed(key, text, signature):
        raise _invalid("The ID Token's signature does not match the keys of its issuer")
    expires = _when(claims, "exp")
    if now >= expires:
        raise Refuse("ExpiredTokenException", f"Token expired: current date/time {now} must be before {expires}", 400)
    if _when(claims, "iat") > now or ("nbf" in claims and _when(claims, "nbf") > now):
        raise Refuse("IDPRejectedClaim", "The token is not valid yet.", 403)
    if claims.get("jti") in issuer.revoked:
        raise Refuse("IDPRejectedClaim", "The identity provider has taken the token back.", 403)
    return _identity(provider, claims)


def _identity(provider: Any, claims: Mapping[str, Any]) -> WebIdentity:
    listed = claims.get("aud")
    audiences = [listed] if isinstance(listed, str) else list(listed or ())
    party = claims.get("azp")  # then this is the audience, and what stood in aud is the original one
    audience = party or next((name for name in audiences if name in provider.client_id_list), "")
    if not audience or audience not in provider.client_id_list:
        raise _invalid("Incorrect token audience")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise _invalid("Missing a required claim: sub")
    given = claims.get(_TAGS, {}).get("principal_tags", {})
    return WebIdentity(
        provider.arn,
        provider.url,
        claims["sub"],
        audience,
        audiences[0] if party and audiences else "",
        tuple(claims.get("amr", ())),
        {str(name): str(value[0] if isinstance(value, list) else value) for name, value in given.items()},
        str(claims.get(_SOURCE, "")),
    )


def demands(issuers: Issuers, call: Call) -> list[Demand]:
    """What AssumeRoleWithWebIdentity needs: a token that holds, and a trust policy that names its provider."""
    arn = call.params["RoleArn"]
    parts = arn.split(":")
    if len(parts) != 6 or not parts[4].isdigit():
        raise Refuse("ValidationError", f"{arn} is not the ARN of a role")
    identity = verify(issuers, parts[4], call.params["WebIdentityToken"], call.now)
    role = role_by_arn(arn)
    # a role that does not exist is refused as one that does not trust the provider
    text = role.assume_role_policy_document if role is not None else '{"Statement": []}'
    policy = Named(f"trust policy of {arn}", text if isinstance(text, str) else json.dumps(text))
    context = {**identity.context(), "sts:RoleSessionName": call.params.get("RoleSessionName", "")}
    for name, value in tags_of(role.tags if role is not None else ()).items():
        context |= {f"iam:ResourceTag/{name}": value, f"aws:ResourceTag/{name}": value}
    actions = [ACTION]
    actions += ["sts:TagSession"] if identity.tags else []
    actions += ["sts:SetSourceIdentity"] if identity.source_identity else []
    actor = Subject(identity.provider, "", "federated")
    return [Demand(action, arn, context, policy=policy, actor=actor) for action in actions]
