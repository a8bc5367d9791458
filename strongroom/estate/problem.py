"""A contradiction in an estate, with the path of the key that is wrong, so that the loader can name its line."""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One contradiction, where it is, and what to do."""

    path: Path
    message: str
    hint: str = ""
