"""Policy variables: `${aws:username}`, and with a default `${aws:username, 'nobody'}`.

A variable without value and default is null (IAM user guide, "Policy variables with no value"): nothing is equal to it
or like it, so a positive operator does not match it and a negated one does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.authorization import catalogue, matching
from strongroom.errors import UnknownElement

_VARIABLE = re.compile(r"\$\{(?P<body>[^}]*)(?P<close>\}?)")
#: Blanks around the key are the policy's layout, as in the examples of the Secrets Manager user guide.
_BODY = re.compile(r"\s*(?P<key>[^,\s']+:[^,']+?)\s*(?:,\s*'(?P<default>[^']*)'\s*)?")
_FIXED = frozenset("*?$")

Facts = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Variable:
    """A placeholder for one context key (lower case), with its default if it has one."""

    key: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Template:
    """A pattern with variables in it."""

    pieces: tuple[str | Variable, ...]

    def resolve(self, facts: Facts) -> str | None:
        """The pattern with every variable replaced by its value as literal text; None if one of them is null."""
        parts: list[str] = []
        for piece in self.pieces:
            if isinstance(piece, str):
                parts.append(piece)
                continue
            value = facts.get(piece.key)
            # a multi-valued key cannot stand in a text: it has no single value
            text = value if isinstance(value, str) and value else piece.default
            if text is None:
                return None
            parts.append(matching.escape(text))
        return "".join(parts)


def parse(text: str, *, enabled: bool, where: str) -> str | Template:
    """A pattern as plain text, or a Template if it has variables.

    `enabled` is False in documents of version 2008-10-17, where `${` has no meaning and stands for itself.
    Raises UnknownElement on a variable that is not closed, has no namespace or names an unknown global key.
    """
    if "${" not in text:
        return text
    if not enabled:
        return text.replace("$", "${$}")
    pieces: list[str | Variable] = [""]
    position = 0
    for found in _VARIABLE.finditer(text):
        before = text[position : found.start()]
        position = found.end()
        body = found["body"]
        if not found["close"]:
            raise UnknownElement(f"{where}: a policy variable is not closed", hint="write ${key} or ${key, 'default'}")
        if body in _FIXED:
            pieces[-1] = str(pieces[-1]) + before + found.group()
            continue
        parsed = _BODY.fullmatch(body)
        if parsed is None or not catalogue.known_key(parsed["key"]):
            raise UnknownElement(f"{where}: ${{{body}}} is no policy variable known here", hint="check its spelling")
        pieces[-1] = str(pieces[-1]) + before
        pieces += [Variable(parsed["key"].lower(), parsed["default"]), ""]
    pieces[-1] = str(pieces[-1]) + text[position:]
    if len(pieces) == 1:
        return str(pieces[0])
    return Template(tuple(piece for piece in pieces if piece != ""))
