"""Key handles, split so that a function's signature shows which duty it needs.

    Wrapper        describe, generate, wrap          backup-writer, application
    Unwrapper      unwrap                            restorer
    Administrator  rotate, rewrap                    rotator (never sees plaintext)

Implementations: `strongroom.keys.kms`, `strongroom.keys.transit`, `strongroom.keys.escrow`.
All raise KeyFailure (exit 5) when the key is absent, disabled, pending deletion or unreachable, and Denied (exit 9)
when the principal may not use it; messages name the key reference, never key material.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Provider = Literal["aws-kms", "transit", "rsa-oaep-sha256"]
Context = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapped data key. `version` is the wrapping key's version as far as the provider tells ('' if it does not)."""

    provider: Provider
    key_ref: str
    version: str
    blob: bytes


@dataclass(frozen=True, slots=True)
class KeyState:
    """What a provider says of a key, without using it."""

    key_ref: str
    enabled: bool
    state: str
    current_version: str
    created: datetime
    last_rotated: datetime | None
    min_decryption_version: str = ""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A fresh 256-bit data key with its first wrapping; the plaintext never shows in repr."""

    plaintext: bytes = field(repr=False)
    wrapped: Wrapped


class Wrapper(Protocol):
    """Makes and wraps data keys; cannot open them."""

    @property
    def provider(self) -> Provider:
        """Who holds the key."""
        ...

    @property
    def key_ref(self) -> str:
        """The provider's name of the key."""
        ...

    def describe(self) -> KeyState:
        """The key's state and current version."""
        ...

    def generate(self, context: Context) -> DataKey:
        """A new data key, wrapped under `context`."""
        ...

    def wrap(self, plaintext: bytes, context: Context) -> Wrapped:
        """Wraps an existing data key under `context`."""
        ...


class Unwrapper(Protocol):
    """Opens wrapped data keys."""

    @property
    def provider(self) -> Provider:
        """Who holds the key."""
        ...

    @property
    def key_ref(self) -> str:
        """The provider's name of the key."""
        ...

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """The data key; KeyFailure when the context or the blob does not match."""
        ...


class Administrator(Protocol):
    """Rotates a key and moves wrapped data keys to its newest version without opening them."""

    @property
    def provider(self) -> Provider:
        """Who holds the key."""
        ...

    @property
    def key_ref(self) -> str:
        """The provider's name of the key."""
        ...

    def describe(self) -> KeyState:
        """The key's state and current version."""
        ...

    def rotate(self) -> KeyState:
        """Makes a new key version; returns the state after it."""
        ...

    def rewrap(self, wrapped: Wrapped, context: Context) -> Wrapped:
        """The same data key under the newest version."""
        ...
