"""A preview changes nothing and hands programs unknowns where values do not exist yet."""

from __future__ import annotations


def test_preview_of_a_new_stack(project):
    result = project.preview("""
        a = Thing("a", size=1)
        seen = []
        a.arn.apply(seen.append)
        b = Thing("b", above=a.arn, label=pulumi.Output.concat("x-", a.arn))
        pulumi.export("arn", b.arn)
        pulumi.export("name", "fixed")
        pulumi.export("applied", pulumi.Output.from_input(len(seen)))
    """)
    assert result.changes == {"create": 3}
    assert result.outputs == {"arn": "[unknown]", "name": "fixed", "applied": 0}
    assert project.log() == []
    assert not (project.home / "state" / "data.dev.json").exists()


def test_preview_of_changes_writes_nothing(project):
    program = 'a = Thing("a", size={}, kind={!r})\nThing("b", above=a.arn)\n{}'
    project.up(program.format(1, "x", 'Thing("c")'))
    before = (project.home / "state" / "data.dev.json").read_bytes()
    result = project.preview(program.format(1, "y", ""))
    assert result.changes == {"replace": 1, "update": 1, "delete": 1, "same": 1}
    result = project.preview(program.format(2, "x", 'Thing("c")'))
    assert result.changes == {"update": 1, "same": 3}
    assert (project.home / "state" / "data.dev.json").read_bytes() == before
    assert sorted(project.log()) == ["create a", "create b", "create c"]


def test_known_outputs_stay_known_when_nothing_changes(project):
    program = 'a = Thing("a")\npulumi.export("arn", a.arn)'
    arn = project.up(program).outputs["arn"]
    assert project.preview(program).outputs["arn"] == arn


def test_a_provider_that_is_not_known_yet_gives_unknowns(project):
    result = project.preview(f"""
        class Probe(pulumi.ProviderResource):
            def __init__(self, name, **inputs):
                super().__init__("probe", name, inputs)

        first = Thing("first")
        late = Probe("late", store={str(project.store)!r}, region=first.arn)
        second = Thing("second", opts=pulumi.ResourceOptions(provider=late))
        pulumi.export("arn", second.arn)
    """)
    assert result.changes == {"create": 4}
    assert result.outputs == {"arn": "[unknown]"}


def test_the_program_is_told(project):
    result = project.preview("""
        import os, sys
        config = pulumi.Config()
        pulumi.export("told", [pulumi.runtime.is_dry_run(), pulumi.get_project(), pulumi.get_stack(),
                               pulumi.get_organization(), sys.path[0], os.path.basename(os.getcwd()), __name__])
        pulumi.export("config", [config.get("text"), config.get_int("number"), config.get_object("list")])
    """)
    assert result.outputs["told"] == [True, "probe", "data.dev", "organization", ".", "infra", "__main__"]
    assert result.outputs["config"] == [None, None, None]
    project.configure({"probe:text": "t", "number": 3, "probe:list": [1, 2]})
    result = project.preview("""
        config = pulumi.Config()
        pulumi.export("config", [config.get("text"), config.get_int("number"), config.get_object("list")])
    """)
    assert result.outputs["config"] == ["t", 3, [1, 2]]
