"""Policy documents: parsed once, cached by their text, refused whole if one element has no known meaning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from strongroom.authorization import catalogue
from strongroom.authorization.statements import Shape, Statement, parse_statement
from strongroom.errors import UnknownElement


class Form(Enum):
    """The kinds of policy, each with what its statements hold."""

    IDENTITY = Shape("an identity policy")
    BOUNDARY = Shape("a permission boundary")
    SESSION = Shape("a session policy", incomplete="malformed")
    SCP = Shape("a service control policy", incomplete="open")
    RCP = Shape("a resource control policy", principal=True, incomplete="malformed")
    ENDPOINT = Shape("a VPC endpoint policy", principal=True, not_principal=True, incomplete="open")
    RESOURCE = Shape("a resource policy", principal=True, not_principal=True, resource="optional", incomplete="open")
    KEY = Shape("a key policy", principal=True, not_principal=True, incomplete="open")
    TRUST = Shape("a trust policy", principal=True, resource="forbidden")


@dataclass(frozen=True, slots=True)
class Document:
    """A compiled policy."""

    form: Form
    statements: tuple[Statement, ...]
    denies: tuple[Statement, ...]
    allows: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A policy document with the name a trace calls it by; text is parsed fastest (its hash is kept by Python)."""

    name: str
    document: str | Mapping[str, Any]


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise UnknownElement(f"policy: {key} twice in one object", hint="which of the two holds is undefined")
        found[key] = value
    return found


def _no_constant(constant: str) -> None:
    raise UnknownElement(f"policy: {constant} is no JSON", hint="write a number")


def parse(policy: Named, form: Form) -> Document:
    """The compiled document; raises UnknownElement with the policy's name, the statement and the element."""
    text = policy.document
    if not isinstance(text, str):
        text = json.dumps(text, sort_keys=True, separators=(",", ":"))
    return _parse(policy.name, text, form)


@lru_cache(maxsize=8192)
def _parse(name: str, text: str, form: Form) -> Document:
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as problem:
        raise UnknownElement(f"{name}: not JSON (line {problem.lineno})", hint="write a policy document") from None
    except RecursionError:
        raise UnknownElement(f"{name}: nested too deeply", hint="write a policy document") from None
    if not isinstance(document, dict):
        raise UnknownElement(f"{name}: not an object", hint="write a policy document")
    unknown = sorted(set(document) - catalogue.DOCUMENT_ELEMENTS)
    if unknown:
        raise UnknownElement(f"{name}: unknown element {unknown[0]}", hint="element names are case-sensitive")
    # without Version a document is of the old language, which has no policy variables
    version = document.get("Version", "2008-10-17")
    if version not in catalogue.VERSIONS:
        raise UnknownElement(f"{name}: Version {version!r} is not known", hint="write 2012-10-17")
    listed = document.get("Statement")
    listed = [listed] if isinstance(listed, dict) else listed
    if not isinstance(listed, list):
        raise UnknownElement(f"{name}: no Statement", hint="write a list of statements")
    statements = tuple(
        parse_statement(
            element,
            index,
            form.value,
            variables_enabled=version == "2012-10-17",
            where=f"{name}: statement {index + 1}",
        )
        for index, element in enumerate(listed)
    )
    return Document(
        form=form,
        statements=statements,
        denies=tuple(statement for statement in statements if not statement.allows),
        allows=tuple(statement for statement in statements if statement.allows),
    )
