"""OpenBao is unsealed by shares at every start, keeps its data, and its audit log tells no secret."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

import pytest

from local_cloud.servers.layout import read_json, write_private_json
from local_cloud.servers.ports import accepts
from local_cloud.servers.seal import SHARES, Seal
from strongroom.errors import KeyFailure

pytestmark = pytest.mark.cloud


def call(served: Any, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
    """One request as root, or with another token; the answer's document."""
    root = read_json(served.layout.vault / "root.json")
    assert root is not None
    request = urllib.request.Request(
        f"{served.reach['address']}/v1/{path}",
        None if body is None else json.dumps(body).encode(),
        {"X-Vault-Token": token or root["token"]},
        method=method,
    )
    context = ssl.create_default_context(cafile=served.reach["ca_file"])
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def test_it_is_unsealed_with_raft_and_an_audit_device(openbao: Any) -> None:
    status = call(openbao, "GET", "sys/seal-status")
    assert (status["sealed"], status["t"], status["n"], status["storage_type"]) == (False, 2, 3, "raft")
    assert [device["type"] for device in call(openbao, "GET", "sys/audit")["data"].values()] == ["file"]


def test_plain_text_and_unknown_authorities_are_refused(openbao: Any) -> None:
    address = openbao.reach["address"]
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(address.replace("https", "http") + "/v1/sys/health", timeout=5)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(address + "/v1/sys/health", timeout=5)


def test_the_audit_log_holds_requests_but_no_values(openbao: Any) -> None:
    call(openbao, "POST", "sys/mounts/store", {"type": "kv"})
    call(openbao, "PUT", "store/note", {"text": "canary-5813"})
    assert call(openbao, "GET", "store/note")["data"] == {"text": "canary-5813"}
    log = openbao.server.audit_log
    text = log.read_text()
    assert "store/note" in text and "hmac-sha256:" in text
    assert "canary-5813" not in text
    assert read_json(openbao.layout.vault / "root.json")["token"] not in text
    assert log.stat().st_mode & 0o777 == 0o600


def test_shares_are_separate_private_files(openbao: Any, world_readable: Any) -> None:
    documents = [read_json(openbao.layout.vault / "unseal" / f"{n}.json") for n in range(1, SHARES + 1)]
    assert len({document["share"] for document in documents if document}) == SHARES
    assert world_readable(openbao.layout.home) == []


def test_a_restart_finds_data_and_port_and_two_of_three_shares_are_enough(openbao: Any) -> None:
    call(openbao, "POST", "sys/mounts/kept", {"type": "kv"})
    port = openbao.reach["port"]
    assert openbao.stop() == "stopped"
    assert not accepts(port)
    (openbao.layout.vault / "unseal" / "1.json").unlink()
    openbao.start()
    assert openbao.reach["port"] == port
    assert "kept/" in call(openbao, "GET", "sys/mounts")["data"]


def test_one_share_does_not_open_it_and_a_wrong_one_neither(openbao: Any) -> None:
    third = openbao.layout.vault / "unseal" / "3.json"
    document = read_json(third)
    assert document is not None
    openbao.stop()
    third.unlink()
    with pytest.raises(KeyFailure, match="fewer than 2 shares"):
        openbao.start()
    second = read_json(openbao.layout.vault / "unseal" / "2.json")
    assert second is not None
    write_private_json(third, {**document, "share": second["share"][::-1]})
    with pytest.raises(KeyFailure):
        openbao.start()
    write_private_json(third, document)
    openbao.start()
    assert Seal(openbao.layout, openbao.reach["port"]).active()
