"""A folder as a source: what is there comes back, what races or cannot be read is listed, nothing leaves the target."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backup_jobs.sources.contract import RestoredItem
from backup_jobs.sources.folder import FolderSource, adhoc_name, digest_tree
from backup_jobs.sources.tree import require_empty, safe_path, write_tree
from strongroom.errors import Corrupt, IntegrityFailure, UsageError
from strongroom.jobs.clock import SystemClock

KEY = b"k" * 32


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "devices"
    (root / "b" / "deep").mkdir(parents=True)
    (root / "b" / "deep" / "scan.dcm").write_bytes(os.urandom(100_000))
    (root / "a.txt").write_text("a")
    (root / "empty").write_bytes(b"")
    (root / "äöü \n").write_text("odd name")
    (root / "b" / "link").symlink_to("deep/scan.dcm")
    (root / "dangling").symlink_to("/nowhere")
    (root / "a.txt").chmod(0o640)
    (root / "b" / "deep").chmod(0o750)
    os.utime(root / "a.txt", ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    os.mkfifo(root / "pipe")
    return root


def source(root: Path) -> FolderSource:
    return FolderSource("devices", root, SystemClock())


def test_round_trip(tree: Path, tmp_path: Path, carry) -> None:
    items, facts, unreadable = carry(source(tree), KEY)
    assert (facts["skipped"], facts["changed"], unreadable) == (
        [{"path": "pipe", "reason": "not-a-regular-file"}],
        [],
        [],
    )
    back = tmp_path / "back"
    assert source(tree).restore(iter(items), back) == {"items": 8}
    assert digest_tree(back, KEY) == facts["tables"]["files"]
    assert (back / "a.txt").stat().st_mtime_ns == 1_700_000_000_123_456_789
    assert (back / "b" / "deep").stat().st_mode & 0o777 == 0o750
    assert (back / "dangling").readlink() == Path("/nowhere")
    assert (back / "äöü \n").read_text() == "odd name"


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a.txt").chmod(0o600),
        lambda root: (root / "empty").unlink(),
        lambda root: (root / "new").touch(),
        lambda root: os.utime(root / "a.txt"),
        lambda root: ((root / "b" / "link").unlink(), (root / "b" / "link").symlink_to("/etc/passwd")),
    ],
)
def test_the_digest_sees_every_change(tree: Path, tmp_path: Path, carry, change) -> None:
    items, facts, _ = carry(source(tree), KEY)
    back = tmp_path / "back"
    write_tree(iter(items), back)
    change(back)
    assert digest_tree(back, KEY) != facts["tables"]["files"]


def test_races_are_listed_and_left_out_of_the_digest(tree: Path, tmp_path: Path) -> None:
    restored = []
    with source(tree).capture(KEY) as capture:
        for item in capture.items():
            content = b""
            if item.path == "empty":
                (tree / "empty").unlink()  # vanishes between listing and reading
            if item.kind == "file":
                try:
                    with item.open() as stream:
                        content = stream.read(1)
                        if item.path == "a.txt":
                            (tree / "a.txt").write_text("grown while it was read")
                        content += stream.read()
                except OSError:
                    continue
            fields = (item.path, len(content), item.mtime_ns, item.mode, item.kind, item.target, {})
            restored.append(RestoredItem(*fields, read=lambda content=content: iter([content])))
        facts = capture.facts()
    assert facts["changed"] == ["a.txt"]
    assert {"path": "empty", "reason": "vanished"} in facts["skipped"]
    back = tmp_path / "back"
    write_tree(iter(restored), back)
    assert digest_tree(back, KEY, frozenset(facts["changed"])) == facts["tables"]["files"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_files_are_listed(tree: Path, carry) -> None:
    (tree / "a.txt").chmod(0)
    _, facts, unreadable = carry(source(tree), KEY)
    assert unreadable == ["a.txt"]
    assert {"path": "a.txt", "reason": "unreadable"} in facts["skipped"]


def test_a_link_that_took_a_files_place_is_not_followed(tree: Path) -> None:
    with source(tree).capture(KEY) as capture:
        item = next(i for i in capture.items() if i.path == "a.txt")
        (tree / "a.txt").unlink()
        (tree / "a.txt").symlink_to("/etc/passwd")
        with pytest.raises(OSError, match="symbolic"):
            item.open()


def test_targets_must_be_empty_and_elsewhere(tree: Path, tmp_path: Path) -> None:
    for target in (tree, tree / "inside", tmp_path):
        with pytest.raises(UsageError):
            require_empty(target, (tree,))
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    with pytest.raises(UsageError, match="not an empty folder"):
        require_empty(tmp_path / "used")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    with pytest.raises(UsageError):
        require_empty(tmp_path / "link")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "a//b", "", "a\0b", "./a"])
def test_a_forged_path_never_leaves_the_target(tmp_path: Path, name: str) -> None:
    with pytest.raises(Corrupt):
        safe_path(tmp_path, name)


def test_a_forged_link_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = RestoredItem("a", 0, 0, 0o777, "symlink", str(outside), {}, read=lambda: iter([]))
    file = RestoredItem("a/b", 1, 0, 0o600, "file", "", {}, read=lambda: iter([b"x"]))
    with pytest.raises(Corrupt, match="twice"):
        write_tree(iter([link, file]), tmp_path / "back")
    assert not list(outside.iterdir())


def test_a_short_file_is_refused(tmp_path: Path) -> None:
    item = RestoredItem("a", 5, 0, 0o600, "file", "", {}, read=lambda: iter([b"abc"]))
    with pytest.raises(IntegrityFailure, match="3 bytes"):
        write_tree(iter([item]), tmp_path / "back")


def test_adhoc_names_differ_by_place(tmp_path: Path) -> None:
    assert adhoc_name(tmp_path / "My Scans").startswith("my-scans-")
    assert adhoc_name(tmp_path / "a" / "x") != adhoc_name(tmp_path / "b" / "x")
