"""Storage in an S3 bucket under a prefix; every service error becomes one of the contract's.

Objects are written with one PutObject (no multipart): a PutObject is atomic and takes conditions and retention in
the same call. Conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

from strongroom.errors import Corrupt, Denied, Exists, Locked, Missing, Transient, UsageError
from strongroom.storage.contract import Entry, Version

_MISSING = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404", "NotFound"}
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
_TRANSIENT = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling", "500", "503"}
_UNRETAINED = {"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"}
_CORRUPT = {"InvalidRange", "BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest"}


class _NotRetained(Exception):
    """The object has no retention of its own."""


class S3Storage:
    """Storage at s3://`bucket`/`prefix`; `client` is a boto3 S3 client with the duty's credentials."""

    def __init__(self, client: Any, bucket: str, prefix: str = "", *, lock_mode: str = "COMPLIANCE") -> None:
        self._client, self._bucket = client, bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._lock_mode = lock_mode

    @property
    def url(self) -> str:
        """s3://bucket/prefix."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(
        self,
        name: str,
        data: bytes,
        *,
        if_absent: bool = False,
        if_match: Version | None = None,
        retain_until: datetime | None = None,
    ) -> Version:
        """Writes a whole object in one PutObject; see `Storage.put`."""
        arguments: dict[str, Any] = {"Body": data, "ChecksumAlgorithm": "SHA256"}
        if if_absent:
            arguments["IfNoneMatch"] = "*"
        if if_match is not None:
            arguments["IfMatch"] = if_match.etag
        if retain_until is not None:
            arguments |= {"ObjectLockMode": self._lock_mode, "ObjectLockRetainUntilDate": retain_until}
        answer = self._call("put_object", name, Key=self._key(name), **arguments)
        return Version(answer.get("VersionId", ""), answer["ETag"])

    def get(self, name: str, *, version: str | None = None, range: tuple[int, int] | None = None) -> bytes:  # noqa: A002
        """Reads an object or bytes [start, end) of it."""
        arguments: dict[str, Any] = {} if version is None else {"VersionId": version}
        if range is not None:
            if range[1] <= range[0]:
                return b""
            arguments["Range"] = f"bytes={range[0]}-{range[1] - 1}"
        answer = self._call("get_object", name, Key=self._key(name), **arguments)
        try:
            return bytes(answer["Body"].read())
        except Exception as error:
            raise Transient(f"{self._place(name)}: the read broke off ({type(error).__name__})") from None

    def head(self, name: str, *, version: str | None = None) -> Entry:
        """Describes one object."""
        arguments = {} if version is None else {"VersionId": version}
        answer = self._call("head_object", name, Key=self._key(name), **arguments)
        made = Version(answer.get("VersionId", ""), answer["ETag"])
        retained = answer.get("ObjectLockRetainUntilDate")
        return Entry(name, answer["ContentLength"], made, answer["LastModified"].astimezone(UTC), retained)

    def retained_until(self, name: str) -> datetime | None:
        """GetObjectRetention of the current version: needs no s3:GetObject."""
        try:
            answer = self._call("get_object_retention", name, Key=self._key(name))
        except _NotRetained:
            return None
        until = answer["Retention"].get("RetainUntilDate")
        return until.astimezone(UTC) if until else None

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Entry]:
        """Current objects in name order; listings carry neither version ids nor retention."""
        arguments: dict[str, Any] = {"Prefix": self._prefix + prefix}
        if after:
            arguments["StartAfter"] = self._prefix + after
        while True:
            page = self._call("list_objects_v2", prefix, **arguments)
            for item in page.get("Contents", []):
                name = item["Key"].removeprefix(self._prefix)
                yield Entry(name, item["Size"], Version("", item["ETag"]), item["LastModified"].astimezone(UTC))
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def versions(self, name: str) -> tuple[Entry, ...]:
        """All stored versions of one name, newest first."""
        found = []
        arguments: dict[str, Any] = {"Prefix": self._key(name)}
        while True:
            page = self._call("list_object_versions", name, **arguments)
            for item in page.get("Versions", []):
                if item["Key"] == self._key(name):
                    made = Version(item["VersionId"], item["ETag"])
                    found.append(Entry(name, item["Size"], made, item["LastModified"].astimezone(UTC)))
            if not page.get("IsTruncated"):
                return tuple(found)
            arguments |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def delete(self, name: str, version: str) -> None:
        """Deletes one version for good; never writes a delete marker."""
        if not version:
            raise UsageError(f"{self._place(name)}: a delete must name the version")
        try:
            self._call("delete_object", name, Key=self._key(name), VersionId=version)
        except Denied:
            # A retained version answers AccessDenied as well; the retention tells the two apart.
            until = self.head(name, version=version).retain_until
            if until is not None and until > datetime.now(UTC):
                raise Locked(f"{self._place(name)} is retained until {until.isoformat()}") from None
            raise

    def extend(self, name: str, version: str, until: datetime) -> None:
        """Moves retention to a later time; the service refuses to shorten it."""
        retention = {"Mode": self._lock_mode, "RetainUntilDate": until}
        self._call("put_object_retention", name, Key=self._key(name), VersionId=version, Retention=retention)

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _place(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}"

    def _call(self, operation: str, name: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            return dict(getattr(self._client, operation)(Bucket=self._bucket, **arguments))
        except ClientError as error:
            _raise(error, operation, self._place(name))
        except NoCredentialsError:
            hint = "see docs/operations.md, 'Identities'"
            raise UsageError(f"{self._place(name)}: no AWS credentials were found", hint=hint) from None
        except BotoCoreError as error:
            raise Transient(f"{self._place(name)}: {operation} failed ({type(error).__name__})") from None


def _raise(error: Any, operation: str, place: str) -> NoReturn:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", ""))
    if code in _UNRETAINED:
        raise _NotRetained from None
    if code in _MISSING:
        raise Missing(f"{place} does not exist") from None
    if code in _CONFLICT:
        raise Exists(f"{place} is already there or has changed") from None
    if code in _CORRUPT:
        raise Corrupt(f"{place}: the bytes changed on the way ({code})", hint="run again") from None
    if code in ("AccessDenied", "403", "InvalidRequest") and "object lock" in message.lower():
        raise Locked(f"{place}: {message}") from None
    if code in ("AccessDenied", "403", "AllAccessDisabled"):
        raise Denied(f"{place}: {operation} was refused: {message or code}") from None
    if code in _TRANSIENT:
        raise Transient(f"{place}: {operation} answered {code}", hint="run again") from None
    if "KMS" in code or code.startswith("Disabled"):
        from strongroom.errors import KeyFailure

        raise KeyFailure(f"{place}: {operation} needs a key that cannot be used ({code})") from None
    raise UsageError(f"{place}: {operation} answered {code}: {message}") from None
