"""Objects: written, read, copied and deleted by the gateway itself, streamed between connection and disk."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from moto.s3.models import FakeBucket

from .access import Demand
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .payload import Payload
from .s3_buckets import bucket_of, policy_of
from .s3_bytes import ObjectBytes
from .s3_checksums import NAMES, Checksums
from .s3_encryption import Encryption, Sealing, answered
from .s3_index import Stored
from .s3_lock import ObjectLocks, object_demand, removable, wanted_lock

#: Request members that come back with the object as they were sent.
KEPT = ("ContentType", "ContentEncoding", "CacheControl", "ContentDisposition", "ContentLanguage")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def check_key(key: str) -> None:
    """Raises Refuse for a key longer than 1024 bytes."""
    if len(key.encode()) > 1024:
        raise Refuse("KeyTooLongError", "Your key is too long")


def kept_headers(call: Call) -> dict[str, Any]:
    """Headers and user metadata to keep with an object; the transfer's own aws-chunked coding is not kept."""
    headers = {name: call.params[name] for name in KEPT if call.params.get(name)}
    codings = [part.strip() for part in str(headers.pop("ContentEncoding", "")).split(",")]
    if remaining := [part for part in codings if part and part != "aws-chunked"]:
        headers["ContentEncoding"] = ",".join(remaining)
    metadata = {str(name).lower(): value for name, value in call.params.get("Metadata", {}).items()}
    if sum(len(name) + len(str(value)) for name, value in metadata.items()) > 2048:
        raise Refuse("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    return {"headers": headers, "metadata": metadata}


def parse_tagging(text: str) -> dict[str, str]:
    """The x-amz-tagging header as a mapping. Raises Refuse beyond ten tags."""
    tags = dict(parse_qsl(text, keep_blank_values=True))
    if len(tags) > 10:
        raise Refuse("BadRequest", "Object tags cannot be greater than 10")
    return tags


def etag_of(md5: bytes, sealing: Sealing) -> str:
    """The ETag: MD5 of the bytes, except under KMS, where AWS's is no digest of the plain bytes either."""
    return md5.hex() if sealing.facts["sse"] == "AES256" else hashlib.sha256(md5 + sealing.wrapped).hexdigest()[:32]


def version_id(bucket: FakeBucket) -> str:
    """A fresh version id, or `null` where versioning is not enabled."""
    return secrets.token_urlsafe(24) if bucket.versioning_status == "Enabled" else "null"


class Objects:
    """The rules of single objects."""

    def __init__(self, cloud: Cloud, bytes_: ObjectBytes, encryption: Encryption, locks: ObjectLocks) -> None:
        self._cloud, self._index = cloud, cloud.objects
        self._bytes, self._encryption, self._locks = bytes_, encryption, locks

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        return [
            Rule("s3", "PutObject", replace=self.put),
            Rule("s3", "GetObject", replace=self.get),
            Rule("s3", "HeadObject", replace=self.head),
            Rule("s3", "CopyObject", replace=self.copy),
            Rule("s3", "DeleteObject", replace=self.delete),
            Rule("s3", "DeleteObjects", replace=self.delete_many),
            Rule("s3", "PutObjectTagging", replace=self.put_tagging),
            Rule("s3", "GetObjectTagging", replace=self.get_tagging),
            Rule("s3", "DeleteObjectTagging", replace=self.delete_tagging),
        ]

    # writing

    def check_conditions(self, call: Call, bucket: FakeBucket, key: str) -> None:
        """Raises Refuse where If-None-Match or If-Match does not hold for the current version."""
        current = self._index.find(bucket.name, key)
        present = current if current is not None and not current.marker else None
        if call.params.get("IfNoneMatch") and present is not None:
            raise Refuse(
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
                412,
                Condition="If-None-Match",
            )
        wanted = call.params.get("IfMatch")
        if wanted and present is None:
            raise Refuse("NoSuchKey", "The specified key does not exist.", 404, Key=key)
        if wanted and present is not None and wanted.strip('"') not in (present.etag, "*"):
            raise Refuse(
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
                412,
                Condition="If-Match",
            )

    def commit(self, call: Call, bucket: FakeBucket, item: Stored) -> None:
        """Adds a version under the request's conditions; its files are dropped where they do not hold."""
        try:
            with self._index.change():
                self.check_conditions(call, bucket, item.key)
                dropped = self._index.insert(bucket.name, item)
        except BaseException:
            self._bytes.drop(name for name, _ in item.files)
            raise
        self._bytes.drop(dropped)

    def put(self, call: Call) -> Response:
        """PutObject: conditions, lock, encryption and checksums checked; the bytes never all in memory."""
        bucket, key = bucket_of(call.params["Bucket"]), call.params["Key"]
        check_key(key)
        checksums = Checksums(call.headers)
        mode, until, hold = wanted_lock(call, bucket)
        if (call.params.get("ObjectLockMode") or hold) and not checksums.given:
            raise Refuse(
                "InvalidRequest",
                "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock "
                "parameters",
            )
        self.check_conditions(call, bucket, key)  # before the bytes are read; commit looks again
        facts = kept_headers(call)
        sealing = self._encryption.seal(call, bucket, key)
        payload = call.body
        name, size = self._bytes.write(sealing.key, payload.read, checksums.seen)
        try:
            trailers = payload.trailers if isinstance(payload, Payload) else {}
            md5, found = checksums.finish(trailers)
        except Refuse:
            self._bytes.drop([name])
            raise
        item = Stored(
            key=key,
            version=version_id(bucket),
            size=size,
            etag=etag_of(md5, sealing),
            modified=call.now.timestamp(),
            files=((name, size),),
            sealed=sealing.wrapped,
            facts={**facts, **sealing.facts, "checksums": found, "checksum_type": "FULL_OBJECT"},
            mode=mode,
            until=until,
            hold=hold,
            tags=parse_tagging(call.params.get("Tagging", "")),
        )
        self.commit(call, bucket, item)
        call.trail["bytes_in"] = size
        shown = {NAMES[name]: value for name, value in found.items()}
        if found:
            shown["ChecksumType"] = "FULL_OBJECT"
        return call.answer({"ETag": f'"{item.etag}"', **self._version(bucket, item), **answered(item.facts), **shown})

    @staticmethod
    def _version(bucket: FakeBucket, item: Stored) -> dict[str, Any]:
        return {"VersionId": item.version} if bucket.versioning_status else {}

    # reading

    def find(self, call: Call, bucket: FakeBucket, key: str, version: str | None) -> Stored:
        """A stored version that can be read. Raises Refuse: 404 for who may list the bucket, else 403."""
        found = self._index.find(bucket.name, key, version)
        if found is not None and not found.marker:
            return found
        if found is not None and version is not None:
            raise Refuse("MethodNotAllowed", "The specified method is not allowed against a delete marker", 405)
        listing = Demand(
            "s3:ListBucket", f"arn:aws:s3:::{bucket.name}", owner=bucket.account_id, policy=policy_of(bucket)
        )
        self._cloud.access.require(call, listing)
        if version is not None:
            raise Refuse("NoSuchVersion", "The specified version does not exist.", 404, Key=key, VersionId=version)
        raise Refuse("NoSuchKey", "The specified key does not exist.", 404, Key=key)

    def _described(self, call: Call, bucket: FakeBucket, item: Stored) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "ETag": f'"{item.etag}"',
            "LastModified": datetime.fromtimestamp(item.modified, UTC),
            "AcceptRanges": "bytes",
            "ContentLength": item.size,
            "ContentType": "binary/octet-stream",
            **item.facts["headers"],
            "Metadata": item.facts["metadata"],
            **self._version(bucket, item),
            **answered(item.facts),
        }
        if item.tags:
            answer["TagCount"] = len(item.tags)
        if item.mode and self._cloud.access.allowed(call, object_demand(bucket, item.key, "s3:GetObjectRetention")):
            answer["ObjectLockMode"] = item.mode
            answer["ObjectLockRetainUntilDate"] = datetime.fromtimestamp(item.until, UTC)
        if item.hold and self._cloud.access.allowed(call, object_demand(bucket, item.key, "s3:GetObjectLegalHold")):
            answer["ObjectLockLegalHoldStatus"] = "ON"
        if call.params.get("ChecksumMode") == "ENABLED":
            answer |= {NAMES[name]: value for name, value in item.facts.get("checksums", {}).items()}
            if item.facts.get("checksums"):
                answer["ChecksumType"] = item.facts["checksum_type"]
        for name in ("ContentType", "ContentDisposition", "CacheControl", "ContentEncoding", "ContentLanguage"):
            if call.params.get(f"Response{name}"):
                answer[name] = call.params[f"Response{name}"]
        return answer

    @staticmethod
    def _read_conditions(call: Call, item: Stored) -> None:
        wanted, unwanted = call.params.get("IfMatch"), call.params.get("IfNoneMatch")
        if wanted and wanted.strip('"') not in (item.etag, "*"):
            raise Refuse("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)
        if unwanted and unwanted.strip('"') in (item.etag, "*"):
            raise Refuse("NotModified", "Not Modified", 304)

    def _range(self, call: Call, item: Stored) -> tuple[int, int, bool]:
        match = _RANGE.fullmatch(call.params.get("Range", ""))
        if match is None or not (match[1] or match[2]):
            return 0, item.size, False
        if match[1]:
            start, end = int(match[1]), min(int(match[2]) + 1 if match[2] else item.size, item.size)
        else:
            start, end = max(item.size - int(match[2]), 0), item.size
        if start >= item.size or start >= end:
            raise Refuse("InvalidRange", "The requested range is not satisfiable", 416)
        return start, end, True

    def get(self, call: Call) -> Response:
        """GetObject, whole or a range; the caller needs the object's KMS key."""
        bucket = bucket_of(call.params["Bucket"])
        self._encryption.refuse_customer_keys(call)
        item = self.find(call, bucket, call.params["Key"], call.params.get("VersionId"))
        self._read_conditions(call, item)
        key = self._encryption.open(call, bucket, item.key, item.sealed, item.facts)
        start, end, partial = self._range(call, item)
        answer = {**self._described(call, bucket, item), "ContentLength": end - start}
        if partial:
            answer["ContentRange"] = f"bytes {start}-{end - 1}/{item.size}"
            for name in (*NAMES.values(), "ChecksumType"):
                answer.pop(name, None)
        response = call.answer(answer)
        response.status = 206 if partial else 200
        response.headers["Content-Length"] = str(end - start)
        response.body = self._bytes.read(key, item.files, start, end)
        call.trail["bytes_out"] = end - start
        return response

    def head(self, call: Call) -> Response:
        """HeadObject; under KMS the caller needs the key, as for a GET."""
        bucket = bucket_of(call.params["Bucket"])
        item = self.find(call, bucket, call.params["Key"], call.params.get("VersionId"))
        self._read_conditions(call, item)
        self._encryption.open(call, bucket, item.key, item.sealed, item.facts)
        response = call.answer(self._described(call, bucket, item))
        response.headers["Content-Length"] = str(item.size)
        response.body = b""
        return response

    def source(self, call: Call) -> tuple[FakeBucket, Stored, Iterator[bytes]]:
        """The object that CopySource names, and its bytes in the range that CopySourceRange names."""
        bucket_name, key, version = copy_source(call.params["CopySource"])
        bucket = bucket_of(bucket_name)
        item = self.find(call, bucket, key, version)
        wanted = call.params.get("CopySourceIfMatch")
        if wanted and wanted.strip('"') != item.etag:
            raise Refuse("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)
        opened = self._encryption.open(call, bucket, key, item.sealed, item.facts)
        start, end = 0, item.size
        if call.params.get("CopySourceRange"):
            match = _RANGE.fullmatch(call.params["CopySourceRange"])
            if match is None or not match[1] or not match[2] or int(match[2]) >= item.size:
                raise Refuse("InvalidRange", "The copy source range is not valid", 416)
            start, end = int(match[1]), int(match[2]) + 1
        return bucket, item, self._bytes.read(opened, item.files, start, end)

    def copy(self, call: Call) -> Response:
        """CopyObject: read with the caller's rights on the source, written as a new object with lock and encryption."""
        bucket, key = bucket_of(call.params["Bucket"]), call.params["Key"]
        check_key(key)
        mode, until, hold = wanted_lock(call, bucket)
        origin, old, pieces = self.source(call)
        replaced = call.params.get("MetadataDirective") == "REPLACE"
        sealing = self._encryption.seal(call, bucket, key)
        if (origin.name, old.key) == (bucket.name, key) and not replaced and call.params.get("VersionId") is None:
            changed = sealing.facts != {name: old.facts.get(name) for name in sealing.facts}
            if not changed and "?versionId=" not in call.params["CopySource"]:
                raise Refuse("InvalidRequest", "This copy request is illegal because it changes nothing of the object")
        checksums = Checksums({name: value for name, value in call.headers.items() if name != "content-md5"})
        name, size = self._bytes.write(sealing.key, reader(pieces), checksums.seen)
        md5, found = checksums.finish({})
        described = kept_headers(call) if replaced else {name: old.facts[name] for name in ("headers", "metadata")}
        tags = parse_tagging(call.params.get("Tagging", ""))
        item = Stored(
            key=key,
            version=version_id(bucket),
            size=size,
            etag=etag_of(md5, sealing),
            modified=call.now.timestamp(),
            files=((name, size),),
            sealed=sealing.wrapped,
            facts={**described, **sealing.facts, "checksums": found, "checksum_type": "FULL_OBJECT"},
            mode=mode,
            until=until,
            hold=hold,
            tags=tags if call.params.get("TaggingDirective") == "REPLACE" else old.tags,
        )
        self.commit(call, bucket, item)
        result = {"ETag": f'"{item.etag}"', "LastModified": datetime.fromtimestamp(item.modified, UTC)}
        result |= {NAMES[name]: value for name, value in found.items()}
        answer = {"CopyObjectResult": result, **self._version(bucket, item), **answered(item.facts)}
        if origin.versioning_status:
            answer["CopySourceVersionId"] = old.version
        return call.answer(answer)

    # deleting

    def _delete(self, call: Call, bucket: FakeBucket, key: str, version: str | None) -> dict[str, Any]:
        with self._index.change():
            if version is None and bucket.versioning_status:
                marker = Stored(key, version_id(bucket), modified=call.now.timestamp(), marker=True)
                dropped = self._index.insert(bucket.name, marker)
                answer: dict[str, Any] = {"DeleteMarker": True, "VersionId": marker.version}
            else:
                found = self._index.find(bucket.name, key, version or "null")
                answer = {"VersionId": version} if version else {}
                if found is None:
                    return answer
                removable(found, call.now, lambda: self._locks.may_bypass(call, bucket, key))
                dropped = self._index.remove(bucket.name, key, found.version)
                if found.marker:
                    answer["DeleteMarker"] = True
        self._bytes.drop(dropped)
        return answer

    def delete(self, call: Call) -> Response:
        """DeleteObject: a delete marker, or one version for good where no lock protects it."""
        bucket, key = bucket_of(call.params["Bucket"]), call.params["Key"]
        if call.params.get("IfMatch"):
            self.check_conditions(call, bucket, key)
        return call.answer(self._delete(call, bucket, key, call.params.get("VersionId")))

    def delete_many(self, call: Call) -> Response:
        """DeleteObjects: each with its own permission and its own result."""
        bucket = bucket_of(call.params["Bucket"])
        deleted, errors = [], []
        listed = call.params.get("Delete", {}).get("Objects", [])
        if not 1 <= len(listed) <= 1000:
            raise Refuse("MalformedXML", "a multi-object delete names 1 to 1000 objects")
        for row in listed:
            key, version = row["Key"], row.get("VersionId")
            action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
            try:
                demand = object_demand(bucket, key, action)
                context = {"s3:versionid": version} if version else {}
                self._cloud.access.require(call, Demand(action, demand.resource, context, demand.owner, demand.policy))
                answer = self._delete(call, bucket, key, version)
            except Refuse as refusal:
                errors.append({"Key": key, "Code": refusal.code, "Message": refusal.message})
                if version:
                    errors[-1]["VersionId"] = version
                continue
            entry: dict[str, Any] = {"Key": key}
            if version:
                entry["VersionId"] = version
            if answer.get("DeleteMarker"):
                entry |= {"DeleteMarker": True, "DeleteMarkerVersionId": answer["VersionId"]}
            deleted.append(entry)
        quiet = call.params["Delete"].get("Quiet")
        return call.answer({"Deleted": [] if quiet else deleted, "Errors": errors})

    # tags

    def _tagged(self, call: Call, change: Callable[[Stored], Mapping[str, str]] | None) -> tuple[FakeBucket, Stored]:
        bucket = bucket_of(call.params["Bucket"])
        with self._index.change():
            item = self.find(call, bucket, call.params["Key"], call.params.get("VersionId"))
            if change is not None:
                self._index.update(item, tags=dict(change(item)))
        return bucket, item

    def put_tagging(self, call: Call) -> Response:
        """PutObjectTagging."""
        tags = {tag["Key"]: tag["Value"] for tag in call.params["Tagging"].get("TagSet", [])}
        if len(tags) > 10:
            raise Refuse("BadRequest", "Object tags cannot be greater than 10")
        bucket, item = self._tagged(call, lambda _: tags)
        return call.answer(self._version(bucket, item))

    def get_tagging(self, call: Call) -> Response:
        """GetObjectTagging."""
        bucket, item = self._tagged(call, None)
        rows = [{"Key": name, "Value": value} for name, value in item.tags.items()]
        return call.answer({"TagSet": rows, **self._version(bucket, item)})

    def delete_tagging(self, call: Call) -> Response:
        """DeleteObjectTagging."""
        bucket, item = self._tagged(call, lambda _: {})
        return call.answer(self._version(bucket, item))


def copy_source(text: str) -> tuple[str, str, str | None]:
    """(bucket, key, version) of a CopySource header."""
    path, _, version = text.partition("?versionId=")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    if not bucket or not key:
        raise Refuse("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return bucket, key, version or None


def reader(pieces: Iterator[bytes]) -> Callable[[int], bytes]:
    """A read function over pieces; each call gives the next piece, whatever its size."""
    return lambda _: next(pieces, b"")


def encoded(value: bytes) -> str:
    """Base64 text."""
    return base64.b64encode(value).decode()
