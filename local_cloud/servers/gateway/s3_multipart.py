"""Multipart uploads: parts are files of their own, completion joins their names; lock and encryption as for a PUT."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import UTC, datetime
from typing import Any

from moto.s3.models import FakeBucket

from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .payload import Payload
from .s3_buckets import bucket_of
from .s3_bytes import ObjectBytes
from .s3_checksums import NAMES, Checksums, digest
from .s3_encryption import Encryption, Sealing, answered
from .s3_index import Part, Stored, Upload
from .s3_lock import check_retention, wanted_lock
from .s3_objects import Objects, check_key, encoded, etag_of, kept_headers, parse_tagging, reader, version_id

SMALLEST = 5 << 20


class Multipart:
    """The rules of multipart uploads."""

    def __init__(self, cloud: Cloud, bytes_: ObjectBytes, encryption: Encryption, objects: Objects) -> None:
        self._index, self._bytes, self._encryption, self._objects = cloud.objects, bytes_, encryption, objects

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        return [
            Rule("s3", "CreateMultipartUpload", replace=self.create),
            Rule("s3", "UploadPart", replace=self.upload_part),
            Rule("s3", "UploadPartCopy", replace=self.upload_part_copy),
            Rule("s3", "CompleteMultipartUpload", replace=self.complete),
            Rule("s3", "AbortMultipartUpload", replace=self.abort),
            Rule("s3", "ListParts", replace=self.list_parts),
            Rule("s3", "ListMultipartUploads", replace=self.list_uploads),
        ]

    def _upload(self, call: Call) -> tuple[FakeBucket, Upload]:
        bucket = bucket_of(call.params["Bucket"])
        found = self._index.upload(bucket.name, call.params["Key"], call.params["UploadId"])
        if found is None:
            raise Refuse("NoSuchUpload", "The specified multipart upload does not exist.", 404)
        return bucket, found

    def create(self, call: Call) -> Response:
        """CreateMultipartUpload: lock and encryption of the object are decided here."""
        bucket, key = bucket_of(call.params["Bucket"]), call.params["Key"]
        check_key(key)
        explicit = bool(call.params.get("ObjectLockMode"))
        mode, until, hold = wanted_lock(call, bucket)
        sealing = self._encryption.seal(call, bucket, key)
        facts = {
            **kept_headers(call),
            **sealing.facts,
            "tags": parse_tagging(call.params.get("Tagging", "")),
            "lock": [mode, until, hold] if explicit else ["", 0.0, hold],
            "algorithm": call.params.get("ChecksumAlgorithm", ""),
            "type": call.params.get("ChecksumType", "COMPOSITE"),
        }
        upload = Upload(secrets.token_urlsafe(48), bucket.name, key, call.now.timestamp(), sealing.wrapped, facts)
        self._index.begin_upload(upload)
        answer = {"Bucket": bucket.name, "Key": key, "UploadId": upload.id, **answered(facts)}
        if facts["algorithm"]:
            answer |= {"ChecksumAlgorithm": facts["algorithm"], "ChecksumType": facts["type"]}
        return call.answer(answer)

    def _add(
        self, call: Call, upload: Upload, sealing: Sealing, checksums: Checksums, written: tuple[str, int]
    ) -> Part:
        name, size = written
        try:
            trailers = call.body.trailers if isinstance(call.body, Payload) else {}
            md5, found = checksums.finish(trailers)
        except Refuse:
            self._bytes.drop([name])
            raise
        number = call.params["PartNumber"]
        part = Part(number, size, etag_of(md5, sealing), name, call.now.timestamp(), {**found, "md5": md5.hex()})
        replaced = self._index.add_part(upload.id, part)
        self._bytes.drop([replaced] if replaced else [])
        return part

    def _open(self, call: Call) -> tuple[Upload, Sealing]:
        if not 1 <= call.params["PartNumber"] <= 10000:
            raise Refuse("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
        self._encryption.refuse_customer_keys(call)
        bucket, upload = self._upload(call)
        key = self._encryption.open(call, bucket, upload.key, upload.sealed, upload.facts)
        return upload, Sealing(key, upload.sealed, upload.facts)

    def upload_part(self, call: Call) -> Response:
        """UploadPart, streamed to a file of its own."""
        upload, sealing = self._open(call)
        checksums = Checksums(call.headers)
        part = self._add(
            call, upload, sealing, checksums, self._bytes.write(sealing.key, call.body.read, checksums.seen)
        )
        shown = {NAMES[name]: value for name, value in part.checksums.items() if name in NAMES}
        return call.answer({"ETag": f'"{part.etag}"', **answered(upload.facts), **shown})

    def upload_part_copy(self, call: Call) -> Response:
        """UploadPartCopy from a range of another object."""
        upload, sealing = self._open(call)
        _, _, pieces = self._objects.source(call)
        checksums = Checksums({})
        part = self._add(
            call, upload, sealing, checksums, self._bytes.write(sealing.key, reader(pieces), checksums.seen)
        )
        result = {"ETag": f'"{part.etag}"', "LastModified": datetime.fromtimestamp(part.modified, UTC)}
        return call.answer({"CopyPartResult": result, **answered(upload.facts)})

    def complete(self, call: Call) -> Response:
        """CompleteMultipartUpload: parts in order and as listed; default retention applies as of now."""
        bucket, upload = self._upload(call)
        listed = call.params.get("MultipartUpload", {}).get("Parts", [])
        parts = self._chosen(upload, listed)
        mode, until, hold = upload.facts["lock"]
        if mode:
            check_retention(mode, until, call.now)
        else:
            mode, until, _ = wanted_lock(call, bucket)
        sealing = Sealing(b"", upload.sealed, upload.facts)
        md5 = hashlib.md5(b"".join(bytes.fromhex(p.checksums["md5"]) for p in parts), usedforsecurity=False).digest()
        found, kind = _combined(parts, upload.facts)
        item = Stored(
            key=upload.key,
            version=version_id(bucket),
            size=sum(part.size for part in parts),
            etag=f"{etag_of(md5, sealing)}-{len(parts)}",
            modified=call.now.timestamp(),
            files=tuple((part.file, part.size) for part in parts),
            sealed=upload.sealed,
            facts={**upload.facts, "checksums": found, "checksum_type": kind},
            mode=mode,
            until=until,
            hold=hold,
            tags=upload.facts["tags"],
        )
        chosen = {part.file for part in parts}
        with self._index.change():
            self._objects.check_conditions(call, bucket, upload.key)
            unused = [part.file for part in self._index.parts(upload.id) if part.file not in chosen]
            dropped = self._index.insert(bucket.name, item)
            self._index.end_upload(upload.id)
        self._bytes.drop([*unused, *dropped])
        answer: dict[str, Any] = {
            "Location": f"/{bucket.name}/{item.key}",
            "Bucket": bucket.name,
            "Key": item.key,
            "ETag": f'"{item.etag}"',
            **answered(item.facts),
            **{NAMES[name]: value for name, value in found.items()},
        }
        if bucket.versioning_status:
            answer["VersionId"] = item.version
        return call.answer(answer)

    def _chosen(self, upload: Upload, listed: list[dict[str, Any]]) -> list[Part]:
        if not listed:
            raise Refuse("MalformedXML", "You must specify at least one part")
        numbers = [row["PartNumber"] for row in listed]
        if numbers != sorted(set(numbers)):
            raise Refuse("InvalidPartOrder", "The list of parts was not in ascending order.")
        have = {part.number: part for part in self._index.parts(upload.id)}
        parts = []
        for row in listed:
            part = have.get(row["PartNumber"])
            if part is None or row.get("ETag", "").strip('"') != part.etag:
                raise Refuse("InvalidPart", "One or more of the specified parts could not be found.")
            for name, member in NAMES.items():
                if member in row and part.checksums.get(name) not in (None, row[member]):
                    raise Refuse("InvalidPart", f"The {member} of part {part.number} is another one.")
            parts.append(part)
        if any(part.size < SMALLEST for part in parts[:-1]):
            raise Refuse("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        return parts

    def abort(self, call: Call) -> Response:
        """AbortMultipartUpload: the parts are gone."""
        _, upload = self._upload(call)
        with self._index.change():
            files = [part.file for part in self._index.parts(upload.id)]
            self._index.end_upload(upload.id)
        self._bytes.drop(files)
        return call.answer()

    def list_parts(self, call: Call) -> Response:
        """ListParts."""
        bucket, upload = self._upload(call)
        rows = [
            {
                "PartNumber": part.number,
                "LastModified": datetime.fromtimestamp(part.modified, UTC),
                "ETag": f'"{part.etag}"',
                "Size": part.size,
            }
            for part in self._index.parts(upload.id)
        ]
        names = {"Bucket": bucket.name, "Key": upload.key, "UploadId": upload.id}
        return call.answer({**names, "Parts": rows, "IsTruncated": False, "MaxParts": 10000})

    def list_uploads(self, call: Call) -> Response:
        """ListMultipartUploads."""
        bucket, prefix = bucket_of(call.params["Bucket"]), call.params.get("Prefix", "")
        rows = [
            {"Key": upload.key, "UploadId": upload.id, "Initiated": datetime.fromtimestamp(upload.started, UTC)}
            for upload in self._index.uploads(bucket.name, prefix)
        ]
        return call.answer({"Bucket": bucket.name, "Prefix": prefix, "Uploads": rows, "IsTruncated": False})


def _combined(parts: list[Part], facts: dict[str, Any]) -> tuple[dict[str, str], str]:
    """The composite checksum of all parts: the checksum of their checksums, and how many."""
    name = str(facts["algorithm"]).lower()
    if name not in NAMES or not all(name in part.checksums for part in parts):
        return {}, "COMPOSITE"
    joined = b"".join(base64.b64decode(part.checksums[name]) for part in parts)
    return {name: f"{encoded(digest(name, joined))}-{len(parts)}"}, "COMPOSITE"
