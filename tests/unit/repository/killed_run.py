"""A child process that writes a run and kills itself by SIGKILL before its N-th put: `killed_run.py ROOT N`.

Prints the number of puts when it comes to the end. The escrow key (public half) and the signing key lie in ROOT.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cryptography.hazmat.primitives import serialization
from repository_kit import ID_KEY, REPO, Duty, TestClock, memory_item

from backup_jobs.repository import RunWriter, intake, pipeline
from strongroom.keys.escrow import EscrowWrapper
from strongroom.storage.local import LocalStorage


class Killing(LocalStorage):
    """A folder whose process dies before put number `left`."""

    left = 0
    puts = 0

    def put(self, name: str, data: bytes, **conditions: Any) -> Any:
        """Dies, or writes."""
        if Killing.puts == Killing.left:
            os.kill(os.getpid(), signal.SIGKILL)
        Killing.puts += 1
        return super().put(name, data, **conditions)


def tree() -> list[Any]:
    """Enough for several packs."""
    return [memory_item(f"f{n}", os.urandom(120_000), "new") for n in range(20)] + [memory_item("old", b"old" * 1000)]


def main(root: Path, left: int) -> None:
    """Writes run `killed`; packs are small, so that there are several."""
    Killing.left = left
    pipeline.PACK_TARGET = 500_000
    intake.BUNDLE_SIZE = 250_000
    public = serialization.load_pem_public_key((root / "public.pem").read_bytes())
    signing = serialization.load_pem_private_key((root / "signing.pem").read_bytes(), None)
    duty = Duty("backup-writer", TestClock(), signing)  # type: ignore[arg-type]
    writer = RunWriter(
        Killing(root / "data"),
        Killing(root / "control"),
        REPO,
        ID_KEY,
        {"escrow": EscrowWrapper(public)},  # type: ignore[arg-type]
        duty.sign,
        duty.clock,
        "killed",
        None,
    )
    writer.begin()
    writer.backup("files", "folder", tree(), dict)
    writer.commit("files")
    print(Killing.puts)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
