"""CloudTrail: trails that can be written to, their selectors and status, event history, keys of the digests."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudtrail.models import Trail as Configured
from moto.cloudtrail.models import cloudtrail_backends
from moto.s3.models import s3_backends

from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_demands import key_demand
from .permissions import demands_of
from .service_calls import service_call
from .trail_delivery import CLOUDTRAIL, Delivery
from .trail_digest import utc
from .trail_lookup import EventHistory
from .trail_selectors import DEFAULT, check

#: Trails of one Region (CloudTrail user guide, "Quotas in AWS CloudTrail").
MOST_TRAILS = 5


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class CloudTrail:
    """The rules of CloudTrail."""

    def __init__(self, cloud: Cloud, delivery: Delivery) -> None:
        self._cloud, self._delivery = cloud, delivery
        self._history = EventHistory(cloud.home)

    def rules(self) -> list[Rule]:
        """Rules around moto's records of trails, and the operations that moto does not have."""
        return [
            Rule("cloudtrail", "LookupEvents", replace=self._history.lookup),
            Rule("cloudtrail", "CreateTrail", before=self._create),
            Rule("cloudtrail", "UpdateTrail", before=self._update),  # its own event is under the new settings
            Rule("cloudtrail", "StartLogging", before=self._startable, after=self._started),
            Rule("cloudtrail", "StopLogging", before=self._stop),
            Rule("cloudtrail", "DeleteTrail", before=self._delete),
            Rule("cloudtrail", "GetTrailStatus", replace=self._status),
            Rule("cloudtrail", "PutEventSelectors", replace=self._put_selectors),
            Rule("cloudtrail", "GetEventSelectors", replace=self._get_selectors),
            Rule("cloudtrail", "ListPublicKeys", replace=self._public_keys),
            Rule("cloudtrail", "DescribeTrails", after=self._described),
            Rule("cloudtrail", "GetTrail", after=self._described),
        ]

    def _trail(self, call: Call, member: str = "Name") -> Configured:
        """The trail of a name or ARN in its home Region. Raises Refuse (TrailNotFoundException)."""
        reference = call.params[member]
        for trail in cloudtrail_backends[call.account][call.region].trails.values():
            if reference in (trail.trail_name, trail.arn):
                return trail
        for backend in cloudtrail_backends[call.account].values():
            if any(reference in (trail.trail_name, trail.arn) for trail in backend.trails.values()):
                code = "InvalidHomeRegionException"
                raise Refuse(code, f"Trail {reference} is of {backend.region_name}, not of {call.region}")
        raise Refuse("TrailNotFoundException", f"Unknown trail: {reference} for the user: {call.account}")

    # what a trail needs before it is kept

    def _create(self, call: Call) -> Refuse | None:
        params = call.params
        known = cloudtrail_backends[call.account][call.region].trails
        if params["Name"] in known:
            return Refuse("TrailAlreadyExistsException", f"Trail {params['Name']} already exists")
        if len(known) >= MOST_TRAILS:
            return Refuse("MaximumNumberOfTrailsExceededException", f"a Region has at most {MOST_TRAILS} trails")
        arn = f"arn:aws:cloudtrail:{call.region}:{call.account}:trail/{params['Name']}"
        return self._possible(call, arn, params["S3BucketName"], params.get("S3KeyPrefix"), params.get("KmsKeyId"))

    def _update(self, call: Call) -> Refuse | None:
        trail, params = self._trail(call), call.params
        many = params.get("IsMultiRegionTrail", trail.is_multi_region)
        if many and not params.get("IncludeGlobalServiceEvents", trail.include_global_service_events):
            code = "InvalidParameterCombinationException"
            return Refuse(code, "Multi-Region trail must include global service events.")
        refused = self._possible(
            call,
            trail.arn,
            params.get("S3BucketName", trail.bucket_name),
            params.get("S3KeyPrefix", trail.s3_key_prefix),
            params.get("KmsKeyId", trail.kms_key_id),
        )
        if refused is None:
            self._delivery.settle(trail, call.now)
        return refused

    def _possible(self, call: Call, arn: str, bucket: str, prefix: str | None, key: str | None) -> Refuse | None:
        if call.params.get("IsOrganizationTrail"):
            return Refuse("UnsupportedOperationException", "this cloud has no trails of an organisation")
        if bucket not in s3_backends.bucket_accounts:
            return Refuse("S3BucketDoesNotExistException", f"S3 bucket {bucket} does not exist!")
        begin = f"{prefix}/" if prefix else ""
        wanted = (
            ("GetBucketAcl", {"Bucket": bucket}),
            ("PutObject", {"Bucket": bucket, "Key": f"{begin}AWSLogs/{call.account}/CloudTrail/"}),
        )
        for operation, params in wanted:
            asking = service_call(
                self._cloud,
                CLOUDTRAIL,
                "s3",
                operation,
                params,
                account=call.account,
                region=call.region,
                source_arn=arn,
                headers={"x-amz-acl": "bucket-owner-full-control"} if operation == "PutObject" else {},
            )
            if not all(self._cloud.access.allowed(asking, demand) for demand in demands_of(self._cloud, asking)):
                code = "InsufficientS3BucketPolicyException"
                return Refuse(code, f"Incorrect S3 bucket policy is detected for bucket: {bucket}")
        return self._key(call, arn, key) if key else None

    def _key(self, call: Call, arn: str, reference: str) -> Refuse | None:
        asking = service_call(
            self._cloud,
            CLOUDTRAIL,
            "kms",
            "GenerateDataKey",
            {"KeyId": reference},
            account=call.account,
            region=call.region,
            source_arn=arn,
        )
        try:
            key = self._cloud.keys.find(reference, call.account, call.region)
        except Refuse as missing:
            return Refuse("KmsKeyNotFoundException", missing.message)
        demand = key_demand(self._cloud, asking, "GenerateDataKey", key, {"aws:cloudtrail:arn": arn})
        if not self._cloud.access.allowed(asking, demand):
            return Refuse("InsufficientEncryptionPolicyException", f"the policy of {key.arn} does not admit CloudTrail")
        if key.state != "Enabled":
            return Refuse("KmsException", f"{key.arn} is {key.state}")
        return None

    # logging

    def _startable(self, call: Call) -> Refuse | None:
        self._trail(call)
        return None

    def _started(self, call: Call, response: Response) -> Response:
        if response.status == 200:
            self._delivery.begin(self._trail(call), call.now)
        return response

    def _stop(self, call: Call) -> Refuse | None:
        trail = self._trail(call)
        # the last event a trail holds is the one that says who stopped it
        call.afterwards.append(lambda: self._delivery.end(trail, call.now))
        return None

    def _delete(self, call: Call) -> Refuse | None:
        trail = self._trail(call)

        def gone() -> None:
            self._delivery.end(trail, call.now)
            self._delivery.forget(trail.arn)

        call.afterwards.append(gone)
        # moto finds a trail to delete by its name only
        del cloudtrail_backends[call.account][call.region].trails[trail.trail_name]
        return None

    def _status(self, call: Call) -> Response:
        """GetTrailStatus: what was delivered, when, and what the bucket or the key said against it."""
        trail = next(
            (
                trail
                for backend in cloudtrail_backends[call.account].values()
                for trail in backend.trails.values()
                if call.params["Name"] in (trail.trail_name, trail.arn)
                and (trail.is_multi_region or trail.region_name == call.region)
            ),
            None,
        ) or self._trail(call)
        progress = self._delivery.progress(trail)
        tried = _time(progress.attempted)
        status: dict[str, Any] = {
            "IsLogging": progress.logging,
            "StartLoggingTime": _time(progress.started),
            "StopLoggingTime": _time(progress.stopped),
            "LatestDeliveryTime": _time(progress.delivered),
            "LatestDeliveryError": progress.error or None,
            "LatestDeliveryAttemptTime": utc(tried) if tried else "",
            "LatestDeliveryAttemptSucceeded": utc(tried) if tried and not progress.error else "",
            "LatestDigestDeliveryTime": _time(progress.digested),
            "LatestDigestDeliveryError": progress.digest_error or None,
            "TimeLoggingStarted": utc(begun) if (begun := _time(progress.started)) else "",
            "TimeLoggingStopped": utc(ended) if (ended := _time(progress.stopped)) else "",
        }
        return call.answer({name: value for name, value in status.items() if value is not None})

    # selectors, keys, descriptions

    def _put_selectors(self, call: Call) -> Response:
        """PutEventSelectors: basic or advanced ones; either replaces the other."""
        trail = self._trail(call, "TrailName")
        basic, advanced = call.params.get("EventSelectors") or [], call.params.get("AdvancedEventSelectors") or []
        check(basic, advanced)

        def change() -> None:
            self._delivery.settle(trail, call.now)
            trail.event_selectors, trail.advanced_event_selectors = basic, advanced

        # what happened until now, this call included, is recorded as it was asked for until now
        call.afterwards.append(change)
        return call.answer({"TrailARN": trail.arn, **_selectors(basic, advanced)})

    def _get_selectors(self, call: Call) -> Response:
        trail = self._trail(call, "TrailName")
        return call.answer({"TrailARN": trail.arn, **_selectors(trail.event_selectors, trail.advanced_event_selectors)})

    def _public_keys(self, call: Call) -> Response:
        """ListPublicKeys: the key that signs digests, as PKCS #1 DER."""
        if not self._delivery.has_key:
            return call.answer({"PublicKeyList": []})
        key = self._delivery.key
        row = {
            "Value": key.public,
            "ValidityStartTime": key.since - timedelta(minutes=1),
            "ValidityEndTime": key.since + timedelta(days=3650),
            "Fingerprint": key.fingerprint,
        }
        return call.answer({"PublicKeyList": [row]})

    def _described(self, call: Call, response: Response) -> Response:
        """moto never says that a trail has selectors of its own."""
        if response.status != 200:
            return response
        assert isinstance(response.body, bytes), "moto answers whole bodies"
        document = json.loads(response.body)
        rows = document.get("trailList", [document["Trail"]] if "Trail" in document else [])
        known = {t.arn: t for backend in cloudtrail_backends[call.account].values() for t in backend.trails.values()}
        for row in rows:
            trail = known[row["TrailARN"]]
            row["HasCustomEventSelectors"] = bool(trail.event_selectors or trail.advanced_event_selectors)
        return replace(response, body=json.dumps(document).encode())


def _selectors(basic: list[Any], advanced: list[Any]) -> dict[str, Any]:
    return {"AdvancedEventSelectors": advanced} if advanced else {"EventSelectors": basic or DEFAULT}
