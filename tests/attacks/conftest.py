"""One deployed estate for the whole folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacked_estate import AttackedEstate
from stocked import stock


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker for the whole folder (`--dist loadgroup`), so that the estate is deployed once."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("estate"))


@pytest.fixture(scope="session")
def estate() -> Iterator[AttackedEstate]:
    """Seven layers on a laptop cloud of its own; the folder's path is short, since sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="sr-") as folder:
        made = AttackedEstate(Path(folder) / "home")
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="session")
def stocked(estate: AttackedEstate) -> AttackedEstate:
    """The estate with objects of every kind in it."""
    stock(estate)
    return estate
