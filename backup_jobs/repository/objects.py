"""Reading and writing of immutable objects: written once, read in whichever stored version has the right bytes.

An attacker who may write can lay a newer version or a delete marker over an object, never change a locked one; so a
reader that knows an object's hash takes any version that matches it.
"""

from __future__ import annotations

from datetime import datetime

from backup_jobs.repository.layout import pack_name, sha256
from strongroom.errors import Corrupt, Exists, Missing
from strongroom.storage.contract import Storage


def fetch(storage: Storage, name: str, digest: str) -> bytes:
    """The bytes of `name` whose SHA-256 is `digest`, from any stored version.

    Corrupt when versions exist but none matches, Missing when there is none; both name the object and the store.
    """
    current: bytes | None
    try:
        current = storage.get(name)
    except Missing:
        current = None
    if current is not None and sha256(current) == digest:
        return current
    stored = storage.versions(name)
    for entry in stored:
        data = storage.get(name, version=entry.version.id or None)
        if sha256(data) == digest:
            return data
    if not stored:
        raise Missing(f"{name} is missing in {storage.url}", hint="heal it from another copy: job run copy")
    raise Corrupt(
        f"{name} in {storage.url} is damaged: no stored version has its hash",
        hint="heal it from another copy: job run copy",
    )


def fetch_pack(storage: Storage, pack: str) -> bytes:
    """A whole pack, checked against its name."""
    return fetch(storage, pack_name(pack), pack)


def put_addressed(storage: Storage, name: str, data: bytes, retain_until: datetime | None) -> None:
    """Writes an object whose name is its hash; one of the same name and length is the same object written before."""
    try:
        storage.put(name, data, if_absent=True, retain_until=retain_until)
    except Exists:
        # a writer may list packs but not read them, and HeadObject is reading
        if next((entry.size for entry in storage.list(name) if entry.name == name), -1) != len(data):
            raise Corrupt(f"{name} in {storage.url} exists with other bytes", hint="heal it: job run copy") from None
