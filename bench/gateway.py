"""What the gateway adds to a call: the same calls to moto behind the same server, without and with the gateway.

Run: python bench/gateway.py [calls] [--json]. Both sides are threads of one process behind cheroot with TLS; each call
is made to one and at once to the other, in turn first, so that load from elsewhere falls on both and differences are
of pairs. Milliseconds at the median: what the client waits, what the server computes, and of the latter the gateway's
own work, with what moto computes inside it taken off. The promise is less than 3 ms added a call. On a busy machine
only computing time says anything.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as ClientConfig
from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local_cloud.servers.certificates import authority
from local_cloud.servers.gateway.serve import Config, Server
from local_cloud.servers.layout import Layout, private_folder

ACCOUNT, PROMISE_MS = "210000000001", 3.0
ROLE = f"arn:aws:iam::{ACCOUNT}:role/OrganizationAccountAccessRole"


class Timed:
    """A WSGI application and the milliseconds of CPU its thread used for each request."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        self.spent: list[float] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start = time.thread_time()
        body = list(self._application(environ, start_response))
        self.spent.append((time.thread_time() - start) * 1000)
        return body


@contextlib.contextmanager
def servers(home: Path) -> Iterator[tuple[dict[str, str], dict[str, Timed], str]]:
    """(URLs, applications, CA file) of plain moto and of the gateway."""
    layout = Layout(home)
    issued = authority(layout).issue("server", private_folder(home / "tls"))
    moto = Timed(DomainDispatcherApplication(create_backend_app))
    plain = wsgi.Server(("127.0.0.1", 0), moto, numthreads=8)
    plain.ssl_adapter = BuiltinSSLAdapter(str(issued.certificate), str(issued.key))
    plain.prepare()
    threading.Thread(target=plain.serve, daemon=True).start()
    identities = home / "identities.json"
    identities.write_text(json.dumps([{"user": "bootstrap-admin", "account": ACCOUNT, "assume": [ROLE]}]))
    gateway = Server(Config(home, issued.certificate, issued.key, identities=identities))
    inner = Timed(gateway._apps[""]._moto)
    gateway._apps[""]._moto = inner
    guarded = gateway._apps[""] = Timed(gateway._apps[""])  # type: ignore[assignment]
    gateway.start()
    urls = {"plain": f"https://127.0.0.1:{plain.bind_addr[1]}", "gateway": f"https://127.0.0.1:{gateway.port}"}
    try:
        yield urls, {"plain": moto, "gateway": guarded, "inside": inner}, str(layout.ca_pem)
    finally:
        gateway.stop()
        plain.stop()


def calls(session: boto3.Session, url: str, ca: str, side: str) -> dict[str, Callable[[], Any]]:
    """The calls to compare, on resources of their own side."""

    def client(service: str) -> Any:
        config = ClientConfig(retries={"total_max_attempts": 1})
        return session.client(service, endpoint_url=url, verify=ca, region_name="us-east-1", config=config)

    iam, sqs, s3, kms = (client(service) for service in ("iam", "sqs", "s3", "kms"))
    queue = sqs.create_queue(QueueName=f"queue-{side}")["QueueUrl"]
    bucket, body = f"bucket-{side}", b"x" * 1024
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    return {
        "sqs GetQueueAttributes (moto answers)": lambda: sqs.get_queue_attributes(QueueUrl=queue),
        "iam ListRoles (moto answers)": lambda: iam.list_roles(),
        "kms GenerateDataKey": lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256"),
        "s3 PutObject 1 KiB": lambda: s3.put_object(Bucket=bucket, Key="k", Body=body),
        "s3 GetObject 1 KiB": lambda: s3.get_object(Bucket=bucket, Key="k")["Body"].read(),
        "s3 ListObjectsV2": lambda: s3.list_objects_v2(Bucket=bucket),
    }


@dataclass(frozen=True)
class Cost:
    """Medians of one call in ms; `added_*` are medians of the differences of pairs, `own` is the gateway's own work."""

    call: str
    waits: float
    waits_through_gateway: float
    added_waiting: float
    computes: float
    computes_in_gateway: float
    added_computing: float
    own: float


