"""Putting objects back: into an empty bucket prefix, or as files into an empty folder.

Keys are not paths: `a` and `a/b` may both exist, and `..`, empty parts and trailing slashes are legal. As files, each
part is percent-encoded where it would mislead, an empty part is `%`, and an object whose key is also a folder gets a
trailing `%`. Metadata and tags go to `<folder>.objects.ndjson`, one line an object, beside the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backup_jobs.sources.bucket_objects import ObjectsDigest, raise_service_error, split_url
from backup_jobs.sources.contract import RestoredItem
from backup_jobs.sources.tree import require_empty, write_tree
from strongroom.errors import IntegrityFailure, UsageError

_SPOOL = 16 * 1024 * 1024


def restore_objects(
    items: Iterator[RestoredItem], target: str, client: Any, forbidden: tuple[str, str]
) -> dict[str, Any]:
    """Restores to `target`; UsageError when it is not empty or overlaps the source (bucket, prefix)."""
    if target.startswith("s3://"):
        bucket, prefix = split_url(target)
        source, source_prefix = forbidden
        if bucket == source and (prefix.startswith(source_prefix) or source_prefix.startswith(prefix)):
            raise UsageError(f"{target} is the source itself", hint="name another bucket or prefix")
        return {"items": _to_bucket(items, client, bucket, prefix)}
    folder = Path(target)
    require_empty(folder)
    return {"items": len(to_folder(items, folder))}


def to_folder(items: Iterator[RestoredItem], folder: Path) -> dict[str, str]:
    """Writes objects as files and their metadata beside the folder; returns {key: relative file name}."""
    listed = list(items)
    names = file_names([item.path for item in listed])
    write_tree((replace(item, path=names[item.path]) for item in listed), folder)
    descriptor = os.open(metadata_file(folder), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        for item in listed:
            record = {"key": item.path, "file": names[item.path], "metadata": dict(item.metadata)}
            file.write(json.dumps(record, sort_keys=True) + "\n")
    return names


def metadata_file(folder: Path) -> Path:
    """Where the metadata of a restored folder lies: `<folder>.objects.ndjson`."""
    return folder.with_name(folder.name + ".objects.ndjson")


def file_names(keys: list[str]) -> dict[str, str]:
    """A relative file name for every key, all different and all inside their folder."""
    encoded = {key: "/".join(_part(part) for part in key.split("/")) for key in keys}
    folders = {name.rsplit("/", depth)[0] for name in encoded.values() for depth in range(1, name.count("/") + 1)}
    return {key: name + "%" if name in folders else name for key, name in encoded.items()}


def _part(part: str) -> str:
    if part in ("", ".", ".."):
        return "%" + part.replace(".", "%2E")
    quoted = part.replace("%", "%25").replace("\0", "%00")
    if len(quoted.encode()) > 240:  # file systems allow 255 bytes; the key itself stands in the metadata file
        return "%" + hashlib.sha256(part.encode()).hexdigest()
    return quoted


def _to_bucket(items: Iterator[RestoredItem], client: Any, bucket: str, prefix: str) -> int:
    from botocore.exceptions import ClientError

    count = 0
    try:
        if client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"):
            raise UsageError(f"s3://{bucket}/{prefix} is not empty", hint="name an empty prefix")
        for item in items:
            with tempfile.SpooledTemporaryFile(_SPOOL) as spool:
                for block in item.read():
                    spool.write(block)
                if spool.tell() != item.size:
                    raise IntegrityFailure(f"{item.path}: {spool.tell()} bytes came back, not {item.size}")
                spool.seek(0)
                client.upload_fileobj(spool, bucket, prefix + item.path, ExtraArgs=_arguments(item.metadata))
            count += 1
    except ClientError as error:
        raise_service_error(error, f"s3://{bucket}")
    return count


def _arguments(metadata: Mapping[str, str]) -> dict[str, Any]:
    from urllib.parse import urlencode

    user = {name[5:]: value for name, value in metadata.items() if name.startswith("user:")}
    tags = {name[4:]: value for name, value in metadata.items() if name.startswith("tag:")}
    headers = {name: value for name, value in metadata.items() if ":" not in name}
    return {**headers, "Metadata": user, **({"Tagging": urlencode(tags)} if tags else {})}


def digest_objects(folder: Path, key: bytes, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Digests objects restored as files, as a capture digests its bucket, without the keys in `leave_out`."""
    digest = ObjectsDigest(key)
    for line in metadata_file(folder).read_text().splitlines():
        record = json.loads(line)
        path = folder / record["file"]
        if record["key"] not in leave_out and path.is_file():
            digest.add(record["key"], path.stat().st_size, record["metadata"])
    return digest.to_json()
