"""tools/verify.py agrees with the kit's own verification on the frozen chain and on every damage done to it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.evidence.statement import name_of
from strongroom.evidence.trust import Trust
from strongroom.evidence.verification import read_chain, verify_chain
from strongroom.storage.local import LocalStorage

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors" / "evidence"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(VECTORS, tmp_path / "copy")
    return tmp_path / "copy"


def tool(folder, *options, trust=VECTORS / "trust.json"):
    command = [sys.executable, "-I", str(ROOT / "tools" / "verify.py"), str(folder), "--trust", str(trust), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def kit(folder):
    trust = Trust.load(VECTORS / "trust.json")
    return verify_chain(read_chain(LocalStorage(folder), "dev"), "dev", trust).findings


def statement(folder, number):
    return folder / name_of("dev", number)


def edit(path):
    document = json.loads(path.read_text())
    payload = base64.b64decode(document["payload"]).replace(b'"rows":2', b'"rows":9')
    document["payload"] = base64.b64encode(payload).decode()
    path.write_text(json.dumps(document))


DAMAGES = {
    "removed": lambda f: statement(f, 2).unlink(),
    "edited": lambda f: edit(statement(f, 2)),
    "truncated": lambda f: statement(f, 3).write_bytes(statement(f, 3).read_bytes()[:-9]),
    "swapped": lambda f: statement(f, 1).write_bytes(statement(f, 2).read_bytes()),
    "emptied": lambda f: statement(f, 1).write_bytes(b""),
}


def test_the_frozen_chain_verifies_with_tool_and_kit():
    done = tool(VECTORS, "--as-of", "2026-01-03T00:00:00Z")
    assert (done.returncode, kit(VECTORS)) == (0, []), done.stdout + done.stderr
    assert "4 statements, 0 of them" in done.stdout


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_by_both(folder, damage):
    DAMAGES[damage](folder)
    done = tool(folder)
    assert done.returncode == 6 and "NOT intact" in done.stdout
    assert kit(folder)


def test_a_cut_tail_needs_the_head(folder, tmp_path):
    head = tmp_path / "head.dsse"
    statement(folder, 4).rename(head)
    statement(folder, 3).unlink()
    assert tool(folder).returncode == 0
    assert "cut or changed at number 3" in tool(folder, "--head", str(head)).stdout


def test_an_old_head_is_too_old():
    assert tool(VECTORS, "--as-of", "2026-01-05T00:00:00Z").returncode == 6


def test_a_forged_trust_file_is_refused(tmp_path):
    keys = json.loads((VECTORS / "trust.json").read_text())
    keys[0]["keyid"] = keys[1]["keyid"]
    forged = tmp_path / "trust.json"
    forged.write_text(json.dumps(keys))
    assert tool(VECTORS, trust=forged).returncode == 2


def test_nothing_to_check_is_not_green(tmp_path):
    assert tool(tmp_path).returncode == 10


def test_an_empty_chain_is_never_intact(tmp_path):
    (tmp_path / "evidence" / "dev").mkdir(parents=True)
    done = tool(tmp_path)
    assert done.returncode == 6 and "no statement" in done.stdout
