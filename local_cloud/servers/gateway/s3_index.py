"""The index of S3 objects: one SQLite row a version, with what AWS keeps beside the bytes."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .private_files import private_folder

_SCHEMA = """
create table if not exists versions (
  seq integer primary key autoincrement, bucket text not null, key text not null, version text not null,
  latest integer not null, marker integer not null, size integer not null, etag text not null, modified real not null,
  files text not null, sealed blob not null, facts text not null, mode text not null, until real not null,
  hold integer not null, tags text not null, unique (bucket, key, version));
create index if not exists by_key on versions (bucket, key, seq);
create index if not exists current on versions (bucket, key) where latest = 1;
create table if not exists uploads (
  id text primary key, bucket text not null, key text not null, started real not null, sealed blob not null,
  facts text not null);
create table if not exists parts (
  upload text not null, number integer not null, size integer not null, etag text not null, file text not null,
  modified real not null, checksums text not null, primary key (upload, number));
create table if not exists settings (bucket text not null, name text not null, value text not null,
  primary key (bucket, name));
"""
_COLUMNS = "version, marker, size, etag, modified, files, sealed, facts, mode, until, hold, tags, key, latest, seq"


@dataclass(frozen=True)
class Stored:
    """One version of an object (or a delete marker); `until` is seconds since 1970, 0 where nothing is retained."""

    key: str
    version: str
    size: int = 0
    etag: str = ""
    modified: float = 0.0
    files: tuple[tuple[str, int], ...] = ()  # (file, plain size), in order
    sealed: bytes = b""
    facts: dict[str, Any] = field(default_factory=dict)
    mode: str = ""
    until: float = 0.0
    hold: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    marker: bool = False
    latest: bool = True
    seq: int = 0


@dataclass(frozen=True)
class Part:
    """One part of a multipart upload."""

    number: int
    size: int
    etag: str
    file: str
    modified: float
    checksums: dict[str, str]


@dataclass(frozen=True)
class Upload:
    """A multipart upload that is not completed."""

    id: str
    bucket: str
    key: str
    started: float
    sealed: bytes
    facts: dict[str, Any]


def _stored(row: tuple[Any, ...]) -> Stored:
    version, marker, size, etag, modified, files, sealed, facts, mode, until, hold, tags, key, latest, seq = row
    return Stored(
        key=key,
        version=version,
        size=size,
        etag=etag,
        modified=modified,
        files=tuple((name, length) for name, length in json.loads(files)),
        sealed=sealed,
        facts=json.loads(facts),
        mode=mode,
        until=until,
        hold=bool(hold),
        tags=json.loads(tags),
        marker=bool(marker),
        latest=bool(latest),
        seq=seq,
    )


def _upload(row: tuple[Any, ...]) -> Upload:
    upload_id, bucket, key, started, sealed, facts = row
    return Upload(upload_id, bucket, key, started, sealed, json.loads(facts))


def _part(row: tuple[Any, ...]) -> Part:
    _, number, size, etag, file, modified, checksums = row
    return Part(number, size, etag, file, modified, json.loads(checksums))


class ObjectIndex:
    """Objects, uploads and the bucket settings that moto does not keep; one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)
        path = folder / "index.sqlite"
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=off;" + _SCHEMA)
        self._lock = threading.RLock()

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """A block of reads and writes that nobody else's writes come between, and that is undone if it raises."""
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def find(self, bucket: str, key: str, version: str | None = None) -> Stored | None:
        """A version, or the latest one (perhaps a delete marker); None where there is none."""
        if version is None:
            rows = self._rows(f"select {_COLUMNS} from versions where bucket=? and key=? and latest=1", bucket, key)
        else:
            rows = self._rows(
                f"select {_COLUMNS} from versions where bucket=? and key=? and version=?", bucket, key, version
            )
        return _stored(rows[0]) if rows else None

    def insert(self, bucket: str, item: Stored) -> tuple[str, ...]:
        """Adds a version as the latest; an old `null` version gives way. Returns the files nobody needs any more."""
        dropped: tuple[str, ...] = ()
        if item.version == "null":
            dropped = self.remove(bucket, item.key, "null")
        self._db.execute("update versions set latest=0 where bucket=? and key=? and latest=1", (bucket, item.key))
        self._db.execute(
            "insert into versions (bucket, key, version, latest, marker, size, etag, modified, files, sealed, facts,"
            " mode, until, hold, tags) values (?,?,?,1,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(bucket, item.key, item.version, item.marker, item.size, item.etag, item.modified),
                *(json.dumps(item.files), item.sealed, json.dumps(item.facts)),
                *(item.mode, item.until, item.hold, json.dumps(item.tags)),
            ),
        )
        return dropped

    def remove(self, bucket: str, key: str, version: str) -> tuple[str, ...]:
        """Removes a version for good; the newest left becomes the latest. Returns its files."""
        found = self.find(bucket, key, version)
        if found is None:
            return ()
        self._db.execute("delete from versions where seq=?", (found.seq,))
        if found.latest:
            self._db.execute(
                "update versions set latest=1 where seq=(select max(seq) from versions where bucket=? and key=?)",
                (bucket, key),
            )
        return tuple(name for name, _ in found.files)

    def update(self, found: Stored, **changes: Any) -> None:
        """Changes lock, hold or tags of a version."""
        item = replace(found, **changes)
        self._db.execute(
            "update versions set mode=?, until=?, hold=?, tags=? where seq=?",
            (item.mode, item.until, item.hold, json.dumps(item.tags), item.seq),
        )

    def current(self, bucket: str, prefix: str, after: str, limit: int) -> list[Stored]:
        """Latest versions that are no delete markers, in key order, beyond `after`."""
        rows = self._rows(
            f"select {_COLUMNS} from versions where bucket=? and latest=1 and marker=0 and key>=? and key>?"
            " and substr(key, 1, ?)=? order by key limit ?",
            *(bucket, prefix, after, len(prefix), prefix, limit),
        )
        return [_stored(row) for row in rows]

    def history(self, bucket: str, prefix: str, after: tuple[str, int], limit: int) -> list[Stored]:
        """All versions, by key and newest first, beyond (key, seq)."""
        key, seq = after
        rows = self._rows(
            f"select {_COLUMNS} from versions where bucket=? and key>=? and substr(key, 1, ?)=?"
            " and (key>? or (key=? and seq<?)) order by key, seq desc limit ?",
            *(bucket, prefix, len(prefix), prefix, key, key, seq, limit),
        )
        return [_stored(row) for row in rows]

    def empty(self, bucket: str) -> bool:
        """True if a bucket holds no version and no delete marker."""
        return not self._rows("select 1 from versions where bucket=? limit 1", bucket)

    # multipart uploads

    def begin_upload(self, upload: Upload) -> None:
        """Records a new upload."""
        with self.change():
            self._db.execute(
                "insert into uploads values (?,?,?,?,?,?)",
                (upload.id, upload.bucket, upload.key, upload.started, upload.sealed, json.dumps(upload.facts)),
            )

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload | None:
        """An open upload; None where there is none."""
        rows = self._rows("select * from uploads where id=? and bucket=? and key=?", upload_id, bucket, key)
        return _upload(rows[0]) if rows else None

    def uploads(self, bucket: str, prefix: str) -> list[Upload]:
        """Open uploads of a bucket."""
        rows = self._rows(
            "select * from uploads where bucket=? and substr(key, 1, ?)=? order by key, started",
            *(bucket, len(prefix), prefix),
        )
        return [_upload(row) for row in rows]

    def add_part(self, upload_id: str, part: Part) -> str:
        """Records a part; returns the file of the one it replaces, or ''."""
        with self.change():
            old = self._rows("select file from parts where upload=? and number=?", upload_id, part.number)
            self._db.execute(
                "insert or replace into parts values (?,?,?,?,?,?,?)",
                (upload_id, part.number, part.size, part.etag, part.file, part.modified, json.dumps(part.checksums)),
            )
        return str(old[0][0]) if old else ""

    def parts(self, upload_id: str) -> list[Part]:
        """The parts of an upload in order."""
        rows = self._rows("select * from parts where upload=? order by number", upload_id)
        return [_part(row) for row in rows]

    def end_upload(self, upload_id: str) -> None:
        """Forgets an upload and its parts (their files stay)."""
        self._db.execute("delete from parts where upload=?", (upload_id,))
        self._db.execute("delete from uploads where id=?", (upload_id,))

    # bucket settings

    def setting(self, bucket: str, name: str) -> Any:
        """A setting of a bucket; None where it was never set."""
        rows = self._rows("select value from settings where bucket=? and name=?", bucket, name)
        return json.loads(rows[0][0]) if rows else None

    def set(self, bucket: str, name: str, value: Any) -> None:
        """Keeps a setting; None removes it."""
        with self.change():
            if value is None:
                self._db.execute("delete from settings where bucket=? and name=?", (bucket, name))
            else:
                row = (bucket, name, json.dumps(value))
                self._db.execute("insert or replace into settings values (?,?,?)", row)

    def forget(self, bucket: str) -> None:
        """Forgets the settings of a deleted bucket."""
        with self.change():
            self._db.execute("delete from settings where bucket=?", (bucket,))
