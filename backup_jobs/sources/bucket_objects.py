"""What capture and restore of a bucket share: addresses, the digest of a set of objects, the service's errors."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from strongroom.errors import Denied, KeyFailure, Missing, Transient, UsageError

_MODULUS = 1 << 256


class ObjectsDigest:
    """Count and keyed digest of a set of objects: (key, size, metadata) of each, in any order."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"objects/v1", "sha256")
        self._sum = self._rows = 0

    def add(self, key: str, size: int, metadata: Mapping[str, str], sign: int = 1) -> None:
        """Adds an object, or takes it out again with `sign` -1."""
        record = json.dumps([key, size, dict(metadata)], sort_keys=True)
        self._sum += sign * int.from_bytes(hmac.digest(self._key, record.encode(), "sha256"), "big")
        self._rows += sign

    def to_json(self) -> dict[str, Any]:
        """{"rows": int, "digest": hex}."""
        return {"rows": self._rows, "digest": format(self._sum % _MODULUS, "064x")}


def split_url(url: str) -> tuple[str, str]:
    """(bucket, prefix) of s3://bucket/prefix; UsageError when it is none."""
    if not url.startswith("s3://") or not url[5:].split("/", 1)[0]:
        raise UsageError(f"{url!r} is not s3://bucket/prefix")
    bucket, _, prefix = url[5:].partition("/")
    return bucket, prefix


def raise_service_error(error: Any, place: str) -> NoReturn:
    """Raises the error of ours for a botocore ClientError on a bucket."""
    code = str(error.response["Error"].get("Code", ""))
    message = str(error.response["Error"].get("Message", ""))
    if code in ("AccessDenied", "403"):
        raise Denied(f"{place}: {error.operation_name} was refused: {message}") from None
    if code in ("NoSuchBucket", "404"):
        raise Missing(f"{place} does not exist") from None
    if "KMS" in code:
        raise KeyFailure(f"{place}: its storage key cannot be used ({code})") from None
    raise Transient(f"{place}: {error.operation_name} answered {code}", hint="run again") from None
