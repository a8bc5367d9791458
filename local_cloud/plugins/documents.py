"""JSON documents inside properties are compared by what they mean, policies by the rules of IAM's grammar."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from local_cloud.plugins.shapes import ABSENT, STRING, Failure, Shape


class Json(Shape):
    """A JSON document as text; compared by content."""

    def failures(self, path: str, value: Any) -> Iterator[Failure]:
        try:
            json.loads(value)
        except (TypeError, ValueError) as problem:
            yield path, f"not a JSON document: {problem}"

    def canonical(self, value: Any) -> Any:
        return self.meaning(json.loads(value)) or ABSENT if value else ABSENT

    def meaning(self, document: Any) -> Any:
        """The document in the form in which equal meaning is equality."""
        return document


class Policy(Json):
    """An IAM policy document: one or a list, order of actions and an account or its root are the same thing."""

    def meaning(self, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        statements = document.get("Statement", [])
        statements = statements if isinstance(statements, list) else [statements]
        return {**document, "Statement": [self._statement(statement) for statement in statements]}

    def _statement(self, statement: Any) -> Any:
        return {name: self._element(name, value) for name, value in statement.items()}

    def _element(self, name: str, value: Any) -> Any:
        if name in ("Action", "NotAction", "Resource", "NotResource"):
            return _unordered(value)
        if name in ("Principal", "NotPrincipal"):
            if value == "*":
                return {"AWS": ("*",)}
            return {kind: _unordered(_root(item) for item in _listed(who)) for kind, who in value.items()}
        if name == "Condition":
            return {test: {key: _unordered(who) for key, who in keys.items()} for test, keys in value.items()}
        return value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _root(principal: Any) -> Any:
    return f"arn:aws:iam::{principal}:root" if re.fullmatch(r"\d{12}", str(principal)) else principal


def _unordered(value: Any) -> tuple[str, ...]:
    items = _listed(value) if isinstance(value, (str, list, bool, int)) else value
    return tuple(sorted(STRING.to_api(item) for item in items))


JSON, POLICY = Json(), Policy()
