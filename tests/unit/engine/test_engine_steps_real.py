"""Real programs over real gRPC in forked children: each kind of step does what Pulumi's does, and nothing else."""

from __future__ import annotations

import json

import pytest

from local_cloud.engine.run import DeploymentFailed

PAIR = """
    a = Thing("a", size=1)
    b = Thing("b", size=2, above=a.arn)
    pulumi.export("arn", b.arn)
"""


def test_create_then_same(project):
    first = project.up(PAIR)
    assert first.changes == {"create": 3}
    assert first.outputs["arn"].startswith("arn:probe:b-")
    assert project.log() == ["create a", "create b"]
    second = project.up(PAIR)
    assert second.unchanged
    assert project.log() == ["create a", "create b"]


def test_the_second_run_leaves_the_records_as_they_were(project):
    project.up(PAIR)
    before = project.state()["resources"]
    project.up(PAIR)
    after = project.state()["resources"]
    assert sorted(map(json.dumps, before)) == sorted(map(json.dumps, after))


def test_update_names_the_property(project):
    project.up(PAIR)
    result = project.up(PAIR.replace("size=2", "size=3"))
    assert result.changes == {"update": 1, "same": 2}
    assert [step.keys for step in result.steps if step.operation == "update"] == [("size",)]
    assert project.log()[2:] == ["update b"]
    assert project.resources()["b"]["inputs"]["size"] == 3


def test_replace_creates_before_it_deletes(project):
    project.up(PAIR)
    result = project.up(PAIR.replace("size=1", "size=1, kind='other'"))
    assert result.changes == {"replace": 1, "update": 1, "same": 1}
    assert project.log()[2:] == ["create a", "update b", "delete a"]
    assert not any(record.get("delete") for record in project.state()["resources"])
    assert project.things() == ["a", "b"]


def test_delete_before_replace_takes_dependents_along(project):
    program = """
        a = Thing("a", kind={kind!r}, opts=pulumi.ResourceOptions(delete_before_replace=True))
        b = Thing("b", owner=a.arn)
        c = Thing("c")
    """
    project.up(program.format(kind="one"))
    result = project.up(program.format(kind="two"))
    assert project.log()[3:] == ["delete b", "delete a", "create a", "create b"]
    assert result.changes == {"replace": 2, "same": 2}
    assert not any(record.get("pendingReplacement") for record in project.state()["resources"])


def test_deletes_run_in_reverse_dependency_order(project):
    project.up("""
        a = Thing("a")
        b = Thing("b", above=a.arn)
        c = Thing("c", opts=pulumi.ResourceOptions(depends_on=[b]))
    """)
    result = project.up("")
    assert result.changes == {"delete": 3, "same": 1}
    assert project.log()[3:] == ["delete c", "delete b", "delete a"]
    assert project.things() == []


def test_children_of_components_carry_their_types(project):
    result = project.up("""
        group = Group("g")
        inner = Group("inner", pulumi.ResourceOptions(parent=group))
        leaf = Thing("leaf", opts=pulumi.ResourceOptions(parent=inner))
        group.register_outputs({"leaf": leaf.arn})
    """)
    resources = project.resources()
    assert resources["leaf"]["urn"] == (
        "urn:pulumi:data.dev::probe::probe:index:Group$probe:index:Group$probe:index:Thing::leaf"
    )
    assert resources["leaf"]["parent"] == resources["inner"]["urn"]
    assert resources["g"]["outputs"]["leaf"].startswith("arn:probe:leaf")
    assert result.changes == {"create": 4}


def test_ignored_changes_are_not_sent(project):
    program = 'Thing("a", size={}, opts=pulumi.ResourceOptions(ignore_changes=["size"]))'
    project.up(program.format(1))
    assert project.up(program.format(2)).unchanged
    assert project.resources()["a"]["inputs"]["size"] == 1


def test_replace_on_changes_turns_an_update_into_a_replacement(project):
    program = 'Thing("a", size={}, opts=pulumi.ResourceOptions(replace_on_changes=["size"]))'
    project.up(program.format(1))
    assert project.up(program.format(2)).changes == {"replace": 1, "same": 1}


