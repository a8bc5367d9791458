"""Where the laptop's cloud keeps its files: one private folder, `.strongroom/` (STRONGROOM_HOME moves it).

    ca/         the local certificate authority; outlives generations
    software/   a copy of PostgreSQL's programs, only where another user must run them (`postgres_programs.py`)
    run/        sockets
    archive/    the last two generations that ended
    start.lock  held while a start, stop or reset is under way

Everything else belongs to one *generation*: the life of the simulated AWS accounts, which are gone when the gateway's
process ends. `cloud/` holds servers, logs and status, `vault/` shares and tokens, `aws/` credentials, `state/` Pulumi's
state.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What stays in place when a generation is archived.
OUTLIVES_GENERATION = frozenset({"ca", "software", "run", "archive", "start.lock"})


@dataclass(frozen=True)
class Layout:
    """The paths under one home folder; nothing is created by asking."""

    home: Path

    @property
    def ca(self) -> Path:
        """The certificate authority's folder."""
        return self.home / "ca"

    @property
    def ca_pem(self) -> Path:
        """The certificate that clients trust."""
        return self.ca / "ca.pem"

    @property
    def cloud(self) -> Path:
        """Servers of the present generation."""
        return self.home / "cloud"

    @property
    def logs(self) -> Path:
        """One log a server."""
        return self.cloud / "logs"

    @property
    def vault(self) -> Path:
        """Unseal shares, first root token, AppRole credentials of the duties."""
        return self.home / "vault"

    @property
    def aws(self) -> Path:
        """Shared credentials and configuration files of the simulated identities."""
        return self.home / "aws"

    @property
    def archive(self) -> Path:
        """Generations that ended."""
        return self.home / "archive"

    @property
    def software(self) -> Path:
        """What was copied so that another user can run it."""
        return self.home / "software"

    @property
    def status(self) -> Path:
        """What the supervisor last wrote about every server."""
        return self.cloud / "status.json"

    @property
    def desired(self) -> Path:
        """Which services ought to be up, as last asked for on the command line."""
        return self.cloud / "desired.json"

    @property
    def begun(self) -> Path:
        """Written when the gateway became ready: from then on the generation may hold something."""
        return self.cloud / "generation.json"

    @property
    def identities(self) -> Path:
        """The users that the simulated workload account begins with."""
        return self.cloud / "identities.json"

    @property
    def lock(self) -> Path:
        """Held while a start, stop or reset is under way."""
        return self.home / "start.lock"

    def log(self, server: str) -> Path:
        """The log of one server."""
        return self.logs / f"{server}.log"

    def ready_file(self, server: str) -> Path:
        """Where a server says how to reach it: `gateway.json`, `postgres.json`, `openbao.json`."""
        return self.cloud / f"{server}.json"


def home_folder() -> Path:
    """STRONGROOM_HOME, else `.strongroom` in the working folder; absolute."""
    return Path(os.environ.get("STRONGROOM_HOME") or ".strongroom").absolute()


def private_folder(path: Path) -> Path:
    """The folder, created with its parents, all of them 0700 if they are new; an existing one is closed to 0700."""
    for folder in reversed([path, *path.parents]):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


def write_private(path: Path, data: bytes | str) -> None:
    """Replaces a file atomically, mode 0600 from its first byte; the folder must exist."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data.encode() if isinstance(data, str) else data)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def write_private_json(path: Path, document: Any) -> None:
    """`write_private` of an indented JSON document."""
    write_private(path, json.dumps(document, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The document, or None when the file is absent; a torn or foreign file counts as absent.

    Our own files are replaced atomically, so only a file that somebody else wrote can be torn.
    """
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return document if isinstance(document, dict) else None
