"""Durations as people write them (`90s`, `15m`, `24h`, `30d`), read as timedelta."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

PATTERN = r"^[1-9][0-9]*[smhd]$"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: Any) -> Any:
    """A timedelta from text such as `24h`; a timedelta stays what it is; ValueError otherwise."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.match(PATTERN, value):
        raise ValueError("a duration is a number and one of s, m, h, d, for example 24h")
    return timedelta(**{_UNITS[value[-1]]: int(value[:-1])})


def show_duration(value: timedelta) -> str:
    """The shortest text that reads back as the same duration."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(show_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "description": "a number and one of s, m, h, d"}),
]
