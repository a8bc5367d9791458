"""Which events a trail records: its Regions, global services, basic and advanced event selectors; pure functions.

Source: CloudTrail API reference, EventSelector, AdvancedEventSelector and AdvancedFieldSelector; CloudTrail user
guide, "Logging management events" and "Logging data events".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .call import Refuse
from .event_kinds import is_global

#: What a trail records that was never told otherwise.
DEFAULT = [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]
#: Sources whose management events may be left out by a basic selector.
EXCLUDABLE = ("kms.amazonaws.com", "rdsdata.amazonaws.com")
_DATA_TYPES = ("AWS::S3::Object", "AWS::Lambda::Function", "AWS::DynamoDB::Table")
#: Fields that take no operator but Equals.
_EQUALS_ONLY = ("eventCategory", "resources.type", "readOnly")
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "Equals": lambda value, wanted: value == wanted,
    "StartsWith": lambda value, wanted: value.startswith(wanted),
    "EndsWith": lambda value, wanted: value.endswith(wanted),
}
_FIELDS = frozenset(
    """eventCategory readOnly eventSource eventName eventType resources.type resources.ARN userIdentity.arn
    sessionCredentialFromConsole""".split()
)


def in_reach(
    event: Mapping[str, Any], account: str, home_region: str, *, multi_region: bool, with_global: bool
) -> bool:
    """True if an event is of the trail's account and of a place that the trail covers."""
    if event["recipientAccountId"] != account:
        return False
    if is_global(dict(event)):
        return with_global
    return multi_region or event["awsRegion"] == home_region


def selected(event: Mapping[str, Any], basic: Sequence[Any], advanced: Sequence[Any]) -> bool:
    """True if one selector takes the event; advanced selectors replace basic ones."""
    if advanced:
        return any(_advanced(event, selector["FieldSelectors"]) for selector in advanced)
    return any(_basic(event, selector) for selector in basic or DEFAULT)


def _basic(event: Mapping[str, Any], selector: Mapping[str, Any]) -> bool:
    kind = selector.get("ReadWriteType", "All")
    if kind != "All" and (kind == "ReadOnly") != event["readOnly"]:
        return False
    if event["managementEvent"]:
        excluded = selector.get("ExcludeManagementEventSources") or ()
        return bool(selector.get("IncludeManagementEvents", True)) and event["eventSource"] not in excluded
    named = [(row.get("type", ""), row["ARN"]) for row in event.get("resources", ())]
    return any(
        kind == rule["Type"] and _covers(rule["Type"], value, arn)
        for rule in selector.get("DataResources") or ()
        for value in rule.get("Values") or ()
        for kind, arn in named
    )


def _covers(kind: str, value: str, arn: str) -> bool:
    """A value is a prefix: the whole service (`arn:aws:s3`), a bucket (`arn:aws:s3:::b/`) or objects under a prefix."""
    if kind == "AWS::S3::Object":
        return arn.startswith(value)
    return arn == value or (value.count(":") < 5 and arn.startswith(value))


def _advanced(event: Mapping[str, Any], fields: Sequence[Mapping[str, Any]]) -> bool:
    return all(_field(values_of(event, row["Field"]), row) for row in fields)


def values_of(event: Mapping[str, Any], field: str) -> list[str]:
    """The values of a selector's field in an event; several where the event has several resources."""
    match field:
        case "resources.ARN":
            return [row["ARN"] for row in event.get("resources", ())]
        case "resources.type":
            return [row["type"] for row in event.get("resources", ()) if "type" in row]
        case "userIdentity.arn":
            return [event["userIdentity"].get("arn", "")]
        case "readOnly":
            return [str(event["readOnly"]).lower()]
        case "sessionCredentialFromConsole":
            return ["false"]
        case _:
            return [str(event[field])]


def _field(values: list[str], row: Mapping[str, Any]) -> bool:
    wanted = [(name, value) for name in _OPERATORS for value in row.get(name) or ()]
    unwanted = [(name, value) for name in _OPERATORS for value in row.get(f"Not{name}") or ()]
    if any(_OPERATORS[name](held, value) for name, value in unwanted for held in values):
        return False
    return not wanted or any(_OPERATORS[name](held, value) for name, value in wanted for held in values)


def check(basic: Sequence[Any], advanced: Sequence[Any]) -> None:
    """Raises Refuse (InvalidEventSelectorsException) for selectors that AWS would not keep."""
    if bool(basic) == bool(advanced):
        raise _invalid("give either event selectors or advanced event selectors")
    if len(basic) > 5:
        raise _invalid("a trail has at most 5 event selectors")
    for selector in basic:
        if selector.get("ReadWriteType", "All") not in ("All", "ReadOnly", "WriteOnly"):
            raise _invalid("ReadWriteType is All, ReadOnly or WriteOnly")
        if set(selector.get("ExcludeManagementEventSources") or ()) - set(EXCLUDABLE):
            raise _invalid(f"only {' and '.join(EXCLUDABLE)} can be left out")
        for rule in selector.get("DataResources") or ():
            if rule.get("Type") not in _DATA_TYPES or not rule.get("Values"):
                raise _invalid(f"DataResources name one of {', '.join(_DATA_TYPES)} and values")
    for selector in advanced:
        _check_advanced(selector.get("FieldSelectors") or ())


def _check_advanced(fields: Sequence[Mapping[str, Any]]) -> None:
    names = [row.get("Field") for row in fields]
    if set(names) - _FIELDS or len(set(names)) != len(names):
        raise _invalid("FieldSelectors name each known field once")
    given = {row["Field"]: row for row in fields}
    category = (given.get("eventCategory") or {}).get("Equals")
    if category not in (["Management"], ["Data"]):
        raise _invalid("an advanced event selector says eventCategory Equals Management or Data")
    if category == ["Data"] and not (given.get("resources.type") or {}).get("Equals"):
        raise _invalid("a selector of data events says resources.type")
    for name, row in given.items():
        used = [operator for prefix in ("", "Not") for operator in _OPERATORS if row.get(f"{prefix}{operator}")]
        used_negated = [operator for operator in _OPERATORS if row.get(f"Not{operator}")]
        if not used or (name in _EQUALS_ONLY and (used_negated or set(used) != {"Equals"})):
            raise _invalid(f"{name} is given without an operator that it takes")


def _invalid(message: str) -> Refuse:
    return Refuse("InvalidEventSelectorsException", message)
