"""What goes wrong on the command line ends with one exit code and no value that a message might quote."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from strongroom.cli import estate, main
from strongroom.cli.main import app
from strongroom.errors import UsageError


@pytest.fixture
def chain(tmp_path):
    (tmp_path / "trust.json").write_text("[]")
    return ["evidence", "verify", "--folder", str(tmp_path), "--trust", str(tmp_path / "trust.json")]


def test_an_unexpected_exception_is_shown_without_its_message(monkeypatch, capsys):
    def broken(*_, **__):
        raise ValueError("patient Jane Roe, postgresql://u:hunter2@h/d")

    monkeypatch.setattr(estate, "project_root", broken)
    monkeypatch.setattr(sys, "argv", ["strongroom", "estate", "validate"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    shown = capsys.readouterr()
    assert ended.value.code == 1 and "ValueError" in shown.err and "estate.py" in shown.err
    assert "Jane" not in shown.err + shown.out and "hunter2" not in shown.err + shown.out


@pytest.mark.parametrize("given", [["--head", "/nonexistent"], ["--as-of", "yesterday"], ["--as-of", "2030-01-01"]])
def test_a_wrong_head_or_time_is_a_usage_error(chain, given):
    assert isinstance(CliRunner().invoke(app, [*chain, *given]).exception, UsageError)


def test_an_empty_chain_is_undetermined(chain):
    assert CliRunner().invoke(app, chain).exit_code == 10
