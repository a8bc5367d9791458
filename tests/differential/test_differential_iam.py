"""Our decisions against those of an independent evaluator, on 24,000 requests (regenerate.md)."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import iam_cases  # noqa: E402
import iam_readings  # noqa: E402

from strongroom.authorization import conditions, documents  # noqa: E402
from strongroom.authorization.operators import OPERATORS  # noqa: E402

#: Disagreements by class; each is a row of docs/authorization.md that cites AWS. A change here is a change of meaning.
EXPECTED = {
    ("several-never-match",): 463,
    ("session-not-needed",): 388,
    ("offered-abroad",): 192,
    ("one-level-exempts",): 92,
    ("null-never-matches",): 64,
    ("other-family-is-inside",): 43,
    ("session-always-limits",): 37,
    ("variables-of-old",): 20,
    ("null-not-resource",): 18,
    ("epoch-in-milliseconds",): 13,
    ("session-not-needed", "several-never-match"): 9,
    ("session-not-needed", "offered-abroad"): 9,
    ("offered-abroad", "several-never-match"): 3,
    ("session-always-limits", "several-never-match"): 3,
    ("epoch-in-milliseconds", "several-never-match"): 2,
    ("one-level-exempts", "several-never-match"): 2,
    ("session-not-needed", "epoch-in-milliseconds"): 2,
    ("null-never-matches", "several-never-match"): 1,
    ("null-never-matches", "offered-abroad"): 1,
    ("one-level-exempts", "variables-of-old"): 1,
    ("session-not-needed", "offered-abroad", "several-never-match"): 1,
    ("one-level-exempts", "null-never-matches"): 1,
    ("session-always-limits", "other-family-is-inside"): 1,
    ("session-not-needed", "epoch-in-milliseconds", "offered-abroad"): 1,
    ("session-not-needed", "one-level-exempts"): 1,
}


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return zstandard.ZstdDecompressor().decompress((HERE / "iam_vectors.jsonl.zst").read_bytes()).decode().splitlines()


def cases(lines: list[str], stride: int = 1) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in lines[::stride]:
        yield line[0], json.loads(line[1:])


def test_every_disagreement_is_explained(lines: list[str]) -> None:
    found: Counter[tuple[str, ...]] = Counter()
    for theirs, case in cases(lines):
        if iam_readings.answer(case) != theirs:
            found[iam_readings.explain(case, theirs)] += 1
    assert found.pop((), 0) == 0, "disagreements that no class explains"
    assert dict(found) == EXPECTED


def test_vectors_cover_the_language(lines: list[str]) -> None:
    operators: Counter[str] = Counter()
    elements: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for theirs, case in cases(lines):
        outcomes["allowed" if theirs == "A" else "denied"] += 1
        elements.update(list(case["policies"]))
        elements[case["principal"]["kind"]] += 1
        elements["across accounts" if case["resource_account"] != case["principal"]["account"] else "within"] += 1
        for statement in iam_readings.statements(case):
            elements.update(list(statement))
            elements[statement["Effect"]] += 1
            elements["variable"] += "${" in json.dumps(statement)
            elements["default"] += ", '" in json.dumps(statement)
            for operator in statement.get("Condition", {}):
                quantifier, _, base = operator.rpartition(":")
                operators[base.removesuffix("IfExists")] += 1
                elements[quantifier or "no quantifier"] += 1
                elements["IfExists"] += base.endswith("IfExists")
    assert len(lines) >= 20_000
    assert {name: operators[name] for name in [*OPERATORS, "Null"] if operators[name] < 100} == {}
    wanted = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource"]
    wanted += ["Condition", "Allow", "Deny", "IfExists", "variable", "default", "ForAllValues", "ForAnyValue"]
    wanted += ["identity", "boundary", "session", "scps", "rcps", "endpoint", "resource"]
    wanted += ["user", "role-session", "federated-user", "service", "anonymous", "within", "across accounts"]
    assert {name: elements[name] for name in wanted if elements[name] < 100} == {}
    assert min(outcomes["allowed"], outcomes["denied"]) >= 0.3 * len(lines)


def test_the_generator_still_makes_these_cases(lines: list[str]) -> None:
    maker = iam_cases.Maker(iam_cases.SEED)
    for line in lines[:200]:
        assert maker.case() == json.loads(line[1:])


def test_a_broken_evaluator_is_noticed(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: with ForAnyValue read as ForAllValues there are disagreements that nothing explains."""
    monkeypatch.setattr(conditions, "_for_any", conditions._for_all)
    documents._parse.cache_clear()
    try:
        wrong = [(case, theirs) for theirs, case in cases(lines, stride=40) if iam_readings.answer(case) != theirs]
        assert any(iam_readings.explain(case, theirs) == () for case, theirs in wrong)
    finally:
        documents._parse.cache_clear()
