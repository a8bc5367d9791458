"""How a service is asked: one thing after the other refused or read, none left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from strongroom.errors import UnknownElement

Read = TypeVar("Read")
#: How many things of one kind are read at the same time; a client keeps sixteen connections.
AT_ONCE = 8


def one_by_one(named: Iterable[str], read: Callable[[str], Read]) -> tuple[list[Read], dict[str, str]]:
    """What `read` makes of each name, in order; and for each that it could not read the name with the reason.

    A refusal (ClientError) and an element without meaning (UnknownElement) are reasons; anything else is raised.
    """
    found: list[Read] = []
    unread: dict[str, str] = {}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, future in [(name, pool.submit(read, name)) for name in named]:
            try:
                found.append(future.result())
            except ClientError as error:
                unread[name] = refused(error)
            except UnknownElement as unknown:
                unread[name] = unknown.message
    return found, unread


def refused(error: ClientError) -> str:
    """A refusal in a sentence: the operation and the service's code."""
    return f"{error.operation_name} was refused: {error.response['Error']['Code']}"


def unless(absent: str, ask: Callable[..., dict[str, Any]], **given: Any) -> dict[str, Any]:
    """The answer, or {} where the service says by the error code `absent` that nothing of the kind was set."""
    try:
        return ask(**given)
    except ClientError as error:
        if error.response["Error"]["Code"] != absent:
            raise
        return {}
