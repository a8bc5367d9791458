"""CloudTrail's LookupEvents, answered from the gateway's own trail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .events import lookup

_ATTRIBUTES = {"EventName": "name", "Username": "principal", "ResourceName": "resource"}


class CloudTrail:
    """The rule of LookupEvents."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rules(self) -> list[Rule]:
        """One rule."""
        return [Rule("cloudtrail", "LookupEvents", replace=self.lookup_events)]

    def lookup_events(self, call: Call) -> Response:
        """LookupEvents of the caller's account, newest first; one attribute of EventName, Username, ResourceName."""
        wanted: dict[str, Any] = {}
        for row in call.params.get("LookupAttributes", ()):
            if row["AttributeKey"] not in _ATTRIBUTES:
                raise Refuse("InvalidLookupAttributesException", f"{row['AttributeKey']} is not known to this cloud")
            wanted[_ATTRIBUTES[row["AttributeKey"]]] = row["AttributeValue"]
        found = [event for event in lookup(self._cloud.home, **wanted) if event["recipientAccountId"] == call.account]
        limit = call.params.get("MaxResults", 50)
        return call.answer({"Events": [_row(event) for event in reversed(found[-limit:])]})


def _row(event: dict[str, Any]) -> dict[str, Any]:
    arn = event["userIdentity"].get("arn", "")
    return {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "EventTime": datetime.strptime(event["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        "EventSource": event["eventSource"],
        "Username": arn.rsplit("/", 1)[-1],
        "ReadOnly": str(event["readOnly"]).lower(),
        "AccessKeyId": event["userIdentity"].get("accessKeyId", ""),
        "Resources": [{"ResourceName": row["ARN"]} for row in event.get("resources", ())],
        "CloudTrailEvent": json.dumps(event),
    }
