"""What runs, as the supervisor wrote it and as the process table confirms it; and the seam that clients enter by."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from local_cloud.servers import ports
from local_cloud.servers.identities import DEFAULT_REGION
from local_cloud.servers.layout import Layout, read_json, write_private_json
from local_cloud.servers.processes import ProcessIdentity
from strongroom.errors import UsageError

SCHEMA = "strongroom.cloud-status/1"


class State(Enum):
    """Where a server is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"  # because somebody asked
    FAILED = "failed"  # did not become ready
    DEAD = "dead"  # ended although nobody asked


#: States in which nothing is wrong.
WELL = frozenset({State.STARTING, State.RUNNING, State.STOPPED})


@dataclass(frozen=True)
class ServerStatus:
    """One server: its state, process, address, log, and a note when something is wrong."""

    name: str
    state: State
    log: Path
    process: ProcessIdentity | None = None
    address: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it stands in `cloud/status.json`."""
        return {
            "state": self.state.value,
            "log": str(self.log),
            "process": None if self.process is None else self.process.to_json(),
            "address": self.address,
            "note": self.note,
        }

    @staticmethod
    def from_json(name: str, document: Mapping[str, Any]) -> ServerStatus:
        """The reverse of `to_json`."""
        return ServerStatus(
            name,
            State(document["state"]),
            Path(document["log"]),
            ProcessIdentity.from_json(document["process"]),
            document["address"],
            document["note"],
        )

    def confirmed(self) -> ServerStatus:
        """The same, except that a process which is gone makes the server dead."""
        if self.state not in (State.STARTING, State.RUNNING) or self.process is None or self.process.alive():
            return self
        return replace(self, state=State.DEAD, note=self.note or f"process {self.process.pid} ended unasked")


@dataclass(frozen=True)
class Survey:
    """The laptop's cloud as it is now. `attempt` counts the starts that the supervisor has seen."""

    supervisor: ProcessIdentity | None
    servers: Mapping[str, ServerStatus]
    started: str = ""
    attempt: int = 0

    @property
    def supervised(self) -> bool:
        """Whether the supervisor is alive."""
        return self.supervisor is not None and self.supervisor.alive()

    @property
    def generation_alive(self) -> bool:
        """Whether the simulated accounts still exist."""
        gateway = self.servers.get("gateway")
        return gateway is not None and gateway.confirmed().state is State.RUNNING

    def problems(self) -> list[str]:
        """One line for each thing that is wrong, with the log to read; empty when all is as it was asked to be."""
        if self.supervisor is None:
            return ["the laptop's cloud is not running"]
        found = (
            [] if self.supervised else ["the supervisor is gone; `strongroom cloud start` puts another in its place"]
        )
        found += [
            f"{server.name} is {server.state.value}: {server.note or 'no reason known'}; log {server.log}"
            for server in self.servers.values()
            if server.state not in WELL
        ]
        return found


def survey(layout: Layout) -> Survey:
    """Reads `cloud/status.json` and checks every process it names; an empty survey when there is none."""
    document = read_json(layout.status)
    if document is None or document.get("schema") != SCHEMA:
        return Survey(None, {})
    servers = {
        name: ServerStatus.from_json(name, entry).confirmed() for name, entry in sorted(document["servers"].items())
    }
    return Survey(
        ProcessIdentity.from_json(document["supervisor"]), servers, document["started"], int(document["attempt"])
    )


def write(layout: Layout, found: Survey) -> None:
    """Writes `cloud/status.json`; the supervisor's part, and `stop`'s when there is no supervisor left."""
    write_private_json(
        layout.status,
        {
            "schema": SCHEMA,
            "supervisor": None if found.supervisor is None else found.supervisor.to_json(),
            "started": found.started,
            "attempt": found.attempt,
            "servers": {name: server.to_json() for name, server in found.servers.items()},
        },
    )


def environment(home: Path) -> dict[str, str]:
    """The variables by which programs and jobs enter the laptop's cloud; no secrets, only addresses and file names.

    Loopback is taken out of any proxy's reach, since clients would else send it there. STRONGROOM_PG_BIN is the folder
    of PostgreSQL's programs and STRONGROOM_PG_RUN_AS, set only for root, the user id that can run them.
    Raises UsageError unless the cloud runs; a single service may be stopped.
    """
    layout = Layout(home.absolute())
    gateway, openbao, postgres = (read_json(layout.ready_file(name)) for name in ("gateway", "openbao", "postgres"))
    if gateway is None or openbao is None or postgres is None or not survey(layout).generation_alive:
        raise UsageError(f"no laptop cloud runs under {home}", hint="run `strongroom cloud start`")
    bypass = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1,localhost")))
    found = {
        "STRONGROOM_HOME": str(layout.home),
        "AWS_ENDPOINT_URL": f"https://{ports.LOOPBACK}:{gateway['port']}",
        "AWS_ENDPOINT_URL_KMS": f"https://{ports.LOOPBACK}:{gateway['kms_port']}",
        "AWS_CA_BUNDLE": str(layout.ca_pem),
        "AWS_CONFIG_FILE": str(layout.aws / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(layout.aws / "credentials"),
        "AWS_DEFAULT_REGION": DEFAULT_REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "VAULT_ADDR": openbao["address"],
        "VAULT_CACERT": str(layout.ca_pem),
        "PGSSLROOTCERT": str(layout.ca_pem),
        "STRONGROOM_PG_BIN": postgres["bin_dir"],
        "NO_PROXY": bypass,
        "no_proxy": bypass,
    }
    if postgres["run_as"] is not None:
        found["STRONGROOM_PG_RUN_AS"] = str(postgres["run_as"])
    return found
