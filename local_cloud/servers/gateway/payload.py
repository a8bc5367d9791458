"""The bytes of a request as they were signed: plain, hashed, or in aws-chunked pieces with trailers.

Objects are read piece by piece; a wrong hash, chunk signature or length shows at the end, before anything is
committed (AWS: "Signature calculations for the Authorization header: transferring a payload in multiple chunks").
"""

from __future__ import annotations

import hashlib
import hmac
from typing import BinaryIO

from .call import Refuse

UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
CHUNKED = frozenset((UNSIGNED_TRAILER, SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER))
_BLOCK = 1 << 20
_EMPTY = hashlib.sha256(b"").hexdigest()


class ChunkSigner:
    """The chain of chunk signatures, beginning with the request's own."""

    def __init__(self, key: bytes, date: str, scope: str, seed: str) -> None:
        self._key, self._date, self._scope, self._previous = key, date, scope, seed

    def expect(self, digest: str, given: str) -> None:
        """Checks one data chunk's signature. Raises Refuse."""
        self._check(
            f"AWS4-HMAC-SHA256-PAYLOAD\n{self._date}\n{self._scope}\n{self._previous}\n{_EMPTY}\n{digest}", given
        )

    def expect_trailer(self, digest: str, given: str) -> None:
        """Checks the signature over the trailing headers. Raises Refuse."""
        self._check(f"AWS4-HMAC-SHA256-TRAILER\n{self._date}\n{self._scope}\n{self._previous}\n{digest}", given)

    def _check(self, text: str, given: str) -> None:
        expected = hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, given):
            raise Refuse("SignatureDoesNotMatch", "a chunk's signature does not match its bytes", 403)
        self._previous = expected


class Payload:
    """A request body that is read once; `trailers` are there after the last byte.

    `kind` is the value of x-amz-content-sha256: a hex hash, UNSIGNED-PAYLOAD or a STREAMING kind.
    """

    def __init__(self, raw: BinaryIO, length: int | None, kind: str, signer: ChunkSigner | None) -> None:
        self._raw, self._left, self._kind, self._signer = raw, length, kind, signer
        self._hash = hashlib.sha256() if kind not in CHUNKED and kind != UNSIGNED else None
        self._chunk = 0  # bytes left in the current aws-chunk
        self._chunk_hash = hashlib.sha256()
        self._chunk_signature = ""
        self._done = False
        self._buffer, self._position = b"", 0
        self.trailers: dict[str, str] = {}

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of the payload; b"" at its end. Raises Refuse if it is not what was signed."""
        if self._done:
            return b""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        return self._read_chunked(size) if self._kind in CHUNKED else self._read_plain(size)

    def drain(self) -> None:
        """Reads what is left on the connection and forgets it, so that the next request can be read."""
        while self._fill():
            pass

    def _fill(self) -> bool:
        """Reads on from the connection; False at the body's end."""
        size = _BLOCK if self._left is None else min(_BLOCK, self._left)
        self._buffer, self._position = self._raw.read(size) if size else b"", 0
        if self._left is not None:
            self._left = self._left - len(self._buffer) if self._buffer else 0
        return bool(self._buffer)

    def _take(self, size: int) -> bytes:
        if self._position == len(self._buffer) and not self._fill():
            return b""
        start = self._position
        self._position = min(start + size, len(self._buffer))
        if start == 0 and self._position == len(self._buffer):
            return self._buffer
        return self._buffer[start : self._position]

    def _line(self) -> bytes:
        # not the connection's own readline: cheroot's ChunkedRFile.readline never returns from an empty line
        line = b""
        while len(line) <= 16384:
            end = self._buffer.find(b"\n", self._position)
            line += self._take((end + 1 if end >= 0 else len(self._buffer)) - self._position or 1)
            if line.endswith(b"\r\n"):
                return line[:-2]
            if self._position == len(self._buffer) and not self._fill():
                break
        raise Refuse("IncompleteBody", "the body ended inside an aws-chunked header")

    def _read_plain(self, size: int) -> bytes:
        data = self._take(size)
        if data:
            if self._hash is not None:
                self._hash.update(data)
            return data
        self._done = True
        if self._hash is not None and not hmac.compare_digest(self._hash.hexdigest(), self._kind.lower()):
            raise Refuse("XAmzContentSHA256Mismatch", "the body does not match its x-amz-content-sha256 header")
        return b""

    def _read_chunked(self, size: int) -> bytes:
        if self._chunk == 0:
            self._open_chunk()
            if self._done:
                return b""
        data = self._take(min(size, self._chunk))
        if not data:
            raise Refuse("IncompleteBody", "the body ended inside a chunk")
        self._chunk -= len(data)
        if self._signer is not None:
            self._chunk_hash.update(data)
        if self._chunk == 0:
            self._close_chunk()
        return data

    def _open_chunk(self) -> None:
        head, _, extension = self._line().partition(b";")
        try:
            self._chunk = int(head, 16)
        except ValueError as broken:
            raise Refuse("InvalidChunkSizeError", "an aws-chunked size is not a hexadecimal number") from broken
        self._chunk_signature = extension.removeprefix(b"chunk-signature=").decode("latin-1")
        self._chunk_hash = hashlib.sha256()
        if self._chunk == 0:
            if self._signer is not None:
                self._signer.expect(_EMPTY, self._chunk_signature)
            self._read_trailers()
            self._done = True

    def _close_chunk(self) -> None:
        if self._signer is not None:
            self._signer.expect(self._chunk_hash.hexdigest(), self._chunk_signature)
        if self._line() != b"":
            raise Refuse("IncompleteBody", "a chunk is longer than its size says")

    def _read_trailers(self) -> None:
        lines = []
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers[name.strip().lower()] = value.strip()
            lines.append((name.strip().lower(), value.strip()))
        if self._signer is not None and self._kind == SIGNED_CHUNKS_TRAILER:
            text = "".join(f"{name}:{value}\n" for name, value in lines if name != "x-amz-trailer-signature")
            digest = hashlib.sha256(text.encode()).hexdigest()
            self._signer.expect_trailer(digest, self.trailers.get("x-amz-trailer-signature", ""))
