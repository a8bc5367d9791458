"""Where the fork server listens: one socket below the home folder."""

from __future__ import annotations

import os
from pathlib import Path


def socket_address(home: Path) -> tuple[str, int]:
    """The path to give bind and connect, and a descriptor to close afterwards.

    Socket paths are limited to about 100 bytes; a path through the folder's own descriptor is always short.
    """
    folder = home / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    short = Path(f"/proc/self/fd/{descriptor}")
    return str((short if short.exists() else folder) / "host.sock"), descriptor
