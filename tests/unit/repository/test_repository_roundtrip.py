"""What goes in comes out: any names, any bytes, any sizes; and nothing is stored twice that need not be."""

from __future__ import annotations

import os
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from repository_kit import Kit, folder_items, memory_item

from backup_jobs.repository import intake, layout, listing
from backup_jobs.sources.contract import Item
from strongroom.errors import Denied, Missing, Partial, UsageError

NIGHTLY = bool(os.environ.get("STRONGROOM_NIGHTLY"))


@dataclass(frozen=True)
class Content:
    """Bytes by recipe, so that a failing example prints short."""

    kind: str
    seed: int
    size: int

    def bytes(self) -> bytes:
        if self.kind == "random":
            return random.Random(self.seed).randbytes(self.size)
        return bytes([self.seed]) * self.size


names = st.text(st.characters(exclude_characters="\0", exclude_categories=()), min_size=1, max_size=40)
contents = st.one_of(
    st.builds(Content, st.just("random"), st.integers(0, 3), st.sampled_from((0, 1, 100, 262_144, 262_145, 900_000))),
    st.builds(Content, st.just("same"), st.integers(0, 255), st.integers(0, 3_000_000)),
)


@settings(max_examples=200 if NIGHTLY else 15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, contents, max_size=12))
def test_any_tree_comes_back(escrow_key: rsa.RSAPrivateKey, recipes: dict[str, Content]) -> None:
    tree = {path: recipe.bytes() for path, recipe in recipes.items()}
    with tempfile.TemporaryDirectory() as folder:
        kit = Kit(Path(folder), escrow_key)
        summary = kit.backup("r1", [memory_item(path, data) for path, data in tree.items()])
        assert (summary.files, summary.bytes) == (len(tree), sum(map(len, tree.values())))
        assert kit.content() == tree
        assert kit.verify("r1").ok
        assert kit.reader().open("files").verify().ok
        again = kit.backup("r2", [memory_item(path, data, "other identity") for path, data in tree.items()])
        assert again.new_bytes < 2000  # content is referred to; only the listing, which holds identities, is new
        assert kit.content() == tree


def test_a_real_folder_with_links_modes_and_undecodable_names(kit: Kit, tmp_path: Path) -> None:
    root = tmp_path / "source"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "empty").touch()
    (root / "a" / "b" / "big").write_bytes(random.Random(1).randbytes(5_000_000))
    (root / "link").symlink_to("a/b/big")
    (root / os.fsdecode(b"\xff\xfe.bin")).write_bytes(b"x")
    (root / "a" / "b" / "big").chmod(0o640)
    kit.backup("r1", folder_items(root), {"kind": "folder"})
    snapshot = kit.reader().open("files")
    items = {item.path: item for item in snapshot.items()}
    assert list(items) == [item.path for item in folder_items(root)]
    assert items["link"].target == "a/b/big"
    assert items["a/b/big"].mode == 0o640
    assert b"".join(snapshot.read(items["a/b/big"])) == (root / "a" / "b" / "big").read_bytes()
    assert snapshot.facts == {"kind": "folder"}


def test_unchanged_files_are_not_opened_again(kit: Kit) -> None:
    def item(number: int) -> Item:
        return memory_item(f"f{number}", b"x" * number)

    kit.backup("r1", map(item, range(50)))
    assert kit.verify("r1").ok
    opened: list[str] = []

    def counting(number: int) -> Item:
        original = item(number)

        def opener():
            opened.append(original.path)
            return original.open()

        identity = "changed" if number == 7 else original.identity
        return Item(original.path, original.size, 1, 0o600, identity, "file", "", {}, opener)

    summary = kit.backup("r2", map(counting, range(50)))
    assert opened == ["f7"]
    assert summary.files == 50
    assert kit.content() == {f"f{n}": b"x" * n for n in range(50)}


def test_everything_is_read_again_after_thirty_days_or_on_demand(kit: Kit) -> None:
    opened = []

    def item() -> Item:
        base = memory_item("f", b"abc")
        return Item("f", 3, 1, 0o600, "1", "file", "", {}, lambda: opened.append(1) or base.open())

    kit.backup("r1", [item()])
    assert kit.verify("r1").ok
    kit.clock.advance(days=29)
    kit.backup("r2", [item()])
    assert len(opened) == 1
    kit.clock.advance(days=2)
    kit.backup("r3", [item()])
    assert len(opened) == 2
    writer = kit.writer("r4")
    writer.begin()
    writer.backup("files", "folder", [item()], dict, cache=False)
    writer.commit("files")
    assert len(opened) == 3


def test_a_damaged_cache_costs_time_only(kit: Kit) -> None:
    kit.backup("r1", [memory_item("f", b"abc")])
    assert kit.verify("r1").ok
    for entry in list(kit.control.list("cache/")):
        kit.control.put(entry.name, b"garbage")
    kit.backup("r2", [memory_item("f", b"abc")])
    assert kit.content() == {"f": b"abc"}


def test_references_of_a_huge_file_live_in_parts(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "INLINE_REFS", 4)
    big = random.Random(5).randbytes(12_000_000)
    kit.backup("r1", [memory_item("big", big), memory_item("small", b"s")])
    item = next(iter(kit.reader().open("files").items()))
    assert item.parts and not item.refs
    assert kit.content() == {"big": big, "small": b"s"}
    assert kit.verify("r1").ok
    summary = kit.backup("r2", [memory_item("big", big), memory_item("small", b"s")])
    assert summary.new_bytes == 0
    assert kit.content(run="r2") == {"big": big, "small": b"s"}


