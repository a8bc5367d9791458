"""The gateway process: moto and the gateway behind cheroot with TLS, the main port and KMS on its own."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter
from moto.backends import get_backend
from moto.core.utils import get_service_model

from local_cloud.servers.ports import free_port

from . import iam_quotas, protocol
from .backup import Vaults
from .backup_points import RecoveryPoints
from .call import Rule
from .clock import Clock
from .cloud import Cloud, open_cloud
from .cloudtrail import CloudTrail
from .ecr import Images
from .events import Trail
from .handshakes import Handshakes
from .iam import Iam
from .kms import KeyAdministration
from .kms_aliases import Aliases
from .kms_grants import Grants
from .kms_pairs import DataKeyPairs
from .kms_regions import Regions
from .kms_rotation import Rotation
from .kms_use import KeyUse
from .moto_apps import MotoApps
from .organizations import Organizations
from .private_files import private_folder, write_private
from .rds import Databases
from .s3 import s3_rules
from .secret_values import Secrets
from .seeding import seed
from .service_calls import ServiceCalls
from .sns import Topics
from .sqs import Queues
from .ssm import Parameters
from .sts import SecurityTokens
from .trail_delivery import Delivery
from .wsgi import Gateway

#: How long requests that run at SIGTERM may take to end.
STOP_SECONDS = 10.0
_log = logging.getLogger("gateway")


@dataclass(frozen=True)
class Config:
    """How to serve. Ports 0 mean any free loopback port; `identities` is a JSON file (see `seeding`)."""

    home: Path
    certificate: Path
    private_key: Path
    port: int = 0
    kms_port: int = 0
    identities: Path | None = None
    accounts: tuple[str, ...] = ()
    ready: Path | None = None
    threads: int = 16
    clock: Clock | None = None
    ca: Path | None = None  # written into the AWS configuration as ca_bundle

    @property
    def ready_file(self) -> Path:
        """Where {port, kms_port, pid} is written when the gateway answers."""
        return self.ready or self.home / "cloud" / "gateway.json"


def all_rules(cloud: Cloud, trail: Trail) -> tuple[list[Rule], Delivery]:
    """The rules of every service, and the delivery of events that CloudTrail's rules steer."""
    use = KeyUse(cloud)
    objects, databases = s3_rules(cloud, use), Databases(cloud)
    delivery = Delivery(cloud, trail, ServiceCalls(cloud, objects, trail))
    rules = [
        *KeyAdministration(cloud).rules(),
        *Aliases(cloud).rules(),
        *Rotation(cloud).rules(),
        *Regions(cloud).rules(),
        *use.rules(),
        *DataKeyPairs(cloud, use).rules(),
        *Grants(cloud).rules(),
        *objects,
        *SecurityTokens(cloud).rules(),
        *Iam(cloud).rules(),
        *iam_quotas.rules(),
        *Queues(cloud, use).rules(),
        *Topics(cloud, use).rules(),
        *Images(cloud).rules(),
        *Secrets(cloud, use, databases).rules(),
        *Parameters(cloud, use).rules(),
        *databases.rules(),
        *Vaults(cloud).rules(),
        *RecoveryPoints(cloud).rules(),
        *CloudTrail(cloud, delivery).rules(),
        *Organizations(cloud).rules(),
        *Handshakes(cloud).rules(),
    ]
    return rules, delivery


def archive_old_state(home: Path, now: datetime) -> Path | None:
    """Moves what an earlier process left aside, because moto remembers nothing of it; None where nothing was left.

    Keys, objects and the trail of the earlier cloud are kept under home/cloud-archive/TIME, never deleted.
    """
    cloud = home / "cloud"
    old = [cloud / name for name in ("kms", "s3", "events") if (cloud / name).exists()]
    if not old:
        return None
    target = private_folder(private_folder(home / "cloud-archive") / now.strftime("%Y%m%dT%H%M%S.%fZ"))
    for folder in old:
        folder.rename(target / folder.name)
    return target


