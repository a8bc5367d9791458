"""Versioned key material: what a KMS key does with bytes, and the format of its ciphertexts.

A symmetric ciphertext is `STRM | flags | key id (16) | version (2) | nonce (12) | AES-256-GCM`, its header and the
encryption context authenticated. So a ciphertext names the key and the version that open it, as AWS's do.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .call import Refuse

_HEADER = struct.Struct(">4sB16sH")
_MAGIC = b"STRM"
_NONCE = 12

_CURVES: dict[str, tuple[ec.EllipticCurve, str]] = {
    "ECC_NIST_P256": (ec.SECP256R1(), "ECDSA_SHA_256"),
    "ECC_NIST_P384": (ec.SECP384R1(), "ECDSA_SHA_384"),
    "ECC_NIST_P521": (ec.SECP521R1(), "ECDSA_SHA_512"),
    "ECC_SECG_P256K1": (ec.SECP256K1(), "ECDSA_SHA_256"),
}
ML_DSA = "ML_DSA_SHAKE_256"
_RSA = {"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
_MACS = {"HMAC_224": 28, "HMAC_256": 32, "HMAC_384": 48, "HMAC_512": 64}
_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}

_LATTICES: dict[str, type[mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey]] = {
    "ML_DSA_44": mldsa.MLDSA44PrivateKey,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey,
}
_Lattice = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
_Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | _Lattice

SPECS = frozenset(("SYMMETRIC_DEFAULT", *_CURVES, *_RSA, *_MACS, *_LATTICES))
#: What GenerateDataKeyPair makes.
PAIRS = frozenset((*_CURVES, *_RSA))


def usages(spec: str) -> tuple[str, ...]:
    """The key usages a spec allows, the default first (none: it must be said)."""
    if spec == "SYMMETRIC_DEFAULT":
        return ("ENCRYPT_DECRYPT",)
    if spec in _MACS:
        return ("GENERATE_VERIFY_MAC",)
    return ("SIGN_VERIFY", "ENCRYPT_DECRYPT") if spec in _RSA else ("SIGN_VERIFY",)


def algorithms(spec: str, usage: str) -> tuple[str, ...]:
    """The algorithm names a key answers to."""
    if spec == "SYMMETRIC_DEFAULT":
        return ("SYMMETRIC_DEFAULT",)
    if spec in _MACS:
        return (spec.replace("_", "_SHA_"),)
    if spec in _CURVES:
        return (_CURVES[spec][1],)
    if spec in _LATTICES:
        return (ML_DSA,)
    if usage == "ENCRYPT_DECRYPT":
        return ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
    kinds = ("RSASSA_PKCS1_V1_5_SHA_", "RSASSA_PSS_SHA_")
    return tuple(kind + bits for kind in kinds for bits in ("256", "384", "512"))


def generate(spec: str) -> bytes:
    """Fresh material: 32 random bytes, an HMAC key, or a private key as PKCS #8 DER."""
    if spec == "SYMMETRIC_DEFAULT":
        return os.urandom(32)
    if spec in _MACS:
        return os.urandom(_MACS[spec])
    private: _Private
    if spec in _CURVES:
        private = ec.generate_private_key(_CURVES[spec][0])
    elif spec in _LATTICES:
        private = _LATTICES[spec].generate()
    else:
        private = rsa.generate_private_key(65537, _RSA[spec])
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key(material: bytes) -> bytes:
    """The public half as SubjectPublicKeyInfo DER."""
    return (
        _private(material)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _private(material: bytes) -> _Private:
    private = serialization.load_der_private_key(material, None)
    assert isinstance(private, _Private)
    return private


@dataclass(frozen=True)
class Sealed:
    """A symmetric ciphertext taken apart."""

    key_id: str
    version: int
    header: bytes
    body: bytes


def _context(context: Mapping[str, str]) -> bytes:
    parts = []
    for name, value in sorted(context.items()):
        for text in (name.encode(), value.encode()):
            parts.append(struct.pack(">I", len(text)) + text)
    return b"".join(parts)


def seal(material: bytes, key_id: str, version: int, plaintext: bytes, context: Mapping[str, str]) -> bytes:
    """A ciphertext under one version of a symmetric key, bound to the encryption context."""
    multi = key_id.startswith("mrk-")
    header = _HEADER.pack(_MAGIC, multi, uuid.UUID(key_id.removeprefix("mrk-")).bytes, version)
    nonce = os.urandom(_NONCE)
    return header + nonce + AESGCM(material).encrypt(nonce, plaintext, header + _context(context))


def take_apart(blob: bytes) -> Sealed:
    """Reads a ciphertext's header. Raises Refuse (InvalidCiphertextException)."""
    if len(blob) < _HEADER.size + _NONCE + 16 or not blob.startswith(_MAGIC):
        raise Refuse("InvalidCiphertextException", "the ciphertext was not made by this KMS or is cut off")
    _, multi, raw, version = _HEADER.unpack_from(blob)
    key = uuid.UUID(bytes=raw)
    return Sealed(f"mrk-{key.hex}" if multi else str(key), version, blob[: _HEADER.size], blob[_HEADER.size :])


def unseal(material: bytes, sealed: Sealed, context: Mapping[str, str]) -> bytes:
    """The plaintext. Raises Refuse where bytes or encryption context are not those that were sealed."""
    try:
        return AESGCM(material).decrypt(sealed.body[:_NONCE], sealed.body[_NONCE:], sealed.header + _context(context))
    except InvalidTag:
        raise Refuse(
            "InvalidCiphertextException", "the ciphertext or its encryption context is not what was encrypted"
        ) from None


def mac(material: bytes, algorithm: str, message: bytes) -> bytes:
    """HMAC of a message, e.g. algorithm HMAC_SHA_256."""
    return hmac.new(material, message, "sha" + algorithm.rsplit("_", 1)[-1]).digest()


def _oaep(algorithm: str) -> padding.OAEP:
    digest = hashes.SHA1() if algorithm.endswith("SHA_1") else hashes.SHA256()  # noqa: S303 - AWS offers it
    return padding.OAEP(padding.MGF1(digest), digest, None)


def rsa_encrypt(material: bytes, algorithm: str, plaintext: bytes) -> bytes:
    """RSAES-OAEP under the public half."""
    private = _private(material)
    assert isinstance(private, rsa.RSAPrivateKey)
    try:
        return private.public_key().encrypt(plaintext, _oaep(algorithm))
    except ValueError:
        raise Refuse("ValidationException", "the plaintext is too long for this key and algorithm") from None


def rsa_decrypt(material: bytes, algorithm: str, ciphertext: bytes) -> bytes:
    """RSAES-OAEP under the private half."""
    private = _private(material)
    assert isinstance(private, rsa.RSAPrivateKey)
    try:
        return private.decrypt(ciphertext, _oaep(algorithm))
    except ValueError:
        raise Refuse("InvalidCiphertextException", "the ciphertext was not made for this key and algorithm") from None


def digest_of(algorithm: str, message: bytes, message_type: str) -> bytes:
    """What a signature covers: a digest, for ML-DSA the message itself or its representative mu (FIPS 204).

    Raises Refuse beyond the limits of RAW (4096 bytes), DIGEST (its length) and EXTERNAL_MU (64 bytes, ML-DSA only).
    """
    lattice = algorithm == ML_DSA
    if message_type == "RAW":
        if len(message) > 4096:
            raise Refuse("ValidationException", "a RAW message has at most 4096 bytes; sign its DIGEST instead")
        return message if lattice else hashlib.new("sha" + algorithm.rsplit("_", 1)[-1], message).digest()
    size = 64 if lattice else int(algorithm.rsplit("_", 1)[-1]) // 8
    if message_type != ("EXTERNAL_MU" if lattice else "DIGEST"):
        raise Refuse("ValidationException", f"MessageType {message_type} does not fit algorithm {algorithm}")
    if len(message) != size:
        raise Refuse("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")
    return message


def sign(material: bytes, algorithm: str, digest: bytes, message_type: str) -> bytes:
    """A signature over a digest: ECDSA as DER, RSA as PKCS #1 v1.5 or PSS with a salt as long as the digest, ML-DSA."""
    private = _private(material)
    if isinstance(private, _Lattice):
        return private.sign(digest) if message_type == "RAW" else private.sign_mu(digest)
    algorithm_hash = _HASHES[algorithm.rsplit("_", 1)[-1]]
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(digest, _signature_padding(algorithm), Prehashed(algorithm_hash))
    return private.sign(digest, ec.ECDSA(Prehashed(algorithm_hash)))


def verify(material: bytes, algorithm: str, digest: bytes, signature: bytes, message_type: str) -> bool:
    """True if the signature is the key's over the digest."""
    public = _private(material).public_key()
    try:
        if isinstance(public, rsa.RSAPublicKey):
            prehashed = Prehashed(_HASHES[algorithm.rsplit("_", 1)[-1]])
            public.verify(signature, digest, _signature_padding(algorithm), prehashed)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, digest, ec.ECDSA(Prehashed(_HASHES[algorithm.rsplit("_", 1)[-1]])))
        elif message_type == "RAW":
            public.verify(signature, digest)
        else:
            public.verify_mu(signature, digest)
    except InvalidSignature:
        return False
    return True


def _signature_padding(algorithm: str) -> padding.PSS | padding.PKCS1v15:
    if "PKCS1" in algorithm:
        return padding.PKCS1v15()
    digest = _HASHES[algorithm.rsplit("_", 1)[-1]]
    return padding.PSS(padding.MGF1(digest), digest.digest_size)
