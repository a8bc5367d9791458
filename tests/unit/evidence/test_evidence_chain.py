"""The chain: what is removed, reordered, edited, cut, re-signed or simulated is found, and named."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.errors import SignatureInvalid, UsageError
from strongroom.evidence.dsse import read_unverified, seal, verify
from strongroom.evidence.log import GENESIS
from strongroom.evidence.reasons import BY_EXIT_CODE, REASONS
from strongroom.evidence.statement import name_of
from strongroom.evidence.trust import Trust
from strongroom.evidence.verification import read_chain, verify_chain

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def write_chain(restorer, notary, storage, length=5):
    for number in range(length):
        restorer.log(storage).emit("drill", {"counts": {"rows": number}, "reasons": ["on-demand"]})
    return sign_head(notary, storage)


def sign_head(notary, storage, now=lambda: NOW):
    chain = read_chain(storage, "dev")
    last = max(chain)
    body = {"covers": len(chain), "covers_sha256": hashlib.sha256(chain[last]).hexdigest()}
    return notary.log(storage, now).emit("head", body)


def findings(envelopes, trust, **options):
    return [f"{f.name}: {f.message}" for f in verify_chain(envelopes, "dev", trust, **options).findings]


def test_a_whole_chain_verifies(restorer, notary, storage, trust):
    write_chain(restorer, notary, storage)
    report = verify_chain(read_chain(storage, "dev"), "dev", trust, as_of=NOW + timedelta(hours=47))
    assert report.intact and len(report.statements) == 6 and report.covered == 5
    assert next(s.predicate["previous"] for s in report.statements) == GENESIS


def test_the_head_of_an_empty_chain_is_no_finding(notary, restorer, storage, trust):
    notary.log(storage).emit("head", {"covers": 0, "covers_sha256": GENESIS})
    assert findings(read_chain(storage, "dev"), trust, as_of=NOW) == []
    restorer.log(storage).emit("drill", {"reasons": ["on-demand"]})
    assert findings(read_chain(storage, "dev"), trust) == []


@pytest.mark.parametrize("victim", [1, 2, 3, 4, 5])
def test_a_removed_statement_is_named(restorer, notary, storage, trust, victim):
    write_chain(restorer, notary, storage)
    chain = read_chain(storage, "dev")
    del chain[name_of("dev", victim)]
    assert f"{name_of('dev', victim)}: statement {victim} was removed" in findings(chain, trust)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_an_edited_statement_is_named(restorer, notary, trust, tmp_path_factory, data):
    from strongroom.storage.local import LocalStorage

    storage = LocalStorage(tmp_path_factory.mktemp("chain"))
    write_chain(restorer, notary, storage, 2)
    chain = read_chain(storage, "dev")
    victim = data.draw(st.sampled_from(sorted(chain)))
    document = json.loads(chain[victim])
    payload = bytearray(base64.b64decode(document["payload"]))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    document["payload"] = base64.b64encode(bytes(payload)).decode()
    chain[victim] = json.dumps(document).encode()
    assert any(line.startswith(victim) for line in findings(chain, trust))


def test_reordered_statements_are_found(restorer, notary, storage, trust):
    write_chain(restorer, notary, storage)
    chain = read_chain(storage, "dev")
    a, b = name_of("dev", 2), name_of("dev", 3)
    chain[a], chain[b] = chain[b], chain[a]
    assert len(findings(chain, trust)) >= 2


def test_a_statement_signed_by_an_unpinned_key_is_refused(restorer, notary, stranger, storage, trust):
    write_chain(restorer, notary, storage)
    stranger.log(storage).emit("drill", {})
    assert any("not pinned" in line for line in findings(read_chain(storage, "dev"), trust))


def test_a_key_may_not_sign_another_kind(restorer, storage, trust):
    restorer.log(storage).emit("rotation", {})
    with pytest.raises(SignatureInvalid, match="may not sign"):
        verify(storage.get(name_of("dev", 1)), trust)


def test_a_statement_of_another_duty_under_a_pinned_key_is_refused(restorer, storage, trust):
    restorer.log(storage, duty="notary").emit("drill", {})
    with pytest.raises(SignatureInvalid, match="says duty"):
        verify(storage.get(name_of("dev", 1)), trust)


def test_a_key_outside_its_period_is_refused(restorer, storage, trust):
    restorer.log(storage, lambda: NOW - timedelta(days=30)).emit("drill", {})
    with pytest.raises(SignatureInvalid, match="period"):
        verify(storage.get(name_of("dev", 1)), trust)


def test_a_cut_tail_shows_by_the_head_kept_elsewhere_and_by_age(restorer, notary, storage, trust):
    head = storage.get(write_chain(restorer, notary, storage))
    chain = read_chain(storage, "dev")
    for victim in (5, 6):
        del chain[name_of("dev", victim)]
    assert findings(chain, trust) == []  # the chain alone cannot know
    assert any("cut" in line for line in findings(chain, trust, foreign_heads=[head]))
    assert any("48 hours" in line for line in findings(chain, trust, as_of=NOW))


def test_a_stale_head_and_statements_behind_it_are_found(restorer, notary, storage, trust):
    write_chain(restorer, notary, storage)
    assert any(
        "48 hours" in line for line in findings(read_chain(storage, "dev"), trust, as_of=NOW + timedelta(hours=49))
    )
    restorer.log(storage).emit("drill", {})
    assert any("1 statements after" in line for line in findings(read_chain(storage, "dev"), trust, as_of=NOW))


def test_the_notarys_own_run_behind_its_head_is_covered(restorer, notary, storage, trust):
    write_chain(restorer, notary, storage)
    notary.log(storage).emit("run", {})
    assert findings(read_chain(storage, "dev"), trust, as_of=NOW) == []
    restorer.log(storage).emit("run", {})
    assert any("1 statements after" in line for line in findings(read_chain(storage, "dev"), trust, as_of=NOW))


def test_a_rewritten_history_does_not_fit_the_head(restorer, notary, storage, trust, tmp_path):
    from strongroom.storage.local import LocalStorage

    head = storage.get(write_chain(restorer, notary, storage))
    other = LocalStorage(tmp_path / "rewritten")
    for number in range(5):
        restorer.log(other).emit("drill", {"counts": {"rows": number + 100}})
    chain = read_chain(other, "dev")
    assert findings(chain, trust) == []
    assert any(
        "missing from the chain" in line or "cut or changed" in line
        for line in findings(chain, trust, foreign_heads=[head])
    )


def test_simulated_evidence_must_be_accepted(restorer, storage, trust):
    restorer.log(storage, simulated=True).emit("drill", {})
    chain = read_chain(storage, "dev")
    assert any("laptop cloud" in line for line in findings(chain, trust))
    assert findings(chain, trust, accept_simulated=True) == []


def test_concurrent_writers_make_one_chain(restorer, notary, storage, trust):
    logs = [restorer.log(storage) for _ in range(4)]
    threads = [threading.Thread(target=lambda log=log: [log.emit("drill", {}) for _ in range(10)]) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain = read_chain(storage, "dev")
    assert len(chain) == 40 and findings(chain, trust) == []


def test_free_text_cannot_enter_as_a_reason(restorer, storage):
    with pytest.raises(UsageError, match="not enumerated"):
        restorer.log(storage).emit("drill", {"reasons": ["patient Jane is fine"]})
    assert read_chain(storage, "dev") == {}


def test_every_exit_code_has_an_enumerated_reason():
    assert set(BY_EXIT_CODE.values()) <= set(REASONS)
    assert set(BY_EXIT_CODE) == set(range(1, 12))


def test_trust_refuses_a_key_id_that_is_not_the_keys(restorer, notary):
    forged = restorer.key.model_copy(update={"keyid": notary.key.keyid})
    with pytest.raises(UsageError, match="does not match"):
        Trust.of([forged])


def test_an_envelope_with_two_signatures_is_refused(restorer, notary, storage, trust):
    name = restorer.log(storage).emit("drill", {})
    document = json.loads(storage.get(name))
    statement = read_unverified(storage.get(name))[1]
    document["signatures"] += json.loads(seal(statement, notary.signer))["signatures"]
    with pytest.raises(SignatureInvalid, match="exactly one"):
        verify(json.dumps(document).encode(), trust)


@given(st.binary(max_size=200))
def test_junk_is_never_an_envelope(junk):
    with pytest.raises(SignatureInvalid):
        read_unverified(junk)
