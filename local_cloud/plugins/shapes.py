"""The shape of a property says how it is checked, compared, sent to a service and read back.

`canonical` maps values that mean the same to equal values, so that a difference is one that matters: policies by
meaning, sets without order, and nothing, false, zero, "" and the empty collection alike (as Terraform's SDK has it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local_cloud.plugins.wire import Asset, Unknown

ABSENT = None
Failure = tuple[str, str]


class Shape:
    """Any value, compared as it is."""

    def failures(self, path: str, value: Any) -> Iterator[Failure]:
        """What is wrong with an input: (path, reason)."""
        return iter(())

    def to_api(self, value: Any) -> Any:
        """The value as the service's client takes it."""
        return value

    def from_api(self, value: Any) -> Any:
        """The service's value as Pulumi's property."""
        return value

    def canonical(self, value: Any) -> Any:
        """Equal results mean equal values; ABSENT for anything empty."""
        return value or ABSENT


@dataclass(frozen=True)
class Scalar(Shape):
    """A text, whole number or boolean; other spellings of it are accepted."""

    kind: type

    def failures(self, path: str, value: Any) -> Iterator[Failure]:
        try:
            self.to_api(value)
        except (TypeError, ValueError):
            yield path, f"expected {self.kind.__name__}, got {type(value).__name__}"

    def to_api(self, value: Any) -> Any:
        if isinstance(value, (dict, list)):
            raise TypeError
        if self.kind is bool and not isinstance(value, bool):
            word = str(value).lower()
            if word not in ("true", "false", "1", "0", ""):
                raise ValueError(word)
            return word in ("true", "1")
        if self.kind is str and isinstance(value, bool):
            return "true" if value else "false"
        return self.kind(value)

    def canonical(self, value: Any) -> Any:
        return ABSENT if value is None else self.to_api(value) or ABSENT


STRING, INTEGER, BOOLEAN = Scalar(str), Scalar(int), Scalar(bool)


@dataclass(frozen=True)
class Numeral(Scalar):
    """A whole number that the service writes as text (SQS attributes, ECS sizes)."""

    kind: type = int

    def to_api(self, value: Any) -> Any:
        return str(super().to_api(value))

    def from_api(self, value: Any) -> Any:
        return int(value)

    def canonical(self, value: Any) -> Any:
        return ABSENT if value is None else int(value) or ABSENT


NUMERAL = Numeral()


class Flag(Shape):
    """A boolean that the service writes as the text true or false."""

    def to_api(self, value: Any) -> Any:
        return "true" if BOOLEAN.to_api(value) else "false"

    def from_api(self, value: Any) -> Any:
        return BOOLEAN.to_api(value)

    def canonical(self, value: Any) -> Any:
        return BOOLEAN.canonical(value)


FLAG = Flag()


@dataclass(frozen=True)
class Suffix(Shape):
    """A text of which only what follows a pattern counts (key id or key ARN, URL with or without its scheme)."""

    ignored: str

    def canonical(self, value: Any) -> Any:
        return re.sub(self.ignored, "", str(value or "")) or ABSENT


KEY = Suffix(r"^arn:[^:]+:kms:[^:]*:[^:]*:key/")
URL = Suffix(r"^https?://|/$")


class Trimmed(Shape):
    """A text in which white space around it does not count."""

    def canonical(self, value: Any) -> Any:
        return str(value or "").strip() or ABSENT


TRIMMED = Trimmed()


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(Shape):
    """A time span: seconds, or a text such as 90m or 24h; compared in seconds."""

    def failures(self, path: str, value: Any) -> Iterator[Failure]:
        if not re.fullmatch(r"(\d+[smhd]?)+", str(value)):
            yield path, "expected seconds or a duration such as 90m or 24h"

    def canonical(self, value: Any) -> Any:
        parts = re.findall(r"(\d+)([smhd]?)", str(value or 0))
        return sum(int(number) * _SECONDS[unit or "s"] for number, unit in parts) or ABSENT


DURATION = Duration()


class Source(Shape):
    """A file or text asset; compared by the hash of its bytes."""

    def canonical(self, value: Any) -> Any:
        return value.hashed().hash if isinstance(value, Asset) else value or ABSENT


SOURCE = Source()


@dataclass(frozen=True)
class Listing(Shape):
    """A list of items of one shape; `ordered` says whether their order matters."""

    item: Shape = STRING
    ordered: bool = True

    def failures(self, path: str, value: Any) -> Iterator[Failure]:
        if not isinstance(value, list):
            yield path, f"expected a list, got {type(value).__name__}"
            return
        for index, item in enumerate(value):
            if not isinstance(item, Unknown):
                yield from self.item.failures(f"{path}[{index}]", item)

    def to_api(self, value: Any) -> Any:
        return [self.item.to_api(item) for item in value]

    def from_api(self, value: Any) -> Any:
        return [self.item.from_api(item) for item in value or []]

    def canonical(self, value: Any) -> Any:
        items = [self.item.canonical(item) for item in value or []]
        return (items if self.ordered else sorted(items, key=repr)) or ABSENT


LIST, SET = Listing(), Listing(ordered=False)


class Texts(Shape):
    """A map from text to text."""

    def failures(self, path: str, value: Any) -> Iterator[Failure]:
        if not isinstance(value, Mapping):
            yield path, f"expected a map, got {type(value).__name__}"
            return
        for name, item in value.items():
            if not isinstance(item, Unknown):
                yield from STRING.failures(f"{path}.{name}", item)

    def to_api(self, value: Any) -> Any:
        return {name: STRING.to_api(item) for name, item in value.items()}

    def canonical(self, value: Any) -> Any:
        return {name: STRING.to_api(item) for name, item in (value or {}).items()} or ABSENT


class Pairs(Texts):
    """A map which the service writes as a list of {Key, Value}."""

    def to_api(self, value: Any) -> Any:
        return [{"Key": name, "Value": item} for name, item in super().to_api(value).items()]

    def from_api(self, value: Any) -> Any:
        return {item["Key"]: item["Value"] for item in value or []}


TEXTS, PAIRS = Texts(), Pairs()


@dataclass(frozen=True)
class Field:
    """One member of a record: its name in the service's API and its shape; `absent` is what the service assumes."""

    api: str
    shape: Shape = STRING
    absent: Any = None


@dataclass(frozen=True)
class Record(Shape):
    """An object with named members; a member that is not declared is refused."""

    fields: Mapping[str, Field]

    def failures(self, path: str, value: Any) -> Iterator[Failure]:
        if not isinstance(value, Mapping):
            yield path, f"expected an object, got {type(value).__name__}"
            return
        for name, item in value.items():
            if name not in self.fields:
                yield f"{path}.{name}", f"not supported here; known are {', '.join(sorted(self.fields))}"
            elif item is not None and not isinstance(item, Unknown):
                yield from self.fields[name].shape.failures(f"{path}.{name}", item)

    def to_api(self, value: Any) -> Any:
        return {
            self.fields[name].api: self.fields[name].shape.to_api(item)
            for name, item in value.items()
            if item is not None
        }

    def from_api(self, value: Any) -> Any:
        return {
            name: field.shape.from_api(value[field.api])
            for name, field in self.fields.items()
            if value.get(field.api) is not None
        }

    def canonical(self, value: Any) -> Any:
        members = {}
        for name, field in self.fields.items():
            given = (value or {}).get(name)
            meaning = field.shape.canonical(field.absent if given is None and value else given)
            if meaning is not ABSENT:
                members[name] = meaning
        return members or ABSENT
