"""Options of children that must outlive their stack."""

from __future__ import annotations

import pulumi


def kept(parent: pulumi.Resource, protect: bool) -> pulumi.ResourceOptions:
    """Child options: with `protect` Pulumi refuses to delete the child, and keeps it when it is forgotten."""
    return pulumi.ResourceOptions(parent=parent, protect=protect or None, retain_on_delete=protect or None)
