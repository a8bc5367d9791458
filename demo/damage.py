"""`strongroom demo break`: damages a copy or a restored row, so that one sees who notices and how it is healed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from strongroom.errors import UsageError

#: What the story damages: small, so that its drill is quick.
SOURCE = "device-data"
#: Bytes of a pack before its first frame, and well inside of it.
_INTO_THE_FRAME = 64


def newest_pack(folder: Path, source: str) -> Path:
    """The largest pack that the newest snapshot of a source in a local copy refers to; UsageError if there is none."""
    refs = sorted((folder / "refs" / source).glob("*.json"))
    if not refs:
        raise UsageError(f"{folder} holds no backup of {source}", hint="run: strongroom job run copy")
    document = json.loads(refs[-1].read_bytes())
    packs = [
        folder / "packs" / name[:2] / f"{name}.pack" for body in document["runs"].values() for name in body["packs"]
    ]
    there = [path for path in packs if path.is_file()]
    if not there:
        raise UsageError(f"{folder} holds no pack of {source}", hint="run: strongroom job run copy")
    return max(there, key=lambda path: (path.stat().st_size, path.name))


def flip_byte(path: Path) -> int:
    """Flips one bit in the middle of a file, as a bad sector would; returns the offset."""
    size = path.stat().st_size
    offset = max(size // 2, min(_INTO_THE_FRAME, size - 1))
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    return offset


def break_byte() -> str:
    """Flips a byte in the copy `disk`; says what to run to see it noticed, and to heal it."""
    from backup_jobs import opening

    stage = _stage()
    folder = opening.local_path(stage.copy("disk"))
    pack = newest_pack(folder, SOURCE)
    offset = flip_byte(pack)
    escrow = " ".join(f"-o {name}={shlex.quote(path)}" for name, path in stage.escrow_options.items())
    return "\n".join(
        (
            f"flipped one bit at byte {offset} of {pack.relative_to(folder)} in {folder}",
            f"see who notices (exit 6):  strongroom job run drill --source {SOURCE} -o copy=disk {escrow}",
            "heal it:                   strongroom job run copy -o copy=disk",
        )
    )


def break_row() -> str:
    """Restores the portal into scratch, changes one row there before it is compared, and tells what the drill says.

    Nothing that lasts is damaged: the changed database is gone with the drill.
    """
    from backup_jobs.drill import DrillJob
    from strongroom.cli.registry import run_named

    _stage()
    options = {"source": "portal", "copy": "primary", "recipient": "recipient-primary", "depth": "full"}
    report = run_named("drill", "dev", options, quiet=True, job=DrillJob(change_one_row))
    given = " ".join(f"-o {name}={value}" for name, value in options.items())
    return "\n".join(
        (
            "changed one laboratory value in the restored database, before it was compared with the backup",
            f"the drill ended with {report.exit_code}: {report.message or '; '.join(report.problems)}",
            f"without the change it passes:  strongroom job run drill {given}",
        )
    )


def change_one_row(kind: str, address: Any) -> None:
    """Between load and comparison of a drill: flips the last bit of one sealed laboratory value."""
    import psycopg

    if kind != "postgres":
        return
    change = (
        "UPDATE lab_results SET value = set_byte(value, length(value) - 1, get_byte(value, length(value) - 1) # 1)"
        " WHERE id = (SELECT id FROM lab_results ORDER BY id LIMIT 1)"
    )
    with psycopg.connect(address) as connection:
        connection.execute(change)


def _stage() -> Any:
    from demo.display import Display
    from demo.stage import Stage
    from strongroom.cli.output import project_root
    from strongroom.jobs.credentials import home

    if not (home() / "cloud").is_dir():
        raise UsageError("there is nothing to break yet", hint="run: make demo")
    return Stage(home(), project_root(), Display(), "")
