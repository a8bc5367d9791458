"""Reads stacks/estate.<env>.yaml; every mistake becomes an EstateError that names file, line and key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from strongroom.errors import EstateError
from strongroom.estate.consistency import problems
from strongroom.estate.model import Estate

_Where = tuple[str | int, ...]


def estate_file(root: Path, env: str) -> Path:
    """Where the estate of an environment is declared."""
    return root / "stacks" / f"estate.{env}.yaml"


def load(path: str | Path) -> Estate:
    """The estate declared in a file. EstateError: absent, not YAML, an unknown key, a wrong value, a contradiction."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EstateError(
            f"cannot be read ({error.strerror})",
            file=str(path),
            hint="begin with a copy of stacks/estate.prod.example.yaml",
        ) from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Estate:
    """The estate in a text; `file` is only named in errors."""
    document, lines = _read(text, file)
    try:
        estate = Estate.model_validate(document)
    except ValidationError as error:
        raise _first_mistake(error, lines, file) from None
    for problem in problems(estate):
        raise EstateError(
            problem.message, file=file, line=_line(lines, problem.path), key=_key(problem.path), hint=problem.hint
        )
    return estate


def _read(text: str, file: str) -> tuple[Any, dict[_Where, int]]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise EstateError("is not YAML", file=file, line=mark.line + 1 if mark else None) from None
    if not isinstance(node, yaml.MappingNode):
        raise EstateError("is not a mapping", file=file, line=1)
    lines: dict[_Where, int] = {}
    for where, key_node in _walk(node, ()):
        if where in lines:
            line = key_node.start_mark.line + 1
            raise EstateError(f"declared twice, first in line {lines[where]}", file=file, line=line, key=_key(where))
        lines[where] = key_node.start_mark.line + 1
    return yaml.safe_load(text), lines


def _walk(node: yaml.Node, where: _Where) -> Iterator[tuple[_Where, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*where, str(key.value))
            yield inner, key
            yield from _walk(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*where, index), item
            yield from _walk(item, (*where, index))


def _line(lines: dict[_Where, int], where: _Where) -> int:
    """The line of a key, or of its nearest parent that is written."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def _key(where: _Where) -> str:
    return ".".join(str(part) for part in where)


def _first_mistake(error: ValidationError, lines: dict[_Where, int], file: str) -> EstateError:
    found = error.errors(include_url=False, include_input=False)
    # a misspelt key is both unknown and missing: the line where it is written says more
    first = min(found, key=lambda e: (e["type"] == "missing", _line(lines, e["loc"])))
    where, message = first["loc"], first["msg"].removeprefix("Value error, ")
    if where and where[-1] == "[key]":
        where = where[:-1]
    if first["type"] == "extra_forbidden":
        message = "unknown key"
    elif first["type"] == "missing":
        message = "is missing"
    return EstateError(message, file=file, line=_line(lines, where), key=_key(where))
