"""Real programs over real gRPC: each kind of step does what Pulumi's does, and nothing else."""

from __future__ import annotations


def test_create_then_same(project):
    program = """
        a = Thing("a", size=1)
        b = Thing("b", size=2, above=a.arn)
        pulumi.export("arn", b.arn)
    """
    first = project.up(program)
    assert first.changes == {"create": 3}
    assert first.outputs["arn"].startswith("arn:probe:b-")
    assert project.log() == ["create a", "create b"]
    second = project.up(program)
    assert second.unchanged
    assert project.log() == ["create a", "create b"]
