"""Event history: LookupEvents over the trail's files, newest first, management events of 90 days.

Source: CloudTrail API reference, LookupEvents; CloudTrail user guide, "Working with CloudTrail Event history".
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .call import Call, Refuse, Response
from .event_kinds import is_global

HISTORY = timedelta(days=90)
PAGE = 50
_ATTRIBUTES = frozenset("EventId EventName ReadOnly Username ResourceType ResourceName EventSource AccessKeyId".split())


def username(event: dict[str, Any]) -> str:
    """The user's name, or the name of the role's session."""
    who = event["userIdentity"]
    return str(who.get("userName") or who.get("arn", who.get("invokedBy", "")).rsplit("/", 1)[-1])


def _has(event: dict[str, Any], attribute: str, value: str) -> bool:
    resources = event.get("resources") or ()
    match attribute:
        case "EventId":
            return bool(event["eventID"] == value)
        case "EventName":
            return bool(event["eventName"] == value)
        case "EventSource":
            return bool(event["eventSource"] == value)
        case "ReadOnly":
            return str(event["readOnly"]).lower() == value.lower()
        case "AccessKeyId":
            return bool(event["userIdentity"].get("accessKeyId") == value)
        case "Username":
            return username(event) == value
        case "ResourceType":
            return any(row.get("type") == value for row in resources)
        case _:
            return any(value in (row["ARN"], row["ARN"].replace("/", ":").rsplit(":", 1)[-1]) for row in resources)


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "EventTime": datetime.strptime(event["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        "EventSource": event["eventSource"],
        "Username": username(event),
        "ReadOnly": str(event["readOnly"]).lower(),
        "AccessKeyId": event["userIdentity"].get("accessKeyId", ""),
        "Resources": [
            {"ResourceType": row.get("type", ""), "ResourceName": row["ARN"]} for row in event.get("resources", ())
        ],
        "CloudTrailEvent": json.dumps(event),
    }


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class EventHistory:
    """Answers LookupEvents from the files under home/cloud/events."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "cloud" / "events"

    def lookup(self, call: Call) -> Response:
        """One page of the account's events in the Region, newest first.

        Raises Refuse: InvalidLookupAttributesException, InvalidTimeRangeException, InvalidMaxResultsException,
        InvalidNextTokenException, InvalidEventCategoryException.
        """
        params = call.params
        attribute, value = self._attribute(params.get("LookupAttributes") or [])
        begin, end = _moment(params.get("StartTime")), _moment(params.get("EndTime"))
        if begin is not None and end is not None and begin > end:
            raise Refuse("InvalidTimeRangeException", "StartTime is later than EndTime")
        begin = max(begin or call.now - HISTORY, call.now - HISTORY)
        limit = params.get("MaxResults", PAGE)
        if not 1 <= limit <= PAGE:
            raise Refuse("InvalidMaxResultsException", f"MaxResults is 1 to {PAGE}")
        category = params.get("EventCategory")
        if category == "insight":
            return call.answer({"Events": []})
        if category is not None:
            raise Refuse("InvalidEventCategoryException", "EventCategory is insight, or is not given")
        query = [attribute, value, str(params.get("StartTime")), str(params.get("EndTime")), call.account, call.region]
        asked = hashlib.sha256(json.dumps(query).encode()).hexdigest()[:16]
        place = _place(params.get("NextToken"), asked)
        found: list[dict[str, Any]] = []
        for day, number, event in self._backwards(place, begin, value if attribute != "ReadOnly" else ""):
            at = datetime.strptime(event["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            if not event["managementEvent"] or at < begin.replace(microsecond=0) or (end is not None and at > end):
                continue
            if event["recipientAccountId"] != call.account or not _in_region(event, call.region):
                continue
            if attribute and not _has(event, attribute, value):
                continue
            if len(found) == limit:
                token = base64.urlsafe_b64encode(json.dumps([asked, day, number]).encode()).decode()
                return call.answer({"Events": found, "NextToken": token})
            found.append(_shown(event))
        return call.answer({"Events": found})

    @staticmethod
    def _attribute(rows: list[dict[str, str]]) -> tuple[str, str]:
        if len(rows) > 1:
            raise Refuse("InvalidLookupAttributesException", "You can only search by one attribute at a time")
        if not rows:
            return "", ""
        if rows[0].get("AttributeKey") not in _ATTRIBUTES or not rows[0].get("AttributeValue"):
            raise Refuse("InvalidLookupAttributesException", f"an attribute is one of {', '.join(sorted(_ATTRIBUTES))}")
        return rows[0]["AttributeKey"], rows[0]["AttributeValue"]

    def _backwards(
        self, place: tuple[str, int] | None, begin: datetime, needle: str
    ) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """(day, line, event) from the newest back, beginning at a line of a day; lines without the needle left out."""
        sought = json.dumps(needle)[1:-1].encode()
        for path in sorted(self._folder.glob("*.ndjson"), reverse=True):
            if path.stem < begin.strftime("%Y-%m-%d") or (place is not None and path.stem > place[0]):
                continue
            lines = path.read_bytes().splitlines()
            last = place[1] if place is not None and path.stem == place[0] else len(lines) - 1
            for number in range(last, -1, -1):
                if sought in lines[number]:
                    yield path.stem, number, json.loads(lines[number])


def _in_region(event: dict[str, Any], region: str) -> bool:
    return event["awsRegion"] == region or (is_global(event) and region == "us-east-1")


def _place(token: str | None, asked: str) -> tuple[str, int] | None:
    if not token:
        return None
    try:
        given, day, number = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as broken:
        raise Refuse("InvalidNextTokenException", "the token was not made by this service") from broken
    if given != asked:
        raise Refuse("InvalidNextTokenException", "the token belongs to another lookup")
    return str(day), int(number)