def milliseconds(call: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def compared(name: str, sides: dict[str, Callable[[], Any]], applications: dict[str, Timed], count: int) -> Cost:
    """The cost of one call over `count` pairs, after a few that warm up."""
    for call in sides.values():
        for _ in range(5):
            call()
    for application in applications.values():
        application.spent.clear()
    waited: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(count):
        for side in sorted(sides, reverse=bool(number % 2)):
            waited[side].append(milliseconds(sides[side]))
    # a timing is written after the answer is sent: the last one may be a moment late
    deadline = time.monotonic() + 5
    while any(len(applications[side].spent) < count for side in sides) and time.monotonic() < deadline:
        time.sleep(0.001)
    plain, guarded, inside = (applications[side].spent for side in ("plain", "gateway", "inside"))
    return Cost(
        name,
        statistics.median(waited["plain"]),
        statistics.median(waited["gateway"]),
        statistics.median(b - a for a, b in zip(waited["plain"], waited["gateway"], strict=True)),
        statistics.median(plain),
        statistics.median(guarded),
        statistics.median(b - a for a, b in zip(plain, guarded, strict=False)),
        statistics.median(guarded) - (statistics.median(inside) if inside else 0.0),
    )


def throughput(session: boto3.Session, url: str, ca: str, bucket: str) -> tuple[float, float]:
    """(put, get) of 64 MiB in MiB/s."""
    s3 = session.client("s3", endpoint_url=url, verify=ca, region_name="us-east-1")
    body = b"0123456789abcdef" * (4 << 20)
    start = time.perf_counter()
    s3.put_object(Bucket=bucket, Key="large", Body=body)
    middle = time.perf_counter()
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == body
    return 64 / (middle - start), 64 / (time.perf_counter() - middle)


def main() -> int:
    """Prints the table or JSON; 1 if the promise is not kept."""
    options = argparse.ArgumentParser(description="what the gateway adds to a call")
    options.add_argument("calls", nargs="?", type=int, default=200, help="pairs of each call")
    options.add_argument("--json", action="store_true", help="print one JSON document")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder)) as (urls, applications, ca):
        keys = configparser.ConfigParser(interpolation=None)
        keys.read(Path(folder) / "aws" / "credentials")
        user = boto3.Session(*keys["bootstrap-admin"].values(), region_name="us-east-1")
        sts = user.client("sts", endpoint_url=urls["gateway"], verify=ca)
        made = sts.assume_role(RoleArn=ROLE, RoleSessionName="bench")["Credentials"]
        admin = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        sides = {side: calls(admin, url, ca, side) for side, url in urls.items()}
        costs = [
            compared(name, {side: sides[side][name] for side in sides}, applications, given.calls)
            for name in sides["plain"]
        ]
        speeds = {side: throughput(admin, url, ca, f"bucket-{side}") for side, url in urls.items()}
    worst = max(max(cost.added_computing, cost.own) for cost in costs)
    if given.json:
        rows = [{name: v if isinstance(v, str) else round(v, 3) for name, v in asdict(c).items()} for c in costs]
        through = {side: {"put_mib_s": round(put), "get_mib_s": round(get)} for side, (put, get) in speeds.items()}
        about = {"calls": given.calls, "load": os.getloadavg()[0], "cores": os.cpu_count(), "promise_ms": PROMISE_MS}
        print(json.dumps({**about, "worst_ms": round(worst, 3), "costs": rows, "throughput": through}, indent=1))
    else:
        report(costs, speeds, given.calls)
        print(f"worst added at the median {worst:.2f} ms computing; promised < {PROMISE_MS} ms")
    return 0 if worst < PROMISE_MS else 1


def report(costs: list[Cost], speeds: dict[str, tuple[float, float]], count: int) -> None:
    """Prints the table."""
    print(f"{f'medians of {count} pairs, ms':38}  waiting: moto gateway  added   computing: moto gateway  added    own")
    for c in costs:
        waiting = f"{c.waits:15.2f}{c.waits_through_gateway:8.2f}{c.added_waiting:+7.2f}"
        computing = f"{c.computes:18.2f}{c.computes_in_gateway:8.2f}{c.added_computing:+7.2f}{c.own:7.2f}"
        print(f"{c.call:38}{waiting}{computing}")
    for side, (put, get) in speeds.items():
        print(f"{side}: 64 MiB put {put:.0f} MiB/s, get {get:.0f} MiB/s")


if __name__ == "__main__":
    sys.exit(main())
