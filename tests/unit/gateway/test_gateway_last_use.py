"""The last use of a key, taken from events in whichever order they come, and found again after a restart."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_cloud.servers.gateway.event_kinds import is_data, is_read_only, resource_type, resources
from local_cloud.servers.gateway.events import Trail, lookup
from local_cloud.servers.gateway.last_use import LastUses

KEY = "arn:aws:kms:us-east-1:210000000001:key/k"


def event(time: str, operation: str, key: str = KEY, **more: Any) -> dict[str, Any]:
    used = {"keyUses": [{"key": key, "operation": operation}]}
    return {"eventTime": time, "eventID": operation, "requestID": "r", "additionalEventData": used, **more}


def test_the_latest_event_counts_whenever_it_comes() -> None:
    uses = LastUses()
    uses.rebuild([event("2026-01-02T10:00:00Z", "Decrypt"), event("2026-01-01T10:00:00Z", "Encrypt")])
    found = uses.of(KEY)
    assert found is not None and (found.operation, found.event) == ("Decrypt", "Decrypt")
    assert uses.of("arn:aws:kms:us-east-1:210000000001:key/other") is None


def test_whole_days_are_counted_and_never_less_than_none() -> None:
    uses = LastUses()
    assert uses.days_without(KEY, datetime(2026, 1, 1, tzinfo=UTC)) is None
    uses.see(event("2026-01-02T10:00:00Z", "Decrypt"))
    counted = [uses.days_without(KEY, datetime(2026, 1, day, 9, tzinfo=UTC)) for day in (1, 2, 3, 4, 12)]
    assert counted == [0, 0, 0, 1, 9]


def test_events_without_uses_say_nothing() -> None:
    uses = LastUses()
    uses.see({"eventTime": "2026-01-01T10:00:00Z", "additionalEventData": {"decisions": []}})
    uses.see({"eventTime": "2026-01-01T10:00:00Z"})
    assert uses.of(KEY) is None


def test_uses_are_rebuilt_from_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "cloud" / "events"
    folder.mkdir(parents=True)
    line = event("2026-01-01T10:00:00Z", "Encrypt", eventName="Encrypt", userIdentity={}, requestParameters={})
    (folder / "2026-01-01.ndjson").write_text(json.dumps(line) + "\n")
    uses = LastUses()
    Trail(tmp_path, uses)
    found = uses.of(KEY)
    assert found is not None and found.event == "Encrypt" and len(list(lookup(tmp_path))) == 1


def test_readers_get_what_is_behind_their_place_in_every_file(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    folder = tmp_path / "cloud" / "events"
    (folder / "2026-01-01.ndjson").write_text('{"n": 1}\n{"n": 2}\n')
    (folder / "2026-01-02.ndjson").write_text('{"n": 3}\n')
    seen = trail.end()
    assert [row["n"] for _, _, row in trail.since({})] == [1, 2, 3] and list(trail.since(seen)) == []
    with (folder / "2026-01-01.ndjson").open("a") as late:
        late.write('{"n": 4}\n')
    [(day, offset, row)] = trail.since(seen)
    assert (day, row["n"], offset) == ("2026-01-01", 4, trail.end()["2026-01-01"])


def test_kinds_of_events_and_resources() -> None:
    assert is_data("s3", "GetObject") and not is_data("s3", "GetBucketPolicy") and not is_data("kms", "Decrypt")
    reading = [("kms", "Decrypt"), ("kms", "GenerateDataKey"), ("s3", "HeadObject"), ("dynamodb", "Query")]
    writing = [("kms", "DisableKey"), ("s3", "PutObject"), ("cloudtrail", "StopLogging"), ("kms", "CreateGrant")]
    assert all(is_read_only(*name) for name in reading) and not any(is_read_only(*name) for name in writing)
    assert (
        resource_type("arn:aws:s3:::b") == "AWS::S3::Bucket" and resource_type("arn:aws:s3:::b/k") == "AWS::S3::Object"
    )
    assert resource_type("arn:aws:ssm:us-east-1:1:parameter/a/b") == "AWS::SSM::Parameter"
    rows = resources([KEY, KEY, "arn:aws:s3:::b/k", "arn:aws:s3:::b"], "9")
    assert rows == [
        {"ARN": KEY, "accountId": "210000000001", "type": "AWS::KMS::Key"},
        {"ARN": "arn:aws:s3:::b/k", "type": "AWS::S3::Object"},
        {"ARN": "arn:aws:s3:::b", "accountId": "9", "type": "AWS::S3::Bucket"},
    ]
