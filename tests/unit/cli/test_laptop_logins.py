"""After the hand-over OpenBao's root token opens nothing, and every duty has a login of its own, on a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hvac
import hvac.exceptions
import pytest

from strongroom.cli.laptop_logins import give_logins, hand_over, root_token_file
from strongroom.estate import duties

pytestmark = pytest.mark.cloud
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home(tmp_path: Path, bao_client: hvac.Client, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A laptop whose server was just initialised: a root token of its own lies in its file."""
    monkeypatch.setenv("VAULT_ADDR", bao_client.url)
    monkeypatch.setenv("VAULT_CACERT", str(tmp_path / "ca.pem"))  # the test server speaks plain HTTP
    first = bao_client.auth.token.create(policies=["root"], no_parent=True)["auth"]["client_token"]
    file = root_token_file(tmp_path)
    file.parent.mkdir(mode=0o700)
    file.write_text(json.dumps({"token": first}))
    return tmp_path


def with_token(bao_client: hvac.Client, token: str) -> Any:
    client = hvac.Client(bao_client.url, token)
    try:
        return client.auth.token.lookup_self()["data"]
    finally:
        client.adapter.session.close()


def test_the_root_token_is_revoked_and_the_layers_have_their_own(home, bao_client):
    first = json.loads(root_token_file(home).read_text())["token"]
    assert with_token(bao_client, first)["policies"] == ["root"]
    assert hand_over(home, ROOT, "dev")
    assert not root_token_file(home).exists()
    with pytest.raises(hvac.exceptions.Forbidden):
        with_token(bao_client, first)
    made = home / "vault" / "deployer.json"
    assert with_token(bao_client, json.loads(made.read_text())["token"])["policies"] == ["deployer"]
    assert made.stat().st_mode & 0o077 == 0
    assert not hand_over(home, ROOT, "dev")  # nothing is left to hand over


def test_a_login_is_minted_once_and_again_when_its_app_role_is_another(home, bao_client):
    assert give_logins(home) == []  # nobody may mint before the hand-over
    hand_over(home, ROOT, "dev")
    token = json.loads((home / "vault" / "deployer.json").read_text())["token"]
    deployer = hvac.Client(bao_client.url, token)
    if "approle/" not in deployer.sys.list_auth_methods()["data"]:
        deployer.sys.enable_auth_method("approle")
    for duty in duties.VAULT:
        deployer.auth.approle.create_or_update_approle(duty, token_policies=[duty], token_no_default_policy=True)
    assert give_logins(home) == list(duties.VAULT)
    assert give_logins(home) == []
    first = json.loads((home / "vault" / "rotator.json").read_text())
    login = deployer.auth.approle.login(first["role_id"], first["secret_id"], use_token=False)
    assert login["auth"]["policies"] == ["rotator"]

    deployer.auth.approle.delete_role("rotator")
    deployer.auth.approle.create_or_update_approle("rotator", token_policies=["rotator"])
    assert give_logins(home) == ["rotator"]
    assert json.loads((home / "vault" / "rotator.json").read_text()) != first
    deployer.adapter.session.close()
