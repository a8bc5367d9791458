"""Storage in a folder: one file an object, written beside its place and linked into it, so never half there.

A folder cannot enforce retention against its owner. `retain_until` is kept beside the object and honoured by this
code, and the copies matrix never counts a local copy as locked (backup_jobs.copies).
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from strongroom.errors import Denied, Exists, Locked, Missing, Transient, UsageError
from strongroom.storage.contract import Entry, Version

_NAME = re.compile(r"^[A-Za-z0-9_=.-]+(/[A-Za-z0-9_=.-]+)*$")
_SIDE = ".retention"


class LocalStorage:
    """Storage under `root` (made if absent, mode 0700; files 0600)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """file:// and the absolute folder."""
        return self._root.resolve().as_uri()

    def put(
        self,
        name: str,
        data: bytes,
        *,
        if_absent: bool = False,
        if_match: Version | None = None,
        retain_until: datetime | None = None,
    ) -> Version:
        """Writes a whole object or nothing; see `Storage.put`."""
        path = self._path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if if_match is not None and self.head(name).version.etag != if_match.etag:
            raise Exists(f"{name} has changed since it was read")
        if not if_absent and if_match is None:
            self._refuse_if_locked(name)
        temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}.part"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if if_absent:
                os.link(temporary, path)
            else:
                temporary.replace(path)
            _sync_folder(path.parent)
        except FileExistsError:
            raise Exists(f"{name} already exists in {self.url}") from None
        except OSError as error:
            raise _translate(error, name) from None
        finally:
            temporary.unlink(missing_ok=True)
        if retain_until is not None:
            self._write_retention(name, retain_until)
        return self.head(name).version

    def get(self, name: str, *, version: str | None = None, range: tuple[int, int] | None = None) -> bytes:  # noqa: A002
        """Reads an object or bytes [start, end) of it."""
        path = self._path(name)
        try:
            if version is not None and self._version(path).id != version:
                raise Missing(f"{name} has no version {version} in {self.url}")
            if range is None:
                return path.read_bytes()
            with path.open("rb") as file:
                file.seek(range[0])
                return file.read(range[1] - range[0])
        except OSError as error:
            raise _translate(error, name) from None

    def head(self, name: str, *, version: str | None = None) -> Entry:
        """Describes one object."""
        path = self._path(name)
        try:
            entry = self._entry(path, name)
        except OSError as error:
            raise _translate(error, name) from None
        if version is not None and entry.version.id != version:
            raise Missing(f"{name} has no version {version} in {self.url}")
        return entry

    def retained_until(self, name: str) -> datetime | None:
        """What `put` or `extend` noted; Missing when there is no such object."""
        return self.head(name).retain_until

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Entry]:
        """Objects in name order; partly written files and retention marks are not objects."""
        names = []
        base = prefix.rpartition("/")[0]
        for folder, folders, files in os.walk(self._root / base if base else self._root):
            folders[:] = [f for f in folders if f != _SIDE]
            relative = Path(folder).relative_to(self._root).as_posix()
            for file in files:
                name = file if relative == "." else f"{relative}/{file}"
                if not file.endswith(".part") and name.startswith(prefix) and name > after:
                    names.append(name)
        for name in sorted(names):
            try:
                yield self._entry(self._path(name), name)
            except FileNotFoundError:
                continue

    def versions(self, name: str) -> tuple[Entry, ...]:
        """The one version a folder keeps, or none."""
        try:
            return (self.head(name),)
        except Missing:
            return ()

    def delete(self, name: str, version: str) -> None:
        """Removes the object unless its retention lasts."""
        self._refuse_if_locked(name)
        self.head(name, version=version)
        self._path(name).unlink(missing_ok=True)
        self._retention_path(name).unlink(missing_ok=True)

    def extend(self, name: str, version: str, until: datetime) -> None:
        """Moves retention to a later time; Locked when `until` is earlier than what stands."""
        current = self.head(name, version=version).retain_until
        if current is not None and until < current:
            raise Locked(f"{name}: retention until {current.isoformat()} cannot be shortened")
        self._write_retention(name, until)

    def _path(self, name: str) -> Path:
        if not _NAME.match(name) or ".." in name.split("/"):
            raise UsageError(f"{name!r} is not an object name")
        return self._root / name

    def _retention_path(self, name: str) -> Path:
        return self._root / _SIDE / name

    def _write_retention(self, name: str, until: datetime) -> None:
        path = self._retention_path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.parent / f"{path.name}.{secrets.token_hex(4)}.part"
        temporary.write_text(until.astimezone(UTC).isoformat())
        temporary.replace(path)

    def _retention(self, name: str) -> datetime | None:
        try:
            return datetime.fromisoformat(self._retention_path(name).read_text())
        except FileNotFoundError:
            return None

    def _refuse_if_locked(self, name: str) -> None:
        until = self._retention(name)
        if until is not None and until > datetime.now(UTC) and self._path(name).exists():
            raise Locked(f"{name} is retained until {until.isoformat()}")

    def _entry(self, path: Path, name: str) -> Entry:
        status = path.stat()
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        return Entry(name, status.st_size, self._version(path), modified, self._retention(name))

    @staticmethod
    def _version(path: Path) -> Version:
        status = path.stat()
        tag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
        return Version(tag, tag)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _translate(error: OSError, name: str) -> Exception:
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return Missing(f"{name} does not exist")
    if isinstance(error, PermissionError):
        return Denied(f"{name}: the file system refuses access")
    return Transient(f"{name}: {os.strerror(error.errno or 0)}", hint="check the disk and run again")
