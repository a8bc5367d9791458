"""The demo as a new user runs it, by the command line alone; then the same estate in use, damaged, and healed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.cloud, pytest.mark.xdist_group("demo")]
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("strongroom")
SECRET = "e2e-secret-0c1f7a93: contraction pattern noted in confidence"
FOREIGN = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "VAULT_TOKEN", "PYTHONDONTWRITEBYTECODE")
INTEGRITY = 6


class Laptop:
    """One home folder and the program, run as a shell would."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "laptop"
        self.escrow = folder / "laptop-escrow"
        self.environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        self.environment["STRONGROOM_HOME"] = str(self.home)

    def run(self, *arguments: str, exit_code: int = 0, **variables: str) -> str:
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=ROOT,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        said = done.stdout + done.stderr
        assert SECRET not in said
        assert done.returncode == exit_code, said
        return said

    def json(self, *arguments: str, exit_code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", exit_code=exit_code))

    @property
    def escrow_options(self) -> list[str]:
        options = {"escrow_key": self.escrow / "escrow.pem", "escrow_passphrase": self.escrow / "passphrase"}
        return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """The demo has run; its cloud is still up."""
    folder = tmp_path_factory.mktemp("e2e")
    folder.chmod(0o711)  # PostgreSQL runs under another user and must reach its data
    note = folder / "note.txt"
    note.write_text(SECRET)
    note.chmod(0o600)
    laptop = Laptop(folder)
    try:
        said = laptop.run("demo", SECRET_FILE=str(note))
        assert "11 of 11 steps verified" in said
        yield laptop
    finally:
        laptop.run("cloud", "reset", "--yes")
    assert not laptop.home.exists()


def test_the_evidence_holds_and_says_that_it_is_simulated(laptop: Laptop) -> None:
    assert "made on a laptop cloud" in laptop.run("evidence", "verify", exit_code=INTEGRITY)
    assert "the chain is intact" in laptop.run("evidence", "verify", "--accept-simulated")


def test_every_source_has_three_copies_that_were_drilled(laptop: Laptop) -> None:
    rows = laptop.json("backup", "copies")
    assert {row["source"] for row in rows} == {"portal", "images", "device-data", "openbao"}
    assert all(row["holds"] and row["copies"] == 3 and row["drill_errors"] == 0 for row in rows)


def test_nobody_is_root_any_more(laptop: Laptop) -> None:
    logins = {file.name for file in (laptop.home / "vault").glob("*.json")}
    assert "root.json" not in logins and {"deployer.json", "restorer.json"} <= logins


def test_a_flipped_byte_is_noticed_by_the_drill_and_healed_by_the_copier(laptop: Laptop) -> None:
    drill = ("job", "run", "drill", "--source", "device-data", "-o", "copy=disk", *laptop.escrow_options)
    laptop.run(*drill)  # before the damage it passes
    laptop.run("demo", "break", "byte")
    laptop.run(*drill, exit_code=INTEGRITY)
    laptop.run("job", "run", "copy", "-o", "copy=disk")
    laptop.run(*drill)
