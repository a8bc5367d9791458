"""Whatever goes wrong in the middle, the state says what was done and the message says what failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from local_cloud.engine.checkpoint import opened
from local_cloud.engine.run import DeploymentFailed
from strongroom.errors import LeaseHeld, UsageError


def test_a_failing_resource_keeps_what_was_done(project):
    program = """
        a = Thing("a")
        b = Thing("b", above=a.arn, fail={})
        c = Thing("c", above=b.arn)
    """
    with pytest.raises(DeploymentFailed, match=r"::b: not allowed to make b") as failure:
        project.up(program.format(True))
    assert failure.value.exit_code == 9
    assert failure.value.result.changes["create"] == 2
    assert set(project.resources()) >= {"a"}
    assert "b" not in project.resources()
    assert "pending_operations" not in project.state()
    assert project.up(program.format(False)).changes["create"] == 2
    assert project.log() == ["create a", "create b", "create b", "create c"]


def test_a_failed_program_deletes_nothing(project):
    project.up('Thing("a")\nThing("b")')
    with pytest.raises(DeploymentFailed):
        project.up('Thing("a", fail=True, kind="new")')
    assert project.things() == ["a", "b"]
    assert {"a", "b"} <= set(project.resources())


def test_a_program_error_names_the_line_in_user_code(project):
    (project.root / "infra" / "layer.py").write_text("def build():\n    return {}['bucket']\n")
    with pytest.raises(DeploymentFailed, match=r"infra/layer.py:2: KeyError: 'bucket'") as failure:
        project.up("from layer import build\nbuild()")
    assert failure.value.exit_code == 1
    assert failure.value.hint == "return {}['bucket']"


def test_an_error_of_ours_in_the_program_keeps_its_exit_code(project):
    with pytest.raises(DeploymentFailed, match=r"stacks/estate\.dev\.yaml:3") as failure:
        project.up("""
            from strongroom.errors import EstateError
            raise EstateError("unknown key", file="stacks/estate.dev.yaml", line=3)
        """)
    assert failure.value.exit_code == 2


def test_protected_resources_are_neither_deleted_nor_replaced(project):
    project.up('Thing("a", opts=pulumi.ResourceOptions(protect=True))')
    with pytest.raises(DeploymentFailed, match="is protected") as failure:
        project.up("")
    assert failure.value.exit_code == 9
    with pytest.raises(DeploymentFailed, match="is protected and would have to be replaced because of kind"):
        project.up('Thing("a", kind="x", opts=pulumi.ResourceOptions(protect=True))')
    assert project.things() == ["a"]


def test_destroy_leaves_the_protected_and_what_they_need(project):
    project.up("""
        a = Thing("a")
        b = Thing("b", above=a.arn, opts=pulumi.ResourceOptions(protect=True))
        c = Thing("c", above=b.arn)
        d = Thing("d")
    """)
    result = project.destroy()
    assert result.changes["delete"] == 2
    assert [urn.split("::")[-1] for urn in result.kept] == ["a", "b"]
    assert project.things() == ["a", "b"]
    assert "c" not in project.resources()


def test_destroy_of_everything_leaves_an_empty_state(project):
    project.up('Thing("a")')
    result = project.destroy()
    assert result.kept == []
    assert project.state()["resources"] == []


def test_a_deletion_that_fails_stays_in_the_state(project):
    project.up('a = Thing("a")\nThing("b", above=a.arn, sticky=True)')
    with pytest.raises(DeploymentFailed, match="does not go away"):
        project.up("")
    assert {"a", "b"} <= set(project.resources())


def test_refresh_drops_what_is_gone_and_takes_what_changed(project):
    project.up('Thing("a")\nThing("b", size=1)')
    resources = project.resources()
    (project.store / resources["a"]["id"]).unlink()
    path = project.store / resources["b"]["id"]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"size": 5}))
    result = project.refresh()
    assert result.changes == {"delete": 1, "update": 1}
    assert "a" not in project.resources()
    assert project.resources()["b"]["outputs"]["size"] == 5
    again = project.up('Thing("a")\nThing("b", size=1)')
    assert again.changes == {"create": 1, "update": 1, "same": 1}


def test_one_deployment_at_a_time(project):
    with opened(project.home, "data.dev"), pytest.raises(LeaseHeld):
        project.up("")


def test_a_state_of_another_version_is_refused(project):
    project.up("")
    path = project.home / "state" / "data.dev.json"
    path.write_text(json.dumps({"version": 2}))
    with pytest.raises(UsageError, match="not a version-3 deployment"):
        project.up("")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_leaves_a_state_that_says_what_was_under_way(project, number):
    program = 'a = Thing("a")\nThing("b", above=a.arn, hang=True)'
    project.write(program)
    code = (
        "import sys; from pathlib import Path; from local_cloud.engine.run import Engine; "
        "from strongroom.progress import Silent; "
        "Engine(Path(sys.argv[1]), pooled={'probe': 'probe_provider:ProbeProvider'})"
        ".up(Path(sys.argv[2]), 'data', 'dev', Silent())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(project.home), str(project.root)],
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    )
    deadline = time.monotonic() + 60
    while "create b" not in project.log():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    pending = project.state()["pending_operations"]
    assert [(item["type"], item["resource"]["urn"].split("::")[-1]) for item in pending] == [("creating", "b")]
    process.send_signal(number)
    if number == signal.SIGKILL:
        process.communicate(timeout=60)
        (project.store / "release").touch()
        assert "a" in project.resources()
        assert project.state()["pending_operations"]
        result = project.up(program)
        assert any("interrupted while creating" in message.text for message in result.messages)
    else:
        (project.store / "release").touch()  # the step under way may end
        _, errors = process.communicate(timeout=60)
        assert b"interrupted" in errors
        assert {"a", "b"} <= set(project.resources())
    assert "pending_operations" not in project.state()


def test_what_a_program_prints_arrives(project):
    result = project.up('import sys\nprint("hello")\nprint("careful", file=sys.stderr)\npulumi.log.warn("mind")')
    texts = {(message.severity, message.text) for message in result.messages}
    assert {("info", "hello"), ("warning", "careful"), ("warning", "mind")} <= texts
