"""Signature Version 4, in the Authorization header or in a presigned query.

Every request is checked against the secret of its access key; nothing is believed that was not signed
(IAM user guide, "AWS Signature Version 4 for API requests").
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from .call import ANONYMOUS, Principal, Refuse
from .identity import Identities
from .payload import UNSIGNED

SKEW = timedelta(minutes=15)
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Signed:
    """What a request claims about its signature, before it is checked."""

    access_key: str
    date: str  # YYYYMMDD
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str
    timestamp: str  # YYYYMMDDTHHMMSSZ
    token: str
    payload: str  # x-amz-content-sha256
    expires: int | None = None  # seconds, presigned only

    @property
    def scope(self) -> str:
        """The credential scope."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def headers_of(environ: Mapping[str, Any]) -> dict[str, str]:
    """The request's headers by lower-case name."""
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    for key, name in (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length")):
        if environ.get(key):
            headers[name] = environ[key]
    return headers


def _query_pairs(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def claimed(headers: Mapping[str, str], query: str) -> Signed | None:
    """The signature a request carries; None where it carries none. Raises Refuse where it cannot be read."""
    authorization = headers.get("authorization", "")
    try:
        if authorization.startswith("AWS4-HMAC-SHA256 "):
            fields = dict(
                part.strip().split("=", 1) for part in authorization.removeprefix("AWS4-HMAC-SHA256 ").split(",")
            )
            access_key, date, region, service, terminator = fields["Credential"].split("/")
            signed = Signed(
                access_key,
                date,
                region,
                service,
                tuple(fields["SignedHeaders"].split(";")),
                fields["Signature"],
                headers.get("x-amz-date", ""),
                headers.get("x-amz-security-token", ""),
                headers.get("x-amz-content-sha256", ""),
            )
        elif "X-Amz-Signature=" in query:
            fields = dict(_query_pairs(query))
            access_key, date, region, service, terminator = fields["X-Amz-Credential"].split("/")
            if fields["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
                raise Refuse("AuthorizationQueryParametersError", "only AWS4-HMAC-SHA256 is accepted")
            expires = int(fields["X-Amz-Expires"])
            if not 1 <= expires <= 604800:
                raise Refuse("AuthorizationQueryParametersError", "X-Amz-Expires must be 1 to 604800 seconds")
            signed = Signed(
                access_key,
                date,
                region,
                service,
                tuple(fields["X-Amz-SignedHeaders"].split(";")),
                fields["X-Amz-Signature"],
                fields["X-Amz-Date"],
                fields.get("X-Amz-Security-Token", ""),
                headers.get("x-amz-content-sha256", UNSIGNED),
                expires,
            )
        elif authorization or "Signature=" in query:
            raise Refuse("InvalidRequest", "only Signature Version 4 is accepted", 400)
        else:
            return None
    except (KeyError, ValueError) as broken:
        raise Refuse("IncompleteSignature", "the request's signature cannot be read", 400) from broken
    if terminator != "aws4_request" or "host" not in signed.headers:
        raise Refuse("IncompleteSignature", "the credential scope or the signed headers are not valid", 400)
    return signed


@functools.lru_cache(maxsize=256)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of a day, Region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def canonical_request(environ: Mapping[str, Any], headers: Mapping[str, str], signed: Signed, payload: str) -> str:
    """The canonical request that the signature covers."""
    path = str(environ.get("REQUEST_URI") or quote(environ["PATH_INFO"])).partition("?")[0] or "/"
    if signed.service != "s3":
        path = quote(path, safe="/-_.~")  # every service but S3 encodes the path a second time
    pairs = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in _query_pairs(environ.get("QUERY_STRING", ""))
        if name != "X-Amz-Signature"
    ]
    query = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    canonical = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signed.headers)
    names = ";".join(signed.headers)
    return f"{environ['REQUEST_METHOD']}\n{path}\n{query}\n{canonical}\n{names}\n{payload}"


def authenticate(
    environ: Mapping[str, Any],
    headers: Mapping[str, str],
    signed: Signed | None,
    body: bytes | None,
    identities: Identities,
    now: datetime,
    wall: datetime,
) -> tuple[Principal, bytes]:
    """The principal and the signing key of a request; ANONYMOUS where nothing is signed.

    `body` is None where it is still to be read (then its hash is checked while reading). Raises Refuse with AWS's
    codes: InvalidClientTokenId, SignatureDoesNotMatch, ExpiredToken, RequestTimeTooSkewed, AccessDenied.
    """
    if signed is None:
        return ANONYMOUS, b""
    s3 = signed.service == "s3"
    secret, principal = identities.resolve(signed.access_key, signed.token, now, s3=s3)
    try:
        made = datetime.strptime(signed.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as broken:
        raise Refuse("IncompleteSignature", "x-amz-date is absent or not a time", 400) from broken
    if signed.timestamp[:8] != signed.date:
        raise Refuse("SignatureDoesNotMatch", "the credential scope is of another day than x-amz-date", 403)
    if signed.expires is None:
        if abs(wall - made) > SKEW:
            code = "RequestTimeTooSkewed" if s3 else "SignatureDoesNotMatch"
            raise Refuse(code, "the difference between the request's time and the server's is too large", 403)
    elif now > made + timedelta(seconds=signed.expires):
        raise Refuse("AccessDenied", "Request has expired", 403)
    elif made > wall + SKEW:
        raise Refuse("AccessDenied", "Request is not yet valid", 403)
    payload = _payload_hash(signed, body)
    text = canonical_request(environ, headers, signed, payload)
    key = signing_key(secret, signed.date, signed.region, signed.service)
    to_sign = f"AWS4-HMAC-SHA256\n{signed.timestamp}\n{signed.scope}\n{hashlib.sha256(text.encode()).hexdigest()}"
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signed.signature):
        raise Refuse("SignatureDoesNotMatch", "the request's signature does not match the secret of its key", 403)
    unsigned = [
        name for name in headers if name.startswith("x-amz-") and name not in signed.headers and signed.expires is None
    ]
    if unsigned:
        raise Refuse(
            "AccessDenied", f"There were headers present in the request which were not signed: {unsigned}", 403
        )
    return principal, key


def _payload_hash(signed: Signed, body: bytes | None) -> str:
    if signed.service == "s3":
        if not signed.payload:
            raise Refuse("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400)
        return signed.payload
    return hashlib.sha256(body).hexdigest() if body else _EMPTY
