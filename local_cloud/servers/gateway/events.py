"""The trail: one CloudTrail-shaped line for every call, in home/cloud/events/DAY.ndjson (0600).

Only parameters that identify something are recorded; what is not known to be harmless is left out, so no plaintext,
body, secret or policy text can reach the trail.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from . import event_kinds
from .call import Call, Refuse
from .last_use import LastUses
from .private_files import private_folder

_IDENTIFYING = re.compile(
    r"(?i).*(Id|Ids|Arn|Arns|Name|Names|Identifier|Url|Region|Algorithm|Spec|Usage|Mode|Status|Type|Class|Days|Seconds)"
    r"|Bucket|Key|Prefix|Delimiter|KeyId|EncryptionContext|Operations|PartNumber|NumberOfBytes|CopySource|IfNoneMatch"
    r"|IfMatch|ObjectLockRetainUntilDate|BypassGovernanceRetention|DryRun|Family|Cluster|GranteePrincipal|Engine|Path"
)
_NEVER = re.compile(r"(?i).*(password|secretstring|secretbinary|plaintext|token|customer|message(body)?|username)")


def recorded(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters an event may hold: identifying names with short plain values, and what EncryptionContext says."""
    kept: dict[str, Any] = {}
    for name, value in params.items():
        if _NEVER.fullmatch(name) or not _IDENTIFYING.fullmatch(name):
            continue
        if isinstance(value, datetime):
            kept[name] = value.isoformat()
        elif (isinstance(value, str) and len(value) <= 1024) or isinstance(value, bool | int):
            kept[name] = value
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            kept[name] = value[:50]
        elif name.endswith("EncryptionContext") and isinstance(value, dict):
            kept[name] = {str(key): str(text) for key, text in value.items()}
    return kept


def _identity(call: Call) -> dict[str, Any]:
    who = call.principal
    if who.kind == "service":
        return {"type": "AWSService", "invokedBy": who.arn}
    if who.kind == "anonymous":
        return {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    identity: dict[str, Any] = {
        "type": {"user": "IAMUser", "role": "AssumedRole", "root": "Root"}[who.kind],
        "principalId": who.user_id,
        "arn": who.arn,
        "accountId": who.account,
        "accessKeyId": who.access_key,
    }
    if who.kind == "user":
        identity["userName"] = who.name
    if who.session is not None:
        issuer = {"type": "Role", "arn": who.entity_arn, "accountId": who.account, "userName": who.name}
        attributes = {"mfaAuthenticated": str(who.session.mfa).lower()}
        identity["sessionContext"] = {"sessionIssuer": issuer, "attributes": attributes}
        if who.session.source_identity:
            identity["sessionContext"]["sourceIdentity"] = who.session.source_identity
    return identity


class Trail:
    """Appends events; one file a day by the gateway's clock."""

    def __init__(self, home: Path, last_uses: LastUses | None = None) -> None:
        self._folder = private_folder(home / "cloud" / "events")
        self._lock = threading.Lock()
        self._day, self._descriptor = "", -1
        self._last_uses = last_uses or LastUses()
        self._last_uses.rebuild(lookup(home))

    def record(self, call: Call, refusal: Refuse | None, failed: str = "") -> None:
        """Writes the event of one call; `failed` is the error code of an answer that was no refusal of the gateway."""
        data = event_kinds.is_data(call.service, call.operation)
        event: dict[str, Any] = {
            "eventVersion": "1.11",
            "userIdentity": _identity(call),
            "eventTime": call.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": f"{call.service}.amazonaws.com",
            "eventName": call.operation,
            "awsRegion": call.region,
            "sourceIPAddress": call.source_ip,
            "userAgent": call.user_agent,
            "requestParameters": recorded(call.params),
            "responseElements": None,
            "requestID": call.request_id,
            "eventID": call.request_id,
            "readOnly": event_kinds.is_read_only(call.service, call.operation),
            "eventType": "AwsApiCall",
            "managementEvent": not data,
            "eventCategory": "Data" if data else "Management",
            "recipientAccountId": call.backend_account or call.account,
            "tlsDetails": {"tlsVersion": "TLSv1.3"} if call.tls else None,
        }
        if refusal is not None:
            event |= {"errorCode": refusal.code, "errorMessage": refusal.message}
        elif failed:
            event["errorCode"] = failed
        decided = [row["resource"] for row in call.trail.get("decisions", ())]
        named = [
            arn
            for arn in (*call.trail.get("resources", ()), *decided)
            if arn.startswith("arn:") and not {"*", "?"} & set(arn)
        ]
        if named:
            event["resources"] = event_kinds.resources(named, event["recipientAccountId"])
        kept = ("decisions", "bytes_in", "bytes_out", "keyUses")
        extra = {name: call.trail[name] for name in kept if name in call.trail}
        if extra:
            event["additionalEventData"] = extra
        line = (json.dumps(event, default=str) + "\n").encode()
        with self._lock:
            os.write(self._file(call.now), line)
        self._last_uses.see(event)

    def _file(self, now: datetime) -> int:
        day = now.strftime("%Y-%m-%d")
        if day != self._day:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            path = self._folder / f"{day}.ndjson"
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._day = day
        return self._descriptor

    def end(self) -> dict[str, int]:
        """How long each day's file is now: what a reader has seen who has read everything."""
        with self._lock:
            return {path.stem: path.stat().st_size for path in self._folder.glob("*.ndjson")}

    def since(self, seen: dict[str, int]) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """(day, offset behind it, event) of every event beyond the lengths in `seen`, day by day.

        A file may grow after a later day's was begun (the operator moves the clock), so every file has its own length.
        """
        for day, length in sorted(self.end().items()):
            offset = seen.get(day, 0)
            if offset >= length:
                continue
            with (self._folder / f"{day}.ndjson").open("rb") as lines:
                lines.seek(offset)
                for line in lines:
                    offset += len(line)
                    if offset > length:
                        break
                    yield day, offset, json.loads(line)


def lookup(
    home: Path,
    *,
    name: str | None = None,
    principal: str | None = None,
    resource: str | None = None,
    error: str | None = None,
    since: datetime | None = None,
) -> Iterator[dict[str, Any]]:
    """Events in the order they happened, of one operation, caller (part of the ARN), resource (part of it) or error."""
    start = since.strftime("%Y-%m-%dT%H:%M:%SZ") if since else ""
    for path in sorted((home / "cloud" / "events").glob("*.ndjson")):
        if start and path.stem < start[:10]:
            continue
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                if event["eventTime"] < start or (name is not None and event["eventName"] != name):
                    continue
                if principal is not None and principal not in event["userIdentity"].get("arn", ""):
                    continue
                if error is not None and event.get("errorCode") != error:
                    continue
                held = json.dumps(
                    [event.get("resources"), event["requestParameters"], event.get("additionalEventData")]
                )
                if resource is None or resource in held:
                    yield event
