"""The policy pack stops what it forbids: a preview lists every violation, an update makes nothing of it."""

from __future__ import annotations

import pytest

from local_cloud.engine.run import DeploymentFailed
from strongroom.errors import StrongroomError

PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy, StackValidationPolicy

def small(args, report):
    if args.resource_type == "probe:index:Thing" and args.props.get("size", 0) > 5:
        report(f"size {int(args.props['size'])} is above 5")

def labelled(args, report):
    if args.resource_type == "probe:index:Thing" and not args.props.get("label"):
        report("no label")

def few(args, report):
    things = [r for r in args.resources if r.resource_type == "probe:index:Thing"]
    if len(things) > 3:
        report(f"{len(things)} things", things[0].urn)

def protected(args, report):
    if args.resource_type == "probe:index:Thing" and args.name == "vault" and not args.opts.protect:
        report("not protected")

PolicyPack("probe-pack", enforcement_level=EnforcementLevel.MANDATORY, policies=[
    ResourceValidationPolicy("T1", "Things are small.", small),
    ResourceValidationPolicy("T2", "Things are labelled.", labelled, EnforcementLevel.ADVISORY),
    ResourceValidationPolicy("T3", "Vaults are protected.", protected),
    StackValidationPolicy("S1", "Few things.", few),
])
"""


@pytest.fixture
def guarded_project(project):
    pack = project.root / "infra" / "guardrails"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "__main__.py").write_text(PACK)
    return project


def test_preview_lists_every_violation(guarded_project):
    with pytest.raises(DeploymentFailed) as failure:
        guarded_project.preview('Thing("a", size=9)\nThing("b", size=1)\nThing("c", size=7)\nThing("vault")')
    assert failure.value.exit_code == 9
    lines = failure.value.message.splitlines()
    assert sum("control T1" in line for line in lines) == 2
    assert any("::a: control T1: Things are small. size 9 is above 5" in line for line in lines)
    assert any("::vault: control T3" in line for line in lines)
    assert any("control S1: Few things. 4 things" in line for line in lines)


def test_an_update_does_not_make_what_is_forbidden(guarded_project):
    with pytest.raises(DeploymentFailed, match="control T1") as failure:
        guarded_project.up('a = Thing("a", size=1)\nThing("b", size=9, above=a.arn)')
    assert failure.value.exit_code == 9
    assert guarded_project.things() == ["a"]
    assert "b" not in guarded_project.resources()


def test_advice_does_not_stop(guarded_project):
    result = guarded_project.up('Thing("a", size=1)')
    assert result.changes == {"create": 2}
    advice = [message.text for message in result.messages if message.severity == "warning"]
    assert advice == ["control T2 (advisory): Things are labelled. no label"]
    assert guarded_project.up('Thing("a", size=1, label="x")').changes == {"update": 1, "same": 1}


def test_unknown_values_are_no_violation(guarded_project):
    result = guarded_project.preview('a = Thing("a", label="x")\nThing("b", label=a.arn, size=2)')
    assert result.changes == {"create": 3}


def test_a_broken_pack_is_an_error(guarded_project):
    (guarded_project.root / "infra" / "guardrails" / "__main__.py").write_text("raise ValueError('broken')\n")
    with pytest.raises(StrongroomError, match=r"guardrails ended at its start: ValueError: broken"):
        guarded_project.up("")
