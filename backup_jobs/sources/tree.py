"""Writing a tree of files back: inside the target only, never through a link, never over something that is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from backup_jobs.sources.contract import RestoredItem
from strongroom.errors import Corrupt, IntegrityFailure, UsageError


def safe_path(root: Path, name: str) -> Path:
    """`root`/`name`; Corrupt when `name` would leave the root or is not a plain relative path."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name or "/".join(parts) != name:
        raise Corrupt(f"the snapshot holds a path that leaves its target: {name!r}")
    return root.joinpath(*parts)


def require_empty(target: Path, sources: tuple[Path, ...] = ()) -> None:
    """UsageError unless `target` is absent or an empty folder, and neither inside nor around one of `sources`."""
    resolved = target.resolve()
    for source in (path.resolve() for path in sources):
        if resolved == source or source in resolved.parents or resolved in source.parents:
            raise UsageError(f"{target} is, or lies in, the folder that was backed up", hint="name another folder")
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise UsageError(f"{target} is not an empty folder", hint="name a new folder")


def write_tree(items: Iterator[RestoredItem], root: Path) -> int:
    """Writes every item under the empty folder `root` (made 0700) and returns how many.

    Symbolic links come last and modes and times of folders at the very end, so nothing is written through a link.
    IntegrityFailure when an item's size is not what the snapshot says.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    folders: list[tuple[Path, RestoredItem]] = []
    links: list[tuple[Path, RestoredItem]] = []
    count = 0
    for item in items:
        path = safe_path(root, item.path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        count += 1
        if item.kind == "dir":
            path.mkdir(mode=0o700, exist_ok=True)
            folders.append((path, item))
        elif item.kind == "symlink":
            links.append((path, item))
        else:
            _write_file(path, item)
    for path, item in links:
        if path.exists() or path.is_symlink():
            raise Corrupt(f"{item.path} is in the snapshot twice")
        path.symlink_to(item.target)
        os.utime(path, ns=(item.mtime_ns, item.mtime_ns), follow_symlinks=False)
    for path, item in reversed(folders):
        path.chmod(item.mode or 0o700)
        os.utime(path, ns=(item.mtime_ns, item.mtime_ns))
    return count


def _write_file(path: Path, item: RestoredItem) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    written = 0
    with os.fdopen(descriptor, "wb") as file:
        for block in item.read():
            file.write(block)
            written += len(block)
        if written != item.size:
            raise IntegrityFailure(f"{item.path}: {written} bytes came back, the snapshot says {item.size}")
        file.flush()
        os.fchmod(descriptor, item.mode or 0o600)
        os.utime(descriptor, ns=(item.mtime_ns, item.mtime_ns))
