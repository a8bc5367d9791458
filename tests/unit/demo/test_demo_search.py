"""The leak search finds a canary in every form, wherever it lies; and finds nothing where nothing is."""

from __future__ import annotations

import base64
import os

import pytest
import zstandard

from demo import search

CANARY = "the kite above Aarhus, ünder 7 clouds"


def spill(raw: bytes, form: str) -> bytes:
    """How a program would have written it, made without the code under test."""
    alignment = int(form[-1]) if form.startswith("base64") else 0
    encoders = {
        "plain text": lambda: raw,
        "hex": lambda: raw.hex().encode(),
        "HEX": lambda: raw.hex().upper().encode(),
        "UTF-16LE": lambda: raw.decode().encode("utf-16-le"),
        "UTF-16BE": lambda: raw.decode().encode("utf-16-be"),
    }
    if form.startswith("base64url"):
        return base64.urlsafe_b64encode(b"xyz"[:alignment] + raw + b"trailer")
    if form.startswith("base64"):
        return base64.b64encode(b"xyz"[:alignment] + raw + b"trailer")
    return encoders[form]()


@pytest.mark.parametrize("form", ["plain text", "hex", "HEX", "UTF-16LE", "UTF-16BE"])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_form_is_found_in_a_file(tmp_path, form, compressed):
    text = spill(CANARY.encode(), form)
    block = zstandard.compress(b"before " * 100 + text + b" after") if compressed else text
    path = tmp_path / "deep" / "log"
    path.parent.mkdir()
    path.write_bytes(os.urandom(5000) + block + os.urandom(5000))
    found = search.search_tree([tmp_path], search.forms(CANARY))
    # a block without repetition may lie in its frame as it is; then both searches find it
    assert (form, compressed) in {(hit.form, hit.compressed) for hit in found.hits}
    assert {hit.form for hit in found.hits} == {form}
    assert found.files == 1


@pytest.mark.parametrize("prefix", range(6))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_whatever_stands_around(prefix, encode):
    text = b"[" + encode(b"?" * prefix + CANARY.encode() + b"!" * (prefix % 4)) + b"]"
    assert any(hit.form.startswith("base64") for hit in search.search_bytes(text, "x", search.forms(CANARY)))


def test_a_frame_that_is_cut_off_is_searched_as_far_as_it_goes():
    frame = zstandard.compress(CANARY.encode() + os.urandom(600_000))
    hits = list(search.search_bytes(frame[: len(frame) // 2], "x", search.forms(CANARY)))
    assert any(hit.compressed for hit in hits)


def test_a_long_secret_is_found_by_any_of_its_pieces():
    secret = "".join(f"sentence {n} of a long note. " for n in range(40))
    wanted = search.all_forms(secret)
    for cut in (secret[:40], secret[-40:], secret[len(secret) // 2 - 20 : len(secret) // 2 + 20]):
        assert any(search.search_bytes(cut.encode(), "log", wanted))


def test_nothing_is_found_where_nothing_is(tmp_path):
    (tmp_path / "noise").write_bytes(os.urandom(300_000) + search.ZSTD_MAGIC + os.urandom(1000))
    (tmp_path / "empty").touch()
    (tmp_path / "other").write_text("the kite above Aarhus, under 7 clouds")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "noise")
    found = search.search_tree([tmp_path], search.forms(CANARY))
    assert (found.hits, found.files, found.unreadable) == ((), 3, ())


def test_what_is_left_out_is_not_searched(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text(CANARY)
    assert search.search_tree([tmp_path], search.forms(CANARY)).hits
    assert not search.search_tree([tmp_path], search.forms(CANARY), leave_out=[path]).hits


def test_forms_do_not_repeat_themselves():
    forms = search.forms("abcdefabcdef")
    assert len(set(forms.values())) == len(forms)
    assert all(len(text) >= search.MINIMUM_BYTES for text in forms.values())


def test_only_what_changed_since_is_searched(tmp_path):
    path = tmp_path / "old"
    path.write_text(CANARY)
    os.utime(path, (0, 0))  # a changed mtime does not hide a file
    changed = path.stat().st_ctime
    assert search.search_tree([tmp_path], search.forms(CANARY), since=changed).hits
    assert not search.search_tree([tmp_path], search.forms(CANARY), since=changed + 1).hits
