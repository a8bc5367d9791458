"""New key versions, and everything that was wrapped under the old ones moved, while the application goes on writing."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demo.stage import Stage, require
from demo.steps.portal import application, connect, read_note
from strongroom.errors import KeyFailure

TITLE = "Rotation under a live application"
KEYS = ("recipient-primary", "recipient-transit", "fields-clinical", "fields-psychotherapy")
#: The slot by which the story follows versions: KMS's recipient of the primary copy.
FOLLOWED = "recipient-primary"


def show(stage: Stage) -> str:
    """Rotates, rewraps slots and field keys, then withholds the old KMS version: all opens but the superseded slot."""
    from backup_jobs.repository.slots import Slot

    before: list[Slot] = _slots(stage)
    rotated = stage.run_well("rotate-keys", keys=",".join(KEYS))
    with _writing(stage) as written:
        stage.run_well("rewrap-slots")
        stage.run_well("rewrap-fields", level="root")
        branch = stage.run_well("rewrap-fields", level="branch")
    moved = sum(result.counts.get("rewrapped", 0) for result in branch.results)
    raced = sum(result.counts.get("raced", 0) for result in branch.results)
    require(moved >= 20_000, f"only {moved} subject keys were moved")
    require(written, "the application wrote nothing during the rewrap")
    after = {slot.run: slot for slot in _slots(stage)}
    followed = next(result.detail for result in rotated.results if result.detail["key"] == FOLLOWED)
    for old in before:
        new = after[old.run]
        require(new.wrapped.version == followed["to_version"], f"slot {new.name} is not under the new version")
        require(new.generation > old.generation, f"slot {new.name} was not written anew")
    versions = "; ".join(
        f"{result.detail['key']} {_short(result.detail['from_version'])} → {_short(result.detail['to_version'])}"
        for result in rotated.results
    )
    stage.display.line(f"rotated: {versions}")
    for old in before[-2:]:
        # KMS tells no version when it encrypts, so the slot's is the one that was current when it was stored
        was = _short(old.wrapped.version or followed["from_version"])
        now = after[old.run]
        generations = f"generation {old.generation} → {now.generation}"
        stage.display.line(f"slot {old.run}: {was} → {_short(now.wrapped.version)}, {generations}")
    stage.display.line(
        f"{moved:,} subject keys rewrapped by compare-and-swap while the application wrote {len(written)} rows "
        f"({raced} raced, none lost); PostgreSQL validated the proof"
    )
    with withheld(stage, FOLLOWED, "fields-clinical"):
        _still_open(stage, before[-1], written)
    stage.display.line("old KMS versions withheld: runs, fields and new rows open; the superseded slot does not")
    return f"{len(rotated.results)} keys rotated, {moved:,} field keys and all slots moved, old version not needed"


def _slots(stage: Stage) -> list[Any]:
    """The newest slot of each run for the followed recipient, oldest run first."""
    from backup_jobs.recipients import newest_slots

    found = newest_slots(stage.data("rotator", "primary"))[FOLLOWED]
    return [slot for slot, _ in found]


@contextmanager
def _writing(stage: Stage) -> Iterator[list[tuple[uuid.UUID, bytes]]]:
    """An application thread that seals and stores values for new subjects until the block ends; what it wrote."""
    written: list[tuple[uuid.UUID, bytes]] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def write() -> None:
        try:
            with connect(stage, autocommit=True) as connection:
                cipher = application(stage, connection)
                template = connection.execute("SELECT * FROM patients LIMIT 1")
                columns = [column.name for column in template.description]
                row = dict(zip(columns, template.fetchone(), strict=True))
                insert = f"INSERT INTO patients ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
                while not stop.is_set():
                    key = uuid.uuid4()
                    name = f"written during the rewrap {len(written)}".encode()
                    values = row | {"id": key}
                    for column, field, value in (("name", "patient-name", name), ("mrn", "patient-mrn", key.bytes)):
                        values[column] = cipher.seal(field, "clinical", subject=key, row_key=str(key), plaintext=value)
                    connection.execute(insert, [values[column] for column in columns])
                    written.append((key, name))
                    stop.wait(0.005)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write, name="application")
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def withheld(stage: Stage, *keys: str) -> Iterator[None]:
    """The first versions of KMS keys are kept back by the operator of the simulated KMS while the block runs."""
    from local_cloud.servers.layout import write_private_json

    path = stage.home / "cloud" / "kms" / "withheld.json"
    write_private_json(path, [{"key": stage.manifest().key(name).ref, "version": 1} for name in keys])
    try:
        yield
    finally:
        path.unlink()


def _still_open(stage: Stage, superseded: Any, written: list[tuple[uuid.UUID, bytes]]) -> None:
    from backup_jobs import opening

    opener = opening.unwrapper(stage.context("restorer"), "restorer", FOLLOWED)
    for slot in _slots(stage):
        opener.unwrap(slot.wrapped, slot.context)  # KeyFailure names what does not open
    stage.run_well("drill", copy="primary", recipient=FOLLOWED, depth="open", parallel=2)
    with connect(stage) as connection:
        cipher = application(stage, connection)  # empty caches: every key is asked for again
        require(read_note(stage, connection, cipher) == stage.secret, "the secret reads differently after the rewrap")
        for key, name in (written[0], written[-1]):
            (sealed,) = connection.execute("SELECT name FROM patients WHERE id = %s", (key,)).fetchone()
            opened = cipher.open("patient-name", "clinical", subject=key, row_key=str(key), sealed=bytes(sealed))
            require(opened == name, "a row written during the rewrap reads differently")
    try:
        opener.unwrap(superseded.wrapped, superseded.context)
    except KeyFailure:
        return
    require(False, "the superseded slot opens although its key version is withheld: the withholding proves nothing")


def _short(version: str) -> str:
    """The first digits of a key material's id; transit counts its versions."""
    return f"v{version}" if version.isdigit() else version[:8]
