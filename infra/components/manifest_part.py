"""A layer's part of the manifest: exported as the stack output `manifest` and written where jobs read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from strongroom.estate import manifest


@dataclass(frozen=True, kw_only=True)
class ManifestPartArgs:
    """Where the part goes and what it says; `facts` may hold outputs, all of them public."""

    bucket: pulumi.Input[str]
    key: str
    facts: Mapping[str, Any]


class ManifestPart(pulumi.ComponentResource):
    """The part as checked JSON text; a layer that did not change writes the same bytes."""

    content: pulumi.Output[str]

    def __init__(self, name: str, args: ManifestPartArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:manifest:Part", name, None, opts)
        self.content = pulumi.Output.from_input(dict(args.facts)).apply(checked)
        aws.s3.BucketObjectv2(
            name,
            bucket=args.bucket,
            key=args.key,
            content=self.content,
            content_type="application/json",
            # evidence names the versions of a part by hash: they outlive the stack, and nobody may delete them
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.register_outputs({"content": self.content})
        pulumi.export("manifest", self.content.apply(json.loads))


def checked(facts: Mapping[str, Any]) -> str:
    """The canonical text of a part; pydantic's error when the facts do not fit strongroom.manifest/1."""
    return manifest.ManifestPart.model_validate(facts).to_json()
