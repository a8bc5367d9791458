"""The gateway's time: UTC, movable by the operator, so that locks and sessions can be seen to expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .call import Refuse

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class OffsetClock:
    """The wall clock plus the seconds written in a file; without the file, the wall clock.

    The file (`home/cloud/clock_offset`) is the operator's: a demonstration moves time forward past a lock's end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, float] = (-1, 0.0)

    def __call__(self) -> datetime:
        try:
            stamp = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return wall_clock()
        if stamp != self._read[0]:
            try:
                self._read = (stamp, float(self._path.read_text()))
            except ValueError as broken:
                raise Refuse("InternalFailure", f"{self._path} does not hold a number of seconds", 500) from broken
        return wall_clock() + timedelta(seconds=self._read[1])
