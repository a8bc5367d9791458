"""The last successful use of every KMS key, remembered while events are written and rebuilt from them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Use:
    """One cryptographic operation on a key, by the caller itself or by a service for it."""

    operation: str
    at: datetime
    event: str  # the CloudTrail event id
    request: str


class LastUses:
    """Key ARN -> its last use; one dictionary access a call."""

    def __init__(self) -> None:
        self._uses: dict[str, Use] = {}
        self._lock = threading.Lock()

    def see(self, event: dict[str, Any]) -> None:
        """Takes the uses an event names (`additionalEventData.keyUses`: rows of key ARN and operation)."""
        rows = (event.get("additionalEventData") or {}).get("keyUses") or ()
        at = datetime.strptime(event["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if rows else None
        with self._lock:
            for row in rows:
                known = self._uses.get(row["key"])
                # calls end in another order than they began
                if at is not None and (known is None or known.at <= at):
                    self._uses[row["key"]] = Use(row["operation"], at, event["eventID"], event["requestID"])

    def rebuild(self, events: Iterable[dict[str, Any]]) -> None:
        """Takes everything that events already on disk say."""
        for event in events:
            self.see(event)

    def of(self, arn: str) -> Use | None:
        """The last use of a key; None where it was never used."""
        return self._uses.get(arn)

    def days_without(self, arn: str, now: datetime) -> int | None:
        """Whole days since the last use (kms:TrailingDaysWithoutKeyUsage); None where the key was never used."""
        use = self._uses.get(arn)
        return None if use is None else max(0, (now - use.at).days)
