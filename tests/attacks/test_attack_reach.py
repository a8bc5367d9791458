"""What a stolen credential reaches, as the prover finds it over the deployed estate, is what docs/reach.md says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attacked_estate import ROOT, AttackedEstate, environment_of
from typer.testing import CliRunner

from strongroom.cli import duty

pytestmark = pytest.mark.cloud
FAILING = ("bootstrap-admin", "deployer")
OPENBAO = {"fields-psychotherapy", "recipient-transit"}


def ask(estate: AttackedEstate, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.chdir(ROOT)
    with environment_of(estate.variables):
        result = CliRunner().invoke(duty.app, ["reach", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(text: str) -> list[str]:
    """One a declared person; the estate under attack keeps a root token of OpenBao, whose holder is nobody declared."""
    return [line for line in text.splitlines() if line.startswith("| `") and "token" not in line.split("|")[1]]


def test_the_page_is_what_the_prover_finds(estate: AttackedEstate, monkeypatch: pytest.MonkeyPatch):
    assert rows((ROOT / "docs" / "reach.md").read_text()) == rows(ask(estate, monkeypatch, "--markdown"))


def test_without_quorums_a_deployer_comes_to_everything_on_the_page(
    estate: AttackedEstate, monkeypatch: pytest.MonkeyPatch
):
    page: dict[str, Any] = json.loads(ask(estate, monkeypatch, "--json"))
    assert all(page[who] == {} for who in FAILING)
    failed = json.loads(ask(estate, monkeypatch, "--json", "--without-quorums"))
    for who in FAILING:
        for kind in ("open", "sign", "destroy", "read", "write", "erase"):
            somebody = {name for reached in page.values() for name in reached.get(kind, ())}
            theirs = somebody if who == "deployer" else somebody - OPENBAO  # no login of its own there
            assert theirs and theirs <= set(failed[who][kind]), f"{who} {kind}"
