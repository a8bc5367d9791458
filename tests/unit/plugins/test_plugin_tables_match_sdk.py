"""The tables name types and properties as the SDKs that programs import do; read from the SDKs' source."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.plugins.aws import AwsProvider
from local_cloud.plugins.table import ResourceType
from local_cloud.plugins.vault import VaultProvider

ROWS = {**AwsProvider.table, **VaultProvider.table}
FOLDERS = {"index": "", "appRole": "approle", "pkiSecret": "pkisecret"}


def _source(token: str) -> Path:
    package, path, _ = token.split(":")
    module, name = path.split("/")
    spec = importlib.util.find_spec(f"pulumi_{package}")
    assert spec and spec.origin
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return Path(spec.origin).parent / FOLDERS.get(module, module) / f"{snake}.py"


def _getters(node: ast.ClassDef) -> Iterator[str]:
    for member in node.body:
        if isinstance(member, ast.FunctionDef):
            for decorator in member.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pulumi.getter":
                    yield str(ast.literal_eval(decorator.keywords[0].value))
                elif ast.unparse(decorator) == "pulumi.getter":
                    yield member.name


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _sdk(token: str) -> tuple[set[str], set[str], set[str]]:
    """Inputs, required inputs and all properties of a type."""
    name = token.rpartition(":")[2]
    tree = ast.parse(_source(token).read_text())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    # Where a nested object already has the name, the SDK puts Init into the resource's.
    arguments = classes.get(f"{name}InitArgs") or classes[f"{name}Args"]
    init = next(m for m in arguments.body if isinstance(m, ast.FunctionDef) and m.name == "__init__")
    pairs = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    required = {_camel(argument.arg) for argument, default in pairs if default is None}
    return set(_getters(arguments)), required, set(_getters(classes[name]))


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.token)
def test_a_row_names_what_the_sdk_names(row: ResourceType) -> None:
    assert f"'{row.token}'" in _source(row.token).read_text()
    inputs, required, properties = _sdk(row.token)
    assert set(row.inputs) <= inputs, f"not in the SDK: {set(row.inputs) - inputs}"
    assert set(row.outputs) <= properties - inputs, f"not in the SDK: {set(row.outputs) - (properties - inputs)}"
    assert required <= {name for name, prop in row.inputs.items() if prop.required}
    if "tags" in inputs:
        assert "tagsAll" in row.outputs


def test_a_name_that_the_sdk_does_not_have_would_be_seen() -> None:
    inputs, _, _ = _sdk("aws:kms/key:Key")
    assert "rotationPeriodInDays" in inputs and "rotationPeriod" not in inputs
