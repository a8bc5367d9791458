"""Negative controls: each harness turns red when the part of the engine that it watches is broken."""

from __future__ import annotations

import pytest
import test_engine_failures as failures
import test_engine_state_file as state_file
import test_engine_steps_real as steps

from local_cloud.engine import checkpoint, deletion, ledger, state, values


def test_unordered_deletions_are_caught(project, monkeypatch):
    monkeypatch.setattr(deletion, "topological", lambda resources: list(reversed(checkpoint.topological(resources))))
    with pytest.raises(AssertionError):
        steps.test_deletes_run_in_reverse_dependency_order(project)


def test_plain_secrets_are_caught(project, monkeypatch):
    monkeypatch.setattr(state.Crypter, "encrypt", lambda self, text: text)
    with pytest.raises((AssertionError, Exception), match=r"hunter|token of|form this engine"):
        state_file.test_secrets_round_trip_and_are_encrypted(project)


def test_a_state_that_is_written_late_is_caught(project, monkeypatch):
    monkeypatch.setattr(checkpoint.Checkpoint, "write", lambda self, durable=False: None)
    with pytest.raises((AssertionError, FileNotFoundError)):
        failures.test_a_failing_resource_keeps_what_was_done(project)


def test_a_replacement_that_forgets_the_old_is_caught(project, monkeypatch):
    real = ledger.Ledger.record
    monkeypatch.setattr(
        ledger.Ledger, "record", lambda self, new, old, condemn=False: real(self, new, old, condemn=False)
    )
    with pytest.raises(AssertionError):
        steps.test_replace_creates_before_it_deletes(project)


def test_lost_protection_is_caught(project, monkeypatch):
    real = state.from_json

    def careless(record, crypter):
        return real(record | {"protect": False}, crypter)

    monkeypatch.setattr(checkpoint, "from_json", careless)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        failures.test_protected_resources_are_neither_deleted_nor_replaced(project)


def test_leaked_secret_outputs_are_caught(project, monkeypatch):
    monkeypatch.setattr(values, "mask", values.reveal)
    with pytest.raises(AssertionError):
        state_file.test_secrets_round_trip_and_are_encrypted(project)
