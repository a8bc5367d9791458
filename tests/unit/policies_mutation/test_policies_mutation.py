"""Every statement of our own policies matters: without it, or wider, a named request is decided otherwise."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

import pytest
from mutated_estate import ACCOUNTS, ROOT, Question, documents, mutants, principal
from named_requests import rows
from redundant import REDUNDANT


@lru_cache
def world() -> Mapping[str, str]:
    """The estate's documents, and beside them resources that let the three accounts in as a whole."""
    roots = {"AWS": [f"arn:aws:iam::{number}:root" for number in ACCOUNTS.values()]}

    def wide(action: str, **more: str) -> str:
        statement = {"Sid": "Careless", "Effect": "Allow", "Principal": roots, "Action": [action], **more}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    careless = {f"key careless-{account}": wide("kms:*", Resource="*") for account in ACCOUNTS}
    careless |= {f"bucket careless-{account}": wide("s3:*", Resource="*") for account in ACCOUNTS}
    sessions = {"AWS": [principal(f"workload/deployer.{layer}").arn for layer in ("keys", "access")]}
    trust = {"Sid": "Careless", "Effect": "Allow", "Principal": sessions, "Action": ["sts:AssumeRole"]}
    careless["trust of sessions"] = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return {**documents(), **careless}


@lru_cache
def questions() -> tuple[Question, ...]:
    """Every request of the table, by every principal it is asked for."""
    return tuple(Question(row, who) for row in rows() for who in row.among)


@lru_cache
def asked() -> Mapping[str, list[Question]]:
    """Document -> the requests of whose decision it is a part."""
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions():
        for name in question.documents:
            found[name].append(question)
    return found


@lru_cache(maxsize=100_000)
def _concerns(action: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def changed(name: str, text: str, touched: tuple[str, ...] = ("*",)) -> Question | None:
    """A named request that a changed document decides otherwise than the table says; None if there is none."""
    policies = {**world(), name: text}
    for question in asked()[name]:
        if _concerns(question.row.action, touched) and question.decide(policies).allowed is not question.expected:
            return question
    return None


def test_the_table_holds_for_the_policies_as_they_are():
    """The same rows, decided on the documents that the programs deploy."""
    wrong = []
    for question in questions():
        decision = question.decide(world())
        if decision.allowed is not question.expected:
            wrong.append(f"{question.who}: {question.row.name} ({question.row.document}): {decision.reason}")
    assert not wrong, f"{len(wrong)} decisions differ:\n" + "\n".join(wrong[:60])
    assert len(questions()) > 20_000


def _reason(name: str, sid: str, done: str) -> str | None:
    for (document, statement, change), reason in REDUNDANT.items():
        if fnmatchcase(name, document) and fnmatchcase(sid, statement) and fnmatchcase(done, change):
            return reason
    return None


@lru_cache
def _survivors(name: str) -> tuple[tuple[str, str], ...]:
    """The mutants of a document on which no named request depends."""
    made = mutants(name, documents()[name])
    return tuple((sid, done) for sid, done, text, touched in made if changed(name, text, touched) is None)


@pytest.mark.parametrize("name", documents())
def test_a_named_request_is_decided_otherwise_by_every_mutant(name: str):
    left = [(sid, done) for sid, done in _survivors(name) if _reason(name, sid, done) is None]
    assert not left, f"{name}: nothing named depends on " + "; ".join(f"{sid} {done}" for sid, done in left)


def test_what_is_called_redundant_is():
    """An entry that no surviving mutant needs is out of date, and hides the next one."""
    survivors = [(name, *left) for name in documents() for left in _survivors(name)]
    for document, statement, change in REDUNDANT:
        assert any(
            fnmatchcase(name, document) and fnmatchcase(sid, statement) and fnmatchcase(done, change)
            for name, sid, done in survivors
        ), f"no mutant needs {document}, {statement}, {change}"


def test_the_harness_sees_what_changes_and_only_that():
    """Negative control: an unchanged document changes nothing; one without statements, or with all allowed, does."""
    for name, text in list(documents().items())[::6]:
        assert changed(name, text) is None
        assert name.startswith("queue ") or changed(name, json.dumps({"Version": "2012-10-17", "Statement": []}))
    key = "key recipient-primary"
    statement = {"Sid": "x", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["kms:*"], "Resource": ["*"]}
    assert changed(key, json.dumps({"Version": "2012-10-17", "Statement": [statement]})) is not None


def test_how_much_was_mutated():
    """The size of it, so that a shrinking harness is seen."""
    made = [(name, sid, done) for name, text in documents().items() for sid, done, *_ in mutants(name, text)]
    statements = {(name, sid) for name, sid, _ in made}
    excused = [entry for entry in made if _reason(*entry)]
    assert len(statements) > 400 and len(made) > 1200, (len(statements), len(made))
    assert len(excused) < len(made) // 6, f"{len(excused)} of {len(made)} mutants are excused"
    said = (ROOT / "docs" / "threat-model.md").read_text()
    assert f"{len(statements)} statements, {len(made):,} mutants, {len(excused)} of them excused" in said
    assert f"each of {len(rows()):,} requests" in said
