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
_EMPTY = hashlib.sha256(b"").hexdigest()

#: Bytes of an aws-chunked header line or trailer.
LINE_LIMIT = 16384


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
        while self._left is None or self._left > 0:
            if not self._take(1 << 20):
                return

    def _take(self, size: int) -> bytes:
        if self._left is not None:
            size = min(size, self._left)
        data = self._raw.read(size) if size else b""
        if self._left is not None:
            self._left -= len(data)
            if size and not data:
                self._left = 0
        return data

    def _line(self) -> bytes:
        # not readline: cheroot's ChunkedRFile.readline leaves the line feed where it is and spins for ever
        line = bytearray()
        while not line.endswith(b"\r\n"):
            byte = self._raw.read(1) if self._left is None or self._left > len(line) else b""
            if not byte or len(line) == LINE_LIMIT:
                raise Refuse("IncompleteBody", "the body ended inside an aws-chunked header")
            line += byte
        if self._left is not None:
            self._left -= len(line)
        return bytes(line[:-2])

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
        while (self._left is None or self._left > 0) and (line := self._line()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers[name.strip().lower()] = value.strip()
            lines.append((name.strip().lower(), value.strip()))
        if self._signer is not None and self._kind == SIGNED_CHUNKS_TRAILER:
            text = "".join(f"{name}:{value}\n" for name, value in lines if name != "x-amz-trailer-signature")
            digest = hashlib.sha256(text.encode()).hexdigest()
            self._signer.expect_trailer(digest, self.trailers.get("x-amz-trailer-signature", ""))
