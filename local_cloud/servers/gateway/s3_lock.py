"""Object Lock as AWS keeps it: COMPLIANCE is never shortened or weakened, GOVERNANCE only by who may bypass it.

Source: S3 user guide, "Locking objects with Object Lock" and "Managing Object Lock".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.s3.models import FakeBucket

from .access import Demand
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .s3_buckets import bucket_of, default_retention, policy_of
from .s3_index import Stored

_LOCKED = "Access Denied because object protected by object lock."


def moment(value: datetime) -> float:
    """A parsed retain-until time (naive UTC, as moto parses it) in seconds since 1970."""
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def object_demand(bucket: FakeBucket, key: str, action: str) -> Demand:
    """The demand of an action on an object."""
    return Demand(action, f"arn:aws:s3:::{bucket.name}/{key}", owner=bucket.account_id, policy=policy_of(bucket))


def wanted_lock(call: Call, bucket: FakeBucket) -> tuple[str, float, bool]:
    """(mode, until, hold) of a new version: what the request says, else the bucket's default. Raises Refuse."""
    params = call.params
    mode: str = params.get("ObjectLockMode", "")
    until: Any = params.get("ObjectLockRetainUntilDate")
    hold = params.get("ObjectLockLegalHoldStatus") == "ON"
    if not bucket.object_lock_enabled:
        if mode or until or "ObjectLockLegalHoldStatus" in params:
            raise Refuse("InvalidRequest", "Bucket is missing Object Lock Configuration")
        return "", 0.0, False
    if bool(mode) != bool(until):
        raise Refuse(
            "InvalidArgument", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
        )
    if not mode:
        return *default_retention(bucket, call.now), hold
    check_retention(mode, moment(until), call.now)
    return mode, moment(until), hold


def check_retention(mode: str, until: float, now: datetime) -> None:
    """Raises Refuse where a retention is of an unknown mode or ends in the past."""
    if mode not in ("GOVERNANCE", "COMPLIANCE"):
        raise Refuse("MalformedXML", f"{mode} is not a retention mode")
    if until <= now.timestamp():
        raise Refuse("InvalidArgument", "The retain until date must be in the future!")


def removable(found: Stored, now: datetime, bypass: Callable[[], bool]) -> None:
    """Raises Refuse where a version may not be deleted; `bypass` says if the caller may pass GOVERNANCE."""
    if found.hold:
        raise Refuse("AccessDenied", _LOCKED, 403)
    if found.until > now.timestamp() and not (found.mode == "GOVERNANCE" and bypass()):
        raise Refuse("AccessDenied", _LOCKED, 403)


class ObjectLocks:
    """The rules of retention and legal hold."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._index = cloud, cloud.objects

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        return [
            Rule("s3", "PutObjectRetention", replace=self.put_retention),
            Rule("s3", "GetObjectRetention", replace=self.get_retention),
            Rule("s3", "PutObjectLegalHold", replace=self.put_hold),
            Rule("s3", "GetObjectLegalHold", replace=self.get_hold),
        ]

    def may_bypass(self, call: Call, bucket: FakeBucket, key: str) -> bool:
        """True if the request asks to bypass GOVERNANCE and the caller has s3:BypassGovernanceRetention."""
        if not call.params.get("BypassGovernanceRetention"):
            return False
        self._cloud.access.require(call, object_demand(bucket, key, "s3:BypassGovernanceRetention"))
        return True

    def _version(self, call: Call) -> tuple[FakeBucket, Stored]:
        bucket = bucket_of(call.params["Bucket"])
        if not bucket.object_lock_enabled:
            raise Refuse("InvalidRequest", "Bucket is missing Object Lock Configuration")
        version = call.params.get("VersionId")
        found = self._index.find(bucket.name, call.params["Key"], version)
        if found is None:
            code = "NoSuchVersion" if version else "NoSuchKey"
            raise Refuse(code, "The specified key or version does not exist.", 404)
        if found.marker:
            raise Refuse("MethodNotAllowed", "a delete marker cannot be locked", 405)
        return bucket, found

    def put_retention(self, call: Call) -> Response:
        """PutObjectRetention: later is allowed; shorter, weaker or none only past GOVERNANCE."""
        retention: dict[str, Any] = call.params.get("Retention", {})
        mode, date = retention.get("Mode", ""), retention.get("RetainUntilDate")
        if bool(mode) != bool(date):
            raise Refuse("MalformedXML", "a retention has a mode and a date, or neither")
        until = moment(date) if date else 0.0
        if mode:
            check_retention(mode, until, call.now)
        with self._index.change():
            bucket, found = self._version(call)
            active = found.until > call.now.timestamp()
            weaker = not mode or until < found.until or (found.mode == "COMPLIANCE" and mode != "COMPLIANCE")
            if active and weaker:
                allowed = found.mode == "GOVERNANCE" and self.may_bypass(call, bucket, found.key)
                if not allowed:
                    raise Refuse("AccessDenied", _LOCKED, 403)
            self._index.update(found, mode=mode, until=until)
        return call.answer()

    def get_retention(self, call: Call) -> Response:
        """GetObjectRetention; a version without one is NoSuchObjectLockConfiguration."""
        _, found = self._version(call)
        if not found.mode:
            raise Refuse(
                "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration", 404
            )
        until = datetime.fromtimestamp(found.until, UTC)
        return call.answer({"Retention": {"Mode": found.mode, "RetainUntilDate": until}})

    def put_hold(self, call: Call) -> Response:
        """PutObjectLegalHold."""
        status = call.params.get("LegalHold", {}).get("Status")
        if status not in ("ON", "OFF"):
            raise Refuse("MalformedXML", "a legal hold is ON or OFF")
        with self._index.change():
            _, found = self._version(call)
            self._index.update(found, hold=status == "ON")
        return call.answer()

    def get_hold(self, call: Call) -> Response:
        """GetObjectLegalHold."""
        _, found = self._version(call)
        return call.answer({"LegalHold": {"Status": "ON" if found.hold else "OFF"}})
