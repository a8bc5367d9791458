"""The laptop's plugins talk to this machine and to nothing else, whoever starts them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from local_cloud.plugins.table import Invalid


def require_loopback(endpoint: str, where: str) -> str:
    """The endpoint if it lies on this machine; Invalid, naming `where` it came from, if it is empty or does not."""
    if not endpoint:
        raise Invalid(f"{where} is not set; the laptop's plugin never falls back to a service on the network")
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError as problem:
        raise Invalid(f"{where}={endpoint} is not an address: {problem}") from problem
    if parts.scheme not in ("http", "https") or not _on_this_machine(host):
        raise Invalid(f"{where}={endpoint} is not on this machine; the laptop's plugin refuses it")
    return endpoint


def _on_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
