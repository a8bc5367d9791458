"""A project is Pulumi.yaml; a stack is <layer>.<env> with its settings in stacks/Pulumi.<stack>.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local_cloud.engine.deployment import Settings
from strongroom.errors import UsageError

#: The order in which layers are made; destroy goes the other way.
LAYERS = ("bootstrap", "access", "audit", "keys", "data", "backup", "jobs")


def settings(root: Path, layer: str, env: str, *, preview: bool = False) -> Settings:
    """What the program of a layer is told; UsageError names the file and key that is wrong."""
    root = root.resolve()
    file = root / "Pulumi.yaml"
    project = _yaml(file)
    name = project.get("name")
    runtime = project.get("runtime")
    language = runtime.get("name") if isinstance(runtime, Mapping) else runtime
    if not isinstance(name, str) or language != "python":
        raise UsageError(f"{file.name}: name or runtime: the engine runs named Python projects only")
    stack = f"{layer}.{env}"
    program = root / project.get("main", ".")
    if not (program / "__main__.py").is_file():
        raise UsageError(f"{file.name}: main: there is no program {program.relative_to(root)}/__main__.py")
    return Settings(
        project=name,
        stack=stack,
        root=root,
        program=program,
        config=_config(root / project.get("stackConfigDir", ".") / f"Pulumi.{stack}.yaml", name),
        preview=preview,
    )


def _config(file: Path, project: str) -> dict[str, str]:
    """The stack's configuration, every value as the text that the program sees.

    A stack without a file has no configuration. Secrets in the file are refused: dev configuration is tracked, and
    what is secret belongs to Secrets Manager or Vault.
    """
    if not file.exists():
        return {}
    document = _yaml(file)
    config: dict[str, str] = {}
    for key, value in (document.get("config") or {}).items():
        if isinstance(value, Mapping) and "secure" in value:
            raise UsageError(f"{file.name}: {key}: encrypted values are not read by the local engine")
        full = str(key) if ":" in str(key) else f"{project}:{key}"
        config[full] = value if isinstance(value, str) else json.dumps(value)
    return config


def _yaml(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        raise UsageError(f"{file.name}: no such file", hint=f"it should stand in {file.parent.name}/") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{file.name}: not YAML: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{file.name}: must be a mapping")
    return document
