"""Delivery of events into the buckets of trails: batches of gzipped JSON, and the digests that list them.

The trail's own files (`events`) are the source. Each logging trail has a cursor, kept on disk after every delivery, and
it moves only past what the bucket took: what a bucket refuses is tried again with the next batch. An event is delivered
at least once. CloudTrail's own writes are recorded like every call but not delivered, or a trail that records the data
events of its own bucket would never come to rest.
"""

from __future__ import annotations

import base64
import gzip
import json
import logging
import secrets
import string
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.cloudtrail.models import Trail as Configured
from moto.cloudtrail.models import cloudtrail_backends

from .call import Refuse
from .cloud import Cloud
from .events import Trail
from .private_files import write_private
from .service_calls import ServiceCalls, service_call, service_principal
from .trail_digest import ALGORITHM, EVERY, Chain, DigestKey, compose, log_file, utc
from .trail_selectors import in_reach, selected

CLOUDTRAIL = service_principal("cloudtrail.amazonaws.com")
#: How often trails are looked at, and how many events one object holds at most.
INTERVAL_SECONDS, BATCH = 5.0, 5000
_LETTERS = string.ascii_letters + string.digits
_log = logging.getLogger("gateway")


@dataclass
class Progress:
    """What a trail has delivered; times are seconds since 1970."""

    seen: dict[str, int] = field(default_factory=dict)  # how much of each day's file
    held: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by Region, of before the last change
    logging: bool = False
    started: float | None = None
    stopped: float | None = None
    attempted: float | None = None
    delivered: float | None = None
    error: str = ""
    digested: float | None = None
    digest_error: str = ""
    chains: dict[str, Chain] = field(default_factory=dict)


def trails() -> Iterator[Configured]:
    """Every trail of every account and Region."""
    for account in list(cloudtrail_backends):
        for backend in list(cloudtrail_backends[account].values()):
            yield from list(backend.trails.values())


def prefix_of(trail: Configured) -> str:
    """The trail's prefix in its bucket: '' or `prefix/`."""
    return f"{trail.s3_key_prefix}/" if trail.s3_key_prefix else ""


