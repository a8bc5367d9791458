"""One deployed estate for the whole folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacked_estate import AttackedEstate
from stocked import stock

#: What is asked of the estate as it was deployed: attacks that work leave keys and task definitions behind.
FIRST = ("test_attack_reach.py", "test_attack_duty_prove.py")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker for the whole folder (`--dist loadgroup`), so that the estate is deployed once; proofs come first."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("estate"))
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


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
