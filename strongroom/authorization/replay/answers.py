"""Values of earlier answers in later requests, and answers in words that show no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from strongroom.authorization.replay.moves import Answered

_SELECTED = re.compile(r"(\w+)\[(\w+)=(\w+)\]")


class NoAnswer(Exception):
    """A value is asked for that no answer gave."""


def filled(value: Any, answers: Mapping[str, Any]) -> Any:
    """The value with every `Answered` in it replaced; NoAnswer if an answer is missing."""
    if isinstance(value, Answered):
        found: Any = answers
        for key in value.path.split("."):
            found = _step(found, key)
        return found
    if isinstance(value, Mapping):
        return {key: filled(item, answers) for key, item in value.items()}
    return [filled(item, answers) for item in value] if isinstance(value, list | tuple) else value


def said(answer: Mapping[str, Any]) -> str:
    """What an answer holds, by name only."""
    names = [name for name, value in answer.items() if name != "ResponseMetadata" and value not in (None, "")]
    return f"answered with {', '.join(sorted(names))}" if names else "done"


def _step(found: Any, key: str) -> Any:
    chosen = _SELECTED.fullmatch(key)
    try:
        if chosen is None:
            return found[int(key)] if key.isdigit() else found[key]
        name, field, wanted = chosen.groups()
        return next(item for item in found[name] if str(item.get(field)) == wanted)
    except (IndexError, KeyError, StopIteration, TypeError):
        raise NoAnswer(key) from None
