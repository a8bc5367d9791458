"""Controls of buckets: never public, TLS only, no keys that a customer brings, versions kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from strongroom.controls.facts import Control, Fact

_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def _never_public(fact: Fact) -> str | None:
    blocks = fact.get("PublicAccessBlockConfiguration") or {}
    missing = [name for name in _BLOCKS if not blocks.get(name)]
    return f"public access is not blocked: {', '.join(missing)}" if missing else None


def _tls_only(fact: Fact) -> str | None:
    wanted = {"Bool": {"aws:SecureTransport": "false"}}
    if any(_listed(s["Action"]) == ["s3:*"] and s.get("Condition") == wanted for s in _denies(fact)):
        return None
    return "the bucket's policy does not refuse requests without TLS"


def _no_customer_keys(fact: Fact) -> str | None:
    wanted = {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}
    if any("s3:PutObject" in _listed(s["Action"]) and s.get("Condition") == wanted for s in _denies(fact)):
        return None
    return "the bucket's policy does not refuse objects under a key that the writer brings"


def _versioned(fact: Fact) -> str | None:
    kept = fact.get("VersioningStatus") == "Enabled" or fact.get("ObjectLockEnabled")
    return None if kept else "versions are not kept"


def _denies(fact: Fact) -> Iterator[Mapping[str, Any]]:
    """Statements that refuse everybody."""
    policy = fact.get("Policy")
    document = json.loads(policy) if isinstance(policy, str) else policy or {"Statement": []}
    for statement in document["Statement"]:
        if statement["Effect"] == "Deny" and statement.get("Principal") in ("*", {"AWS": "*"}):
            yield statement


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


S1 = Control(
    "S1",
    "Public access is blocked four ways",
    "s3:bucket",
    "164.312(a)(1)",
    _never_public,
    ("PublicAccessBlockConfiguration",),
)
S3 = Control("S3", "Requests without TLS are refused", "s3:bucket", "164.312(e)(1)", _tls_only, ("Policy",))
S4 = Control(
    "S4",
    "Versions are kept",
    "s3:bucket",
    "164.308(a)(7)(ii)(A), 164.312(c)(1)",
    _versioned,
    ("VersioningStatus", "ObjectLockEnabled"),
)
S8 = Control(
    "S8", "Keys that a writer brings are refused", "s3:bucket", "164.312(c)(1)", _no_customer_keys, ("Policy",)
)
CONTROLS = (S1, S3, S4, S8)