def test_alias_keeps_the_resource(project):
    project.up('Thing("old")')
    renamed = 'Thing("new", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="old")]))'
    assert project.up(renamed).changes == {"update": 1, "same": 1}  # the probe's name is an input
    assert project.log() == ["create old", "update new"]
    assert "old" not in project.resources()


def test_retained_resources_stay_in_the_cloud(project):
    project.up('Thing("a", opts=pulumi.ResourceOptions(retain_on_delete=True))')
    assert project.up("").changes == {"forget": 1, "same": 1}
    assert project.things() == ["a"]


def test_explicit_providers_are_resources_of_their_own(project):
    program = f"""
        class Probe(pulumi.ProviderResource):
            def __init__(self, name, **inputs):
                super().__init__("probe", name, inputs)

        east = Probe("east", store={str(project.store)!r}, region="east", accounts='[{{"id": 1}}]')
        west = Probe("west", store={str(project.store)!r}, region="west")
        e = Thing("e", opts=pulumi.ResourceOptions(provider=east))
        w = Thing("w", opts=pulumi.ResourceOptions(provider=west))
    """
    project.up(program)
    resources = project.resources()
    assert resources["e"]["outputs"]["region"] == "east"
    assert resources["w"]["outputs"]["region"] == "west"
    assert resources["e"]["provider"] == f"{resources['east']['urn']}::{resources['east']['id']}"
    assert resources["east"]["inputs"]["accounts"] == '[{"id": 1}]'
    assert project.up(program).unchanged
    moved = project.up(program.replace('region="west"', 'region="north"'))
    assert moved.changes["replace"] == 2  # the probe's provider says a new region means new resources
    assert project.resources()["w"]["outputs"]["region"] == "north"


def test_functions_and_reads(project):
    project.up('Thing("a")')
    id_ = project.resources()["a"]["id"]
    result = project.up(f"""
        a = Thing("a")
        answer = pulumi.runtime.invoke("probe:index:ask", {{"question": "well"}})
        there = Thing.__new__(Thing)
        pulumi.CustomResource.__init__(there, "probe:index:Thing", "there", {{"arn": None}},
                                       pulumi.ResourceOptions(id={id_!r}))
        pulumi.export("answer", answer.value["answer"])
        pulumi.export("there", there.arn)
    """)
    assert result.outputs == {"answer": "well!", "there": f"arn:probe:{id_}"}
    assert project.resources()["there"]["external"] is True
    assert project.up('Thing("a")').changes == {"forget": 1, "same": 2}
    assert project.things() == ["a"]


def test_import_takes_over_what_exists(project):
    project.up('Thing("a", opts=pulumi.ResourceOptions(retain_on_delete=True))')
    id_ = project.resources()["a"]["id"]
    project.up("")
    adopted = f'Thing("a", opts=pulumi.ResourceOptions(import_={id_!r}))'
    assert project.up(adopted).changes == {"import": 1, "same": 1}
    assert project.log() == ["create a"]
    assert project.up(adopted).unchanged
    with pytest.raises(DeploymentFailed, match="no probe:index:Thing with id nothing"):
        project.up('Thing("b", opts=pulumi.ResourceOptions(import_="nothing"))')


def test_refused_inputs_name_urn_and_property(project):
    with pytest.raises(DeploymentFailed, match=r"::small: size: must not be negative") as failure:
        project.up('Thing("small", size=-1)')
    assert failure.value.exit_code == 2


def test_the_same_name_twice_is_refused(project):
    with pytest.raises(DeploymentFailed, match="registers this name twice"):
        project.up('Thing("a")\nThing("a")')


def test_custom_timeouts_and_transforms(project):
    options = 'pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="1h30m"))'
    project.up(f'Thing("a", opts={options})')
    assert project.resources()["a"]["customTimeouts"] == {"create": 5400}
    with pytest.raises(DeploymentFailed, match="does not support transforms"):
        project.up('Thing("a", opts=pulumi.ResourceOptions(transforms=[lambda given: None]))')
