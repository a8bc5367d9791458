"""A gateway as users run it: its own process, TLS on free loopback ports, identities seeded, stopped by process id."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SEEDED_ACCOUNTS = WORKLOAD, BACKUP, AUDIT = "210000000001", "210000000002", "210000000003"
MANAGEMENT = "210000000009"  # of the organisation that the rows of organisations make
ROOT = {"user": f"root@{AUDIT}", "root": True, "account": AUDIT}
USERS = [
    {
        "user": "bootstrap-admin",
        "path": "/strongroom/",
        "account": WORKLOAD,
        "assume": ["arn:aws:iam::*:role/OrganizationAccountAccessRole"],
    },
    {"user": "alice", "path": "/strongroom/", "account": WORKLOAD, "assume": ["arn:aws:iam::*:role/strongroom/*"]},
    {"user": "nobody", "path": "/strongroom/", "account": WORKLOAD},
]
ONCE = Config(retries={"total_max_attempts": 1})


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1: (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway under test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


class GatewayProcess:
    """A running gateway and clients for its principals."""

    def __init__(self, home: Path, *, accounts: Sequence[str] = (), users: Sequence[Mapping[str, Any]] = ()) -> None:
        """Starts with the three accounts and users above, and with more of both."""
        self.home = home
        self.certificate, key = write_certificate(home)
        identities = home / "identities.json"
        identities.write_text(json.dumps([*USERS, *users]))
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTHONDONTWRITE"))}
        self.log = (home / "gateway.log").open("wb")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "local_cloud.servers.gateway", "--home", str(home)),
                *("--certificate", str(self.certificate), "--key", str(key), "--identities", str(identities)),
                *("--accounts", ",".join((WORKLOAD, BACKUP, AUDIT, *accounts))),
            ],
            env=environment,
            stderr=self.log,
        )
        ready = home / "cloud" / "gateway.json"
        deadline = time.monotonic() + 60
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the gateway did not start: {(home / 'gateway.log').read_text()}")
            time.sleep(0.02)
        info = json.loads(ready.read_text())
        self.url, self.kms_url = (f"https://127.0.0.1:{info[name]}" for name in ("port", "kms_port"))
        self._sessions: dict[str, boto3.Session] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}

    def stop(self) -> None:
        """Ends the process by SIGTERM and waits for it."""
        self.process.terminate()
        code = self.process.wait(20)
        self.log.close()
        assert code == 0, f"the gateway ended with {code}: {(self.home / 'gateway.log').read_text()[-2000:]}"

    def user(self, name: str) -> boto3.Session:
        """A session with the access key of a seeded user."""
        import configparser

        keys = configparser.ConfigParser(interpolation=None)
        keys.read(self.home / "aws" / "credentials")
        return boto3.Session(
            keys[name]["aws_access_key_id"], keys[name]["aws_secret_access_key"], region_name="us-east-1"
        )

    def session(self, who: str) -> boto3.Session:
        """`alice` (a user), `root@ACCOUNT`, `admin@ACCOUNT` (the access role) or the ARN of a role alice assumes."""
        if who not in self._sessions:
            if ":role/" in who:
                self._sessions[who] = self.assume(self.user("alice"), who)
            elif who.startswith("admin@"):
                role = f"arn:aws:iam::{who.removeprefix('admin@')}:role/OrganizationAccountAccessRole"
                self._sessions[who] = self.assume(self.user("bootstrap-admin"), role)
            else:
                self._sessions[who] = self.user(who)
        return self._sessions[who]

    def assume(self, session: boto3.Session, role: str, **arguments: Any) -> boto3.Session:
        """A session of a role."""
        sts = self.make(session, "sts")
        made = sts.assume_role(RoleArn=role, RoleSessionName="tests", **arguments)["Credentials"]
        return boto3.Session(
            made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name="us-east-1"
        )

    def make(self, session: boto3.Session, service: str, region: str = "us-east-1", **arguments: Any) -> Any:
        """A client that asks once, over TLS, trusting only the gateway's certificate."""
        url = self.kms_url if service == "kms" else self.url
        configured = {"config": ONCE, "endpoint_url": url, "verify": str(self.certificate), **arguments}
        return session.client(service, region_name=region, **configured)

    def client(self, who: str, service: str, region: str = "us-east-1") -> Any:
        """A kept client of a principal, see `session`."""
        place = (who, service, region)
        if place not in self._clients:
            self._clients[place] = self.make(self.session(who), service, region)
        return self._clients[place]
