"""The frame of the story: a step that fails is told, hides nothing that does not build on it, and fails the demo."""

from __future__ import annotations

import io
import subprocess
import sys
from types import ModuleType

import pytest
from rich.console import Console

from demo import story
from demo.display import Display
from demo.stage import Stage, require
from demo.steps.outage import _ALONE, isolated_python
from demo.steps.refusals import deciding
from strongroom.errors import Corrupt, UsageError

SECRET = "a secret of hers that is long enough"


@pytest.fixture
def told(tmp_path):
    """A stage over a terminal of text, and what was printed there."""
    text = io.StringIO()
    stage = Stage(tmp_path / ".strongroom", tmp_path, Display(Console(file=text, width=120)), SECRET)
    return stage, text


def step(title, show, *needs):
    module = ModuleType(title)
    module.TITLE, module.show = title, show
    return story.Step(module, tuple(n.module for n in needs))


def raises(error):
    def show(_stage):
        raise error

    return show


def test_every_step_verified_is_exit_zero(told):
    stage, _ = told
    outcomes, codes = story.tell(stage, [step("one", lambda _: "was shown"), step("two", lambda _: "too")])
    assert codes == [] and [outcome.verified for outcome in outcomes] == [True, True]


def test_a_failure_is_told_and_only_what_builds_on_it_is_not_run(told):
    stage, text = told
    first = step("broken", raises(Corrupt("a pack is damaged")))
    dependent = step("dependent", lambda _: "never", first)
    outcomes, codes = story.tell(
        stage, [first, dependent, step("further", lambda _: "never", dependent), step("independent", lambda _: "yes")]
    )
    assert [outcome.verified for outcome in outcomes] == [False, None, None, True]
    assert codes == [6]
    assert "NOT VERIFIED a pack is damaged" in text.getvalue()


def test_an_unexpected_error_is_told_without_its_text(told):
    stage, text = told
    outcomes, codes = story.tell(stage, [step("odd", raises(ValueError(SECRET)))])
    assert (outcomes[0].verified, codes) == (False, [1])
    assert "ValueError at test_demo_story.py" in text.getvalue()
    assert SECRET not in text.getvalue()


def test_what_is_required_and_not_so_is_not_verified(told):
    stage, _ = told
    _, codes = story.tell(stage, [step("claims", lambda _: require(1 == 2, "one is not two"))])
    assert codes == [11]


def test_the_secret_is_no_part_of_the_stage_in_print(told):
    assert SECRET not in repr(told[0])


def test_the_secret_comes_from_a_file_without_its_last_newline(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text(SECRET + "\n")
    assert story._secret(path)[0] == SECRET


def test_a_generated_secret_is_another_each_time(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert story._secret(None)[0] != story._secret(None)[0]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe\x00 not text at all", b"x" * 70_000])
def test_a_secret_that_a_search_could_not_look_for_is_refused(tmp_path, content):
    path = tmp_path / "note.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        story._secret(path)
    with pytest.raises(UsageError, match="not a readable text file"):
        story._secret(tmp_path / "absent")


def test_the_deciding_statement_is_taken_from_a_refusal():
    decided = "User: x is not authorized [decided by: bucket policy of b, statement 7 (NothingIsDeleted)]"
    assert deciding(decided) == "bucket policy of b, statement 7 (NothingIsDeleted)"
    silent = (
        "User: x is not authorized [decided by: key policy of k, no statement allows it: statement 1 does not name]"
    )
    assert deciding(silent) == "key policy of k, no statement allows it"
    assert deciding("Access Denied") == "Access Denied"


def test_the_isolated_interpreter_has_two_packages_and_no_environment(tmp_path):
    python = isolated_python(tmp_path / "venv")

    def run(code):
        return subprocess.run([python, "-I", "-c", code], env={}, capture_output=True, cwd="/").returncode

    assert run("import cryptography.hazmat.primitives.asymmetric.rsa, zstandard") == 0
    assert run(_ALONE) == 0
    assert run("import strongroom") == run("import boto3") == 1


def test_isolation_is_really_checked():
    """Negative control: in this interpreter, which has everything, the same check fails."""
    assert subprocess.run([sys.executable, "-c", _ALONE], capture_output=True).returncode == 1
