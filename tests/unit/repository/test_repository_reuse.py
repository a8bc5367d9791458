"""Deduplication refers only to what was read back, is not about to be deleted, and stays locked long enough."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from repository_kit import ID_KEY, REPO, START, Duty, Kit, memory_item

from backup_jobs.repository import index, mark_verified
from backup_jobs.repository.layout import canonical_json, index_name, sha256
from backup_jobs.repository.references import Ref
from backup_jobs.repository.reuse import TOMBSTONE_FORMAT
from backup_jobs.repository.sealing import IdKeys
from strongroom.errors import Corrupt, Missing, Transient
from strongroom.evidence.trust import Trust

BIG = bytes(range(256)) * 1000


def items(identity: str = "1") -> list[Any]:
    return [memory_item("f", BIG, identity)]


def packs_of(kit: Kit, run: str) -> set[str]:
    refs = kit.reader().open("files", run).refs
    return {pack for other, body in refs.runs.items() if other != run for pack in body.packs}


def test_nothing_is_referred_to_before_it_is_verified(kit: Kit) -> None:
    kit.backup("r1", items())
    kit.backup("r2", items())
    assert packs_of(kit, "r2") == set()
    kit.verify("r1")
    kit.backup("r3", items("2"))
    assert packs_of(kit, "r3")


def test_a_mark_by_another_key_does_not_count(kit: Kit) -> None:
    kit.backup("r1", items())
    stranger = Duty("restorer", kit.clock)
    trust = Trust.of([kit.writer_duty.pinned("commit"), stranger.pinned("verified")])
    mark_verified(kit.control, kit.storage, REPO, "r1", ID_KEY, kit.unwrappers, stranger.sign, trust=trust)
    writer = kit.writer("r2")
    writer.begin()
    writer.backup("files", "folder", items(), dict)
    writer.commit("files")
    assert packs_of(kit, "r2") == set()
    assert any("verified/r1.json" in warning for warning in writer.warnings)


def test_tombstoned_packs_are_not_referred_to(kit: Kit) -> None:
    kit.backup("r1", items())
    kit.verify("r1")
    bury(kit, kit.reader().open("files", "r1").refs.runs["r1"].packs)
    kit.backup("r2", items())
    assert packs_of(kit, "r2") == set()


def test_a_tombstone_that_comes_during_the_run_stops_the_commit(kit: Kit) -> None:
    kit.backup("r1", items())
    kit.verify("r1")
    writer = kit.writer("r2")
    writer.begin()
    writer.backup("files", "folder", items("2"), dict)
    bury(kit, kit.reader().open("files", "r1").refs.runs["r1"].packs)
    with pytest.raises(Transient):
        writer.commit("files")
    assert [info.run for info in kit.reader().runs()] == ["r1"]
    kit.backup("r3", items("3"))
    assert packs_of(kit, "r3") == set()


def test_a_tombstone_that_cannot_be_read_stops_everything(kit: Kit) -> None:
    kit.storage.put("tombstones/x.json", b"{}")
    with pytest.raises(Corrupt):
        kit.backup("r1", items())


def test_the_lock_must_outlast_the_run(kit: Kit) -> None:
    until = START + timedelta(days=1)
    kit.backup("r1", items(), lock_until=until)
    kit.verify("r1")
    kit.clock.time = START + timedelta(hours=17)
    kit.backup("r2", items("2"), lock_until=START + timedelta(days=2))
    assert packs_of(kit, "r2")
    kit.clock.time = START + timedelta(hours=19)
    kit.backup("r3", items("3"), lock_until=START + timedelta(days=2))
    assert packs_of(kit, "r3") == set(), "five hours of lock are less than the longest run and its margin"


def test_packs_without_a_lock_are_not_referred_to_by_a_locked_run(kit: Kit) -> None:
    kit.backup("r1", items())
    kit.verify("r1")
    kit.backup("r2", items("2"), lock_until=START + timedelta(days=2))
    assert packs_of(kit, "r2") == set()


def test_a_poisoned_index_is_not_believed(kit: Kit) -> None:
    """The writer's credentials and id key are stolen: an index is added that maps content to somewhere else."""
    from blake3 import blake3

    kit.backup("r1", [memory_item("other", b"something else" * 1000)])
    kit.verify("r1")
    keys = IdKeys.of(ID_KEY)
    target = next(iter(kit.reader().open("files").items())).refs[0]
    victim = b"precious"
    lie = (blake3(victim, key=keys.ids).digest(), Ref(*target[:4], 0, len(victim)))
    data = index.encode(REPO, "r1", keys.index, [lie])
    kit.storage.put(index_name("r1", sha256(data)), data)
    kit.backup("r2", [memory_item("f", victim)])
    assert kit.content() == {"f": victim}


def test_a_lying_index_gets_no_mark(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compromised writer lists wrong ids in its own run: the read-back finds it."""
    encode = index.encode

    def lying(repo: str, run: str, key: bytes, entries: Any) -> bytes:
        return encode(repo, run, key, [(bytes(32), ref) for _, ref in entries])

    monkeypatch.setattr(index, "encode", lying)
    kit.backup("r1", items())
    report = kit.verify("r1")
    assert not report.ok
    assert "index" in report.damaged[0].reason
    assert list(kit.control.list("verified/")) == []


def test_a_damaged_pack_gets_no_mark_and_is_named(kit: Kit) -> None:
    kit.backup("r1", items())
    name = max(kit.storage.list("packs/"), key=lambda entry: entry.size).name
    path = kit.root / "data" / name
    path.write_bytes(path.read_bytes()[:-1])
    report = kit.verify("r1")
    assert [damage.name for damage in report.damaged] == [name]
    assert list(kit.control.list("verified/")) == []


def test_a_run_without_a_commit_cannot_be_marked(kit: Kit) -> None:
    writer = kit.writer("r1")
    writer.begin()
    writer.backup("files", "folder", items(), dict)
    with pytest.raises(Missing):
        kit.verify("r1")


def test_a_stranger_s_reference_to_an_unmarked_run_gets_no_mark(kit: Kit) -> None:
    kit.backup("r1", items())
    kit.verify("r1")
    kit.backup("r2", items("2"))
    entry = kit.control.head("verified/r1.json")
    kit.control.delete("verified/r1.json", entry.version.id)
    report = kit.verify("r2")
    assert "verified/r1.json" in {damage.name for damage in report.damaged}


def bury(kit: Kit, packs: Any) -> None:
    document = {"format": TOMBSTONE_FORMAT, "repo": REPO, "packs": list(packs)}
    kit.storage.put("tombstones/plan.json", canonical_json(document))
