"""tools/restore.py alone: isolated interpreter, empty environment, a folder, the escrow key."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools import restore

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / "tools" / "restore.py"
VECTOR = ROOT / "tests" / "vectors" / "repository"
EXPECTED = json.loads((VECTOR / "expected.json").read_text())


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(EXPECTED["passphrase"] + "\n")
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    shutil.copytree(VECTOR / "data", tmp_path / "data")
    return tmp_path / "data"


def alone(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """The tool as somebody runs it at 3 a.m.: a process of its own, isolated, without any environment."""
    command = [sys.executable, "-I", str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=60, env={}, **options)  # type: ignore[call-overload]


OPENED = functools.cache(restore.load_key)


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: bytes
    stderr: bytes


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """The same in this process: loops over many damages would spend their time in starting and in opening the key."""
    monkeypatch.setattr(restore, "load_key", OPENED)

    def call(*arguments: object) -> Ended:
        capfdbinary.readouterr()
        code = restore.main([str(argument) for argument in arguments])
        sys.stdout.flush()
        return Ended(code, *capfdbinary.readouterr())

    return call


def keys(passphrase: Path) -> list[object]:
    return ["--key", VECTOR / "escrow.pem", "--passphrase-file", passphrase]


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_imports_the_standard_library_and_two_packages_only() -> None:
    imported = set()
    for node in ast.walk(ast.parse(TOOL.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"cryptography", "zstandard"}


@pytest.mark.parametrize(("wanted", "expected"), [([], "run2"), (["--run", "run1"], "run1")])
def test_it_restores_the_frozen_repository(tmp_path: Path, passphrase: Path, wanted: list[str], expected: str) -> None:
    target = tmp_path / "out"
    trust = ["--trust", VECTOR / "trust.json"]
    ended = alone("restore", "files", "--to", target, "--from", VECTOR / "data", *keys(passphrase), *trust, *wanted)
    assert ended.returncode == 0, ended.stderr
    assert b"signature not checked" not in ended.stderr
    assert digests(target) == EXPECTED[expected]
    assert os.readlink(target / "link") == "images/scan.bin"
    assert (target / "tables").stat().st_mode & 0o777 == 0o750
    assert (target / "tables").stat().st_mtime_ns == 1_000_000_000


def test_it_opens_one_encrypted_field(passphrase: Path, run: Callable[..., Ended]) -> None:
    field = EXPECTED["field"]
    arguments = ["--from", VECTOR / "data", *keys(passphrase)]
    ended = run("field", field["table"], field["row"], field["field"], *arguments)
    assert (ended.returncode, ended.stdout.decode()) == (0, field["value"])
    for table, row, name, code in (
        (field["table"], field["row"], "patient-mrn", 6),
        (field["table"], "no such row", field["field"], 2),
        ("no_such_table", field["row"], field["field"], 2),
    ):
        ended = run("field", table, row, name, *arguments)
        assert (ended.returncode, ended.stdout) == (code, b""), ended.stderr


def test_it_lists_and_verifies(passphrase: Path, repository: Path, run: Callable[..., Ended]) -> None:
    ended = run("list", "--from", repository)
    assert ended.returncode == 0
    assert b"signature not checked" in ended.stderr
    assert [line.split()[:2] for line in ended.stdout.decode().splitlines()[1:]] == [
        ["files", "run1"],
        ["files", "run2"],
        ["portal", "run3"],
    ]
    assert run("verify", "--from", repository).returncode == 0
    assert run("verify", "--from", repository, *keys(passphrase)).returncode == 0


def test_every_damaged_pack_is_named_and_nothing_half_written_stays(
    tmp_path: Path, passphrase: Path, repository: Path, run: Callable[..., Ended]
) -> None:
    refs = json.loads((repository / "refs/files/run2.json").read_text())
    before, refused = sorted(os.listdir(tmp_path)), 0
    for pack in [pack for body in refs["runs"].values() for pack in body["packs"]]:
        path = repository / "packs" / pack[:2] / f"{pack}.pack"
        good = path.read_bytes()
        for bad in (good[:60] + bytes([good[60] ^ 1]) + good[61:], good[:-1], None):
            path.unlink() if bad is None else path.write_bytes(bad)
            ended = run("verify", "--from", repository, *keys(passphrase))
            assert ended.returncode == 6, ended
            assert pack in ended.stdout.decode()
            ended = run("restore", "files", "--to", tmp_path / "out", "--from", repository, *keys(passphrase))
            if ended.returncode == 0:  # the damage lies in a blob that this snapshot does not use
                assert digests(tmp_path / "out") == EXPECTED["run2"]
                shutil.rmtree(tmp_path / "out")
            else:
                assert ended.returncode == 6, ended
                assert pack in ended.stderr.decode()
                refused += 1
            assert sorted(os.listdir(tmp_path)) == before
            path.write_bytes(good)
    assert refused >= 8
    assert run("restore", "files", "--to", tmp_path / "out", "--from", repository, *keys(passphrase)).returncode == 0


def test_damaged_refs_snapshots_slots_and_commits_are_refused(
    tmp_path: Path, passphrase: Path, repository: Path, run: Callable[..., Ended]
) -> None:
    for name in ("refs/files/run2.json", "snapshots/files/run2", "keys/run1/escrow.1.slot", "commits/files/run2.dsse"):
        path = repository / name
        good = path.read_bytes()
        for bad in (good[: len(good) // 2], good[:-30] + bytes([good[-30] ^ 4]) + good[-29:]):
            path.write_bytes(bad)
            arguments = ["--run", "run2", "--from", repository, "--trust", VECTOR / "trust.json", *keys(passphrase)]
            ended = run("restore", "files", "--to", tmp_path / "out", *arguments)
            assert ended.returncode in (5, 6), (name, ended)
            assert not (tmp_path / "out").exists()
        path.write_bytes(good)


def test_a_commit_signed_by_nobody_we_know_is_refused_only_with_trust(
    tmp_path: Path, repository: Path, run: Callable[..., Ended]
) -> None:
    path = repository / "commits/files/run2.dsse"
    envelope = json.loads(path.read_text())
    envelope["signatures"][0]["sig"] = envelope["signatures"][0]["sig"][::-1]
    path.write_text(json.dumps(envelope))
    assert run("list", "--from", repository).returncode == 0
    ended = run("list", "--from", repository, "--trust", VECTOR / "trust.json")
    assert ended.returncode == 6
    assert b"BAD  commits/files/run2.dsse" in ended.stdout


def test_keys_passphrases_and_targets_that_do_not_fit(
    tmp_path: Path, passphrase: Path, run: Callable[..., Ended]
) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    where = ["--from", VECTOR / "data"]
    wrong = tmp_path / "wrong"
    wrong.write_text("not the passphrase\n")
    assert run("restore", "files", "--to", tmp_path / "o", *where, *keys(wrong)).returncode == 5
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "other.pem").write_bytes(other.private_bytes(*plain))
    ended = run("restore", "files", "--to", tmp_path / "o", *where, "--key", tmp_path / "other.pem")
    assert ended.returncode == 5
    assert b"slots here: escrow" in ended.stderr
    assert run("restore", "files", "--to", tmp_path / "o", *where).returncode == 2
    assert run("restore", "nothing", "--to", tmp_path / "o", *where, *keys(passphrase)).returncode == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert run("restore", "files", "--to", tmp_path / "full", *where, *keys(passphrase)).returncode == 2
    assert run("list", "--from", tmp_path).returncode == 2
    assert not (tmp_path / "o").exists()


def test_the_passphrase_comes_by_file_descriptor(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, EXPECTED["passphrase"].encode() + b"\n")
    os.close(writing)
    arguments = ["--from", VECTOR / "data", "--key", VECTOR / "escrow.pem", "--passphrase-fd", reading]
    ended = alone("restore", "files", "--to", tmp_path / "out", *arguments, pass_fds=(reading,))
    os.close(reading)
    assert ended.returncode == 0, ended.stderr
    assert digests(tmp_path / "out") == EXPECTED["run2"]


def test_names_that_would_leave_the_target_are_written_inside() -> None:
    assert restore.safe_path("/etc/passwd") == "%/etc/passwd"
    assert restore.safe_path("a/../../b") == "a/%2E%2E/%2E%2E/b"
    assert restore.safe_path("a//b/.") == "a/%/b/%2E"
    assert restore.safe_path("..a/b..") == "..a/b.."
    assert restore.unescape("a\\tb\\\\n\\101\\x41\\N") == "a\tb\\nAAN"
    assert restore.unescape("\\N") is None
