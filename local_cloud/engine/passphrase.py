"""Secrets in the state are encrypted as Pulumi's passphrase provider does it: AES-256-GCM under PBKDF2-SHA256.

Form of a value: v1:<base64 nonce>:<base64 ciphertext and tag>. Form of the provider's state ("salt"):
v1:<base64 salt>:<the word pulumi, encrypted>, by which a wrong passphrase is noticed before anything is written.
Sources: sdk/go/common/resource/config/crypt.go and pkg/secrets/passphrase/manager.go of Pulumi.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.errors import KeyFailure, UsageError

ITERATIONS = 1_000_000
PROOF = "pulumi"


class Crypter:
    """Encrypts and decrypts the secrets of one stack.

    A value that was decrypted keeps its ciphertext when it is written again, so an unchanged state stays unchanged.
    """

    def __init__(self, key: bytes, state: str) -> None:
        self._aead = AESGCM(key)
        self._known: dict[str, str] = {}
        self.state = state

    def encrypt(self, text: str) -> str:
        """The text as v1:nonce:ciphertext."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = seal(self._aead, text)
        return known

    def decrypt(self, value: str) -> str:
        """The text of a v1 value; KeyFailure if the passphrase is another one."""
        text = _open(self._aead, value)
        self._known[text] = value
        return text


def open_crypter(home: Path, state: str | None = None) -> Crypter:
    """The crypter of a home folder; with `state`, of the salt that a stack's file names.

    The passphrase comes from PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, else from
    <home>/state/passphrase, which is made on first use (mode 0600), as is the salt beside it.
    Raises KeyFailure when the passphrase does not fit the salt.
    """
    phrase = _passphrase(home)
    if state is None:
        state = _salt(home, phrase)
    parts = state.split(":", 2)
    if len(parts) != 3 or parts[0] != "v1":
        raise UsageError("the state's passphrase provider has a form this engine does not know")
    crypter = Crypter(_derive(phrase, base64.b64decode(parts[1])), state)
    if crypter.decrypt(parts[2]) != PROOF:
        raise KeyFailure("the passphrase does not fit the state")
    return crypter


def seal(aead: AESGCM, text: str) -> str:
    """The text as v1:nonce:ciphertext under a fresh nonce."""
    nonce = secrets.token_bytes(12)
    return f"v1:{_b64(nonce)}:{_b64(aead.encrypt(nonce, text.encode(), None))}"


def _open(aead: AESGCM, value: str) -> str:
    parts = value.split(":")
    if len(parts) != 3 or parts[0] != "v1":
        raise UsageError("an encrypted value of the state has a form this engine does not know")
    try:
        return aead.decrypt(base64.b64decode(parts[1]), base64.b64decode(parts[2]), None).decode()
    except InvalidTag:
        raise KeyFailure(
            "the passphrase does not fit the state",
            hint="set PULUMI_CONFIG_PASSPHRASE_FILE to the file it was written with",
        ) from None


@cache
def _derive(phrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", phrase.encode(), salt, ITERATIONS, 32)


def _passphrase(home: Path) -> str:
    if (phrase := os.environ.get("PULUMI_CONFIG_PASSPHRASE")) is not None:
        return phrase
    if named := os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        return Path(named).read_text().strip()
    return _created(home / "state" / "passphrase", lambda: secrets.token_urlsafe(32))


def _salt(home: Path, phrase: str) -> str:
    def fresh() -> str:
        salt = secrets.token_bytes(8)
        return f"v1:{_b64(salt)}:{seal(AESGCM(_derive(phrase, salt)), PROOF)}"

    return _created(home / "state" / "encryptionsalt", fresh)


def _created(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that is made, 0600 and whole, by whoever comes first."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        with suppress(FileExistsError):  # another process was first: its text counts
            os.link(scratch, path)
        scratch.unlink()
    return path.read_text().strip()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
