"""Real EC keys and a real folder as evidence store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from strongroom.estate.manifest import EvidenceKey
from strongroom.evidence.dsse import Signer
from strongroom.evidence.log import Author, ChainedLog
from strongroom.evidence.statement import KINDS, predicate_type
from strongroom.evidence.trust import Trust, keyid_of
from strongroom.storage.local import LocalStorage

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class Duty:
    """A duty with a signing key of its own."""

    def __init__(self, name: str, kinds: tuple[str, ...]) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        pem = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.key = EvidenceKey(
            keyid=keyid_of(pem.decode()),
            duty=name,
            key_ref=f"arn:aws:kms:us-east-1:210000000003:key/{name}",
            spki_pem=pem.decode(),
            alg="ecdsa-p256-sha256",
            predicate_types=tuple(predicate_type(k) for k in kinds),
            env="dev",
            not_before=NOW - timedelta(days=1),
        )
        self.signer = Signer(self.key.keyid, lambda d: self.private.sign(d, ec.ECDSA(Prehashed(hashes.SHA256()))))

    def log(self, storage, now=lambda: NOW, **author):
        fields = {
            "env": "dev",
            "job": "drill",
            "duty": self.key.duty,
            "principal": "arn:aws:sts::210000000001:assumed-role/restorer/restorer",
            "run_id": "20260301T090000Z-00000000",
            "simulated": False,
            "manifest": "0" * 64,
        }
        return ChainedLog(storage, self.signer, Author(**{**fields, **author}), now, retention=None)


@pytest.fixture(scope="session")
def restorer():
    return Duty("restorer", ("run", "drill", "check"))


@pytest.fixture(scope="session")
def notary():
    return Duty("notary", ("run", "head"))


@pytest.fixture(scope="session")
def stranger():
    return Duty("restorer", KINDS)


@pytest.fixture(scope="session")
def trust(restorer, notary):
    return Trust.of([restorer.key, notary.key])


@pytest.fixture
def storage(tmp_path):
    return LocalStorage(tmp_path / "evidence-bucket")
