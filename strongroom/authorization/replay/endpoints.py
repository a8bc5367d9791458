"""A replay acts on the laptop's cloud and nowhere else: every address is looked at before anything is sent."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlparse

from strongroom.errors import Denied


def loopback_only(url: str) -> None:
    """Denied if an address is not one of this machine's loopback, by number or as `localhost`."""
    host = urlparse(url).hostname or ""
    try:
        inside = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise Denied(
            f"a replay acts on the laptop's cloud only, and {host or 'this endpoint'} is not a loopback address",
            hint="strongroom cloud start, and no other AWS_ENDPOINT_URL",
        )