def test_an_insertion_stores_little_anew(kit: Kit) -> None:
    big = random.Random(6).randbytes(20_000_000)
    kit.backup("r1", [memory_item("big", big)])
    assert kit.verify("r1").ok
    changed = big[:9_000_000] + b"inserted" + big[9_000_000:]
    summary = kit.backup("r2", [memory_item("big", changed, "2")])
    assert summary.new_bytes < 2_500_000
    assert kit.content() == {"big": changed}


def test_many_segments_and_index_parts(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    from backup_jobs.repository import cache, index

    monkeypatch.setattr(index, "PART_ENTRIES", 300)
    monkeypatch.setattr(cache, "PART_ENTRIES", 100)
    monkeypatch.setattr(intake, "SEGMENT_SIZE", 20_000)
    tree = {f"{n:05}": str(n).encode() for n in range(1500)}
    kit.backup("r1", [memory_item(p, d) for p, d in tree.items()])
    assert len(list(kit.storage.list("index/r1/"))) > 1
    assert kit.verify("r1").ok
    tree["00700"] = b"changed"
    summary = kit.backup("r2", [memory_item(p, d, d.decode()) for p, d in tree.items()])
    assert summary.new_bytes < 200_000
    assert kit.content() == tree


def test_unreadable_items_are_listed_and_the_rest_is_stored(kit: Kit) -> None:
    def failing(error: Exception):
        def opener():
            raise error

        return opener

    items = [memory_item("good", b"1")]
    for number, error in enumerate((PermissionError(13, "no"), Missing("gone"), Denied("no"))):
        items.append(Item(f"bad{number}", 1, 1, 0o600, "1", "file", "", {}, failing(error)))
    summary = kit.backup("r1", items)
    assert summary.unreadable == ("bad0", "bad1", "bad2")
    assert kit.reader().open("files").root.unreadable == summary.unreadable
    assert kit.content() == {"good": b"1"}


def test_a_read_that_breaks_off_leaves_no_half_file(kit: Kit) -> None:
    class Breaking:
        def __init__(self) -> None:
            self.left = 3

        def read(self, size: int) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise OSError(5, "input/output error")
            return os.urandom(size)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    bad = Item("bad", 100_000_000, 1, 0o600, "1", "file", "", {}, Breaking)
    summary = kit.backup("r1", [bad, memory_item("good", b"1")])
    assert summary.unreadable == ("bad",)
    assert kit.content() == {"good": b"1"}
    assert kit.verify("r1").ok


def test_several_sources_in_one_run(kit: Kit) -> None:
    writer = kit.writer("r1")
    writer.begin()
    for source in ("one", "two"):
        writer.backup(source, "folder", [memory_item("f", source.encode())], dict)
    writer.commit("one")
    assert [info.source for info in kit.reader().runs()] == ["one"]
    writer.commit("two")
    assert kit.content("one") == {"f": b"one"}
    assert kit.content("two") == {"f": b"two"}
    assert kit.verify("r1").ok
    assert all(info.verified for info in kit.reader(control=kit.control).runs())


def test_a_cancelled_backup_commits_nothing(kit: Kit) -> None:
    from threading import Event

    cancel = Event()
    cancel.set()
    writer = kit.writer("r1")
    writer.begin()
    with pytest.raises(Partial):
        writer.backup("files", "folder", [memory_item("f", b"")], dict, cancel=cancel)
    assert kit.reader().runs() == []


def test_a_failing_store_ends_the_run_and_its_threads(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from backup_jobs.repository import pipeline

    def refuse(*_: object) -> None:
        raise Denied("s3:PutObject was refused")

    for target in (1, 1 << 30):  # while blobs are being submitted, and only at the flush
        monkeypatch.setattr(pipeline, "PACK_TARGET", target)
        monkeypatch.setattr(pipeline, "put_addressed", refuse)
        writer = kit.writer(f"r{target}")
        writer.begin()
        before = threading.active_count()
        with pytest.raises(Denied):
            writer.backup("files", "folder", [memory_item("f", random.Random(1).randbytes(30_000_000))], dict)
        assert threading.active_count() == before


def test_digest_key_is_that_of_the_run(kit: Kit) -> None:
    writer = kit.writer("r1")
    with pytest.raises(UsageError):
        _ = writer.digest_key
    writer.begin()
    writer.backup("files", "folder", [], dict)
    writer.commit("files")
    assert kit.reader().open("files").digest_key == writer.digest_key


def test_names_that_would_leave_their_place_are_refused(kit: Kit) -> None:
    with pytest.raises(UsageError):
        kit.writer("../r")
    writer = kit.writer("r1")
    writer.begin()
    with pytest.raises(UsageError):
        writer.backup("a/b", "folder", [], dict)


def test_another_repository_or_format_is_refused(kit: Kit) -> None:
    with pytest.raises(UsageError):
        kit.writer("r1", repo_id="other").begin()
    kit.storage.put("format.json", b'{"format":"strongroom.repository/9","repo":"strongroom-test","features":[]}')
    with pytest.raises(UsageError):
        kit.writer("r1").begin()
    assert layout.FORMAT == "strongroom.repository/1"
    assert listing.SEGMENT_SIZE < layout.BLOB_LIMIT
