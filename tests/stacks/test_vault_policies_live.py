"""The Vault policies of the duties, on a real OpenBao: what a token with each of them can and cannot do."""

from __future__ import annotations

import base64

import hvac
import pytest
from decisions import dev

from infra.policies.vault_policies import vault_policy
from strongroom.estate import duties
from strongroom.estate.keyring import keyring

pytestmark = pytest.mark.cloud
TRANSIT = [spec.name for spec in keyring(dev()) if spec.provider == "transit"]
CONTEXT = base64.b64encode(b"context").decode()
PLAIN = base64.b64encode(b"k" * 32).decode()


@pytest.fixture(scope="module")
def tokens(bao_client):
    """A client for each duty, carrying that duty's policy alone; the keys exist as the layer `keys` makes them."""
    for name in TRANSIT:
        bao_client.write_data(f"transit/keys/{name}", data={"type": "aes256-gcm96", "derived": True})
    clients = {}
    for duty in duties.VAULT:
        bao_client.sys.create_or_update_policy(f"t-{duty}", vault_policy(dev(), duty))
        token = bao_client.auth.token.create(policies=[f"t-{duty}"], no_default_policy=True)["auth"]["client_token"]
        clients[duty] = hvac.Client(url=bao_client.url, token=token)
    yield clients
    for client in clients.values():
        client.adapter.session.close()


@pytest.fixture(scope="module")
def wrapped(bao_client):
    """A ciphertext of each key."""
    body = {"plaintext": PLAIN, "context": CONTEXT}
    return {n: bao_client.write_data(f"transit/encrypt/{n}", data=body)["data"]["ciphertext"] for n in TRANSIT}


def allowed(client: hvac.Client, path: str, **body: object) -> bool:
    try:
        client.write_data(path, data=body)
    except hvac.exceptions.Forbidden:
        return False
    return True


FIELD, RECIPIENT = "fields-psychotherapy", "recipient-transit"
#: duty -> operations it may do on the field root and on the recipient
MAY = {
    "key-admin": {FIELD: {"rotate"}, RECIPIENT: {"rotate"}},
    "application": {FIELD: {"encrypt", "decrypt", "datakey"}, RECIPIENT: {"encrypt"}},
    "rotator": {FIELD: {"rotate", "rewrap"}, RECIPIENT: {"rotate", "rewrap"}},
    "re-encryptor": {FIELD: {"encrypt", "decrypt", "datakey"}, RECIPIENT: {"encrypt"}},
    "backup-writer": {FIELD: set(), RECIPIENT: {"encrypt", "datakey"}},
    "restorer": {FIELD: set(), RECIPIENT: {"decrypt"}},
    "auditor": {FIELD: set(), RECIPIENT: set()},
}


@pytest.mark.parametrize("duty", duties.VAULT)
@pytest.mark.parametrize("key", [FIELD, RECIPIENT])
def test_a_duty_does_what_its_row_says_and_nothing_else(tokens, wrapped, duty, key):
    client, body = tokens[duty], {"context": CONTEXT}
    done = {
        "encrypt": allowed(client, f"transit/encrypt/{key}", plaintext=PLAIN, **body),
        "datakey": allowed(client, f"transit/datakey/plaintext/{key}", bits=256, **body),
        "decrypt": allowed(client, f"transit/decrypt/{key}", ciphertext=wrapped[key], **body),
        "rewrap": allowed(client, f"transit/rewrap/{key}", ciphertext=wrapped[key], **body),
        "rotate": allowed(client, f"transit/keys/{key}/rotate"),
    }
    assert {name for name, was in done.items() if was} == MAY[duty][key]


ESCAPES = [
    ("transit/keys/{key}/config", {"exportable": True}),
    ("transit/keys/{key}/config", {"allow_plaintext_backup": True}),
    ("transit/keys/{key}/config", {"deletion_allowed": True}),
    ("transit/keys/{key}/config", {"min_decryption_version": 1}),
    ("transit/keys/{key}/trim", {"min_available_version": 1}),
    ("transit/restore/{key}", {"backup": "x", "force": True}),
    ("transit/keys/brand-new", {"type": "aes256-gcm96"}),
    ("transit/encrypt/mistyped", {"plaintext": PLAIN}),
    ("sys/policies/acl/t-{duty}", {"policy": "{}"}),
    ("sys/mounts/other", {"type": "transit"}),
    ("auth/token/create", {"policies": ["root"]}),
    ("auth/approle/role/restorer/secret-id", {}),
    ("identity/group", {"name": "g", "policies": ["root"]}),
]


@pytest.mark.parametrize("duty", duties.VAULT)
@pytest.mark.parametrize(("path", "body"), ESCAPES, ids=lambda value: str(value)[:45])
def test_known_escapes_are_closed(tokens, duty, path, body):
    assert not allowed(tokens[duty], path.format(key=RECIPIENT, duty=duty), **body)


@pytest.mark.parametrize("duty", duties.VAULT)
def test_nobody_destroys_or_exports(tokens, duty):
    for path in ("sys/mounts/transit", f"transit/keys/{RECIPIENT}", f"sys/policies/acl/t-{duty}"):
        with pytest.raises(hvac.exceptions.Forbidden):
            tokens[duty].delete(path)
    for path in (f"transit/export/encryption-key/{RECIPIENT}", f"transit/backup/{RECIPIENT}"):
        with pytest.raises(hvac.exceptions.Forbidden):
            tokens[duty].read(path)


def test_the_snapshot_is_the_writers_alone():
    reads = {duty for duty in duties.VAULT if "sys/storage/raft/snapshot" in vault_policy(dev(), duty)}
    assert reads == {"backup-writer"}


def test_the_harness_sees_a_wrong_policy(bao_client, tokens, wrapped):
    """Negative control: a rotator that could decrypt turns its row red."""
    wide = '{"path": {"transit/decrypt/*": {"capabilities": ["update"]}}}'
    bao_client.sys.create_or_update_policy("t-wide", wide)
    token = bao_client.auth.token.create(policies=["t-wide", "t-rotator"])["auth"]["client_token"]
    client = hvac.Client(url=bao_client.url, token=token)
    with pytest.raises(AssertionError):
        test_a_duty_does_what_its_row_says_and_nothing_else({"rotator": client}, wrapped, "rotator", FIELD)
    client.adapter.session.close()
