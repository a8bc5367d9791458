"""A misspelt option of a job is refused before anything is read: it would mean "do everything" or "do the default"."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from strongroom.cli.main import app
from strongroom.cli.registry import JOBS, run_named
from strongroom.errors import UsageError


@pytest.mark.parametrize("name", JOBS)
def test_an_option_that_a_job_does_not_have_is_refused(name):
    with pytest.raises(UsageError, match="sorce"):
        run_named(name, "dev", {"sorce": "portal"})


@pytest.mark.parametrize("given", ["copy", "copy=", "=disk"])
def test_an_option_without_name_or_value_is_refused(given, monkeypatch, tmp_path):
    monkeypatch.setenv("STRONGROOM_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["job", "run", "copy", "-o", given])
    assert isinstance(result.exception, UsageError) and "value" in str(result.exception)
