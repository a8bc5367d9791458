"""Picks the layer from the stack's name, reads the estate and composes the layer's resources."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pulumi

from infra.deployment import Deployment
from strongroom.errors import UsageError
from strongroom.estate.loader import estate_file, load
from strongroom.estate.manifest import LAYERS

ROOT = Path(__file__).resolve().parent.parent


def split_stack(stack: str) -> tuple[str, str]:
    """Layer and environment of a stack's name; UsageError when it is not `<layer>.<env>`."""
    layer, _, env = stack.partition(".")
    if layer not in LAYERS or not env:
        raise UsageError(f"stack {stack!r} is not <layer>.<env>", hint=f"layers: {', '.join(LAYERS)}")
    return layer, env


def run(root: Path = ROOT) -> None:
    """Composes the layer of the current stack."""
    layer, env = split_stack(pulumi.get_stack())
    estate = load(estate_file(root, env))
    if estate.env != env:
        raise UsageError(f"{estate_file(root, env)} declares env {estate.env!r}, the stack says {env!r}")
    import_module(f"infra.layers.{layer}").deploy(Deployment(estate, layer, root))
