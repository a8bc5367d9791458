"""Checksums of S3 requests: Content-MD5 and x-amz-checksum-*, in headers or trailers, verified and kept.

Source: S3 user guide, "Checking object integrity". A wrong value is BadDigest, an unreadable one InvalidDigest.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import zlib
from collections.abc import Mapping
from typing import Protocol

from .call import Refuse

#: header suffix -> member name in botocore's model
NAMES = {
    "crc32": "ChecksumCRC32",
    "crc32c": "ChecksumCRC32C",
    "crc64nvme": "ChecksumCRC64NVME",
    "sha1": "ChecksumSHA1",
    "sha256": "ChecksumSHA256",
}


class _Running(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


@functools.cache
def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)


class _SlowCrc:
    """A reflected CRC by table; slow, for the two algorithms that neither Python nor zlib offers."""

    def __init__(self, polynomial: int, width: int) -> None:
        self._table, self._width, self._mask = _table(polynomial), width, (1 << width) - 1
        self._value = self._mask

    def update(self, data: bytes) -> None:
        table, value = self._table, self._value
        for byte in data:
            value = value >> 8 ^ table[(value ^ byte) & 255]
        self._value = value

    def digest(self) -> bytes:
        return (self._value ^ self._mask).to_bytes(self._width // 8, "big")


def _running(name: str) -> _Running:
    match name:
        case "crc32":
            return _Crc32()
        case "crc32c":
            return _SlowCrc(0x82F63B78, 32)
        case "crc64nvme":
            return _SlowCrc(0x9A6C9329AC4BC9B5, 64)
        case _:
            return hashlib.new(name, usedforsecurity=False)


def digest(name: str, data: bytes) -> bytes:
    """The checksum of bytes by header suffix (crc32, sha256 ...)."""
    running = _running(name)
    running.update(data)
    return running.digest()


class Checksums:
    """The checksums of one body while it is read; MD5 always, because the ETag needs it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._expected: dict[str, str] = {}
        self._running: dict[str, _Running] = {}
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._content_md5 = headers.get("content-md5", "")
        trailer = headers.get("x-amz-trailer", "").lower()
        for name in NAMES:
            header = f"x-amz-checksum-{name}"
            if header in headers:
                self._expected[name] = headers[header]
            if header in headers or header in trailer:
                self._running[name] = _running(name)
        wanted = headers.get("x-amz-sdk-checksum-algorithm", headers.get("x-amz-checksum-algorithm", "")).lower()
        if wanted in NAMES and wanted not in self._running:
            self._running[wanted] = _running(wanted)
        if self._content_md5:
            try:
                correct = len(base64.b64decode(self._content_md5, validate=True)) == 16
            except binascii.Error:
                correct = False
            if not correct:
                raise Refuse("InvalidDigest", "The Content-MD5 you specified is not valid.")

    @property
    def given(self) -> bool:
        """True if the request carries a Content-MD5 or a checksum."""
        return bool(self._content_md5 or self._running)

    def seen(self, data: bytes) -> None:
        """Takes the next bytes."""
        self._md5.update(data)
        for running in self._running.values():
            running.update(data)

    def finish(self, trailers: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        """(MD5 digest, checksums by header suffix, base64). Raises Refuse(BadDigest) where one does not match."""
        expected = dict(self._expected)
        for name in self._running:
            if f"x-amz-checksum-{name}" in trailers:
                expected[name] = trailers[f"x-amz-checksum-{name}"]
        md5 = self._md5.digest()
        if self._content_md5 and base64.b64decode(self._content_md5) != md5:
            raise Refuse("BadDigest", "The Content-MD5 you specified did not match what we received.")
        found = {name: base64.b64encode(running.digest()).decode() for name, running in self._running.items()}
        for name, value in expected.items():
            if found[name] != value:
                raise Refuse("BadDigest", f"The {name.upper()} you specified did not match the calculated checksum.")
        return md5, found