class Server:
    """The two listeners of one gateway; `start` returns when both accept, `stop` when they are closed."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.archived = archive_old_state(config.home, datetime.now(UTC))
        self.cloud = open_cloud(config.home, config.clock)
        moto = MotoApps()
        trail = Trail(config.home, self.cloud.last_uses)
        rules, self.delivery = all_rules(self.cloud, trail)
        self._apps = {"": Gateway(self.cloud, moto, rules, trail)}
        self._apps["kms"] = Gateway(self.cloud, moto, rules, trail, only="kms")
        self._moto = moto
        self._listeners: dict[str, wsgi.Server] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._ports = {"": config.port, "kms": config.kms_port}

    def _listen(self, name: str) -> None:
        # cheroot sets SO_REUSEADDR on a named port only; without it KMS could not listen again where connections linger
        server = wsgi.Server(
            ("127.0.0.1", self._ports[name] or free_port()),
            self._apps[name],
            numthreads=self.config.threads if not name else max(4, self.config.threads // 2),
            server_name="127.0.0.1",
            request_queue_size=128,
            timeout=20,  # a handshake is done by the accepting thread: a silent peer must not hold it long
        )
        server.keep_alive_conn_limit = 256
        server.ssl_adapter = BuiltinSSLAdapter(str(self.config.certificate), str(self.config.private_key))
        server.prepare()
        self._ports[name] = server.bind_addr[1]
        thread = threading.Thread(target=server.serve, name=f"gateway-{name or 'main'}", daemon=True)
        thread.start()
        self._listeners[name], self._threads[name] = server, thread

    @property
    def port(self) -> int:
        """The main port."""
        return self._ports[""]

    @property
    def kms_port(self) -> int:
        """The port of KMS."""
        return self._ports["kms"]

    def start(self) -> None:
        """Listens, seeds identities, writes the ready file (0600)."""
        with ThreadPoolExecutor(2) as pool:
            warm = pool.submit(preload, self._moto)
            self._listen("")
            self._listen("kms")
            seed(self.cloud, self.config.identities, self.config.accounts, self.config.ca)
            warm.result()
        self.delivery.start()
        ready: dict[str, Any] = {"port": self.port, "kms_port": self.kms_port, "pid": os.getpid()}
        if self.archived is not None:
            ready["archived"] = str(self.archived)
        write_private(self.config.ready_file, json.dumps(ready).encode())

    def stop_kms(self) -> None:
        """KMS refuses connections; the rest goes on."""
        if "kms" in self._listeners:
            self.cloud.kms_up = False
            self._listeners.pop("kms").stop()

    def start_kms(self) -> None:
        """KMS listens on its port again."""
        if "kms" not in self._listeners:
            self.cloud.kms_up = True  # before the port answers: whoever sees it open may use what needs KMS
            try:
                self._listen("kms")
            except OSError:
                self.cloud.kms_up = False
                raise

    def stop(self) -> None:
        """Closes both ports and removes the ready file."""
        self.config.ready_file.unlink(missing_ok=True)
        for server in self._listeners.values():
            server.stop()
        self._listeners.clear()
        self.delivery.stop()  # when no more calls can come: what happened until the last of them
        self.cloud.objects.close()


def preload(moto: MotoApps) -> None:
    """Loads service models, routes and moto's backends, so that no first call pays for them; EC2 is the slowest."""
    for service in sorted(protocol.SERVICES, key=lambda name: name != "ec2"):
        get_service_model(service)
        if service not in ("kms", "sts"):
            moto.of(service)
        if service == "ec2":
            for account in ("210000000001",):
                get_backend("ec2")[account]["us-east-1"]


def serve(config: Config) -> None:
    """Serves until SIGTERM or SIGINT. SIGUSR1 stops KMS, SIGUSR2 starts it again."""
    server = Server(config)
    ended = threading.Event()
    actions: dict[int, Callable[[], None]] = {
        signal.SIGTERM: ended.set,
        signal.SIGINT: ended.set,
        signal.SIGUSR1: lambda: threading.Thread(target=server.stop_kms).start(),
        signal.SIGUSR2: lambda: threading.Thread(target=server.start_kms).start(),
    }
    faulthandler.register(signal.SIGQUIT)  # every thread's stack into the log, where a gateway seems to hang
    for number, action in actions.items():
        signal.signal(number, lambda _number, _frame, action=action: action())
    server.start()
    _log.info("listening on ports %s and %s (KMS)", server.port, server.kms_port)
    ended.wait()
    stopping = threading.Thread(target=server.stop, daemon=True)
    stopping.start()
    stopping.join(STOP_SECONDS)
    logging.shutdown()
    os._exit(0)  # cheroot's workers are no daemons: a request that hangs would keep the process
