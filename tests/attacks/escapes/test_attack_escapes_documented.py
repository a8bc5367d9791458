"""The table of escapes in docs/threat-model.md says what the corpus shows, row by row, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import clean_configurations
import escapes_of_identities
import escapes_of_keys
import escapes_of_roles
import escapes_of_stores
from escape_table import CLEAN, ESCAPES, Escape

MODULES = (clean_configurations, escapes_of_identities, escapes_of_keys, escapes_of_roles, escapes_of_stores)
ROOT = Path(__file__).parents[3]
DOCUMENT, POLICIES = ROOT / "docs" / "threat-model.md", ROOT / "infra" / "policies"


def row(escape: Escape) -> str:
    """The row of an escape: what is wrong, which edge of the prover names it, where it is shown, what refuses it."""
    edge = f"`{escape.edge}`" if "-" in escape.edge or escape.edge.isalpha() else "a statement"
    shown = escape.case.__module__ + (f"; {escape.shows}" if escape.shows else "")
    return f"| {escape.name} | {edge} | {shown} | {escape.ours} |"


def section(title: str) -> list[str]:
    """The rows of the table under a heading."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"\n{title}\n")[2].partition("\n## ")[0]
    table = [line for line in text.splitlines() if line.startswith("|")]
    return table[2:]


def test_every_escape_stands_in_the_table_and_every_row_is_shown() -> None:
    assert section("## Escapes") == [row(escape) for escape in ESCAPES]


def test_a_statement_that_refuses_is_one_of_ours() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in POLICIES.glob("*.py"))
    named = {sid for escape in ESCAPES for sid in re.findall(r"`([A-Z]\w+)`", escape.ours)}
    assert len(named) >= 15
    assert [sid for sid in sorted(named) if f'"{sid}"' not in sources] == []


def test_the_numbers_are_those_of_the_corpus() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"{len(ESCAPES)} ways to come from a small permission to a large one" in text
    assert f"{len(CLEAN)} configurations that keep duties apart" in text
