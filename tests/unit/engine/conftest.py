"""A project with one program, a fork server for the whole session, and the probe provider in its pool."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import pytest

from local_cloud.engine import launch
from local_cloud.engine.run import Engine, UpResult
from strongroom.progress import Silent

HERE = Path(__file__).parent
PRELUDE = """
import pulumi

class Thing(pulumi.CustomResource):
    arn: pulumi.Output[str]
    token: pulumi.Output[str]
    def __init__(self, name, opts=None, **inputs):
        super().__init__("probe:index:Thing", name, {"name": name, "arn": None, "token": None, **inputs}, opts)

class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("probe:index:Group", name, None, opts)
"""


class Project:
    """A project folder whose program tests rewrite, and the engine that runs it."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.home, self.store = root, home, root / "store"
        self.engine = Engine(home, pooled={"probe": "probe_provider:ProbeProvider"})
        (root / "infra").mkdir(parents=True)
        (root / "stacks").mkdir()
        (root / "Pulumi.yaml").write_text(
            "name: probe\nruntime: {name: python, options: {virtualenv: .venv}}\nmain: infra\nstackConfigDir: stacks\n"
        )
        self.written = 1_700_000_000
        self.configure({})

    def configure(self, config: dict[str, object]) -> None:
        document = {"config": {"probe:store": str(self.store), **config}}
        (self.root / "stacks" / "Pulumi.data.dev.yaml").write_text(json.dumps(document))

    def write(self, body: str) -> None:
        path = self.root / "infra" / "__main__.py"
        path.write_text(PRELUDE + textwrap.dedent(body))
        self.written += 1  # bytecode is valid by second and size: two programs of a second need different times
        os.utime(path, (self.written, self.written))

    def preview(self, body: str) -> UpResult:
        self.write(body)
        return self.engine.preview(self.root, "data", "dev", Silent())

    def up(self, body: str) -> UpResult:
        self.write(body)
        return self.engine.up(self.root, "data", "dev", Silent())

    def refresh(self) -> UpResult:
        return self.engine.refresh(self.root, "data", "dev", Silent())

    def destroy(self) -> UpResult:
        return self.engine.destroy(self.root, "data", "dev", Silent())

    def log(self) -> list[str]:
        """The operations asked of the provider, configurations left out."""
        path = self.store / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if not line.startswith("configure")]

    def state(self) -> dict:
        return json.loads((self.home / "state" / "data.dev.json").read_text())["deployment"]

    def resources(self) -> dict[str, dict]:
        return {record["urn"].split("::")[-1]: record for record in self.state()["resources"]}

    def things(self) -> list[str]:
        """The names of the things that exist in the probe's cloud."""
        return sorted(
            path.name.rsplit("-", 1)[0] for path in self.store.iterdir() if path.name not in ("log", "release")
        )


@pytest.fixture(scope="session")
def engine_home(tmp_path_factory):
    """A home folder with a running fork server that can import the probe."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        patch.delenv("PYTHONUNBUFFERED", raising=False)  # the laptop's cloud starts it without
        process = launch.start(home)
    yield home
    process.terminate()
    assert process.wait(60) == 0


@pytest.fixture
def project(tmp_path, engine_home):
    """A fresh project with an empty state; the fork server is the session's."""
    for left in (engine_home / "state").glob("data.dev.*"):
        left.unlink()
    return Project(tmp_path / "project", engine_home)
