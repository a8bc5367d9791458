"""Bodies as AWS clients send them: plain with a hash, aws-chunked with trailers, signed chunk by chunk."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_cloud.servers.gateway.call import Refuse
from local_cloud.servers.gateway.payload import (
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED_TRAILER,
    ChunkSigner,
    Payload,
)
from local_cloud.servers.gateway.s3_checksums import Checksums, digest

EMPTY = hashlib.sha256(b"").hexdigest()


def payload(raw: bytes, kind: str, signer: Any = None, *, length: bool = True) -> Payload:
    return Payload(io.BytesIO(raw), len(raw) if length else None, kind, signer)


def chunked(pieces: list[bytes], trailers: dict[str, str]) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return body + b"0\r\n" + b"".join(f"{k}:{v}\r\n".encode() for k, v in trailers.items()) + b"\r\n"


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 200), st.booleans())
@settings(max_examples=80, deadline=None)
def test_chunks_come_back_whole_whatever_the_read_size(pieces: list[bytes], size: int, length: bool) -> None:
    crc = base64.b64encode(zlib.crc32(b"".join(pieces)).to_bytes(4, "big")).decode()
    body = payload(chunked(pieces, {"x-amz-checksum-crc32": crc}), UNSIGNED_TRAILER, length=length)
    read = b"".join(iter(lambda: body.read(size), b""))
    assert read == b"".join(pieces)
    assert body.trailers == {"x-amz-checksum-crc32": crc}
    checksums = Checksums({"x-amz-trailer": "x-amz-checksum-crc32"})
    checksums.seen(read)
    checksums.finish(body.trailers)


def test_a_plain_body_is_held_to_its_hash() -> None:
    assert payload(b"body", hashlib.sha256(b"body").hexdigest()).read() == b"body"
    with pytest.raises(Refuse, match="XAmzContentSHA256Mismatch"):
        payload(b"other", hashlib.sha256(b"body").hexdigest()).read()


@pytest.mark.parametrize("raw", [b"5\r\nhel", b"5\r\nhello", b"zz\r\n", b"", b"0\r\nx-amz-checksum-crc32:A"])
def test_a_cut_body_is_refused(raw: bytes) -> None:
    with pytest.raises(Refuse):
        payload(raw, UNSIGNED_TRAILER).read()


def test_draining_leaves_the_connection_at_the_next_request() -> None:
    connection = io.BytesIO(b"x" * 3_000_000 + b"GET")
    body = Payload(connection, 3_000_000, UNSIGNED_TRAILER, None)
    body.drain()
    assert connection.read() == b"GET"


def signed(pieces: list[bytes], key: bytes, trailer: str = "") -> bytes:
    """A body as a client signs it, written from AWS's description and not from the code under test."""
    previous, body = "seed", b""
    for piece in [*pieces, b""]:
        text = f"AWS4-HMAC-SHA256-PAYLOAD\nDATE\nSCOPE\n{previous}\n{EMPTY}\n{hashlib.sha256(piece).hexdigest()}"
        previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        body += f"{len(piece):x};chunk-signature={previous}\r\n".encode()
        body += piece + b"\r\n" if piece else b""
    if trailer:
        digested = hashlib.sha256(f"{trailer}\n".encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\nDATE\nSCOPE\n{previous}\n{digested}"
        sealed = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        body += f"{trailer}\r\nx-amz-trailer-signature:{sealed}\r\n".encode()
    return body + b"\r\n"


@pytest.mark.parametrize(
    ("kind", "trailer"), [(SIGNED_CHUNKS, ""), (SIGNED_CHUNKS_TRAILER, "x-amz-checksum-crc32:AAAA")]
)
def test_signed_chunks_are_verified_one_by_one(kind: str, trailer: str) -> None:
    raw = signed([b"first", b"second"], b"key", trailer)
    assert payload(raw, kind, ChunkSigner(b"key", "DATE", "SCOPE", "seed")).read() == b"firstsecond"
    for broken in (raw.replace(b"second", b"sECOND"), raw.replace(b"first", b"fIRST")):
        with pytest.raises(Refuse, match="SignatureDoesNotMatch"):
            payload(broken, kind, ChunkSigner(b"key", "DATE", "SCOPE", "seed")).read()
    if trailer:
        with pytest.raises(Refuse, match="SignatureDoesNotMatch"):
            payload(raw.replace(b"AAAA", b"BBBB"), kind, ChunkSigner(b"key", "DATE", "SCOPE", "seed")).read()


@pytest.mark.parametrize(
    ("name", "value"),
    # the check values of the CRC catalogue for "123456789"
    [("crc32", "cbf43926"), ("crc32c", "e3069283"), ("crc64nvme", "ae8b14860a799888")],
)
def test_checksums_have_their_catalogued_check_value(name: str, value: str) -> None:
    assert digest(name, b"123456789").hex() == value
