"""Real servers on free ports under a temporary home, ended by process identity."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cloud.servers.certificates import authority
from local_cloud.servers.contract import Running
from local_cloud.servers.layout import Layout, private_folder, read_json
from local_cloud.servers.openbao import OpenBao
from local_cloud.servers.postgres import Postgres
from local_cloud.servers.processes import stop


@dataclasses.dataclass
class Served:
    """A running server, what it wrote about itself, and its home."""

    layout: Layout
    server: Any
    running: Running

    @property
    def reach(self) -> dict[str, Any]:
        document = read_json(self.layout.ready_file(self.server.name))
        assert document is not None
        return document

    def stop(self) -> str:
        return stop(self.running.identity, number=self.server.stop_signal)

    def start(self) -> None:
        self.running = self.server.start(lambda _: None)


def serve(home: Path, kind: type) -> Iterator[Served]:
    layout = Layout(home)
    private_folder(layout.logs)
    served = Served(layout, kind(layout, authority(layout)), None)  # type: ignore[arg-type]
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("postgres") / "home", Postgres)


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("openbao") / "home", OpenBao)


@pytest.fixture(scope="session")
def world_readable() -> Any:
    """Finds files under a folder that anybody but their owner can read."""

    def found(folder: Path) -> list[str]:
        return [str(path) for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & 0o077]

    return found
