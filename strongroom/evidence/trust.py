"""Which key may sign which kind of statement: the verifier's pinned table.

It comes from the manifest (a stack output) or a file, never from the bundle that is being verified. A key id is the
SHA-256 of the key's SubjectPublicKeyInfo (DER), 64 hex digits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.errors import SignatureInvalid, UsageError
from strongroom.estate.manifest import EvidenceKey


def keyid_of(spki_pem: str) -> str:
    """The key id of a PEM public key; UsageError when it is not an EC key."""
    try:
        key = serialization.load_pem_public_key(spki_pem.encode())
    except ValueError:
        raise UsageError("an evidence key is not a PEM public key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UsageError("evidence keys are EC keys")
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


@dataclass(frozen=True)
class Trust:
    """The pinned keys by key id."""

    keys: dict[str, EvidenceKey]

    @classmethod
    def of(cls, keys: Iterable[EvidenceKey]) -> Trust:
        """A table of pinned keys; UsageError when a key's id is not that of its public key."""
        table = {}
        for key in keys:
            if key.keyid != keyid_of(key.spki_pem):
                raise UsageError(f"evidence key of {key.duty}: its id does not match its public key")
            table[key.keyid] = key
        return cls(table)

    @classmethod
    def load(cls, path: Path) -> Trust:
        """Reads a trust file: a JSON list of evidence keys, or a manifest part with `evidence`."""
        try:
            document = json.loads(path.read_text())
            listed = document if isinstance(document, list) else document["evidence"]["keys"]
            return cls.of(EvidenceKey.model_validate(item) for item in listed)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path}: not a trust file ({type(error).__name__})") from None

    def signer_of(self, keyid: str, predicate_type: str, when: datetime | None = None) -> EvidenceKey:
        """The pinned key that signed; SignatureInvalid when it is unknown, out of its time or of another kind."""
        key = self.keys.get(keyid)
        if key is None:
            raise SignatureInvalid(f"signed by key {keyid[:16]}, which is not pinned")
        if predicate_type not in key.predicate_types:
            raise SignatureInvalid(f"the key of {key.duty} may not sign {predicate_type}")
        if when is not None and (when < key.not_before or (key.not_after is not None and when > key.not_after)):
            raise SignatureInvalid(f"the key of {key.duty} was not in its period at {when.isoformat()}")
        return key
