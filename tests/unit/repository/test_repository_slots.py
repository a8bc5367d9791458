"""Slots: who can open a run, and what happens when a key is withheld, damaged or somebody else's."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from repository_kit import REPO, Kit, memory_item

from backup_jobs.repository import slots
from backup_jobs.repository.sealing import commitment
from strongroom.errors import Corrupt, Denied, KeyFailure, Missing
from strongroom.keys.escrow import EscrowUnwrapper, EscrowWrapper
from strongroom.keys.handles import KeyState, Wrapped


class Failing(EscrowWrapper):
    """A recipient whose service refuses."""

    error: Exception = KeyFailure("key is pending deletion")

    def wrap(self, plaintext: bytes, context: Any) -> Wrapped:
        raise self.error


class Disabled(EscrowWrapper):
    """A recipient that says it is disabled."""

    def describe(self) -> KeyState:
        state = super().describe()
        return KeyState(state.key_ref, False, "PendingDeletion", "1", state.created, None)


class Undescribable(EscrowWrapper):
    """A recipient that the writer may use and not describe."""

    def describe(self) -> KeyState:
        raise Denied("kms:DescribeKey was refused")


@pytest.mark.parametrize("kind", [Failing, Disabled])
def test_a_recipient_that_takes_no_key_leaves_nothing_written(kit: Kit, kind: type) -> None:
    wrappers = {**kit.wrappers, "second": kind(kit.private.public_key())}
    before = [entry.name for entry in kit.storage.list()]
    with pytest.raises(KeyFailure):
        kit.writer("r1", wrappers=wrappers).begin()
    assert [entry.name for entry in kit.storage.list()] == before


def test_a_recipient_that_cannot_be_described_still_takes_the_key(kit: Kit) -> None:
    wrappers = {"primary": Undescribable(kit.private.public_key())}
    kit.backup("r1", [memory_item("f", b"x")], wrappers=wrappers)
    reader = kit.reader(unwrappers={"primary": EscrowUnwrapper(kit.private)})
    assert reader.open("files").root.files == 1


def test_a_run_without_recipients_is_refused(kit: Kit) -> None:
    with pytest.raises(KeyFailure):
        kit.writer("r1", wrappers={}).begin()


def test_each_recipient_alone_opens_and_a_withheld_one_is_named(kit: Kit) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrappers = {**kit.wrappers, "second": EscrowWrapper(other.public_key())}
    kit.backup("r1", [memory_item("f", b"x")], wrappers=wrappers)
    assert kit.reader(unwrappers={"second": EscrowUnwrapper(other)}).open("files").root.files == 1
    assert kit.content() == {"f": b"x"}
    for entry in list(kit.storage.list("keys/r1/second.")):
        kit.storage.delete(entry.name, entry.version.id)
    with pytest.raises(KeyFailure, match=r"escrow.*keys given: second"):
        kit.reader(unwrappers={"second": EscrowUnwrapper(other)}).open("files")
    with pytest.raises(KeyFailure):
        kit.reader(unwrappers={"escrow": EscrowUnwrapper(other)}).open("files")


def test_the_newest_generation_opens_first_and_an_older_one_still_does(kit: Kit) -> None:
    kit.backup("r1", [memory_item("f", b"x")])
    old = kit.storage.get("keys/r1/escrow.1.slot")
    kit.storage.put("keys/r1/escrow.2.slot", b"damaged")
    assert kit.content() == {"f": b"x"}
    slot = slots.Slot.parse(old, "keys/r1/escrow.1.slot")
    renewed = slots.Slot(REPO, "r1", "escrow", 3, slot.wrapped)
    slots.write(kit.storage, [renewed], None)
    kit.storage.put("keys/r1/escrow.1.slot", b"damaged too")
    assert kit.content() == {"f": b"x"}


def test_a_slot_to_another_key_is_refused_by_the_commitment(kit: Kit) -> None:
    kit.backup("r1", [memory_item("f", b"x")])
    context = {"repo": REPO, "run": "r1", "recipient": "escrow"}
    forged = slots.Slot(REPO, "r1", "escrow", 1, kit.wrappers["escrow"].wrap(bytes(32), context))
    kit.storage.put(forged.name, forged.to_bytes())
    with pytest.raises(Corrupt, match=r"keys/r1/escrow\.1\.slot"):
        kit.reader().open("files")
    assert commitment(bytes(32)) != commitment(bytes(31) + b"\1")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"format":"strongroom.slot/1"}',
        b'{"format":"strongroom.slot/1","repo":"r","run":"r1","recipient":"e","kind":"x","key_ref":"","wrapped":""}',
        b'{"format":"strongroom.slot/1","repo":"r","run":"r2","recipient":"e","kind":"transit","key_ref":"","wrapped":""}',
        b'{"format":"strongroom.slot/1","repo":"r","run":"r1","recipient":"e","kind":"transit","key_ref":"","wrapped":"?"}',
    ],
)
def test_what_is_no_slot_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt, match=r"keys/r1/e\.1\.slot"):
        slots.Slot.parse(data, "keys/r1/e.1.slot")


def test_slots_read_back_what_they_write() -> None:
    slot = slots.Slot("r", "r1", "e", 2, Wrapped("transit", "transit/x", "3", b"vault:v3:abc"))
    assert slots.Slot.parse(slot.to_bytes(), slot.name) == slot


def test_no_snapshot_at_all(kit: Kit) -> None:
    with pytest.raises(Missing):
        kit.reader().open("files")
