"""One gateway process for the folder, with an account of its own for every stack that a case builds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "contract"))

from escape_stack import ACCOUNTS, OUTSIDER_USER, Cloud
from gateway_process import GatewayProcess


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker for the folder, so that the gateway starts once."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("escapes"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The gateway, and the accounts that no stack has taken yet."""
    process = GatewayProcess(tmp_path_factory.mktemp("escapes"), accounts=ACCOUNTS, users=[OUTSIDER_USER])
    yield Cloud(process)
    process.stop()
