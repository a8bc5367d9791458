"""Digest files: signed lists of a trail's log files, each bound to the one before, so that a missing file shows.

Source: CloudTrail user guide, "CloudTrail digest file structure" and "Custom implementations of CloudTrail log file
integrity validation"; `aws cloudtrail validate-logs` follows the same steps.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .private_files import write_private

ALGORITHM = "SHA256withRSA"
#: How often a digest is due, by the gateway's clock.
EVERY = timedelta(hours=1)


def utc(moment: datetime) -> str:
    """2026-01-31T10:00:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Chain:
    """The digests of one trail in one Region: what the next one will list, and the last one it is bound to."""

    since: str
    files: list[dict[str, str]] = field(default_factory=list)
    previous: dict[str, str] | None = None  # bucket, object, hash, signature


class DigestKey:
    """The RSA key that signs digests; made at its first use and kept in a file (0600)."""

    def __init__(self, path: Path, now: datetime) -> None:
        if not path.exists():
            made = rsa.generate_private_key(65537, 2048)
            pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            write_private(path, made.private_bytes(*pem))
        private = serialization.load_pem_private_key(path.read_bytes(), None)
        assert isinstance(private, rsa.RSAPrivateKey)
        self._private, self.since = private, now
        #: PKCS #1 DER, as ListPublicKeys answers it.
        self.public = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
        self.fingerprint = hashlib.md5(self.public, usedforsecurity=False).hexdigest()

    def sign(self, text: str) -> str:
        """The signature in hexadecimal."""
        return self._private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()


@dataclass(frozen=True)
class Digest:
    """A digest ready to be put: its object, its uncompressed bytes, its signature."""

    name: str
    content: bytes
    signature: str
    end: str

    @property
    def link(self) -> dict[str, str]:
        """What the next digest says of this one."""
        return {
            "object": self.name,
            "hash": hashlib.sha256(self.content).hexdigest(),
            "signature": self.signature,
        }


def log_file(bucket: str, name: str, content: bytes, events: list[dict[str, Any]]) -> dict[str, str]:
    """The row of one log file; its hash is over the uncompressed bytes."""
    times = sorted(event["eventTime"] for event in events)
    return {
        "s3Bucket": bucket,
        "s3Object": name,
        "hashValue": hashlib.sha256(content).hexdigest(),
        "hashAlgorithm": "SHA-256",
        "newestEventTime": times[-1],
        "oldestEventTime": times[0],
    }


def compose(
    key: DigestKey, chain: Chain, now: datetime, *, account: str, region: str, trail: str, home: str, bucket: str,
    prefix: str,
) -> Digest:  # fmt: skip
    """The next digest of a chain. Its end is later than its start, so that no two digests have one name."""
    start = datetime.strptime(chain.since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    end = max(now, start + timedelta(seconds=1))
    name = (
        f"{prefix}AWSLogs/{account}/CloudTrail-Digest/{region}/{end:%Y/%m/%d}/"
        f"{account}_CloudTrail-Digest_{region}_{trail}_{home}_{end:%Y%m%dT%H%M%SZ}.json.gz"
    )
    times = [row[f"{which}EventTime"] for row in chain.files for which in ("newest", "oldest")]
    previous = chain.previous or {}
    document = {
        "awsAccountId": account,
        "digestStartTime": chain.since,
        "digestEndTime": utc(end),
        "digestS3Bucket": bucket,
        "digestS3Object": name,
        "digestPublicKeyFingerprint": key.fingerprint,
        "digestSignatureAlgorithm": ALGORITHM,
        "newestEventTime": max(times, default=None),
        "oldestEventTime": min(times, default=None),
        "previousDigestS3Bucket": previous.get("bucket"),
        "previousDigestS3Object": previous.get("object"),
        "previousDigestHashValue": previous.get("hash"),
        "previousDigestHashAlgorithm": "SHA-256" if previous else None,
        "previousDigestSignature": previous.get("signature"),
        "logFiles": chain.files,
    }
    content = json.dumps(document, separators=(",", ":")).encode()
    hashed = hashlib.sha256(content).hexdigest()
    text = f"{utc(end)}\n{bucket}/{name}\n{hashed}\n{previous.get('signature') or 'null'}"
    return Digest(name, content, key.sign(text), utc(end))
