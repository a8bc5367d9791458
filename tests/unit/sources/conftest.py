"""Fixtures of the sources' tests: one PostgreSQL for all, and a way to carry items from a capture to a restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from backup_jobs.scratch.postgres import ScratchServer, scratch_postgres
from backup_jobs.sources.contract import RestoredItem


@pytest.fixture(scope="session")
def source_server() -> Iterator[ScratchServer]:
    with scratch_postgres(15) as server:
        yield server


@pytest.fixture
def carry() -> Callable[[Any, bytes], tuple[list[RestoredItem], dict[str, Any], list[str]]]:
    """Captures a source as the repository does: (items with their bytes, facts, unreadable paths)."""

    def run(source: Any, key: bytes) -> tuple[list[RestoredItem], dict[str, Any], list[str]]:
        items, unreadable = [], []
        with source.capture(key) as capture:
            for item in capture.items():
                content = b""
                if item.kind == "file":
                    try:
                        with item.open() as stream:
                            content = stream.read()
                    except OSError:
                        unreadable.append(item.path)
                        continue
                fields = (item.path, len(content), item.mtime_ns, item.mode, item.kind, item.target, item.metadata)
                items.append(RestoredItem(*fields, read=partial(iter, [content] if content else [])))
            return items, capture.facts(), unreadable

    return run
