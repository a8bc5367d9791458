"""Fixtures of the repository's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from repository_kit import Kit


@pytest.fixture(scope="session")
def escrow_key() -> rsa.RSAPrivateKey:
    """2048 bits: the format is the same, the tests are faster."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def kit(tmp_path: Path, escrow_key: rsa.RSAPrivateKey) -> Iterator[Kit]:
    """A fresh repository."""
    yield Kit(tmp_path / "repository", escrow_key)
