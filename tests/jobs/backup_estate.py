"""A small estate on real parts for the backup jobs: the laptop cloud's gateway, PostgreSQL, OpenBao, folders."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import boto3
import hvac
import psycopg
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from backup_jobs.repository import create
from strongroom.errors import Denied
from strongroom.estate.manifest import EvidenceKey, Manifest
from strongroom.evidence.dsse import Signer
from strongroom.evidence.log import Author, ChainedLog
from strongroom.evidence.statement import predicate_type
from strongroom.evidence.trust import keyid_of
from strongroom.fields import branch_keys
from strongroom.fields.cipher import FieldCipher
from strongroom.jobs.clock import SystemClock
from strongroom.keys import escrow
from strongroom.keys.kms import KmsUnwrapper, KmsWrapper
from strongroom.keys.transit import TransitWrapper
from strongroom.progress import Silent
from strongroom.storage.local import LocalStorage
from strongroom.storage.s3 import S3Storage

REPO = "strongroom-test"
PASSPHRASE = b"correct horse battery"
SIGNS = {
    "backup-writer": ("run", "commit", "census"),
    "restorer": ("run", "verified", "drill"),
    "copier": ("run", "copy"),
    "rotator": ("run", "rotation", "census"),
}


@dataclass
class JobContext:
    """A context of one duty over the estate; `refused` duties cannot be assumed."""

    estate: BackupEstate
    duty: str
    options: Mapping[str, Any] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.manifest: Manifest = self.estate.manifest
        self.env = "test"
        self.clock: Any = SystemClock()
        self.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        self.progress = Silent()
        self.cancel = Event()
        self._logs: dict[str, ChainedLog] = {}

    @property
    def evidence(self) -> ChainedLog:
        return self.evidence_of(self.duty)

    def evidence_of(self, duty: str) -> ChainedLog:
        if duty not in self._logs:
            self._logs[duty] = self.estate.log(duty, self.run_id)
        return self._logs[duty]

    def home_account(self, duty: str) -> str:
        return "backup" if duty == "copier" else "workload"

    def session(self, duty: str, account: str, region: str = "") -> Any:
        if duty in self.refused:
            raise Denied(f"sts:AssumeRole of {duty} was refused")
        return self.estate.session

    def vault(self, duty: str) -> Any:
        if duty in self.refused:
            raise Denied(f"login of {duty} was refused")
        return self.estate.vault


@dataclass
class BackupEstate:
    """Everything that a backup meets, made once a module."""

    home: Path
    dsn: str
    vault: Any
    vault_shares: tuple[str, ...]
    session: Any

    def __post_init__(self) -> None:
        self.s3, self.kms = self.session.client("s3"), self.session.client("kms")
        self.nonce = uuid.uuid4().hex[:8]
        self.devices = self.home / "device-data"
        self.signers = {duty: ec.generate_private_key(ec.SECP256R1()) for duty in SIGNS}
        self.keys = {name: self.kms.create_key()["KeyMetadata"]["Arn"] for name in ("near", "far", "fields")}
        self.keys["id"] = self.kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["Arn"]
        self.private_escrow, self.public_escrow = self.home / "escrow.pem", self.home / "escrow.pub.pem"
        self.passphrase_file = self.home / "passphrase"
        self.passphrase_file.write_bytes(PASSPHRASE + b"\n")
        escrow.create(self.private_escrow, self.public_escrow, PASSPHRASE)
        self._make_buckets()
        self._make_vault()
        self.manifest = self._manifest()
        self._make_devices()
        self._make_images()
        self._make_portal()

    def save(self, path: Path, vault_address: str, vault_certificate: str, vault_token: str) -> None:
        """Writes what another process needs to act in this estate (`attach`)."""
        private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        document = {
            "home": str(self.home),
            "dsn": self.dsn,
            "nonce": self.nonce,
            "credentials": list(self.session.get_credentials().get_frozen_credentials())[:3],
            "vault": [vault_address, vault_certificate, vault_token],
            "manifest": self.manifest.model_dump(mode="json", by_alias=True),
            "signers": {duty: key.private_bytes(*private).decode() for duty, key in self.signers.items()},
        }
        path.write_text(json.dumps(document))

    @classmethod
    def attach(cls, path: Path) -> BackupEstate:
        """The estate of another process."""
        document = json.loads(path.read_text())
        address, certificate, token = document["vault"]
        estate = object.__new__(cls)
        estate.home, estate.dsn, estate.nonce = Path(document["home"]), document["dsn"], document["nonce"]
        estate.vault = hvac.Client(url=address, verify=certificate, token=token)
        estate.session = boto3.Session(*document["credentials"], region_name="us-east-1")
        estate.s3 = estate.session.client("s3")
        estate.manifest = Manifest.model_validate(document["manifest"])
        loaded = {d: serialization.load_pem_private_key(p.encode(), None) for d, p in document["signers"].items()}
        estate.signers = {duty: key for duty, key in loaded.items() if isinstance(key, ec.EllipticCurvePrivateKey)}
        return estate

    def context(self, duty: str, *, refused: tuple[str, ...] = (), **options: Any) -> JobContext:
        return JobContext(self, duty, options, frozenset(refused))

    def bucket(self, role: str) -> str:
        return f"{role}-{self.nonce}"

    def storage(self, role: str) -> S3Storage:
        return S3Storage(self.s3, self.bucket(role), lock_mode="GOVERNANCE")

    @property
    def disk(self) -> LocalStorage:
        return LocalStorage(self.home / "copies" / "disk")

    def log(self, duty: str, run_id: str) -> ChainedLog:
        key = self.signers[duty]

        def sign(digest: bytes) -> bytes:
            return key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))

        author = Author("test", "test", duty, f"arn:test:{duty}", run_id, True, self.manifest.digest())
        signer = Signer(keyid_of(_pem(key)), sign)
        return ChainedLog(self.storage("evidence"), signer, author, SystemClock().now, None)

    def statements(self, kind: str) -> list[dict[str, Any]]:
        """Predicates of every evidence statement of a kind, oldest first."""
        from strongroom.evidence.dsse import read_unverified

        storage = self.storage("evidence")
        read = [read_unverified(storage.get(entry.name))[1] for entry in storage.list("evidence/")]
        return [dict(statement.predicate) for statement in read if statement.kind == kind]

    def _make_buckets(self) -> None:
        for role in ("primary", "vaulted"):
            self.s3.create_bucket(Bucket=self.bucket(role), ObjectLockEnabledForBucket=True)
            rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
            self.s3.put_object_lock_configuration(
                Bucket=self.bucket(role), ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
            )
            create(self.storage(role), REPO)
        for role in ("control", "control-vaulted", "evidence", "images"):
            self.s3.create_bucket(Bucket=self.bucket(role))
        versioning = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=self.bucket("images"), VersioningConfiguration=versioning)

    def _make_vault(self) -> None:
        name = f"recipient-{self.nonce}"
        self.transit = f"transit/{name}"
        self.vault.secrets.transit.create_key(name, derived=True)
        shares = self.home / "vault" / "unseal"
        shares.mkdir(parents=True)
        for number, share in enumerate(self.vault_shares, 1):
            (shares / f"{number}.json").write_text(json.dumps({"number": number, "share": share}))
        policy = f'path "transit/decrypt/{name}" {{ capabilities = ["update"] }}'
        self.vault.sys.create_or_update_policy(f"restorer-{self.nonce}", policy)
        approle = self.vault.auth.approle
        approle.create_or_update_approle(f"restorer-{self.nonce}", token_policies=[f"restorer-{self.nonce}"])
        role_id = approle.read_role_id(f"restorer-{self.nonce}")["data"]["role_id"]
        secret_id = approle.generate_secret_id(f"restorer-{self.nonce}")["data"]["secret_id"]
        (self.home / "vault" / "restorer.json").write_text(json.dumps({"role_id": role_id, "secret_id": secret_id}))

    def _make_devices(self) -> None:
        (self.devices / "ecg").mkdir(parents=True)
        (self.devices / "ecg" / "one.dcm").write_bytes(os.urandom(400_000))
        (self.devices / "notes.txt").write_text("device log\n" * 500)
        (self.devices / "empty").write_bytes(b"")
        (self.devices / "latest").symlink_to("ecg/one.dcm")
        (self.devices / "notes.txt").chmod(0o640)

    def _make_images(self) -> None:
        for number in range(3):
            self.s3.put_object(
                Bucket=self.bucket("images"),
                Key=f"study/{number}.dcm",
                Body=os.urandom(50_000),
                ContentType="application/dicom",
                Metadata={"modality": "US"},
                Tagging="class=imaging",
            )

    def wrappers(self) -> dict[str, Any]:
        return {
            branch_keys.ROOT: KmsWrapper(self.kms, self.keys["fields"]),
            "near": KmsWrapper(self.kms, self.keys["near"]),
            "transit": TransitWrapper(self.vault, self.transit),
            "far": KmsWrapper(self.kms, self.keys["far"]),
            "escrow": escrow.load_public(self.public_escrow),
        }

    def _make_portal(self) -> None:
        with psycopg.connect(self.dsn) as connection:
            branch_keys.install_schema(connection)
            connection.execute("CREATE TABLE patients (id uuid PRIMARY KEY, born date, mrn bytea)")
            connection.execute(
                "CREATE TABLE visits (id bigserial PRIMARY KEY, patient uuid REFERENCES patients, at date)"
            )
            branch_keys.create(connection, "clinic", "clinical", self.wrappers())
            roots = {"clinical": KmsUnwrapper(self.kms, self.keys["fields"])}
            cipher = FieldCipher(connection, "clinic", roots)
            patients = [uuid.uuid4() for _ in range(40)]
            cipher.create_subject_keys("clinical", patients)
            for patient in patients:
                sealed = cipher.seal(
                    "patient-mrn", "clinical", subject=patient, row_key=str(patient), plaintext=b"MRN-CANARY"
                )
                connection.execute("INSERT INTO patients VALUES (%s, '1990-01-01', %s)", (patient, sealed))
            connection.execute(
                "INSERT INTO visits (patient, at) SELECT id, '2030-01-01' FROM patients, generate_series(1, 50)"
            )

    def _manifest(self) -> Manifest:
        objective = {"rpo_seconds": 86400, "rto_seconds": 3600, "retention_days": 30}
        field_spec = {"field_id": "patient-mrn", "table": "patients", "column": "mrn", "row_key": "id"}
        key = {"class": "backup", "provider": "aws-kms", "account": "workload", "region": "us-east-1"}
        transit = {"name": "transit", "class": "backup", "purpose": "recipient", "provider": "transit"}
        return Manifest.model_validate(
            {
                "env": "test",
                "environment_kind": "sandbox",
                "accounts": {
                    "workload": {
                        "id": "210000000001",
                        "regions": ["us-east-1"],
                        "roles": dict.fromkeys(("backup-writer", "restorer", "rotator"), "r"),
                    },
                    "backup": {
                        "id": "210000000002",
                        "regions": ["us-east-1"],
                        "roles": dict.fromkeys(("copier", "restorer"), "r"),
                    },
                },
                "keys": [
                    {**key, "name": "near", "purpose": "recipient", "ref": self.keys["near"]},
                    {**key, "name": "far", "purpose": "recipient", "ref": self.keys["far"]},
                    {**key, "name": "id", "purpose": "id", "ref": self.keys["id"]},
                    {**transit, "ref": self.transit},
                ],
                "stores": [
                    {"name": "images", "kind": "bucket", "class": "imaging", "objective": objective}
                    | {"arn": f"arn:aws:s3:::{self.bucket('images')}", "account": "workload", "region": "us-east-1"},
                    {"name": "device-data", "kind": "folder", "class": "imaging", "objective": objective}
                    | {"endpoint": str(self.devices)},
                    {"name": "openbao", "kind": "vault", "class": "clinical", "objective": objective},
                    {"name": "notices", "kind": "queue", "class": "clinical"},
                    {"name": "portal", "kind": "postgres", "class": "clinical", "objective": objective}
                    | {"endpoint": self.dsn, "fields": [{**field_spec, "class": "clinical"}]},
                ],
                "repositories": [
                    {
                        "id": REPO,
                        "id_key": "id",
                        "lock_days": 1,
                        "lock_mode": "GOVERNANCE",
                        "copies": [
                            self._copy("primary", "workload", "control", ["near", "transit", "escrow"]),
                            self._copy("vaulted", "backup", "control-vaulted", ["far", "escrow"]),
                            {"name": "disk", "backend": "local", "url": "copies/disk", "recipients": ["escrow"]},
                        ],
                    }
                ],
                "evidence": {
                    "bucket": self.bucket("evidence"),
                    "region": "us-east-1",
                    "keys": [self._evidence_key(duty) for duty in SIGNS],
                },
                "digests": {},
            }
        )

    def _copy(self, name: str, account: str, control: str, recipients: list[str]) -> dict[str, Any]:
        return {
            "name": name,
            "backend": "s3",
            "url": f"s3://{self.bucket(name)}",
            "control_url": f"s3://{self.bucket(control)}",
            "account": account,
            "region": "us-east-1",
            "recipients": recipients,
        }

    def _evidence_key(self, duty: str) -> EvidenceKey:
        pem = _pem(self.signers[duty])
        return EvidenceKey(
            keyid=keyid_of(pem),
            duty=duty,
            key_ref="test",
            spki_pem=pem,
            alg="ecdsa-p256-sha256",
            predicate_types=tuple(predicate_type(kind) for kind in SIGNS[duty]),
            env="test",
            not_before=datetime(2020, 1, 1, tzinfo=UTC),
        )


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
