"""The sealed field, format 1 (docs/formats/field.md): AES-256-GCM under a subject's data key, with key commitment.

    offset  bytes  content
    0       2      magic "SF"
    2       1      format version, 1
    3       2      schema version of the field, big endian
    5       16     data key id (UUID)
    21      32     commitment HKDF-SHA-256(data key, salt = data key id, info = "strongroom/field/commit/v1")
    53      12     nonce, random
    65      n+16   AES-256-GCM ciphertext and tag under HKDF(data key, salt = data key id, info = ".../seal/v1")

Associated data are the length-prefixed tenant, field id, row key, schema version and data key id, so a sealed value
opens only in its own cell. GCM alone does not commit to a key; the commitment refuses a value that two keys open
(RFC 9771, section 4.3.3). Random 96-bit nonces: at most 2^32 seals a key (SP 800-38D, section 8.3).
"""

from __future__ import annotations

import hmac
import os
import struct
import uuid
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strongroom.errors import Corrupt, UsageError

MAGIC, FORMAT = b"SF", 1
HEADER = struct.Struct(">2sBH16s32s12s")
TAG_BYTES = 16
OVERHEAD = HEADER.size + TAG_BYTES


@dataclass(frozen=True)
class Cell:
    """The place a sealed value belongs to; `row_key` is made by the client (a UUID), never by the database."""

    tenant: str
    field_id: str
    row_key: str
    schema_version: int = 1

    def associated_data(self, key_id: uuid.UUID) -> bytes:
        """Each part prefixed by its length (32-bit big endian), in the order of the specification."""
        parts = (
            self.tenant.encode(),
            self.field_id.encode(),
            self.row_key.encode(),
            struct.pack(">H", self.schema_version),
            key_id.bytes,
        )
        return b"".join(struct.pack(">I", len(part)) + part for part in parts)


@dataclass(frozen=True)
class SubjectKey:
    """The data key of one subject and class; sealing and commitment keys are derived once."""

    id: uuid.UUID
    material: bytes = field(repr=False)

    def _derive(self, info: bytes) -> bytes:
        return HKDF(hashes.SHA256(), 32, self.id.bytes, b"strongroom/field/" + info).derive(self.material)

    @cached_property
    def commitment(self) -> bytes:
        """32 bytes that only this key has."""
        return self._derive(b"commit/v1")

    @cached_property
    def aead(self) -> AESGCM:
        """The cipher under the derived sealing key."""
        return AESGCM(self._derive(b"seal/v1"))


def seal(key: SubjectKey, cell: Cell, plaintext: bytes, *, nonce: bytes | None = None) -> bytes:
    """Seals a value for its cell; `nonce` is given by test vectors only."""
    chosen = os.urandom(12) if nonce is None else nonce
    header = HEADER.pack(MAGIC, FORMAT, cell.schema_version, key.id.bytes, key.commitment, chosen)
    return header + key.aead.encrypt(chosen, plaintext, cell.associated_data(key.id))


def key_id_of(sealed: bytes) -> uuid.UUID:
    """The data key id in a sealed value's header; Corrupt when it is no sealed value."""
    return _header(sealed)[1]


def open_sealed(key: SubjectKey, cell: Cell, sealed: bytes) -> bytes:
    """The plaintext; Corrupt when the value was changed, moved to another cell or sealed under another key."""
    schema, key_id, commitment, nonce = _header(sealed)
    if key_id != key.id:
        raise UsageError(f"field {cell.field_id}: sealed under data key {key_id}, {key.id} was given")
    if not hmac.compare_digest(commitment, key.commitment):
        raise Corrupt(f"field {cell.field_id}: the key commitment does not match")
    try:
        where = Cell(cell.tenant, cell.field_id, cell.row_key, schema)
        return key.aead.decrypt(nonce, sealed[HEADER.size :], where.associated_data(key_id))
    except InvalidTag:
        raise Corrupt(f"field {cell.field_id} of row {cell.row_key}: changed, or moved from another cell") from None


def _header(sealed: bytes) -> tuple[int, uuid.UUID, bytes, bytes]:
    if len(sealed) < OVERHEAD:
        raise Corrupt(f"{len(sealed)} bytes are too few for a sealed field")
    magic, version, schema, key_id, commitment, nonce = HEADER.unpack_from(sealed)
    if magic != MAGIC:
        raise Corrupt("not a sealed field")
    if version != FORMAT:
        raise UsageError(f"sealed field of format {version}; this version reads {FORMAT}", hint="update Strongroom")
    return schema, uuid.UUID(bytes=key_id), commitment, nonce
