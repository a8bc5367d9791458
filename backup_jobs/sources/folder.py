"""A folder as a source: files, folders and symbolic links with modes and times; nothing is followed out of it.

What changes while it is read is stored as it was read and listed under `changed`; what cannot be read is listed
under `skipped`. Hard links come back as separate files; sockets, pipes and devices are listed and not stored.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from backup_jobs.sources.contract import Item, RestoredItem
from backup_jobs.sources.tree import require_empty, write_tree
from strongroom.errors import Denied, UsageError
from strongroom.jobs.contract import Clock

_MODULUS = 1 << 256


class TreeDigest:
    """Count and keyed digest of a tree: (kind, path, size, mode, mtime or link target) of every entry, in any order."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"tree/v1", "sha256")
        self._sum = self._rows = 0

    def add(self, kind: str, path: str, size: int, mode: int, mtime_ns: int, target: str, sign: int = 1) -> None:
        """Adds an entry, or takes it out again with `sign` -1."""
        stable = (mode, mtime_ns) if kind == "file" else (mode, 0) if kind == "dir" else (0, 0)
        record = "\0".join([kind, path, str(size if kind == "file" else 0), *map(str, stable), target])
        digest = hmac.digest(self._key, record.encode("utf-8", "surrogateescape"), "sha256")
        self._sum += sign * int.from_bytes(digest, "big")
        self._rows += sign

    def to_json(self) -> dict[str, Any]:
        """{"rows": int, "digest": hex}."""
        return {"rows": self._rows, "digest": format(self._sum % _MODULUS, "064x")}


class FolderSource:
    """The tree below `root`."""

    kind = "folder"

    def __init__(self, name: str, root: Path, clock: Clock) -> None:
        self.name, self._root, self._clock = name, root, clock

    @contextmanager
    def capture(self, run_key_digest: bytes) -> Iterator[FolderCapture]:
        """Begins a walk; UsageError when `root` is no folder, Denied when it cannot be listed."""
        if not self._root.is_dir():
            raise UsageError(f"source {self.name}: {self._root} is not a folder")
        if not os.access(self._root, os.R_OK | os.X_OK):
            raise Denied(f"source {self.name}: {self._root} cannot be listed by this user")
        yield FolderCapture(self._root, run_key_digest, self._clock)

    def restore(self, items: Iterator[RestoredItem], target: Any) -> dict[str, Any]:
        """Writes the tree into the empty folder `target`; returns {"items": int}."""
        folder = Path(target)
        require_empty(folder, (self._root,))
        return {"items": write_tree(items, folder)}


class FolderCapture:
    """A walk in name order: see `backup_jobs.sources.contract.Capture`."""

    def __init__(self, root: Path, key: bytes, clock: Clock) -> None:
        self._root, self._digest = root, TreeDigest(key)
        self._at = clock.now()
        self._skipped: list[dict[str, str]] = []
        self._changed: set[str] = set()
        self._left_out: set[str] = set()

    def items(self) -> Iterator[Item]:
        """Every entry; a folder comes before what it holds."""
        pending = [""]
        while pending:
            relative = pending.pop()
            folders: list[str] = []
            for entry in self._entries(relative):
                path = f"{relative}/{entry.name}" if relative else entry.name
                item = self._item(entry, path)
                if item is None:
                    continue
                if item.kind == "dir":
                    folders.append(path)
                self._digest.add(item.kind, path, item.size or 0, item.mode, item.mtime_ns, item.target)
                yield item
            pending += reversed(folders)

    def facts(self) -> dict[str, Any]:
        """Facts of the walk; complete once every item was read."""
        return {
            "kind": "folder",
            "consistent_at": self._at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "root": str(self._root),
            "tables": {"files": self._digest.to_json()},
            "skipped": list(self._skipped),
            "changed": sorted(self._changed),
        }

    def _entries(self, relative: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / relative) as found:
                return sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self._skip(relative, error)
            return []

    def _item(self, entry: os.DirEntry[str], path: str) -> Item | None:
        try:
            status = entry.stat(follow_symlinks=False)
            link = str(Path(entry.path).readlink()) if stat.S_ISLNK(status.st_mode) else ""
        except OSError as error:
            self._skip(path, error)
            return None
        mode = stat.S_IMODE(status.st_mode)
        identity = f"{status.st_dev:x}:{status.st_ino:x}:{status.st_ctime_ns:x}"
        if link:
            return Item(path, 0, status.st_mtime_ns, mode, identity, "symlink", link, {}, _nothing)
        if stat.S_ISDIR(status.st_mode):
            return Item(path, 0, status.st_mtime_ns, mode, identity, "dir", "", {}, _nothing)
        if not stat.S_ISREG(status.st_mode):
            self._skipped.append({"path": path, "reason": "not-a-regular-file"})
            return None
        opener = self._opener(entry.path, path, status)
        return Item(path, status.st_size, status.st_mtime_ns, mode, identity, "file", "", {}, opener)

    def _opener(self, place: str, path: str, listed: os.stat_result) -> Callable[[], BinaryIO]:
        def changed() -> None:
            self._changed.add(path)
            self._leave_out(path, listed)

        def open_file() -> BinaryIO:
            try:
                # O_NONBLOCK: a pipe that took the file's place must not hold the run
                descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError as error:
                self._skip(path, error)
                self._leave_out(path, listed)
                raise
            return cast(BinaryIO, _Watched(descriptor, listed, changed))

        return open_file

    def _leave_out(self, path: str, listed: os.stat_result) -> None:
        """Takes a file out of the digest: what came of it is not what the listing said."""
        if path not in self._left_out:
            self._left_out.add(path)
            self._digest.add("file", path, listed.st_size, stat.S_IMODE(listed.st_mode), listed.st_mtime_ns, "", -1)

    def _skip(self, path: str, error: OSError) -> None:
        gone = isinstance(error, FileNotFoundError)
        self._skipped.append({"path": path, "reason": "vanished" if gone else "unreadable"})


class _Watched(io.FileIO):
    """A file that reports, when it is closed, that it is no longer what the listing said."""

    def __init__(self, descriptor: int, listed: os.stat_result, changed: Callable[[], None]) -> None:
        super().__init__(descriptor, "rb")
        self._listed, self._report = listed, changed

    def close(self) -> None:
        """Compares inode, size and times with the listing, then closes."""
        if not self.closed:
            now, before = os.fstat(self.fileno()), self._listed
            if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
                self._report()
        super().close()


def digest_tree(root: Path, key: bytes, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Digests a restored tree as a capture digests its source, without the paths in `leave_out`."""
    digest = TreeDigest(key)
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            place = Path(folder) / name
            path = place.relative_to(root).as_posix()
            status = place.lstat()
            kind = "symlink" if place.is_symlink() else "dir" if place.is_dir() else "file"
            link = str(place.readlink()) if kind == "symlink" else ""
            if path not in leave_out:
                digest.add(kind, path, status.st_size, stat.S_IMODE(status.st_mode), status.st_mtime_ns, link)
    return digest.to_json()


def adhoc_name(root: Path) -> str:
    """The source name of a folder that no manifest names: its last part and 8 hex digits of its path."""
    label = re.sub(r"[^a-z0-9-]+", "-", root.name.lower()).strip("-") or "folder"
    return f"{label}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"


def _nothing() -> BinaryIO:
    return io.BytesIO()
