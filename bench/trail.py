"""What the trail costs a call: writing its event, and delivering it to a bucket's trail.

Run: python bench/trail.py [events] [--json]. Microseconds of CPU an event: written; read and passed over by a trail
that does not want it; delivered (selected, gzipped, encrypted, stored); delivered with digests. One thread and process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.cloudtrail.models import Trail as Configured
from moto.cloudtrail.models import cloudtrail_backends
from moto.s3.models import s3_backends

from local_cloud.servers.gateway.call import Call, Principal
from local_cloud.servers.gateway.cloud import open_cloud
from local_cloud.servers.gateway.events import Trail
from local_cloud.servers.gateway.serve import all_rules
from local_cloud.servers.gateway.service_calls import service_call

ACCOUNT, BUCKET = "210000000001", "bench-trail"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/strongroom/alice"


def spent(work: Callable[[], Any]) -> float:
    """Seconds of CPU."""
    start = time.process_time()
    work()
    return time.process_time() - start


def event_call(cloud: Any, number: int) -> Call:
    """A call as most are: a data key under a context, allowed by one decision."""
    who = Principal("user", ALICE, ALICE, ACCOUNT, "AIDA0123456789ABCDEF", "alice", access_key="AKIA0123456789ABCDEF")
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/00000000-0000-0000-0000-000000000001"
    params = {"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": {"tenant": "t", "row": str(number)}}
    call = service_call(
        cloud, who, "kms", "GenerateDataKey", params, account=ACCOUNT, region="us-east-1", source_arn=""
    )
    by = f"key policy of {key}, statement 1 (Use)"
    call.trail["decisions"] = [{"action": "kms:GenerateDataKey", "resource": key, "allowed": True, "by": by}]
    call.trail["keyUses"] = [{"key": key, "operation": "GenerateDataKey"}]
    return call


def configured(name: str, **more: Any) -> Configured:
    """A trail of the account in the bench's bucket."""
    settings = {"is_global": True, "is_multi_region": True, "log_validation": False, **more}
    rest = dict.fromkeys(("s3_key_prefix", "sns_topic_name", "cw_log_group_arn", "cw_role_arn", "kms_key_id"), "")
    made = Configured(ACCOUNT, "us-east-1", name, BUCKET, is_org_trail=False, **rest, **settings)  # type: ignore[arg-type]
    cloudtrail_backends[ACCOUNT]["us-east-1"].trails[name] = made
    return made


def measure(home: Path, events: int) -> dict[str, float]:
    """Microseconds an event, by what is done with it."""
    cloud = open_cloud(home)
    trail = Trail(home, cloud.last_uses)
    _, delivery = all_rules(cloud, trail)
    bucket = s3_backends[ACCOUNT]["aws"].create_bucket(BUCKET, "us-east-1")
    service = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject"}
    statement = {**service, "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    bucket.policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
    calls = [event_call(cloud, number) for number in range(events)]
    plain, signed, other = configured("plain"), configured("signed", log_validation=True), configured("other")
    other.event_selectors = [
        {
            "ReadWriteType": "All",
            "IncludeManagementEvents": True,
            "ExcludeManagementEventSources": ["kms.amazonaws.com"],
        }
    ]
    found, now = {}, datetime.now(UTC)
    for name, one in (("passed over", other), ("delivered", plain), ("delivered with digests", signed)):
        delivery.begin(one, now)
        written = spent(lambda: [trail.record(call, None) for call in calls])
        found["written"] = written / events * 1e6
        found[name] = spent(lambda one=one: delivery.end(one, now)) / events * 1e6
    cloud.objects.close()
    return found


def main() -> int:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("events", type=int, nargs="?", default=20_000)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.events)
    if given.json:
        print(json.dumps({name: round(value, 1) for name, value in found.items()}))
    else:
        for name, value in found.items():
            print(f"{name:24} {value:8.1f} us an event")
    return 0


if __name__ == "__main__":
    sys.exit(main())
