"""The controls of the catalogue over what the programs declare: the same functions that the preview runs."""

from __future__ import annotations

import shutil

import pytest
from recording import run_stack

from infra.guardrails.normalise import Declared, facts
from infra.program import ROOT
from strongroom.controls.catalogue import CATALOGUE, judge
from strongroom.controls.facts import Verdict
from strongroom.estate.manifest import LAYERS


@pytest.fixture(scope="module")
def declared(tmp_path_factory):
    root = tmp_path_factory.mktemp("controls")
    shutil.copytree(ROOT / "stacks", root / "stacks")
    for name in ("tools/restore.py", "docs/formats/repository.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("text\n")
    stacks = [run_stack(f"{layer}.dev", root) for layer in LAYERS]
    return [r for stack in stacks for r in stack.resources]


def test_every_control_passes_on_every_resource(declared):
    findings = judge(facts([Declared(r.type, r.name, r.inputs.get) for r in declared], "program"))
    assert [f for f in findings if f.verdict is not Verdict.PASS] == []
    assert {f.control for f in findings} == {control.id for control in CATALOGUE}
    assert len([f for f in findings if f.control == "K3"]) == 14
    assert len([f for f in findings if f.control == "S1"]) == 7


def test_a_bucket_that_lost_its_policy_fails(declared):
    """Negative control: without its policy the bucket has no refusal of plain text."""
    kept = [r for r in declared if not (r.type.endswith(":BucketPolicy") and r.name == "images")]
    findings = judge(facts([Declared(r.type, r.name, r.inputs.get) for r in kept], "program"))
    failed = {(f.control, f.subject) for f in findings if f.verdict is Verdict.FAIL}
    assert failed == {("S3", "strongroom-dev-images"), ("S8", "strongroom-dev-images")}
