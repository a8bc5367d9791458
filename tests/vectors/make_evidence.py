"""Writes tests/vectors/evidence: a chain of four statements under fixed keys; format 1 must verify it for ever."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from strongroom.estate.manifest import EvidenceKey
from strongroom.evidence.dsse import Signer
from strongroom.evidence.log import Author, ChainedLog
from strongroom.evidence.statement import predicate_type
from strongroom.evidence.trust import keyid_of
from strongroom.evidence.verification import read_chain
from strongroom.storage.local import LocalStorage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
target = LocalStorage(Path(__file__).with_name("evidence"))
keys = []
signers = {}
for number, (duty, kinds) in enumerate({"restorer": ("run", "drill"), "notary": ("run", "head")}.items(), 1):
    private = ec.derive_private_key(number, ec.SECP256R1())
    pem = (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    signers[duty] = Signer(keyid_of(pem), lambda d, p=private: p.sign(d, ec.ECDSA(Prehashed(hashes.SHA256()))))
    keys.append(
        EvidenceKey(
            keyid=keyid_of(pem),
            duty=duty,
            key_ref=f"arn:aws:kms:us-east-1:210000000003:key/{duty}",
            spki_pem=pem,
            alg="ecdsa-p256-sha256",
            predicate_types=tuple(predicate_type(k) for k in kinds),
            env="dev",
            not_before=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )


def log(duty):
    author = Author("dev", "drill", duty, f"arn:aws:sts::210000000001:assumed-role/{duty}/x", "r1", False, "ab" * 32)
    return ChainedLog(target, signers[duty], author, lambda: NOW, retention=None)


for rows in (1, 2, 3):
    log("restorer").emit("drill", {"counts": {"rows": rows}, "reasons": ["on-demand"]}, inputs={"runs/r1": "cd" * 32})
chain = read_chain(target, "dev")
log("notary").emit("head", {"covers": 3, "covers_sha256": hashlib.sha256(chain[max(chain)]).hexdigest()})
target.put("trust.json", json.dumps([k.model_dump(mode="json") for k in keys], indent=1).encode())
