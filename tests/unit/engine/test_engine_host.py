"""The fork server starts programs in milliseconds, and plugins run in its pool or as executables of their own."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from local_cloud.engine import launch
from local_cloud.engine.run import DeploymentFailed, Engine
from strongroom.progress import Silent

HERE = Path(__file__).parent


def configurations(project) -> list[list[str]]:
    return [line.split() for line in (project.store / "log").read_text().splitlines() if line.startswith("configure")]


def test_the_same_configuration_is_served_by_the_same_process(project):
    project.up('Thing("a")')
    project.up('Thing("b")')
    processes = {words[2] for words in configurations(project)}
    assert len(processes) == 1
    assert processes != {str(os.getpid())}


def test_another_environment_gets_a_pool_of_its_own(project, monkeypatch):
    project.up('Thing("a")')
    monkeypatch.setenv("AWS_PROFILE", "deployer")
    project.up('Thing("a")')
    assert len({words[2] for words in configurations(project)}) == 2


def test_plugins_are_executables_too(project):
    folder = project.root / "bin"
    folder.mkdir()
    executable = folder / "pulumi-resource-probe"
    executable.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "probe_provider.py"} "$@"\n')
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    project.engine = Engine(project.home, pooled={}, plugin_folders=(folder,))
    assert project.up('a = Thing("a")\npulumi.export("arn", a.arn)').changes == {"create": 2}
    assert project.up('a = Thing("a")\npulumi.export("arn", a.arn)').unchanged
    assert project.destroy().changes == {"delete": 2}
    pids = [int(words[2]) for words in configurations(project)]
    assert len(set(pids)) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_missing_plugin_is_named(project):
    project.engine = Engine(project.home, pooled={}, plugin_folders=())
    with pytest.raises(DeploymentFailed, match="there is no plugin pulumi-resource-probe"):
        project.up('Thing("a")')


def test_a_plugin_that_cannot_be_made_is_named(project):
    project.engine = Engine(project.home, pooled={"probe": "probe_provider:Nothing"})
    with pytest.raises(DeploymentFailed, match="plugin probe: AttributeError"):
        project.up('Thing("a")')


def test_the_environment_of_the_caller_reaches_the_program(project, monkeypatch):
    monkeypatch.setenv("STRONGROOM_MANIFEST", "somewhere")
    result = project.up('import os\npulumi.export("seen", os.environ["STRONGROOM_MANIFEST"])')
    assert result.outputs["seen"] == "somewhere"


def test_without_a_server_the_engine_starts_one_and_stops_it(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    home = tmp_path / "other"
    engine = Engine(home, pooled={"probe": "probe_provider:ProbeProvider"})
    project.write("import os\npulumi.export('parent', os.getppid())")
    result = engine.up(project.root, "data", "dev", Silent())
    assert not launch.HostClient(home).reachable()
    with pytest.raises(ProcessLookupError):
        os.kill(int(result.outputs["parent"]), 0)


def test_a_program_finds_its_packages_imported(project):
    project.write("")
    path = project.root / "infra" / "__main__.py"
    path.write_text("import sys\nwarm = 'pulumi_aws' in sys.modules\nimport pulumi\npulumi.export('warm', warm)\n")
    result = project.engine.up(project.root, "data", "dev", Silent())
    assert result.outputs["warm"] is True


def test_sockets_are_private(project, engine_home):
    assert (engine_home / "run").stat().st_mode & 0o777 == 0o700
