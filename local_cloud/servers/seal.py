"""OpenBao's seal: three shares of which two open it, each in a file of its own.

The shares lie beside each other only because this is a laptop; the files are separate so that they can be handed to
separate people, and so that an escrow source can seal each for its holder. The first root token is written once, for
the layer that builds policies and AppRoles; when that is done it is revoked, and its file opens nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any

from local_cloud.servers import ports
from local_cloud.servers.layout import Layout, private_folder, read_json, write_private_json
from strongroom.errors import KeyFailure

SHARES = 3
THRESHOLD = 2
_TIMEOUT_SECONDS = 10.0


class Seal:
    """Initialises OpenBao once and unseals it at every start; talks TLS to 127.0.0.1 and trusts the laptop's CA."""

    def __init__(self, layout: Layout, port: int) -> None:
        self._layout = layout
        self._port = port
        self._tls: SSLContext = create_default_context(cafile=str(layout.ca_pem))

    @property
    def root_token_file(self) -> Path:
        """The first root token (0600): `vault/root.json` {token}."""
        return self._layout.vault / "root.json"

    def share_file(self, number: int) -> Path:
        """One share (0600): `vault/unseal/<number>.json` {number, of, threshold, share (base64)}."""
        return self._layout.vault / "unseal" / f"{number}.json"

    def answers(self) -> bool:
        """Whether the API answers at all, sealed or not."""
        return self._health() is not None

    def active(self) -> bool:
        """Whether the server is initialised, unsealed and the leader."""
        return self._health() == 200

    def open(self) -> None:
        """Initialises a new server, then unseals with as many share files as the threshold asks for.

        Raises KeyFailure if shares are missing or do not open it.
        """
        if not self._call("GET", "/v1/sys/init")[1]["initialized"]:
            self._initialise()
        for number in range(1, SHARES + 1):
            if not self._call("GET", "/v1/sys/seal-status")[1]["sealed"]:
                return
            document = read_json(self.share_file(number))
            if document is None:
                continue
            status, answer = self._call("PUT", "/v1/sys/unseal", {"key": document["share"]})
            if status != 200:
                reasons = "; ".join(answer.get("errors", []))
                raise KeyFailure(f"share {number} does not unseal OpenBao: {reasons}", hint="`strongroom cloud reset`")
        if self._call("GET", "/v1/sys/seal-status")[1]["sealed"]:
            raise KeyFailure(
                f"OpenBao stays sealed: fewer than {THRESHOLD} shares under {self.share_file(1).parent}",
                hint="put the share files back, or begin anew with `strongroom cloud reset`",
            )

    def _initialise(self) -> None:
        status, answer = self._call("PUT", "/v1/sys/init", {"secret_shares": SHARES, "secret_threshold": THRESHOLD})
        if status != 200:
            raise KeyFailure(f"OpenBao cannot be initialised: {'; '.join(answer.get('errors', []))}")
        private_folder(self._layout.vault)
        private_folder(self.share_file(1).parent)
        for number, share in enumerate(answer["keys_base64"], start=1):
            document = {"number": number, "of": SHARES, "threshold": THRESHOLD, "share": share}
            write_private_json(self.share_file(number), document)
        write_private_json(self.root_token_file, {"token": answer["root_token"]})

    def _health(self) -> int | None:
        try:
            return self._call("GET", "/v1/sys/health")[0]
        except (OSError, HTTPException):
            return None

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        connection = HTTPSConnection(ports.LOOPBACK, self._port, context=self._tls, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")
        finally:
            connection.close()
