"""OpenBao or Vault as a source: its raft snapshot, which is encrypted by its barrier and opens only with the shares.

The snapshot is a gzipped tar with SHA256SUMS; a transfer that broke off is found here, not at the restore.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from backup_jobs.scratch.workspace import Workspace
from backup_jobs.sources.contract import Item, RestoredItem
from strongroom.errors import Corrupt, Denied, Transient, UsageError
from strongroom.jobs.contract import Clock

SNAPSHOT = "openbao.snap"
_BLOCK = 1024 * 1024


class VaultSource:
    """A server with raft storage; `client` is an hvac client that may read sys/storage/raft/snapshot."""

    kind = "vault"

    def __init__(self, name: str, client: Any, clock: Clock) -> None:
        self.name, self._client, self._clock = name, client, clock

    @contextmanager
    def capture(self, run_key_digest: bytes) -> Iterator[VaultCapture]:
        """Takes a snapshot. Denied: not permitted; Transient: unreachable or broken off; UsageError: no raft."""
        with Workspace() as workspace:
            at = self._clock.now()
            path = workspace.path / SNAPSHOT
            take_snapshot(self._client, path)
            facts = {"kind": "vault", "consistent_at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), **describe(self._client)}
            yield VaultCapture(path, facts, run_key_digest)

    def restore(self, items: Iterator[RestoredItem], target: Any) -> dict[str, Any]:
        """Fills a clean scratch server (`target`: backup_jobs.sources.vault.Target) and unseals it."""
        if not isinstance(target, Target):
            raise UsageError("an OpenBao snapshot is restored into a scratch server with its shares, or as a file")
        with Workspace() as workspace:
            path = workspace.path / SNAPSHOT
            write_snapshot(items, path)
            with path.open("rb") as file:
                return dict(target.server.restore(file, target.shares))


class Target:
    """A scratch server and the original unseal shares; the shares never show in repr."""

    def __init__(self, server: Any, shares: list[str]) -> None:
        self.server, self.shares = server, shares


class VaultCapture:
    """One snapshot: see `backup_jobs.sources.contract.Capture`."""

    def __init__(self, path: Path, facts: dict[str, Any], key: bytes) -> None:
        self._path, self._facts, self._key = path, facts, key

    def items(self) -> Iterator[Item]:
        """The snapshot file."""
        status = self._path.stat()
        identity = f"{status.st_ino:x}:{status.st_ctime_ns:x}"

        def opener() -> BinaryIO:
            return cast(BinaryIO, io.FileIO(self._path, "rb"))

        yield Item(SNAPSHOT, status.st_size, status.st_mtime_ns, 0o600, identity, "file", "", {}, opener)

    def facts(self) -> dict[str, Any]:
        """Facts of the server and a digest of the snapshot."""
        table = {"rows": 1, "digest": digest_file(self._path, self._key)}
        return {**self._facts, "tables": {"snapshot": table}, "skipped": [], "changed": []}


def take_snapshot(client: Any, path: Path) -> None:
    """Writes a raft snapshot to `path` (0600) and checks it."""
    import requests

    url = f"{client.url}/v1/sys/storage/raft/snapshot"
    headers = {"X-Vault-Token": client.token or ""}
    verify = client.adapter._kwargs.get("verify", True)
    try:
        with requests.get(url, headers=headers, verify=verify, stream=True, timeout=600) as answer:
            if answer.status_code == 403:
                raise Denied("sys/storage/raft/snapshot: read was refused by policy")
            if answer.status_code >= 400:
                raise Transient(f"sys/storage/raft/snapshot answered HTTP {answer.status_code}", hint="is it sealed?")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for block in answer.iter_content(_BLOCK):
                    file.write(block)
    except OSError as error:  # requests' errors are OSErrors, as are a missing CA file and a full disk
        hint = "check VAULT_ADDR, VAULT_CACERT and the room in STRONGROOM_SCRATCH"
        raise Transient(f"OpenBao's snapshot cannot be fetched ({type(error).__name__})", hint=hint) from None
    try:
        check_snapshot(path)
    except Corrupt as error:
        raise Transient(f"the transfer of the snapshot broke off: {error.message}", hint="run again") from None


def check_snapshot(path: Path) -> None:
    """Corrupt unless `path` is a whole raft snapshot whose members match its SHA256SUMS."""
    sums: dict[str, str] = {}
    found: dict[str, str] = {}
    try:
        with gzip.open(path) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
            for member in archive:
                data = archive.extractfile(member)
                if data is None:
                    continue
                if member.name == "SHA256SUMS":
                    lines = data.read().decode().splitlines()
                    sums = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
                else:
                    found[member.name] = hashlib.file_digest(cast(Any, data), "sha256").hexdigest()
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise Corrupt(f"not a whole raft snapshot ({type(error).__name__})") from None
    wrong = sorted(name for name, digest in sums.items() if found.get(name) != digest)
    if not sums or wrong:
        raise Corrupt(f"raft snapshot: {', '.join(wrong) or 'SHA256SUMS'} missing or damaged")


def describe(client: Any) -> dict[str, Any]:
    """Version, cluster and seal of a server; needs no permission."""
    import hvac.exceptions
    import requests

    try:
        health = client.sys.read_health_status(method="GET")
        seal = client.sys.read_seal_status()
    except (requests.RequestException, hvac.exceptions.VaultError) as error:
        raise Transient(f"OpenBao cannot be reached ({type(error).__name__})") from None
    return {
        "server_version": str(health.get("version", "")),
        "cluster": str(health.get("cluster_id", "")),
        "seal": {"type": str(seal.get("type", "")), "shares": int(seal["n"]), "threshold": int(seal["t"])},
    }


def write_snapshot(items: Iterator[RestoredItem], path: Path) -> None:
    """Writes the snapshot among `items` to `path` (0600) and checks it; Corrupt when it is not whole."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for item in items:
            if item.path == SNAPSHOT:
                for block in item.read():
                    file.write(block)
    check_snapshot(path)


def digest_file(path: Path, key: bytes) -> str:
    """Keyed digest of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hmac.digest(key, b"file/v1" + hashlib.file_digest(file, "sha256").digest(), "sha256").hex()
