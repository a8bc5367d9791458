"""Writes tests/vectors/repository/: a frozen repository of format 1, its escrow key and what must come out of it.

Run once per format version; the bytes are then kept for good, so that every later reader is tested against them.
Salts and wrapped keys are random: running this again gives another valid vector, not the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent / "unit" / "repository")]

from repository_kit import REPO, Kit, TestClock, memory_item  # noqa: E402

from backup_jobs.sources.contract import Item  # noqa: E402
from strongroom.fields.format import Cell, SubjectKey, seal  # noqa: E402
from strongroom.fields.wrapping import BranchKey, wrap  # noqa: E402
from strongroom.keys import escrow  # noqa: E402

PASSPHRASE = b"vector passphrase, no secret"
ROW, KEY_ID, SUBJECT = (str(uuid.UUID(int=n << 64 | 0x4000800000000000)) for n in (1, 2, 3))
NOTE = "Prüfnotiz: blood pressure normal.\n\tSecond line with \\ and tab.".encode()


def tree(second: bool) -> list[Item]:
    """The files of source `files`."""
    text = "".join(f"{n},{n * n % 97},row\n" for n in range(60_000)).encode()
    if second:
        text = text[:300_000] + b"inserted\n" + text[300_000:]
    items = [
        memory_item("tables/large.csv", text, str(second)),
        memory_item("images/scan.bin", random.Random(9).randbytes(40_000)),
        memory_item("empty", b""),
        memory_item("names/ä\udcff\n.txt", b"undecodable name"),
    ]
    items.insert(0, Item("tables", None, 1_000_000_000, 0o750, "", "dir", "", {}, lambda: None))  # type: ignore[arg-type,return-value]
    items.append(Item("link", None, 1, 0o777, "", "symlink", "images/scan.bin", {}, lambda: None))  # type: ignore[arg-type,return-value]
    return items + ([memory_item("new", b"only in the second run")] if second else [])


def dump(wrapper: escrow.EscrowWrapper) -> tuple[list[Item], dict[str, Any]]:
    """A database dump in COPY text with one sealed field, and the facts that lead to it."""
    branch = BranchKey("clinic", "psychotherapy", 2, bytes(range(32)))
    key = SubjectKey(uuid.UUID(KEY_ID), bytes(range(32, 64)))
    context = {
        "class": "psychotherapy",
        "purpose": "branch-key",
        "recipient": "escrow",
        "tenant": "clinic",
        "version": "2",
    }
    sealed = seal(key, Cell("clinic", "psy-note", ROW), NOTE)
    wrapped = wrap(branch, uuid.UUID(SUBJECT), key.id, key.material)
    held = wrapper.wrap(branch.material, context)

    def copy(*rows: tuple[str, ...]) -> bytes:
        return "".join("\t".join(row) + "\n" for row in rows).encode() + b"\\.\n\n\n"

    def binary(data: bytes) -> str:
        return "\\\\x" + data.hex()

    other = str(uuid.UUID(int=77))
    tables = {
        "public.psychotherapy_notes": copy((other, "a\\tb", "\\N"), (ROW, "plain\\nline", binary(sealed))),
        "strongroom.subject_keys": copy((KEY_ID, "clinic", "psychotherapy", SUBJECT, "2", binary(wrapped))),
        "strongroom.branch_keys": copy(
            (other, "clinic", "psychotherapy", "2", "root", "transit", "transit/x", binary(b"vault:v1:x")),
            (other, "clinic", "psychotherapy", "2", "escrow", held.provider, held.key_ref, binary(held.blob)),
        ),
    }
    columns = {
        "public.psychotherapy_notes": ["id", "title", "note"],
        "strongroom.subject_keys": ["id", "tenant", "class", "subject", "branch_version", "wrapped"],
        "strongroom.branch_keys": ["id", "tenant", "class", "version", "recipient", "provider", "key_ref", "wrapped"],
    }
    files = {table: f"dump/{3000 + n}.dat" for n, table in enumerate(tables)}
    table_map = {table: {"file": files[table], "columns": columns[table]} for table in tables}
    return [memory_item(files[table], data) for table, data in tables.items()], {"table_map": table_map}


def main() -> None:
    """Writes the folder anew."""
    target = HERE / "repository"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    escrow.create(target / "escrow.pem", target / "escrow.pub", PASSPHRASE)
    private = escrow.load_private(target / "escrow.pem", PASSPHRASE).private
    clock = TestClock()
    clock.time = datetime(2026, 11, 22, tzinfo=UTC)
    kit = Kit(target, private, clock)
    expected: dict[str, Any] = {"repo": REPO, "passphrase": PASSPHRASE.decode(), "id_key": bytes(range(32)).hex()}
    for run, second in (("run1", False), ("run2", True)):
        items = tree(second)
        kit.backup(run, items, {"made": run})
        assert kit.verify(run).ok
        files = {i.path: hashlib.sha256(i.open().read()).hexdigest() for i in items if i.kind == "file"}
        expected[run] = dict(sorted(files.items()))
    kit.backup("run3", *dump(escrow.load_public(target / "escrow.pub")), source="portal")
    expected["field"] = {"table": "psychotherapy_notes", "row": ROW, "field": "psy-note", "value": NOTE.decode()}
    pinned = [kit.writer_duty.pinned("commit"), kit.restorer_duty.pinned("verified")]
    (target / "trust.json").write_text(json.dumps([json.loads(key.model_dump_json()) for key in pinned], indent=1))
    (target / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")
    for cache in (target / "control" / "cache").iterdir():
        cache.unlink()
    (target / "control" / "cache").rmdir()


if __name__ == "__main__":
    main()
