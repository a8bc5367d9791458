"""A run killed before any of its writes (real SIGKILL) leaves earlier backups whole and is never taken for one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from repository_kit import Kit, memory_item

from backup_jobs.repository import closure, residue

OLD = {"old": b"old" * 1000}
CHILD = Path(__file__).with_name("killed_run.py")


def start(root: Path, left: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CHILD, root, str(left)], capture_output=True, text=True, timeout=60)


def test_killed_before_every_single_write(kit: Kit, tmp_path: Path) -> None:
    kit.backup("before", [memory_item(p, d) for p, d in OLD.items()])
    assert kit.verify("before").ok
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (kit.root / "public.pem").write_bytes(kit.private.public_key().public_bytes(serialization.Encoding.PEM, form))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (kit.root / "signing.pem").write_bytes(kit.writer_duty.key.private_bytes(*plain))

    whole = start(copied(kit, tmp_path / "whole").root, 10_000)
    assert whole.returncode == 0, whole.stderr
    puts = int(whole.stdout)
    assert puts >= 9  # slot, several packs, listing, index, snapshot, refs, commit, cache

    committed = 0
    for left in range(puts):
        here = copied(kit, tmp_path / f"killed{left}")
        ended = start(here.root, left)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        runs = [info.run for info in here.reader().runs()]
        assert here.content(run="before") == OLD
        if "killed" in runs:  # only the writes after the commit are missing: the cache
            committed += 1
            assert closure(here.storage, "files", "killed").complete
            assert here.reader().open("files", "killed").verify().ok
        else:
            assert runs == ["before"]
            left_over = residue(here.storage)
            # two workers put at the same time: the one beside the killer may not have got to its end
            assert left - 2 <= len(left_over) <= left
            assert not any(name.startswith("commits/") for name in left_over)
        summary = here.backup("after", [memory_item(p, d, "2") for p, d in OLD.items()])
        assert summary.new_bytes < 1000, "what was verified before is referred to, what the killed run left is not"
        assert here.content(run="after") == OLD
        assert here.verify("after").ok
    assert committed == 2  # cache part and cache header


def copied(kit: Kit, root: Path) -> Kit:
    """The same repository in another folder."""
    shutil.copytree(kit.root, root)
    twin = object.__new__(Kit)
    twin.__dict__.update(kit.__dict__)
    twin.root = root
    twin.storage, twin.control = type(kit.storage)(root / "data"), type(kit.control)(root / "control")
    return twin
