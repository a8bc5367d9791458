"""The escrow key: RSA-4096 kept offline, for the day when KMS and OpenBao cannot be reached.

Wrapping is RSAES-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017, section 7.1); the label is the canonical context, so
a wrapped key opens only as what it was made for. Key reference: `escrow:` and the first 32 hex digits of the SHA-256
of the public key's SubjectPublicKeyInfo. Only the public half is ever deployed.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from strongroom.errors import KeyFailure, UsageError
from strongroom.keys.context import canonical
from strongroom.keys.handles import Context, DataKey, KeyState, Provider, Wrapped

KEY_BITS = 4096


def _oaep(context: Context) -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=canonical(context))


def reference(public: rsa.RSAPublicKey) -> str:
    """`escrow:<32 hex digits>` of a public key."""
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "escrow:" + hashlib.sha256(der).hexdigest()[:32]


@dataclass(frozen=True)
class EscrowWrapper:
    """Wraps data keys to the escrow key; needs the public half only."""

    public: rsa.RSAPublicKey = field(repr=False)
    provider: Provider = "rsa-oaep-sha256"

    @property
    def key_ref(self) -> str:
        """`escrow:<32 hex digits>`."""
        return reference(self.public)

    def describe(self) -> KeyState:
        """Always enabled: an offline key has no state of its own."""
        return KeyState(self.key_ref, True, "Offline", "1", datetime(1970, 1, 1, tzinfo=UTC), None)

    def generate(self, context: Context) -> DataKey:
        """A data key from the operating system's generator."""
        plaintext = os.urandom(32)
        return DataKey(plaintext, self.wrap(plaintext, context))

    def wrap(self, plaintext: bytes, context: Context) -> Wrapped:
        """Wraps a data key; every call gives other bytes."""
        return Wrapped("rsa-oaep-sha256", self.key_ref, "1", self.public.encrypt(plaintext, _oaep(context)))


@dataclass(frozen=True)
class EscrowUnwrapper:
    """Opens data keys with the private half, held in memory only."""

    private: rsa.RSAPrivateKey = field(repr=False)
    provider: Provider = "rsa-oaep-sha256"

    @property
    def key_ref(self) -> str:
        """`escrow:<32 hex digits>`."""
        return reference(self.private.public_key())

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """The data key; KeyFailure when it was wrapped to another key or for another context."""
        if wrapped.key_ref != self.key_ref:
            raise KeyFailure(
                f"wrapped to {wrapped.key_ref}, the given key is {self.key_ref}", hint="use the other key file"
            )
        try:
            return self.private.decrypt(wrapped.blob, _oaep(context))
        except ValueError:
            raise KeyFailure(f"{self.key_ref} does not open this key: other context or damaged slot") from None


def load_public(path: Path) -> EscrowWrapper:
    """Reads a public key (PEM); UsageError names the file when it is not RSA of at least 4096 bits."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable public key ({type(error).__name__})") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS:
        raise UsageError(f"{path}: an RSA key of {KEY_BITS} bits is needed", hint="run: strongroom escrow create")
    return EscrowWrapper(key)


def load_private(path: Path, passphrase: bytes) -> EscrowUnwrapper:
    """Reads an encrypted private key (PEM); KeyFailure when the passphrase is wrong."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase)
    except OSError as error:
        raise UsageError(f"{path}: {os.strerror(error.errno or 0)}") from None
    except (ValueError, TypeError):
        raise KeyFailure(f"{path}: the passphrase does not open it, or it is not an encrypted PEM key") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UsageError(f"{path}: an RSA private key is needed")
    return EscrowUnwrapper(key)


def create(private_path: Path, public_path: Path, passphrase: bytes) -> EscrowWrapper:
    """Makes an escrow pair: encrypted PKCS#8 at 0600 and the public PEM; refuses to overwrite either file."""
    for path in (private_path, public_path):
        if path.exists():
            raise UsageError(f"{path} exists", hint="an escrow key is never overwritten; name another file")
    if len(passphrase) < 12:
        raise UsageError("the passphrase needs at least 12 characters")
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for path, data in ((private_path, encrypted), (public_path, public)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    return EscrowWrapper(key.public_key())