class Delivery:
    """Delivers on a timer, on StopLogging and when the gateway stops."""

    def __init__(self, cloud: Cloud, trail: Trail, calls: ServiceCalls) -> None:
        self._cloud, self._trail, self._calls = cloud, trail, calls
        self._file = cloud.folder / "events" / "delivery.json"
        self._progress: dict[str, Progress] = {}
        self._key: DigestKey | None = None
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trail-delivery", daemon=True)

    def start(self) -> None:
        """Begins the timer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the timer and delivers what is left, with a last digest."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self.deliver(last=True)

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL_SECONDS):
            try:
                self.deliver()
            except Exception:
                # the next round delivers it: the cursor moves only past what was taken
                _log.exception("events could not be delivered")

    # what the operations of CloudTrail change

    def begin(self, trail: Configured, now: datetime) -> None:
        """StartLogging: events from now on."""
        with self._lock:
            progress = self._progress.setdefault(trail.arn, Progress())
            if not progress.logging:
                progress.logging, progress.started, progress.seen = True, now.timestamp(), self._trail.end()
                self._save()

    def end(self, trail: Configured, now: datetime) -> None:
        """StopLogging: what has happened is delivered first."""
        with self._lock:
            progress = self.progress(trail)
            if progress.logging:
                if not self._deliver(trail, progress, now, last=True):
                    progress.seen, progress.held = self._waiting(trail, progress)
                progress.logging, progress.stopped = False, now.timestamp()
                self._save()

    def settle(self, trail: Configured, now: datetime) -> None:
        """Before a trail is changed: what has happened is delivered as the trail is now, or held until it can be."""
        with self._lock:
            progress = self.progress(trail)
            if progress.logging and not self._deliver(trail, progress, now):
                progress.seen, progress.held = self._waiting(trail, progress)
                self._save()

    def forget(self, arn: str) -> None:
        """DeleteTrail."""
        with self._lock:
            self._progress.pop(arn, None)
            self._save()

    def progress(self, trail: Configured) -> Progress:
        """What a trail has delivered; one that never logged has delivered nothing."""
        return self._progress.get(trail.arn, Progress())

    @property
    def key(self) -> DigestKey:
        """The key that signs digests."""
        with self._lock:
            if self._key is None:
                self._key = DigestKey(self._cloud.folder / "events" / "digest-key.pem", self._cloud.clock())
            return self._key

    @property
    def has_key(self) -> bool:
        """True where a trail with log file validation has been."""
        return self._key is not None

    # delivery

    def deliver(self, *, last: bool = False) -> None:
        """One round over all logging trails; `last` closes every digest."""
        with self._lock:
            for trail in [trail for trail in trails() if trail.arn in self._progress]:
                self._deliver(trail, self._progress[trail.arn], self._cloud.clock(), last=last)

    def _deliver(self, trail: Configured, progress: Progress, now: datetime, *, last: bool = False) -> bool:
        """True where nothing is left to deliver. A trail that was stopped has what it could not deliver then."""
        waiting = progress.seen, progress.held
        seen, batches = self._waiting(trail, progress) if progress.logging else waiting
        if batches:
            progress.attempted = now.timestamp()
            try:
                for region, events in batches.items():
                    self._put_logs(trail, progress, now, region, events)
            except Refuse as refused:
                progress.error = refused.code
                self._save()
                return False
            progress.delivered, progress.error = now.timestamp(), ""
        moved, progress.seen, progress.held = seen != progress.seen, seen, {}
        if trail.log_validation and (progress.logging or batches):
            self._put_digests(trail, progress, now, last=last)
        if batches or moved:
            self._save()
        return True

    def _waiting(self, trail: Configured, progress: Progress) -> tuple[dict[str, int], dict[str, list[dict[str, Any]]]]:
        """(cursor behind them, events by Region) of what the trail records and has not delivered."""
        seen = dict(progress.seen)
        batches = {region: list(events) for region, events in progress.held.items()}
        for day, offset, event in self._trail.since(seen.copy()):
            seen[day] = offset
            reached = in_reach(
                event,
                trail.account_id,
                trail.region_name,
                multi_region=trail.is_multi_region,
                with_global=trail.include_global_service_events,
            )
            own = event["userIdentity"].get("invokedBy") == CLOUDTRAIL.arn
            if reached and not own and selected(event, trail.event_selectors, trail.advanced_event_selectors):
                batches.setdefault(event["awsRegion"], []).append(event)
        return seen, batches

    def _put_logs(
        self, trail: Configured, progress: Progress, now: datetime, region: str, events: list[dict[str, Any]]
    ) -> None:
        for first in range(0, len(events), BATCH):
            part = events[first : first + BATCH]
            unique = "".join(secrets.choice(_LETTERS) for _ in range(16))
            name = (
                f"{prefix_of(trail)}AWSLogs/{trail.account_id}/CloudTrail/{region}/{now:%Y/%m/%d}/"
                f"{trail.account_id}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_{unique}.json.gz"
            )
            content = json.dumps({"Records": part}, separators=(",", ":")).encode()
            self._put(trail, region, name, content, {})
            if trail.log_validation:
                chain = self._chain(progress, region, now)
                chain.files.append(log_file(trail.bucket_name, name, content, part))

    @staticmethod
    def _chain(progress: Progress, region: str, now: datetime) -> Chain:
        begun = datetime.fromtimestamp(progress.started or now.timestamp(), UTC)
        return progress.chains.setdefault(region, Chain(utc(begun)))

    def _put_digests(self, trail: Configured, progress: Progress, now: datetime, *, last: bool) -> None:
        self._chain(progress, trail.region_name, now)
        for region, chain in progress.chains.items():
            due = now >= datetime.strptime(chain.since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) + EVERY
            if not due and not last:
                continue
            bucket = trail.bucket_name
            digest = compose(
                self.key,
                chain,
                now,
                account=trail.account_id,
                region=region,
                trail=trail.trail_name,
                home=trail.region_name,
                bucket=bucket,
                prefix=prefix_of(trail),
            )
            metadata = {"signature": digest.signature, "signature-algorithm": ALGORITHM}
            try:
                self._put(trail, region, digest.name, digest.content, metadata)
            except Refuse as refused:
                progress.digest_error = refused.code
                continue
            progress.digested, progress.digest_error = now.timestamp(), ""
            progress.chains[region] = Chain(digest.end, [], {"bucket": bucket, **digest.link})
            self._save()

    def _put(self, trail: Configured, region: str, name: str, content: bytes, metadata: dict[str, str]) -> None:
        params: dict[str, Any] = {
            "Bucket": trail.bucket_name,
            "Key": name,
            "ACL": "bucket-owner-full-control",
            "ContentType": "application/json",
            "ContentEncoding": "gzip",
            "Metadata": metadata,
        }
        headers = {"x-amz-acl": "bucket-owner-full-control"}
        if trail.kms_key_id:
            params |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": trail.kms_key_id}
            context = json.dumps({"aws:cloudtrail:arn": trail.arn}).encode()
            params["SSEKMSEncryptionContext"] = base64.b64encode(context).decode()
            headers |= {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": trail.kms_key_id,
            }
        self._calls.make(
            service_call(
                self._cloud,
                CLOUDTRAIL,
                "s3",
                "PutObject",
                params,
                account=trail.account_id,
                region=region,
                source_arn=trail.arn,
                headers=headers,
                body=gzip.compress(content, mtime=0),
            )
        )

    def _save(self) -> None:
        rows = {arn: asdict(progress) for arn, progress in self._progress.items()}
        write_private(self._file, json.dumps(rows).encode())
