"""One configuration of the `vault` provider: where OpenBao is, how it proves itself, and the token to use."""

from __future__ import annotations

import os
from typing import Any

import hvac
import requests
from requests.adapters import HTTPAdapter

from local_cloud.plugins.loopback import require_loopback
from local_cloud.plugins.table import Gone, Invalid, Properties

# The token is used as it is; what the real provider's child token would get means nothing here.
_WITHOUT_MEANING = frozenset({"skipChildToken", "maxLeaseTtlSeconds", "tokenName", "maxRetries", "skipGetVaultVersion"})
SETTINGS = _WITHOUT_MEANING | frozenset({"address", "token", "caCertFile", "authLogin", "vaultVersionOverride"})
_CONNECTIONS = 32


class VaultSession:
    """Reads and writes paths of OpenBao; may be used from many threads."""

    def __init__(self, settings: Properties) -> None:
        given = settings.get("address")
        where = "address" if given else "VAULT_ADDR"
        address = require_loopback(given or os.environ.get("VAULT_ADDR", ""), where)
        session = requests.Session()
        session.trust_env = False  # a proxy would carry loopback calls off this machine
        session.verify = settings.get("caCertFile") or os.environ.get("VAULT_CACERT") or True
        session.mount(address, HTTPAdapter(pool_maxsize=_CONNECTIONS))
        token = settings.get("token") or os.environ.get("VAULT_TOKEN")
        self._client = hvac.Client(url=address, token=token, session=session, verify=session.verify, timeout=60)
        if login := settings.get("authLogin"):
            answer = self._client.write_data(login["path"], data=login.get("parameters") or {})
            self._client.token = answer["auth"]["client_token"]
        elif not token:
            raise Invalid("no token: set vault:token, VAULT_TOKEN or authLogin")

    def read(self, path: str) -> Properties:
        """The data at a path; Gone if there is none."""
        answer = self._client.read(path)
        if answer is None:
            raise Gone(path)
        data: Properties = answer["data"]
        return data

    def write(self, path: str, data: Properties) -> Properties:
        """Writes to a path; returns the data answered, if any."""
        answer: Any = self._client.write_data(path, data=data)
        # Without content the client hands out the bare response.
        return (answer.get("data") or {}) if isinstance(answer, dict) else {}

    def delete(self, path: str) -> None:
        """Deletes what is at a path."""
        self._client.delete(path)
