"""One edge of the closure: who may do these actions on a target gains something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Target = Literal[
    "role",
    "user",
    "self",
    "new-role",
    "new-user",
    "new-group",
    "group",
    "managed",
    "boundary",
    "federated",
    "member-root",
    "member",
    "membership",
    "key",
    "multi-region-key",
    "aliased-key",
    "bucket",
    "queue",
    "topic",
    "secret",
    "images",
    "vault",
    "carrier",
]
Gain = Literal[
    "act",
    "admin",
    "shed",
    "unfenced",
    "join",
    "federate",
    "unruled",
    "own",
    "copy",
    "use",
    "share",
    "bare",
]


@dataclass(frozen=True, slots=True)
class Rule:
    """actions: all needed, on the target. also: all needed, on some resource. passing: PassRole on the carrier's role.

    gain, of an identity: act, do all that it can; admin, its policies are what one wishes; shed, those of its policies
    that deny can go; unfenced, its boundary is what one wishes; join, every user one holds gets the group's policies;
    federate, it can call itself a federated user. Of an account: unruled, policies of the organisation do not bind.
    Of a key or store: own, its policy is what one wishes; copy, the key's material under a policy of one's own; use,
    every operation a grant can give; share, somebody else is let in beside its policy; bare, its policy can go.
    """

    name: str
    actions: tuple[str, ...]
    target: Target
    gain: Gain
    words: str
    also: tuple[str, ...] = ()
    #: A service that must be trusted by the role (compute that a role is passed to).
    service: str = ""
    #: The kind of carrier, for targets that are carriers.
    carrier: str = ""
    passing: bool = False
    #: The request names the boundary that the target gets.
    sets_boundary: bool = False
    #: Only of stores whose access control lists count.
    lists: bool = False
