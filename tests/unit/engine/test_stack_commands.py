"""strongroom stack on the command line: what people and machines read, and the exit codes."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local_cloud.engine.run import DeploymentFailed
from strongroom.cli.stack import app

HERE = Path(__file__).parent
PROGRAM = """
    a = Thing("a", size={}, body=pulumi.Output.secret("hunter2"))
    pulumi.export("arn", a.arn)
    pulumi.export("token", a.token)
    pulumi.export("list", [1, {{"x": True}}])
"""


@pytest.fixture
def run(project, monkeypatch):
    """Runs a command in the project; the probe is an executable on PATH, as third-party plugins are."""
    folder = project.root / "bin"
    folder.mkdir()
    executable = folder / "pulumi-resource-probe"
    executable.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "probe_provider.py"} "$@"\n')
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("STRONGROOM_HOME", str(project.home))
    monkeypatch.setenv("STRONGROOM_CLOUD", "aws")  # no laptop cloud runs here
    monkeypatch.chdir(project.root)

    def command(*words: str) -> str:
        result = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return command


def test_up_shows_first_and_does_then(project, run):
    project.write(PROGRAM.format(1))
    text = run("up", "data")
    assert "+ probe:index:Thing a" in text
    assert "data.dev: 2 to create" in text
    assert "data.dev: 2 created" in text
    assert text.index("to create") < text.index("created")
    assert text.count("probe:index:Thing a") == 1
    assert "data.dev: no change, 2 unchanged" in run("up", "data")
    project.write(PROGRAM.format(7))
    text = run("up", "data", "--dry-run")
    assert "~ probe:index:Thing a" in text
    assert "size: 1 -> 7" in text
    assert project.log() == ["create a"]
    assert "hunter" not in text


def test_outputs_hide_secrets_unless_asked(project, run):
    project.write(PROGRAM.format(1))
    run("up", "data")
    assert "[secret]" in run("outputs", "data")
    assert '[1, {"x": true}]' in run("outputs", "data")
    assert json.loads(run("outputs", "data", "--json"))["list"] == [1, {"x": True}]
    assert "token of a-" in run("outputs", "data", "--show-secrets")


def test_json_is_one_document(project, run):
    project.write(PROGRAM.format(1))
    planned, done = json.loads(run("up", "data", "--json"))
    assert planned["operation"] == "preview"
    assert planned["changes"] == done["changes"] == {"create": 2}
    assert done["outputs"]["token"] == "[secret]"
    assert {step["operation"] for step in done["steps"]} == {"create"}
    assert json.loads(run("preview", "data", "--json"))["changes"] == {"same": 2}


def test_destroy_lists_what_stays(project, run):
    project.write('Thing("a", opts=pulumi.ResourceOptions(protect=True))\nThing("b")')
    run("up", "data")
    listed = {row["name"]: row["note"] for row in json.loads(run("destroy", "data", "--dry-run", "--json"))}
    assert listed == {"a": "stays", "b": ""}
    assert project.things() == ["a", "b"]
    text = run("destroy", "data")
    assert "1 stay because they are protected" in text
    assert "- probe:index:Thing b" in text
    assert project.things() == ["a"]
    assert "no change" in run("refresh", "data")


def test_a_failure_is_shown_and_raised(project, run):
    project.write('a = Thing("a")\nThing("b", above=a.arn, fail=True)')
    with pytest.raises(DeploymentFailed, match="not allowed to make b") as failure:
        run("up", "data")
    assert failure.value.exit_code == 9
    with pytest.raises(Exception, match="there is no layer cellar"):
        run("up", "cellar")
