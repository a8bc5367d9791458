"""An S3 bucket as a source: the versions that were current at one time T, with metadata, tags and content type.

On a versioned bucket every object is read by its VersionId, so what is written or deleted after T changes nothing.
On an unversioned bucket the read names the ETag of the listing; an object replaced in between is skipped and listed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, BinaryIO, cast

from backup_jobs.sources.bucket_objects import ObjectsDigest, raise_service_error
from backup_jobs.sources.bucket_restore import restore_objects
from backup_jobs.sources.contract import Item, RestoredItem
from strongroom.errors import Transient
from strongroom.jobs.contract import Clock

_HEADS = 8  # requests in flight while metadata is read ahead
_HEADERS = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of a listing; `version` is 'null' on a bucket without versioning."""

    key: str
    version: str
    etag: str
    size: int
    modified: datetime


class BucketSource:
    """The objects under `prefix`; `client` is a boto3 S3 client with the duty's credentials. `at` None means now."""

    kind = "bucket"

    def __init__(
        self, name: str, client: Any, bucket: str, clock: Clock, *, prefix: str = "", at: datetime | None = None
    ) -> None:
        self.name, self._client, self._bucket = name, client, bucket
        self._clock, self._prefix, self._at = clock, prefix, at

    @contextmanager
    def capture(self, run_key_digest: bytes) -> Iterator[BucketCapture]:
        """Fixes T and the listing. Denied, Missing or Transient as the service answers."""
        at = self._at or self._clock.now()
        listed = current_at(self._client, self._bucket, self._prefix, at if self._at else None)
        with ThreadPoolExecutor(_HEADS, thread_name_prefix="head") as pool:
            yield BucketCapture(self._client, self._bucket, self._prefix, at, listed, pool, run_key_digest)

    def restore(self, items: Iterator[RestoredItem], target: Any) -> dict[str, Any]:
        """Puts the objects into an empty `s3://bucket/prefix` or folder; returns {"items": int}."""
        return restore_objects(items, str(target), self._client, forbidden=(self._bucket, self._prefix))


class BucketCapture:
    """A bucket at time T: see `backup_jobs.sources.contract.Capture`."""

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str,
        at: datetime,
        listed: Iterator[ObjectVersion],
        pool: ThreadPoolExecutor,
        key: bytes,
    ) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix
        self._at, self._listed, self._pool = at, listed, pool
        self._digest = ObjectsDigest(key)
        self._skipped: list[dict[str, str]] = []

    def items(self) -> Iterator[Item]:
        """Every object in key order, its metadata read ahead by a few requests."""
        ahead: deque[tuple[ObjectVersion, Future[dict[str, str]]]] = deque()
        for version in self._listed:
            ahead.append((version, self._pool.submit(self._metadata, version)))
            if len(ahead) >= 2 * _HEADS:
                yield from self._next(ahead)
        while ahead:
            yield from self._next(ahead)

    def facts(self) -> dict[str, Any]:
        """Facts of the listing; complete once every item was read."""
        return {
            "kind": "bucket",
            "consistent_at": self._at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "bucket": self._bucket,
            "prefix": self._prefix,
            "tables": {"objects": self._digest.to_json()},
            "skipped": list(self._skipped),
            "changed": [],
        }

    def _next(self, ahead: deque[tuple[ObjectVersion, Future[dict[str, str]]]]) -> Iterator[Item]:
        version, future = ahead.popleft()
        try:
            metadata = future.result()
        except OSError:
            self._skipped.append({"path": version.key, "reason": "unreadable"})
            return
        self._digest.add(version.key, version.size, metadata)
        identity = version.version if version.version != "null" else version.etag
        nanoseconds = int(version.modified.timestamp() * 1_000_000) * 1000
        opener = self._opener(version, metadata)
        yield Item(version.key, version.size, nanoseconds, 0o600, identity, "file", "", metadata, opener)

    def _metadata(self, version: ObjectVersion) -> dict[str, str]:
        answer = self._call("head_object", version)
        found = {name: str(answer[name]) for name in _HEADERS if answer.get(name)}
        found |= {f"user:{name}": value for name, value in answer.get("Metadata", {}).items()}
        tags = self._call("get_object_tagging", version)["TagSet"]
        return found | {f"tag:{tag['Key']}": tag["Value"] for tag in tags}

    def _opener(self, version: ObjectVersion, metadata: Mapping[str, str]) -> Callable[[], BinaryIO]:
        def open_object() -> BinaryIO:
            try:
                return cast(BinaryIO, self._call("get_object", version)["Body"])
            except OSError:
                self._skipped.append({"path": version.key, "reason": "unreadable"})
                self._digest.add(version.key, version.size, metadata, -1)
                raise

        return open_object

    def _call(self, operation: str, version: ObjectVersion) -> Any:
        """One call for one version; OSError when this object alone cannot be read, else as `raise_service_error`."""
        from botocore.exceptions import BotoCoreError, ClientError

        arguments: dict[str, Any] = {"Bucket": self._bucket, "Key": version.key}
        if version.version != "null":
            arguments["VersionId"] = version.version
        elif operation != "get_object_tagging":
            arguments["IfMatch"] = version.etag
        try:
            return getattr(self._client, operation)(**arguments)
        except ClientError as error:
            code = str(error.response["Error"].get("Code", ""))
            if code in ("AccessDenied", "403", "404", "NoSuchKey", "NoSuchVersion", "412", "PreconditionFailed"):
                raise OSError(f"{operation} answered {code}") from None
            raise_service_error(error, f"s3://{self._bucket}")
        except BotoCoreError as error:
            raise Transient(f"s3://{self._bucket}: {operation} failed ({type(error).__name__})") from None


def current_at(client: Any, bucket: str, prefix: str, at: datetime | None) -> Iterator[ObjectVersion]:
    """The version of each key that was current at `at` (None: at the listing), in key order; deleted keys left out.

    Listings come newest first within a key, so the first version that is not younger than `at` decides. The first
    page is fetched before this returns: a bucket that cannot be listed fails here.
    """
    pages = _pages(client, bucket, prefix)
    return _choose(chain((next(pages),), pages), at)


def _choose(pages: Iterable[Mapping[str, Any]], at: datetime | None) -> Iterator[ObjectVersion]:
    decided: str | None = None
    for page in pages:
        rows = [(row, True) for row in page.get("Versions", [])]
        rows += [(row, False) for row in page.get("DeleteMarkers", [])]
        rows.sort(key=lambda pair: (pair[0]["Key"], not pair[0]["IsLatest"], -pair[0]["LastModified"].timestamp()))
        for row, is_object in rows:
            if row["Key"] == decided or (at is not None and row["LastModified"] > at):
                continue
            decided = row["Key"]
            if is_object:
                modified = row["LastModified"].astimezone(UTC)
                yield ObjectVersion(row["Key"], row.get("VersionId", "null"), row["ETag"], row["Size"], modified)


def _pages(client: Any, bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError

    arguments: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        try:
            page = client.list_object_versions(**arguments)
        except ClientError as error:
            raise_service_error(error, f"s3://{bucket}")
        except BotoCoreError as error:
            raise Transient(f"s3://{bucket} cannot be listed ({type(error).__name__})") from None
        yield page
        if not page.get("IsTruncated"):
            return
        arguments |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


def adhoc_name(bucket: str, prefix: str) -> str:
    """The source name of a bucket that no manifest names."""
    return re.sub(r"[^a-z0-9-]+", "-", f"{bucket}-{prefix}".lower()).strip("-")
