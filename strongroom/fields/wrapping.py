"""Wrapping of subject keys under branch keys, locally and fast: AES-256-GCM, 60 bytes a key (docs/formats/field.md).

Wrapped form: nonce (12) and AES-256-GCM ciphertext with tag (48). Associated data bind tenant, class, subject, key id
and branch version. A branch key wraps at most 2^32 times, rewraps included.
"""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.errors import Corrupt, KeyFailure

LABEL = b"strongroom/subject-key/v1"
WRAPPED_BYTES = 60


@dataclass(frozen=True)
class BranchKey:
    """One version of the key that wraps a tenant's subject keys of a class."""

    tenant: str
    data_class: str
    version: int
    material: bytes = field(repr=False)

    def aead(self) -> AESGCM:
        """The cipher of this version; callers keep it for a batch."""
        return AESGCM(self.material)


def associated_data(tenant: str, data_class: str, subject: uuid.UUID, key_id: uuid.UUID, version: int) -> bytes:
    """Length-prefixed label, tenant, class, subject, key id and branch version."""
    parts = (LABEL, tenant.encode(), data_class.encode(), subject.bytes, key_id.bytes, struct.pack(">I", version))
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def wrap(
    branch: BranchKey, subject: uuid.UUID, key_id: uuid.UUID, material: bytes, *, nonce: bytes | None = None
) -> bytes:
    """Wraps a subject key; `nonce` is given by test vectors only."""
    chosen = os.urandom(12) if nonce is None else nonce
    bound = associated_data(branch.tenant, branch.data_class, subject, key_id, branch.version)
    return chosen + branch.aead().encrypt(chosen, material, bound)


def unwrap(branch: BranchKey, subject: uuid.UUID, key_id: uuid.UUID, wrapped: bytes) -> bytes:
    """The subject key; Corrupt when the row was changed or belongs to another subject or version."""
    bound = associated_data(branch.tenant, branch.data_class, subject, key_id, branch.version)
    try:
        return branch.aead().decrypt(wrapped[:12], wrapped[12:], bound)
    except InvalidTag:
        raise Corrupt(f"subject key {key_id}: changed, or wrapped for another subject or branch version") from None


Row = tuple[uuid.UUID, uuid.UUID, int, bytes]


def rewrap(rows: Iterable[Row], old: Mapping[int, BranchKey], new: BranchKey) -> list[tuple[uuid.UUID, bytes, bytes]]:
    """Moves rows (key id, subject, branch version, wrapped) to `new`; returns (key id, old bytes, new bytes).

    KeyFailure when a row names a branch version that is not in `old`; Corrupt when one does not open.
    """
    ciphers = {version: branch.aead() for version, branch in old.items()}
    target = new.aead()
    prefix = b"".join(
        struct.pack(">I", len(part)) + part for part in (LABEL, new.tenant.encode(), new.data_class.encode())
    )
    sixteen, four = struct.pack(">I", 16), struct.pack(">I", 4)
    new_tail = four + struct.pack(">I", new.version)
    old_tails = {version: four + struct.pack(">I", version) for version in old}
    done = []
    for key_id, subject, version, wrapped in rows:
        cipher = ciphers.get(version)
        if cipher is None:
            raise KeyFailure(f"subject key {key_id} needs branch version {version}, which was not opened")
        bound = prefix + sixteen + subject.bytes + sixteen + key_id.bytes
        try:
            material = cipher.decrypt(wrapped[:12], wrapped[12:], bound + old_tails[version])
        except InvalidTag:
            raise Corrupt(f"subject key {key_id} does not open under branch version {version}") from None
        nonce = os.urandom(12)
        done.append((key_id, wrapped, nonce + target.encrypt(nonce, material, bound + new_tail)))
    return done
