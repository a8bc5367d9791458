"""The journal of runs: one NDJSON file a run under $STRONGROOM_HOME/journal, for people and `strongroom job show`.

It is written before and after each unit and synced, so after a crash it tells which unit was under way. Nothing is
resumed from it: what is due is computed from real state. Files are 0600; entries hold names, counts and codes.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any


class Journal:
    """Appends entries of one run; each entry is on disk when `write` returns."""

    def __init__(self, folder: Path, job: str, run_id: str) -> None:
        place = folder / job
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = place / f"{run_id}.ndjson"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, event: str, when: datetime, **fields: Any) -> None:
        """Adds one entry."""
        line = json.dumps({"event": event, "time": when.isoformat(), **fields}, sort_keys=True, default=str)
        os.write(self._file, line.encode() + b"\n")
        os.fsync(self._file)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def read_last(folder: Path, job: str) -> list[dict[str, Any]]:
    """Entries of a job's newest run; empty when it never ran. A torn last line is left out."""
    files = sorted((folder / job).glob("*.ndjson"))
    if not files:
        return []
    entries = []
    for line in files[-1].read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            break
    return entries
