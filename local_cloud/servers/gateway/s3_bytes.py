"""Object bytes on disk: encrypted in segments under the object's data key, read and written as streams.

A file is a row of segments of 1 MiB, each AES-256-GCM under a key of its own file (HMAC of the data key and the file's
name), with the segment's number as nonce. A range costs the segments it touches.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .call import Refuse
from .private_files import private_folder, write_private

SEGMENT = 1 << 20
_TAG = 16


class ObjectBytes:
    """The folder of object files, and the master key under which SSE-S3 data keys are wrapped."""

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder / "objects")
        self._tops: set[str] = set()
        master = folder / "master.key"
        if not master.exists():
            write_private(master, os.urandom(32))
        self._master = AESGCM(master.read_bytes())

    def new_data_key(self) -> tuple[bytes, bytes]:
        """(plain, wrapped) of a data key under S3's own master key."""
        key, nonce = os.urandom(32), os.urandom(12)
        return key, nonce + self._master.encrypt(nonce, key, b"sse-s3")

    def unwrap(self, wrapped: bytes) -> bytes:
        """The data key of an SSE-S3 object."""
        return self._master.decrypt(wrapped[:12], wrapped[12:], b"sse-s3")

    def _path(self, name: str) -> Path:
        top = name[:2]
        if top not in self._tops:
            private_folder(self._folder / top)
            self._tops.add(top)
        return self._folder / top / name

    @staticmethod
    def _cipher(data_key: bytes, name: str) -> AESGCM:
        return AESGCM(hmac.new(data_key, name.encode(), hashlib.sha256).digest())

    def write(self, data_key: bytes, read: Callable[[int], bytes], seen: Callable[[bytes], None]) -> tuple[str, int]:
        """Stores a stream; returns (file, plain size). `seen` gets every piece of plain bytes.

        Nothing is left behind when `read` raises.
        """
        name = secrets.token_hex(16)
        cipher, path = self._cipher(data_key, name), self._path(name)
        size = number = 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                for segment in _segments(read, seen):
                    file.write(cipher.encrypt(number.to_bytes(12, "big"), segment, None))
                    size, number = size + len(segment), number + 1
        except BaseException:
            path.unlink()
            raise
        return name, size

    def read(self, data_key: bytes, files: Iterable[tuple[str, int]], start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end) of an object made of files. Raises Refuse (InternalError) if a file was changed."""
        offset = 0
        for name, size in files:
            first, last = max(start - offset, 0), min(end - offset, size)
            if first < last:
                yield from self._read_file(data_key, name, first, last)
            offset += size
            if offset >= end:
                return

    def _read_file(self, data_key: bytes, name: str, start: int, end: int) -> Iterator[bytes]:
        cipher = self._cipher(data_key, name)
        with self._path(name).open("rb", buffering=0) as file:
            for number in range(start // SEGMENT, (end - 1) // SEGMENT + 1):
                file.seek(number * (SEGMENT + _TAG))
                try:
                    plain = cipher.decrypt(number.to_bytes(12, "big"), file.read(SEGMENT + _TAG), None)
                except InvalidTag:
                    raise Refuse("InternalError", "the object's file was changed on disk", 500) from None
                base = number * SEGMENT
                yield plain[max(start - base, 0) : end - base]

    def drop(self, names: Iterable[str]) -> None:
        """Deletes files."""
        for name in names:
            self._path(name).unlink(missing_ok=True)


def _segments(read: Callable[[int], bytes], seen: Callable[[bytes], None]) -> Iterator[bytes]:
    buffer = bytearray()
    while piece := read(SEGMENT):
        seen(piece)
        if not buffer and len(piece) == SEGMENT:
            yield piece
            continue
        buffer += piece
        while len(buffer) >= SEGMENT:
            yield bytes(buffer[:SEGMENT])
            del buffer[:SEGMENT]
    if buffer:
        yield bytes(buffer)
