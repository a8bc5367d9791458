"""Every row of the contract on the real gateway process; the same rows on plain moto show that the gateway matters."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from contract_rows import ROWS, Row, outcome
from gateway_process import MANAGEMENT, ONCE, ROOT, GatewayProcess

pytestmark = pytest.mark.cloud
MODULES = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("rows_of_*.py"))]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("contract"), accounts=[MANAGEMENT], users=[ROOT])
    yield process
    process.stop()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_gateway_keeps_the_rule(gateway: GatewayProcess, row: Row) -> None:
    assert outcome(gateway, row) == ""


class PlainMoto:
    """moto's own server with its default settings: no gateway, plain HTTP."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        self._sessions: dict[str, Any] = {}
        iam = self.make(self._fixed(), "iam")
        self._keys = {}
        for user in ("alice", "nobody"):
            iam.create_user(UserName=user, Path="/strongroom/")
            self._keys[user] = iam.create_access_key(UserName=user)["AccessKey"]

    @staticmethod
    def _fixed() -> boto3.Session:
        return boto3.Session("AKIAAAAAAAAAAAAAAAAA", "secret", region_name="us-east-1")

    def make(self, session: Any, service: str, region: str = "us-east-1", **arguments: Any) -> Any:
        return session.client(service, region_name=region, **{"endpoint_url": self.url, "config": ONCE, **arguments})

    def assume(self, session: Any, role: str, **arguments: Any) -> Any:
        made = self.make(session, "sts").assume_role(RoleArn=role, RoleSessionName="tests", **arguments)["Credentials"]
        return boto3.Session(
            made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name="us-east-1"
        )

    def session(self, who: str) -> Any:
        if who not in self._sessions:
            if who.startswith(("admin@", "root@")):  # it knows no root user: full power is as near
                role = f"arn:aws:iam::{who.partition('@')[2]}:role/OrganizationAccountAccessRole"
                self._sessions[who] = self.assume(self._fixed(), role)
            elif ":role/" in who:
                self._sessions[who] = self.assume(self.session("alice"), who)
            else:
                key = self._keys[who]
                self._sessions[who] = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
        return self._sessions[who]

    def client(self, who: str, service: str, region: str = "us-east-1") -> Any:
        return self.make(self.session(who), service, region)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainMoto]:
    process = PlainMoto(tmp_path_factory.mktemp("plain"))
    yield process
    process.stop()


def controls() -> list[Any]:
    """Every row that plain moto gets wrong; the gate takes one in four, `make nightly` all."""
    differing = [row for row in ROWS if row.moto_differs]
    marks = [() if number % 4 == 0 else pytest.mark.nightly for number in range(len(differing))]
    return [pytest.param(row, marks=mark, id=str(row)) for row, mark in zip(differing, marks, strict=True)]


@pytest.mark.parametrize("row", controls())
def test_plain_moto_does_not_keep_the_rule(plain: PlainMoto, row: Row) -> None:
    """The negative control: were the gateway to let everything through, these rows would say so."""
    assert outcome(plain, row) != ""


def test_every_module_of_rows_is_used() -> None:
    assert len(ROWS) >= 90
    assert {row.run.__module__ for row in ROWS} == {module.__name__ for module in MODULES}


def test_rows_that_do_not_run_on_aws_say_why() -> None:
    assert all(len(row.laptop_only) > 10 for row in ROWS if row.laptop_only)
    assert sum(not row.laptop_only for row in ROWS) >= 150
