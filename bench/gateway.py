"""What the gateway adds to a call: the same calls to moto behind the same server, without and with the gateway.

Run: python bench/gateway.py [calls]. Both sides are threads of one process behind cheroot with TLS; rounds alternate,
so that load from elsewhere falls on both. Prints medians in milliseconds: what the client waits, the server
computes; the promise is less than 3 ms added a call. On a busy machine only the computing time says anything.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
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

ACCOUNT, PROMISE_MS, ROUND = "210000000001", 3.0, 20
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
    guarded = gateway._apps[""] = Timed(gateway._apps[""])  # type: ignore[assignment]
    gateway.start()
    urls = {"plain": f"https://127.0.0.1:{plain.bind_addr[1]}", "gateway": f"https://127.0.0.1:{gateway.port}"}
    yield urls, {"plain": moto, "gateway": guarded}, str(layout.ca_pem)
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


def measured(call: Callable[[], Any], count: int) -> list[float]:
    """Milliseconds of each of `count` calls."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return times


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
    """Prints the table; 1 if the promise is not kept."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder)) as (urls, applications, ca):
        keys = configparser.ConfigParser(interpolation=None)
        keys.read(Path(folder) / "aws" / "credentials")
        user = boto3.Session(*keys["bootstrap-admin"].values(), region_name="us-east-1")
        sts = user.client("sts", endpoint_url=urls["gateway"], verify=ca)
        made = sts.assume_role(RoleArn=ROLE, RoleSessionName="bench")["Credentials"]
        admin = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        sides = {side: calls(admin, url, ca, side) for side, url in urls.items()}
        worst = -1000.0
        print(f"{f'medians of {count} calls, ms':38}   waiting: moto gateway   computing: moto gateway   added")
        for name in sides["plain"]:
            waited: dict[str, list[float]] = {side: [] for side in sides}
            for application in applications.values():
                application.spent.clear()
            for _ in range(count // ROUND):
                for side, collected in waited.items():
                    collected += measured(sides[side][name], ROUND)
            wait = [statistics.median(waited[side]) for side in sides]
            work = [statistics.median(applications[side].spent) for side in sides]
            worst = max(worst, work[1] - work[0])
            print(f"{name:38}{wait[0]:16.2f}{wait[1]:8.2f}{work[0]:18.2f}{work[1]:8.2f}{work[1] - work[0]:+8.2f}")
        for side, url in urls.items():
            put, get = throughput(admin, url, ca, f"bucket-{side}")
            print(f"{side}: 64 MiB put {put:.0f} MiB/s, get {get:.0f} MiB/s")
    print(f"worst added median {worst:.2f} ms computing; promised < {PROMISE_MS} ms")
    return 0 if worst < PROMISE_MS else 1


if __name__ == "__main__":
    sys.exit(main())
