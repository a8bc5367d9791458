"""The application, the auditor and the notary try what is not theirs: keys, backups, data, signatures of others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import stocked as shelf
from attacked_estate import AttackedEstate, refused
from test_attack_backup_duties import fresh, puts, reads
from test_attack_key_duties import disables, enables, generates, opens_slot
from weakened import Attack, check

from strongroom.errors import SignatureInvalid
from strongroom.estate.manifest import EvidenceKey
from strongroom.evidence.dsse import kms_signer, seal, verify
from strongroom.evidence.statement import Statement
from strongroom.evidence.trust import Trust

pytestmark = pytest.mark.cloud
APPLICATION, AUDITOR, NOTARY = "application", "auditor", "notary"
PACK, IMAGE = shelf.READERS[shelf.PRIMARY][3], shelf.READERS[shelf.IMAGES][3]


def signs(who: str, name: str) -> Callable[[AttackedEstate], Any]:
    digest = hashlib.sha256(b"a statement of another duty").digest()
    return lambda e: e.key_client(who, name).sign(
        KeyId=e.keys[name], Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256"
    )


def reads_master_password(who: str) -> Callable[[AttackedEstate], Any]:
    def act(estate: AttackedEstate) -> Any:
        listed = estate.client(AUDITOR, "secretsmanager").list_secrets()["SecretList"]
        return estate.client(who, "secretsmanager").get_secret_value(SecretId=listed[0]["ARN"])

    return act


def lets_itself_in(who: str) -> Callable[[AttackedEstate], Any]:
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    return lambda e: e.client(who, "iam").put_role_policy(
        RoleName=who, PolicyName="mine", PolicyDocument=json.dumps(everything)
    )


def leaves(who: str) -> Callable[[AttackedEstate, Any], Any]:
    return lambda e, _answer: e.client(who, "iam").delete_role_policy(RoleName=who, PolicyName="mine")


def changes_queue(who: str) -> Callable[[AttackedEstate], Any]:
    def act(estate: AttackedEstate) -> Any:
        sqs = estate.client(who, "sqs")
        url = estate.client(APPLICATION, "sqs").get_queue_url(QueueName="strongroom-dev-notices")["QueueUrl"]
        return sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "30"})

    return act


IMAGING = "key storage-imaging"
#: the role may do everything, and no boundary is left
WHOLLY = ("role", "unbounded")
ATTACKS = [
    Attack(APPLICATION, "reads a backup", reads(APPLICATION, shelf.PRIMARY, PACK), ("role",)),
    Attack(APPLICATION, "opens a slot", opens_slot(APPLICATION), ("key recipient-primary",)),
    Attack(
        APPLICATION,
        "forges a slot",
        lambda e: e.client(APPLICATION, "kms").encrypt(
            KeyId=e.keys["recipient-primary"], Plaintext=b"k" * 32, EncryptionContext=shelf.CONTEXT
        ),
        ("key recipient-primary",),
    ),
    Attack(APPLICATION, "disables a key", disables(APPLICATION), ("key recipient-primary",), enables(APPLICATION)),
    Attack(
        APPLICATION,
        "takes a storage key out of its service",
        generates(APPLICATION, "storage-imaging", {"aws:s3:arn": f"arn:aws:s3:::{shelf.IMAGES}"}),
        (IMAGING,),
    ),
    Attack(
        APPLICATION,
        "crosses to another class",
        generates(APPLICATION, "fields-clinical", {**shelf.BRANCH, "class": "psychotherapy"}),
        ("key fields-clinical",),
    ),
    Attack(
        APPLICATION,
        "opens branch keys of no tenant",
        generates(APPLICATION, "fields-clinical", {"purpose": "branch-key", "class": "clinical"}),
        ("key fields-clinical",),
    ),
    Attack(
        APPLICATION,
        "reads evidence",
        reads(APPLICATION, shelf.EVIDENCE, shelf.READERS[shelf.EVIDENCE][3]),
        ("role", f"bucket {shelf.EVIDENCE}", "key storage-evidence"),
    ),
    Attack(APPLICATION, "lets itself in", lets_itself_in(APPLICATION), WHOLLY, leaves(APPLICATION)),
    Attack(APPLICATION, "changes a queue", changes_queue(APPLICATION), WHOLLY),
    Attack(
        APPLICATION,
        "reads the database owner's password",
        reads_master_password(APPLICATION),
        (*WHOLLY, "key storage-clinical"),
    ),
    Attack(AUDITOR, "reads an image", reads(AUDITOR, shelf.IMAGES, IMAGE), ("role", IMAGING)),
    Attack(AUDITOR, "reads a backup", reads(AUDITOR, shelf.PRIMARY, PACK), ("role",)),
    Attack(
        AUDITOR,
        "reads the database owner's password",
        reads_master_password(AUDITOR),
        (*WHOLLY, "key storage-clinical"),
    ),
    Attack(AUDITOR, "lets itself in", lets_itself_in(AUDITOR), WHOLLY, leaves(AUDITOR)),
    Attack(
        f"audit/{AUDITOR}",
        "adds a statement",
        puts(f"audit/{AUDITOR}", shelf.EVIDENCE, "evidence/dev/{}", **fresh()),
        ("role", "key storage-evidence"),
    ),
    Attack(NOTARY, "signs as the writer", signs(NOTARY, "signing-backup-writer"), ("key signing-backup-writer",)),
    Attack(
        NOTARY,
        "replaces a statement",
        puts(NOTARY, shelf.EVIDENCE, "evidence/dev/{}"),
        ("role", f"bucket {shelf.EVIDENCE}"),
    ),
    Attack("backup-writer", "signs as the notary", signs("backup-writer", "signing-notary"), ("key signing-notary",)),
    Attack(
        "copier",
        "signs as the restorer",
        signs("copier", "signing-restorer"),
        ("role", "key signing-restorer"),
    ),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_a_reader_stays_a_reader(stocked: AttackedEstate, attack: Attack):
    check(stocked, attack)


@pytest.fixture(scope="module")
def pinned(stocked: AttackedEstate) -> list[EvidenceKey]:
    """The verifier's table, as the audit layer published it."""
    body = stocked.client("restorer", "s3").get_object(Bucket=shelf.MANIFEST, Key="dev/audit.json")["Body"].read()
    return [EvidenceKey.model_validate(item) for item in json.loads(body)["evidence"]["keys"]]


