"""OpenID Connect issuers of the laptop: whom the gateway believes, by key files instead of the internet.

AWS fetches an issuer's keys from `ISSUER/.well-known/openid-configuration`. The gateway asks nobody: it reads
`home/cloud/issuers/*.json`, each `{"issuer": URL, "jwks": {"keys": [...]}, "revoked": [jti, ...]}` (RFC 7517). A file
takes effect at the next call. `LocalIssuer` is such an issuer: a CI system or an identity provider at one's desk.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .private_files import private_folder, write_private

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
Algorithm = Literal["RS256", "ES256"]


def encode(data: bytes) -> str:
    """base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of base64url without padding; raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@dataclass(frozen=True)
class Issuer:
    """What is known of an issuer: its keys by id and algorithm, and the tokens it takes back."""

    url: str
    keys: Mapping[tuple[str, str], PublicKey]
    revoked: frozenset[str]


def _read(path: Path) -> Issuer:
    stored = json.loads(path.read_bytes())
    keys: dict[tuple[str, str], PublicKey] = {}
    for row in stored["jwks"]["keys"]:
        number = {name: int.from_bytes(decode(row[name])) for name in ("n", "e", "x", "y") if name in row}
        if row["kty"] == "RSA":
            keys[row["kid"], "RS256"] = rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()
        elif (row["kty"], row["crv"]) == ("EC", "P-256"):
            point = ec.EllipticCurvePublicNumbers(number["x"], number["y"], ec.SECP256R1())
            keys[row["kid"], "ES256"] = point.public_key()
    return Issuer(stored["issuer"], keys, frozenset(stored.get("revoked", ())))


class Issuers:
    """The issuers whose keys lie in a folder; each file is read again when it changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[int, Issuer]] = {}

    def find(self, url: str) -> Issuer | None:
        """The issuer of a URL; None where no file speaks of it. Raises ValueError where a file cannot be read."""
        for path in sorted(self._folder.glob("*.json")):
            stamp = path.stat().st_mtime_ns
            if self._read.get(path, (0,))[0] != stamp:
                try:
                    self._read[path] = (stamp, _read(path))
                except (KeyError, TypeError, ValueError) as broken:
                    raise ValueError(f"{path} is not an issuer's key file") from broken
            if self._read[path][1].url == url:
                return self._read[path][1]
        return None


class LocalIssuer:
    """An issuer that signs tokens itself; its private key stays in home/issuers (0600), its public key is published."""

    def __init__(self, home: Path, url: str, algorithm: Algorithm = "RS256") -> None:
        """Makes the key at first use, and publishes it to the gateway of the same home."""
        self.url, self.algorithm = url, algorithm
        name = hashlib.sha256(f"{url} {algorithm}".encode()).hexdigest()[:16]
        self._private = private_folder(home / "issuers") / f"{name}.pem"
        self._public = private_folder(home / "cloud" / "issuers") / f"{name}.json"
        if not self._private.exists():
            made = (
                rsa.generate_private_key(65537, 2048)
                if algorithm == "RS256"
                else ec.generate_private_key(ec.SECP256R1())
            )
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            write_private(self._private, made.private_bytes(*form))
        self._key = serialization.load_pem_private_key(self._private.read_bytes(), None)
        self.kid = name
        self.publish()

    def publish(self, revoked: tuple[str, ...] = ()) -> None:
        """Writes the key file, with the ids of the tokens that are taken back."""
        jwk = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        public = self._key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            jwk |= {"kty": "RSA", "n": encode(numbers.n.to_bytes(256)), "e": encode(numbers.e.to_bytes(3))}
        else:
            assert isinstance(public, ec.EllipticCurvePublicKey)
            point = public.public_numbers()
            jwk |= {"kty": "EC", "crv": "P-256", "x": encode(point.x.to_bytes(32)), "y": encode(point.y.to_bytes(32))}
        stored = {"issuer": self.url, "jwks": {"keys": [jwk]}, "revoked": list(revoked)}
        write_private(self._public, json.dumps(stored).encode())

    def token(self, subject: str, audience: str, *, lifetime: timedelta = timedelta(minutes=10), **claims: Any) -> str:
        """A signed token (RFC 7519, compact form); `claims` add to or replace iss, sub, aud, iat, exp."""
        now = datetime.now(UTC)
        stamp = {"iat": int(now.timestamp()), "exp": int((now + lifetime).timestamp())}
        body = {"iss": self.url, "sub": subject, "aud": audience, **stamp, **claims}
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid}
        text = ".".join(encode(json.dumps(part).encode()) for part in (header, body))
        return f"{text}.{encode(self._sign(text.encode()))}"

    def _sign(self, text: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        pair = decode_dss_signature(self._key.sign(text, ec.ECDSA(hashes.SHA256())))
        return b"".join(number.to_bytes(32) for number in pair)
