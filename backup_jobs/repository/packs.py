"""Packs: blobs compressed, encrypted and laid one behind the other, named by the SHA-256 of the whole.

    "SRPACK1\\n" salt[32] frame*        frame = length u32 big-endian, codec u8 (0 raw, 1 zstd), AES-256-GCM[length]

Key: HKDF(run key, salt, "pack/v1"). Nonce: the frame's offset in the pack, 12 bytes big-endian.
AAD: length-prefixed "pack/v1", repository, run, salt, then offset u64 and codec u8. A frame therefore opens at its
own place in its own pack only.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backup_jobs.repository.layout import BLOB_LIMIT, pack_name
from backup_jobs.repository.sealing import RAW, SALT, TAG, ZSTD, derive, inflate, length_prefixed
from strongroom.errors import Corrupt

MAGIC = b"SRPACK1\n"
HEADER = len(MAGIC) + SALT
FRAME = struct.Struct(">IB")
_PLACE = struct.Struct(">QB")
#: Compressing must save a sixteenth, else restoring would pay for nothing.
_WORTH = 16


class PackCipher:
    """Seals and opens the frames of one pack; thread-safe."""

    def __init__(self, repo: str, run: str, run_key: bytes, salt: bytes) -> None:
        self._aead = AESGCM(derive(run_key, "pack/v1", salt))
        self._prefix = length_prefixed(b"pack/v1", repo.encode(), run.encode(), salt)

    def seal(self, offset: int, codec: int, body: bytes) -> bytes:
        """The frame of a compressed blob at `offset`."""
        sealed = self._aead.encrypt(offset.to_bytes(12, "big"), body, self._prefix + _PLACE.pack(offset, codec))
        return FRAME.pack(len(sealed), codec) + sealed

    def open(self, offset: int, frame: bytes | memoryview, pack: str) -> bytes:
        """The blob of a whole frame that lies at `offset`; Corrupt names the pack and the offset."""
        where = f"{pack_name(pack)} at offset {offset}"
        if len(frame) < FRAME.size + TAG:
            raise Corrupt(f"{where}: cut off")
        length, codec = FRAME.unpack_from(frame)
        if length != len(frame) - FRAME.size or codec not in (RAW, ZSTD):
            raise Corrupt(f"{where}: the frame's length or codec is wrong")
        try:
            body = self._aead.decrypt(
                offset.to_bytes(12, "big"), frame[FRAME.size :], self._prefix + _PLACE.pack(offset, codec)
            )
        except InvalidTag:
            raise Corrupt(f"{where}: does not authenticate") from None
        if codec == ZSTD:
            return inflate(body, where)
        if len(body) > BLOB_LIMIT:
            raise Corrupt(f"{where}: a blob of {len(body)} bytes, at most {BLOB_LIMIT} are allowed")
        return body


class PackBuilder:
    """One open pack in memory. Not thread-safe: each worker has its own."""

    def __init__(self, repo: str, run: str, run_key: bytes, compressor: zstandard.ZstdCompressor) -> None:
        salt = os.urandom(SALT)
        self._cipher = PackCipher(repo, run, run_key, salt)
        self._compressor = compressor
        self._frames = [MAGIC + salt]
        self.size = HEADER

    def add(self, raw: bytes) -> tuple[int, int]:
        """Compresses, encrypts and appends a blob; returns (offset, length) of its frame."""
        body = self._compressor.compress(raw)
        codec = ZSTD
        if len(body) > len(raw) - len(raw) // _WORTH:
            body, codec = raw, RAW
        frame = self._cipher.seal(self.size, codec, body)
        place = (self.size, len(frame))
        self._frames.append(frame)
        self.size += len(frame)
        return place

    def finish(self) -> tuple[str, bytes]:
        """(SHA-256, bytes) of the pack; the builder is empty afterwards."""
        data = b"".join(self._frames)
        self._frames.clear()
        return hashlib.sha256(data).hexdigest(), data


def salt_of(header: bytes, pack: str) -> bytes:
    """The salt in a pack's first HEADER bytes; Corrupt when it is no pack."""
    if len(header) < HEADER or header[: len(MAGIC)] != MAGIC:
        raise Corrupt(f"{pack_name(pack)} does not begin like a pack")
    return header[len(MAGIC) : HEADER]


def frames_of(data: bytes, pack: str) -> Iterator[tuple[int, memoryview]]:
    """(offset, frame) of every frame; Corrupt when the last one is cut off."""
    salt_of(data[:HEADER], pack)
    view, offset = memoryview(data), HEADER
    while offset < len(data):
        if offset + FRAME.size > len(data):
            raise Corrupt(f"{pack_name(pack)} at offset {offset}: cut off")
        end = offset + FRAME.size + FRAME.unpack_from(view, offset)[0]
        if end > len(data):
            raise Corrupt(f"{pack_name(pack)} at offset {offset}: cut off")
        yield offset, view[offset:end]
        offset = end
