"""The part of HCL that OpenBao and Vault policies are written in: blocks with labels, attributes, lists, objects.

JSON is read too: OpenBao takes policies in both forms. A body is a list of entries in the order of the text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from strongroom.errors import UnknownElement

_TOKEN = re.compile(
    r"""(?P<space>[\s,]*\n[\s]*|[ \t\r]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
      | (?P<name>[A-Za-z_][\w.-]*)
      | (?P<mark>[{}\[\]=,:])""",
    re.VERBOSE | re.DOTALL,
)
_WORDS: dict[str, bool] = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Entry:
    """One attribute (`key = value`) or block (`key "label" { ... }`, value a body)."""

    key: str
    labels: tuple[str, ...]
    value: Any


Body = list[Entry]


def read(text: str, where: str) -> Body:
    """The body of a policy text; raises UnknownElement where the text is neither HCL of this part nor JSON."""
    if text.lstrip().startswith("{"):
        try:
            return _from_json(json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, where)), where)
        except json.JSONDecodeError as problem:
            raise UnknownElement(f"{where}: not JSON (line {problem.lineno})", hint="write HCL or JSON") from None
    return _Reader(text, where).body(None)


def from_mapping(document: dict[str, Any], where: str) -> Body:
    """The body of a policy given as plain data."""
    return _from_json(document, where)


def _unique(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnknownElement(f"{where}: a key twice in one object", hint="which of the two holds is undefined")
    return found


#: Keys whose objects are blocks with labels: in JSON the labels are the keys of the next level.
_LABELLED = frozenset({"path", "factor"})


def _from_json(document: Any, where: str) -> Body:
    if not isinstance(document, dict):
        raise UnknownElement(f"{where}: not an object", hint="write {key: value}")
    body: Body = []
    for key, value in document.items():
        for item in value if key in _LABELLED and isinstance(value, list) else [value]:
            if key in _LABELLED and isinstance(item, dict):
                body += [Entry(key, (label,), _from_json(inner, where)) for label, inner in item.items()]
            elif key in ("control_group", "identity"):
                body.append(Entry(key, (), _from_json(item, where)))
            else:
                body.append(Entry(key, (), item))
    return body


class _Reader:
    """A recursive reader of one text."""

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                line = text.count("\n", 0, position) + 1
                raise UnknownElement(f"{where}: line {line} is not understood", hint="write HCL without heredocs")
            position = found.end()
            kind = str(found.lastgroup)
            if kind != "space":
                self.tokens.append((kind, found.group(), text.count("\n", 0, found.start()) + 1))
        self.position = 0

    def peek(self) -> tuple[str, str]:
        """The next token without taking it; ("end", "") at the end."""
        if self.position >= len(self.tokens):
            return "end", ""
        kind, text, _ = self.tokens[self.position]
        return kind, text

    def take(self, *marks: str) -> tuple[str, str]:
        """The next token; it must be one of the marks if any are given."""
        kind, text = self.peek()
        if kind == "end" or (marks and text not in marks):
            line = self.tokens[min(self.position, len(self.tokens) - 1)][2] if self.tokens else 1
            wanted = " or ".join(marks) or "something"
            raise UnknownElement(f"{self.where}: line {line}: expected {wanted}", hint="check the policy's text")
        self.position += 1
        return kind, text

    def body(self, closing: str | None) -> Body:
        """Entries up to the closing mark, or to the end of the text."""
        entries: Body = []
        while True:
            kind, text = self.peek()
            if (closing is None and kind == "end") or (closing is not None and text == closing and kind == "mark"):
                if closing is not None:
                    self.take(closing)
                return entries
            if text == "," and entries:
                self.take(",")
                continue
            entries.append(self.entry())

    def entry(self) -> Entry:
        """One attribute or block."""
        key = self.word()
        labels: list[str] = []
        while self.peek()[0] in ("string", "name"):
            labels.append(self.word())
        _, mark = self.take("=", "{", ":")
        if mark == "{":
            return Entry(key, tuple(labels), self.body("}"))
        if labels:
            raise UnknownElement(f"{self.where}: {key} has a label and a value", hint="write key = value")
        if self.peek()[1] == "{":
            self.take("{")
            return Entry(key, (), self.body("}"))
        return Entry(key, (), self.value())

    def word(self) -> str:
        """A bare or quoted word."""
        kind, text = self.take()
        if kind == "string":
            return str(json.loads(text))
        if kind != "name":
            raise UnknownElement(f"{self.where}: {text} is not a name", hint="check the policy's text")
        return text

    def value(self) -> Any:
        """A text, number, truth value or list."""
        kind, text = self.take()
        if kind == "string":
            return json.loads(text)
        if kind == "number":
            return float(text) if "." in text else int(text)
        if text in _WORDS:
            return _WORDS[text]
        if text == "[":
            items: list[Any] = []
            while self.peek()[1] != "]":
                items.append(self.value())
                if self.peek()[1] != "]":
                    self.take(",")
            self.take("]")
            return items
        raise UnknownElement(f"{self.where}: {text} is not a value", hint="write a text, number, true, false or list")
