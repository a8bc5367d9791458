"""The encryption context: public facts a wrapped key is bound to, in one canonical form.

KMS takes the map itself; transit takes the canonical bytes as derivation context; OAEP takes them as its label.
"""

from __future__ import annotations

import json

from strongroom.keys.handles import Context


def canonical(context: Context) -> bytes:
    """UTF-8 JSON, keys sorted, no space: {"recipient":"escrow","repo":"r","run":"1"}."""
    return json.dumps(dict(context), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
