"""DSSE envelopes signed by KMS, one signing key a duty (https://github.com/secure-systems-lab/dsse, protocol v1).

The signature is ECDSA over SHA-256 of the pre-authentication encoding, ASN.1 DER, made by kms:Sign with a digest, so
that a statement may be longer than the 4096 bytes KMS takes as a raw message.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Signature, SSlibKey

from strongroom.errors import SignatureInvalid
from strongroom.evidence.statement import PAYLOAD_TYPE, Statement, kind_of, moment, parse, predicate_type
from strongroom.evidence.trust import Trust
from strongroom.keys import kms

#: Signs a 32-byte SHA-256 digest; returns an ASN.1 DER ECDSA signature.
SignDigest = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Signer:
    """A duty's signing key: its id and how a digest is signed."""

    keyid: str
    sign_digest: SignDigest


def kms_signer(client: Any, key_ref: str, keyid: str) -> Signer:
    """A signer over kms:Sign of one asymmetric key."""

    def sign(digest: bytes) -> bytes:
        answer = kms.call(
            client,
            "sign",
            key_ref,
            KeyId=key_ref,
            Message=digest,
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        return bytes(answer["Signature"])

    return Signer(keyid, sign)


def seal(statement: Statement, signer: Signer) -> bytes:
    """The envelope of a statement: JSON bytes, keys sorted."""
    envelope = Envelope(statement.to_bytes(), PAYLOAD_TYPE, {})
    signature = signer.sign_digest(hashlib.sha256(envelope.pae()).digest())
    envelope.signatures[signer.keyid] = Signature(signer.keyid, signature.hex())
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":")).encode()


def read_unverified(data: bytes) -> tuple[Envelope, Statement]:
    """Envelope and statement without looking at the signature; SignatureInvalid when they cannot be parsed."""
    try:
        envelope = Envelope.from_dict(json.loads(data))
    except Exception as error:
        raise SignatureInvalid(f"not a DSSE envelope ({type(error).__name__})") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise SignatureInvalid(f"payload type {envelope.payload_type!r} is not {PAYLOAD_TYPE}")
    return envelope, parse(envelope.payload)


def verify(data: bytes, trust: Trust) -> Statement:
    """The statement of an envelope whose signature is that of the pinned key of its kind and duty.

    SignatureInvalid when the envelope was edited, the key is not pinned or may not sign this kind, the signing time
    lies outside the key's period, or the statement names another environment or duty than its key has.
    """
    envelope, statement = read_unverified(data)
    kind_of(predicate_type(statement.kind))
    if len(envelope.signatures) != 1:
        raise SignatureInvalid(f"{len(envelope.signatures)} signatures, exactly one is expected")
    keyid = next(iter(envelope.signatures))
    finished = statement.predicate.get("finished")
    try:
        when = moment(finished) if isinstance(finished, str) else None
    except ValueError:
        raise SignatureInvalid("`finished` is no time") from None
    key = trust.signer_of(keyid, predicate_type(statement.kind), when)
    public = SSlibKey(keyid, "ecdsa", _SCHEMES[key.alg], {"public": key.spki_pem})
    try:
        envelope.verify([public], 1)
    except VerificationError:
        raise SignatureInvalid(f"the signature of {key.duty} does not match the statement") from None
    for name, expected in (("env", key.env), ("duty", key.duty)):
        if statement.predicate.get(name) != expected:
            raise SignatureInvalid(
                f"the statement says {name} {statement.predicate.get(name)!r}, its key has {expected!r}"
            )
    return statement


_SCHEMES = {"ecdsa-p256-sha256": "ecdsa-sha2-nistp256", "ecdsa-p384-sha384": "ecdsa-sha2-nistp384"}
