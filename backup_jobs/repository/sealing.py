"""Keys and sealed envelopes of the repository: HKDF-SHA-256 (RFC 5869) and AES-256-GCM (SP 800-38D).

Every sealed thing has a key of its own, derived with a random 256-bit salt, so no nonce is ever used twice under one
key: a pack's blobs take their offset as nonce, a single sealed object takes zero.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backup_jobs.repository.layout import BLOB_LIMIT
from strongroom.errors import Corrupt

SALT = 32
TAG = 16
RAW, ZSTD = 0, 1
_ZERO_NONCE = bytes(12)


def derive(key: bytes, info: str, salt: bytes = b"", length: int = 32) -> bytes:
    """HKDF-SHA-256 of `key` for one purpose; `info` is written as ASCII."""
    return HKDF(hashes.SHA256(), length, salt or None, info.encode()).derive(key)


def commitment(run_key: bytes) -> str:
    """HKDF(run key, "commit/v1"), 64 hex digits: AES-GCM alone does not bind a ciphertext to one key."""
    return derive(run_key, "commit/v1").hex()


def length_prefixed(*parts: bytes) -> bytes:
    """Each part behind its length as u32 big-endian, so that no two lists of parts give the same bytes."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


@dataclass(frozen=True)
class IdKeys:
    """What the repository's id key is used for, one derived key a purpose."""

    ids: bytes = field(repr=False)
    paths: bytes = field(repr=False)
    index: bytes = field(repr=False)
    cache: bytes = field(repr=False)
    chunker_seed: int = field(repr=False)

    @classmethod
    def of(cls, id_key: bytes) -> IdKeys:
        """Derives all from `id_key` (the KMS GenerateMac output over "id/v1|<repository>")."""
        seed = int.from_bytes(derive(id_key, "chunker/v1", length=8), "big") >> 1
        ids, paths, index, cache = (derive(id_key, f"{use}/v1") for use in ("ids", "paths", "index", "cache"))
        return cls(ids, paths, index, cache, seed)


def seal(magic: bytes, key: bytes, aad: bytes, plaintext: bytes) -> bytes:
    """One sealed object: magic, salt, then AES-256-GCM of zstd(plaintext) under HKDF(key, salt, magic)."""
    salt = os.urandom(SALT)
    body = zstandard.ZstdCompressor(level=1).compress(plaintext)
    return magic + salt + AESGCM(derive(key, magic.decode(), salt)).encrypt(_ZERO_NONCE, body, magic + aad)


def unseal(magic: bytes, key: bytes, aad: bytes, data: bytes, name: str, limit: int = 1 << 30) -> bytes:
    """The plaintext of `seal`; Corrupt names the object when anything differs."""
    head = len(magic) + SALT
    if data[: len(magic)] != magic or len(data) < head + TAG:
        raise Corrupt(f"{name} is not a {magic.decode()} object")
    try:
        body = AESGCM(derive(key, magic.decode(), data[len(magic) : head])).decrypt(
            _ZERO_NONCE, data[head:], magic + aad
        )
    except InvalidTag:
        raise Corrupt(f"{name} does not authenticate: changed bytes, another run's object or another key") from None
    return inflate(body, name, limit)


def inflate(body: bytes, name: str, limit: int = BLOB_LIMIT) -> bytes:
    """zstd content whose frame states its size; Corrupt when it is damaged or larger than `limit` bytes."""
    try:
        size = zstandard.frame_content_size(body)
        if not 0 <= size <= limit:
            raise Corrupt(f"{name}: {size} bytes after decompression, at most {limit} are allowed")
        return zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Corrupt(f"{name} does not decompress ({error})") from None
