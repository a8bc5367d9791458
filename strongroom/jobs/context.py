"""The real context of a run: manifest, sessions of duties, the evidence log; see `strongroom.jobs.contract.Context`."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from threading import Event, RLock
from typing import Any
from urllib.parse import urlparse

from strongroom.errors import ManifestError, Missing
from strongroom.estate.manifest import LAYERS, Manifest, merge
from strongroom.evidence.dsse import Signer, kms_signer
from strongroom.evidence.log import RETENTION, Author, ChainedLog
from strongroom.jobs import credentials
from strongroom.jobs.clock import SystemClock
from strongroom.jobs.contract import Clock, EvidenceLog
from strongroom.progress import Progress, Silent
from strongroom.storage.contract import Storage
from strongroom.storage.local import LocalStorage
from strongroom.storage.s3 import S3Storage


def new_run_id(clock: Clock) -> str:
    """A sortable id of a run: 20260131T093000Z-1a2b3c4d."""
    return f"{clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def load_manifest(env: str, duty: str) -> Manifest:
    """Reads the manifest of an environment from STRONGROOM_MANIFEST: a folder, or s3://bucket/prefix.

    The default is the bucket `strongroom-<env>-manifest`, read with the ambient credentials of the duty.
    """
    place = os.environ.get("STRONGROOM_MANIFEST", f"s3://strongroom-{env}-manifest")
    storage: Storage
    if place.startswith("s3://"):
        target = urlparse(place)
        region = os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
        client = credentials.ambient_session(env, duty, region).client("s3")
        storage = S3Storage(client, target.netloc, target.path)
    elif Path(place).is_dir():
        storage = LocalStorage(Path(place))
    else:
        raise ManifestError(f"STRONGROOM_MANIFEST={place} is neither s3://bucket nor a folder")
    parts = {}
    for layer in LAYERS:
        try:
            parts[f"{env}/{layer}.json"] = storage.get(f"{env}/{layer}.json")
        except Missing:
            continue
    return merge(parts)


class JobContext:
    """What a job may touch, with the credentials of the job's duty."""

    def __init__(
        self,
        manifest: Manifest,
        *,
        job: str,
        duty: str,
        options: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.manifest, self.env = manifest, manifest.env
        self.job, self.duty = job, duty
        self.options = dict(options or {})
        self.clock: Clock = clock or SystemClock()
        self.progress: Progress = progress or Silent()
        self.cancel = Event()
        self.run_id = new_run_id(self.clock)
        self._making = RLock()  # units may run at the same time
        self._sessions: dict[tuple[str, str, str], Any] = {}
        self._vaults: dict[str, Any] = {}
        self._logs: dict[str, EvidenceLog] = {}

    @property
    def evidence(self) -> EvidenceLog:
        """The evidence log of the job's own duty."""
        return self.evidence_of(self.duty)

    def evidence_of(self, duty: str) -> EvidenceLog:
        """The evidence log of a duty that acts in this run; ManifestError when it has no signing key."""
        with self._making:
            if duty not in self._logs:
                self._logs[duty] = self._open_log(duty)
            return self._logs[duty]

    def home_account(self, duty: str) -> str:
        """The first account in which a duty has a role: workload, then backup, then audit."""
        order = ("workload", "backup", "audit")
        names = [n for n in (*order, *self.manifest.accounts) if duty in self._roles(n)]
        if not names:
            raise ManifestError(f"duty {duty!r} has no role in any account of {self.env!r}")
        return names[0]

    def session(self, duty: str, account: str, region: str = "") -> Any:
        """A boto3 session as a duty's role in an account (by name in the manifest)."""
        where = region or self.manifest.accounts[account].regions[0]
        key = (duty, account, where)
        with self._making:
            if key not in self._sessions:
                role = self.manifest.role(account, duty)
                self._sessions[key] = credentials.duty_session(self.env, duty, role, where)
            return self._sessions[key]

    def vault(self, duty: str) -> Any:
        """A logged-in hvac client of a duty."""
        with self._making:
            if duty not in self._vaults:
                self._vaults[duty] = credentials.vault_client(duty)
            return self._vaults[duty]

    def _roles(self, account: str) -> Mapping[str, str]:
        found = self.manifest.accounts.get(account)
        return found.roles if found else {}

    def _open_log(self, duty: str) -> EvidenceLog:
        declared = self.manifest.evidence
        key = next((k for k in declared.keys if k.duty == duty), None) if declared else None
        if declared is None or key is None:
            raise ManifestError(f"duty {duty!r} has no signing key in the manifest", hint="deploy the layer audit")
        session = self.session(duty, self.home_account(duty))
        region = key.key_ref.split(":")[3]
        signer: Signer = kms_signer(session.client("kms", region_name=region), key.key_ref, key.keyid)
        sandbox = self.manifest.environment_kind == "sandbox"
        mode = "GOVERNANCE" if sandbox else "COMPLIANCE"
        storage = S3Storage(session.client("s3", region_name=declared.region), declared.bucket, lock_mode=mode)
        author = Author(
            env=self.env,
            job=self.job,
            duty=duty,
            principal=credentials.identity(session),
            run_id=self.run_id,
            simulated=credentials.simulated(session),
            manifest=self.manifest.digest(),
        )
        return ChainedLog(storage, signer, author, self.clock.now, None if sandbox else RETENTION)


def principal_digest(arn: str) -> str:
    """A short stable name of a principal for file names: 16 hex digits of SHA-256."""
    return hashlib.sha256(arn.encode()).hexdigest()[:16]
