"""Properties of every decision: what a tag holds is its text, damage opens nothing, and decisions are those of sets."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.authorization import Named, Policies, Principal, Request, UnknownElement, evaluate

HOME, OTHER = "210000000001", "210000000002"
DANA = Principal(f"arn:aws:iam::{HOME}:user/dana", HOME, "user")
EVE = Principal(f"arn:aws:iam::{OTHER}:user/eve", OTHER, "user")
OBJECT = "arn:aws:s3:::scans/7.dcm"
GOOD: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
ANYTHING = Named(
    "anything", {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
)


def document(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allows(statement: Any, asked: Request) -> bool:
    return evaluate(asked, Policies(identity=[Named("identity", document(statement))])).allowed


def reads(context: dict[str, Any] | None = None, who: Principal = DANA, resource: str = OBJECT) -> Request:
    return Request(who, "s3:GetObject", resource, context or {}, HOME)


HOSTILE = st.text(alphabet="ab*?${}:/,' \u212a", min_size=1, max_size=8)


@given(HOSTILE, HOSTILE)
def test_a_tag_in_a_resource_is_its_own_text_only(tag: str, name: str) -> None:
    team = Principal(DANA.arn, HOME, "user", tags={"team": tag})
    folder = {**GOOD, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::home/${aws:PrincipalTag/team}/*"}
    resource = f"arn:aws:s3:::home/{name}/x"
    assert allows(folder, reads(who=team, resource=resource)) is resource.startswith(f"arn:aws:s3:::home/{tag}/")
    assert allows(folder, reads(who=team, resource=f"arn:aws:s3:::home/{tag}/x"))


@given(HOSTILE, HOSTILE, st.sampled_from(["StringEquals", "StringLike"]))
def test_a_tag_in_a_condition_is_its_own_text_only(tag: str, value: str, operator: str) -> None:
    team = Principal(DANA.arn, HOME, "user", tags={"team": tag})
    same = {**GOOD, "Action": "ec2:*", "Condition": {operator: {"x:owner": "${aws:PrincipalTag/team}"}}}
    assert allows(same, Request(team, "ec2:RunInstances", "*", {"x:owner": value})) is (tag == value)
    assert allows(same, Request(team, "ec2:RunInstances", "*", {"x:owner": tag}))


@given(HOSTILE, HOSTILE)
def test_a_tag_moves_no_segment_of_an_arn(tag: str, value: str) -> None:
    team = Principal(DANA.arn, HOME, "user", tags={"region": tag})
    pattern = f"arn:aws:sns:${{aws:PrincipalTag/region}}:{HOME}:alarms*"
    source = {**GOOD, "Action": "ec2:*", "Condition": {"ArnLike": {"aws:SourceArn": pattern}}}
    asked = Request(team, "ec2:RunInstances", "*", {"aws:SourceArn": f"arn:aws:sns:{value}:{HOME}:alarms"})
    if ":" in tag:
        with pytest.raises(UnknownElement, match="has a colon"):
            allows(source, asked)
    else:
        assert allows(source, asked) is (tag == value)


STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(
        [[], {}, "", [[]], [{}], [None], {"*": "*"}, " ", "\u0410llow", "Deny ", "null", "%2a", "\uff0a", "${*}"]
    ),
    st.text(alphabet="ab:/-\u0410\uff0a%", max_size=6),
)


def leaves(item: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of each part of a document, itself included."""
    inner = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    return [path, *(place for key, value in inner for place in leaves(value, (*path, key)))]


NARROW = document(
    {
        "Sid": "one",
        "Effect": "Allow",
        "Principal": {"AWS": [DANA.arn]},
        "Action": ["s3:GetObject"],
        "Resource": [OBJECT],
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": ["o-clinic"]}, "Bool": {"aws:SecureTransport": "true"}},
    },
    {"Effect": "Deny", "Principal": {"AWS": [OTHER]}, "Action": "s3:PutObject", "Resource": OBJECT},
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_part_never_lets_a_stranger_in(data: st.DataObject) -> None:
    """Any part of a policy put in place of by something strange: refused, or it still lets only the named user in."""
    changed = json.loads(json.dumps(NARROW))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from([place for place in leaves(changed) if place]))
        holder = changed
        for key in way:
            holder = holder[key]
        holder[last] = copy.deepcopy(data.draw(STRANGE))
    asked = reads({"aws:SecureTransport": True, "aws:PrincipalOrgID": "o-other"}, who=EVE)
    try:
        decision = evaluate(asked, Policies(identity=[ANYTHING], resource=Named("bucket", changed)))
    except UnknownElement:
        return
    assert not decision.allowed, changed


ACTIONS, NAMES = ["s3:GetObject", "s3:PutObject", "kms:Decrypt"], ["a", "b", "a/b", "a*"]
PATTERN = st.text(alphabet="ab*?/", min_size=1, max_size=4)
STATEMENT = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "action": st.tuples(
            st.booleans(), st.lists(st.sampled_from(["*", "s3:*", "s3:G*", "kms:De?rypt", *ACTIONS]), min_size=1)
        ),
        "resource": st.tuples(st.booleans(), st.lists(PATTERN, min_size=1, max_size=3)),
        "tags": st.none()
        | st.tuples(st.sampled_from(["StringEquals", "StringNotLike", "ForAnyValue:StringLike"]), PATTERN),
    }
)


def covers(pattern: str, text: str) -> bool:
    """Plainly: a star is any text, a question mark one letter."""
    return (
        re.fullmatch("".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern), text)
        is not None
    )


def applies(made: dict[str, Any], action: str, name: str, tag: str | None) -> bool:
    """Whether a statement applies, straight from the words of the guide."""
    but, patterns = made["action"]
    if any(covers(pattern.lower(), action.lower()) for pattern in patterns) == but:
        return False
    but, patterns = made["resource"]
    if any(covers(pattern, name) for pattern in patterns) == but:
        return False
    if made["tags"] is None:
        return True
    operator, pattern = made["tags"]
    if tag is None:
        return operator == "StringNotLike"
    return tag == pattern if operator == "StringEquals" else covers(pattern, tag) != (operator == "StringNotLike")


@settings(max_examples=400, deadline=None)
@given(
    st.lists(STATEMENT, max_size=4),
    st.sampled_from(ACTIONS),
    st.sampled_from(NAMES),
    st.sampled_from([None, "a", "b*"]),
)
def test_decisions_are_those_of_the_sets(made: list[dict[str, Any]], action: str, name: str, tag: str | None) -> None:
    """Allowed are the requests of some Allow without those of any Deny, by a second, plain account of each set."""
    statements = []
    for one in made:
        statement: dict[str, Any] = {"Effect": one["Effect"]}
        statement["NotAction" if one["action"][0] else "Action"] = one["action"][1]
        resources = [f"arn:aws:s3:::{pattern}" for pattern in one["resource"][1]]
        statement["NotResource" if one["resource"][0] else "Resource"] = resources
        if one["tags"]:
            operator, value = one["tags"]
            statement["Condition"] = {operator: {"x:label": value}}
        statements.append(statement)
    asked = Request(DANA, action, f"arn:aws:s3:::{name}", {"x:label": tag}, HOME)
    effects = {one["Effect"] for one in made if applies(one, action, name, tag)}
    assert evaluate(asked, Policies(identity=[Named("identity", document(*statements))])).allowed is (
        effects == {"Allow"}
    )
