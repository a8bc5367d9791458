"""Listings of a bucket: current objects and all versions, with prefix, delimiter, paging and URL encoding."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .s3_buckets import bucket_of
from .s3_index import Stored

_LAST = "\U0010ffff"


def _coding(call: Call) -> Callable[[str], str]:
    if call.params.get("EncodingType") == "url":
        return lambda text: quote(text, safe="/-_.~")
    return lambda text: text


class Listings:
    """The rules of ListObjectsV2, ListObjects and ListObjectVersions."""

    def __init__(self, cloud: Cloud) -> None:
        self._index = cloud.objects

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        return [
            Rule("s3", "ListObjectsV2", replace=self.list_v2),
            Rule("s3", "ListObjects", replace=self.list_v1),
            Rule("s3", "ListObjectVersions", replace=self.list_versions),
        ]

    def _page(self, call: Call, bucket: str, after: str) -> tuple[list[Stored], list[str], str]:
        """(objects, common prefixes, the key to go on after or '')."""
        prefix, delimiter = call.params.get("Prefix", ""), call.params.get("Delimiter", "")
        limit = min(call.params.get("MaxKeys", 1000), 1000)
        found: list[Stored] = []
        prefixes: list[str] = []
        while len(found) + len(prefixes) <= limit:
            rows = self._index.current(bucket, prefix, after, limit + 1 - len(found) - len(prefixes))
            if not rows:
                return found, prefixes, ""
            for row in rows:
                cut = row.key.find(delimiter, len(prefix)) if delimiter else -1
                if len(found) + len(prefixes) == limit:
                    return found, prefixes, after
                if cut >= 0:
                    common = row.key[: cut + len(delimiter)]
                    prefixes.append(common)
                    after = common + _LAST  # skips the rest of what the common prefix stands for
                    break
                found.append(row)
                after = row.key
        return found, prefixes, after

    @staticmethod
    def _object(item: Stored, code: Callable[[str], str]) -> dict[str, Any]:
        return {
            "Key": code(item.key),
            "LastModified": datetime.fromtimestamp(item.modified, UTC),
            "ETag": f'"{item.etag}"',
            "Size": item.size,
            "StorageClass": "STANDARD",
        }

    def _common(self, call: Call) -> dict[str, Any]:
        code = _coding(call)
        answer: dict[str, Any] = {
            "Name": call.params["Bucket"],
            "Prefix": code(call.params.get("Prefix", "")),
            "MaxKeys": call.params.get("MaxKeys", 1000),
        }
        if call.params.get("Delimiter"):
            answer["Delimiter"] = code(call.params["Delimiter"])
        if call.params.get("EncodingType"):
            answer["EncodingType"] = call.params["EncodingType"]
        return answer

    def list_v2(self, call: Call) -> Response:
        """ListObjectsV2."""
        bucket = bucket_of(call.params["Bucket"])
        after = call.params.get("StartAfter", "")
        if call.params.get("ContinuationToken"):
            try:
                after = base64.urlsafe_b64decode(call.params["ContinuationToken"]).decode()
            except ValueError as broken:
                raise Refuse("InvalidArgument", "The continuation token provided is incorrect") from broken
        found, prefixes, go_on = self._page(call, bucket.name, after)
        code = _coding(call)
        answer = {
            **self._common(call),
            "KeyCount": len(found) + len(prefixes),
            "IsTruncated": bool(go_on),
            "Contents": [self._object(item, code) for item in found],
            "CommonPrefixes": [{"Prefix": code(prefix)} for prefix in prefixes],
        }
        if go_on:
            answer["NextContinuationToken"] = base64.urlsafe_b64encode(go_on.encode()).decode()
        if call.params.get("StartAfter"):
            answer["StartAfter"] = code(call.params["StartAfter"])
        return call.answer(answer)

    def list_v1(self, call: Call) -> Response:
        """ListObjects."""
        bucket = bucket_of(call.params["Bucket"])
        found, prefixes, go_on = self._page(call, bucket.name, call.params.get("Marker", ""))
        code = _coding(call)
        answer = {
            **self._common(call),
            "Marker": code(call.params.get("Marker", "")),
            "IsTruncated": bool(go_on),
            "Contents": [self._object(item, code) for item in found],
            "CommonPrefixes": [{"Prefix": code(prefix)} for prefix in prefixes],
        }
        if go_on:
            answer["NextMarker"] = code(go_on)
        return call.answer(answer)

    def list_versions(self, call: Call) -> Response:
        """ListObjectVersions, newest first within a key; with a delimiter, common prefixes as in the other listings."""
        bucket, params = bucket_of(call.params["Bucket"]), call.params
        prefix, delimiter = params.get("Prefix", ""), params.get("Delimiter", "")
        limit = min(params.get("MaxKeys", 1000), 1000)
        after = (params.get("KeyMarker", ""), 0)
        if params.get("VersionIdMarker"):
            marker = self._index.find(bucket.name, after[0], params["VersionIdMarker"])
            after = (after[0], marker.seq if marker else 0)
        versions: list[dict[str, Any]] = []
        markers: list[dict[str, Any]] = []
        prefixes: list[str] = []
        code, last, truncated, taken = _coding(call), None, False, 0
        while not truncated and (rows := self._index.history(bucket.name, prefix, after, limit + 1 - taken)):
            for row in rows:
                if taken == limit:
                    truncated = True
                    break
                cut = row.key.find(delimiter, len(prefix)) if delimiter else -1
                taken, last, after = taken + 1, row, (row.key, row.seq)
                if cut >= 0:
                    prefixes.append(row.key[: cut + len(delimiter)])
                    after = (prefixes[-1] + _LAST, 0)
                    break
                entry = {**self._object(row, code), "VersionId": row.version, "IsLatest": row.latest}
                if row.marker:
                    markers.append({name: entry[name] for name in ("Key", "LastModified", "VersionId", "IsLatest")})
                else:
                    versions.append(entry)
        answer = {
            **self._common(call),
            "IsTruncated": truncated,
            "Versions": versions,
            "DeleteMarkers": markers,
            "CommonPrefixes": [{"Prefix": code(text)} for text in prefixes],
        }
        if truncated and last is not None:
            answer |= {"NextKeyMarker": code(after[0]), "NextVersionIdMarker": last.version}
        return call.answer(answer)
