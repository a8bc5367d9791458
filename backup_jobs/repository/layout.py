"""Names and limits of the repository format (docs/formats/repository.md is the specification).

Everything in the data bucket is immutable: packs and indexes are named by the SHA-256 of their bytes, the rest is
written once per run. The control bucket holds what changes: leases, the writer's cache, verification marks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from strongroom.errors import Corrupt, Missing, UsageError
from strongroom.storage.contract import Storage

FORMAT = "strongroom.repository/1"
FORMAT_OBJECT = "format.json"

#: A pack never exceeds this; writers close it earlier (see `pipeline.PACK_TARGET`).
PACK_LIMIT = 64 << 20
#: No blob is larger before compression: a reader refuses to inflate more.
BLOB_LIMIT = 16 << 20
#: Files up to this size are bundled; larger ones are cut by content.
SMALL_FILE = 256 << 10
#: A bundle is closed at this size or at this number of files.
BUNDLE_SIZE = 1 << 20
BUNDLE_FILES = 4096
#: Content-defined chunks: least, average and greatest size.
CHUNK_SIZES = (64 << 10, 256 << 10, 1 << 20)
#: A file with more references keeps them in blobs of their own, so that a listing line stays short.
INLINE_REFS = 2048

_PART = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_=.-]*$")


def checked(part: str, what: str) -> str:
    """`part` if it may stand in an object name, else UsageError."""
    if not _PART.match(part):
        raise UsageError(f"{what} {part!r} may hold letters, digits and _ = . - only")
    return part


def pack_name(digest: str) -> str:
    """packs/<aa>/<sha256>.pack."""
    return f"packs/{digest[:2]}/{digest}.pack"


def index_name(run: str, digest: str) -> str:
    """index/<run>/<sha256>.idx."""
    return f"index/{run}/{digest}.idx"


def slot_name(run: str, recipient: str, generation: int) -> str:
    """keys/<run>/<recipient>.<generation>.slot."""
    return f"keys/{run}/{recipient}.{generation}.slot"


def snapshot_name(source: str, run: str) -> str:
    """snapshots/<source>/<run>."""
    return f"snapshots/{source}/{run}"


def refs_name(source: str, run: str) -> str:
    """refs/<source>/<run>.json."""
    return f"refs/{source}/{run}.json"


def commit_name(source: str, run: str) -> str:
    """commits/<source>/<run>.dsse."""
    return f"commits/{source}/{run}.dsse"


def verified_name(run: str) -> str:
    """verified/<run>.json, in the control bucket."""
    return f"verified/{run}.json"


def cache_name(source: str) -> str:
    """cache/<source>, in the control bucket."""
    return f"cache/{source}"


def sha256(data: bytes) -> str:
    """SHA-256, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(document: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON, keys sorted, no space; lone surrogates of file names stay escaped."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def parse_json(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object; Corrupt names the object when it is none."""
    try:
        document = json.loads(data)
    except ValueError:
        raise Corrupt(f"{name} is not JSON") from None
    if not isinstance(document, dict):
        raise Corrupt(f"{name} is not a JSON object")
    return document


def create(storage: Storage, repo_id: str) -> None:
    """Writes format.json of a new repository; Exists when there is one. Done once, by deployer.backup."""
    document = {"format": FORMAT, "repo": checked(repo_id, "repository"), "features": []}
    storage.put(FORMAT_OBJECT, canonical_json(document), if_absent=True)


def check_format(storage: Storage, repo_id: str) -> None:
    """Reads format.json; UsageError for another repository, a newer format or an unknown feature."""
    try:
        document = parse_json(storage.get(FORMAT_OBJECT), FORMAT_OBJECT)
    except Missing:
        raise Missing(
            f"{storage.url} holds no repository: {FORMAT_OBJECT} does not exist",
            hint="the backup layer or backup_jobs.repository.create makes it",
        ) from None
    if document.get("format") != FORMAT or document.get("features"):
        raise UsageError(
            f"{storage.url}: format {document.get('format')!r} with features {document.get('features')} is not known",
            hint="use the version of Strongroom that wrote it, or tools/restore.py of that bucket",
        )
    if document.get("repo") != repo_id:
        raise UsageError(f"{storage.url} is repository {document.get('repo')!r}, not {repo_id!r}")