def statement(kind: str, duty: str) -> Statement:
    """A statement as its author might forge it, complete enough to be verified."""
    now = "2026-01-01T00:00:00Z"
    return Statement(kind, (), {"env": "dev", "duty": duty, "sequence": 1, "started": now, "finished": now})


@pytest.mark.parametrize(
    ("kind", "says", "reason"),
    [
        ("commit", "notary", "may not sign"),
        ("head", "backup-writer", "says duty"),
        ("drill", "restorer", "may not sign"),
    ],
)
def test_the_notarys_signature_on_another_dutys_statement_is_not_believed(
    stocked: AttackedEstate, pinned: list[EvidenceKey], kind: str, says: str, reason: str
):
    """Real signatures of the real key: the verifier's pinned table refuses them; a careless table believes them."""
    mine = next(key for key in pinned if key.duty == "notary")
    signer = kms_signer(stocked.key_client(NOTARY, "signing-notary"), stocked.keys["signing-notary"], mine.keyid)
    envelope = seal(statement(kind, says), signer)
    every = sorted({name for key in pinned for name in key.predicate_types})
    careless = mine.model_copy(update={"predicate_types": every, "duty": says})
    verify(envelope, Trust.of([careless]))
    with pytest.raises(SignatureInvalid, match=reason):
        verify(envelope, Trust.of(pinned))


def test_a_statement_signed_by_a_key_that_is_not_pinned_is_not_believed(stocked: AttackedEstate, pinned):
    mine = next(key for key in pinned if key.duty == "notary")
    others = Trust.of([key for key in pinned if key.duty != "notary"])
    signer = kms_signer(stocked.key_client(NOTARY, "signing-notary"), stocked.keys["signing-notary"], mine.keyid)
    envelope = seal(statement("head", "notary"), signer)
    verify(envelope, Trust.of(pinned))
    with pytest.raises(SignatureInvalid, match="not pinned"):
        verify(envelope, others)


def test_nobody_may_sign_another_way(stocked: AttackedEstate):
    """Only ECDSA over SHA-256 is granted: a downgrade of the algorithm has no permission behind it."""
    name = "signing-notary"
    refused(
        lambda: stocked.key_client(NOTARY, name).sign(
            KeyId=stocked.keys[name], Message=b"x", MessageType="RAW", SigningAlgorithm="ECDSA_SHA_384"
        )
    )
