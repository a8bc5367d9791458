"""Each duty's real AppRole login on the deployed OpenBao tries to open, export, destroy and let itself in.

Each attack is first made with one fault in the duty's policy, where it works; then with the policy as it is deployed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import hvac
import hvac.exceptions
import pytest
import requests
from attacked_estate import AttackedEstate

from strongroom.estate import duties

pytestmark = pytest.mark.cloud
FIELD, RECIPIENT = "fields-psychotherapy", "recipient-transit"
CONTEXT = base64.b64encode(b"tenant|class").decode()
PLAIN = base64.b64encode(b"k" * 32).decode()
#: a key of the estate's kind, and one that was made carelessly: both are there to be harmed where an attack works
VICTIM, GLASS = "victim", "glass"


def encrypted(estate: AttackedEstate, key: str) -> str:
    """A ciphertext, as the duty that may make one makes it."""
    who = "application" if key == FIELD else "backup-writer"
    body = {"plaintext": PLAIN, "context": CONTEXT}
    return str(estate.vault(who).write_data(f"transit/encrypt/{key}", data=body)["data"]["ciphertext"])


@dataclass(frozen=True)
class Escape:
    """A request that must be refused: `path` and what the faulty policy would have to grant for it to work.

    `body` may hold `{ciphertext}`. `undo` mends with the root token what the request did. `works` is False where even
    the widest policy is not enough: then the server itself refuses.
    """

    does: str
    who: tuple[str, ...]
    method: str
    path: str
    body: dict[str, Any]
    undo: Callable[[hvac.Client], Any] | None = None
    works: bool = True

    def __str__(self) -> str:
        return self.does.replace(" ", "-")


ALL = duties.VAULT
NOT = {
    "field": tuple(d for d in ALL if d not in ("application", "re-encryptor")),
    "recipient": tuple(d for d in ALL if d != "restorer"),
}


def _mount_back(root: hvac.Client) -> None:
    root.sys.enable_secrets_engine("transit", path="spare")


def _no_key(root: hvac.Client) -> None:
    root.write_data("transit/keys/brand-new/config", data={"deletion_allowed": True})
    root.delete("transit/keys/brand-new")


def _no_user(root: hvac.Client) -> None:
    root.delete("sys/policies/acl/door")


def _no_exportable_victim(root: hvac.Client) -> None:
    """`exportable` is one-way: the key that was opened is thrown away and made anew."""
    root.write_data(f"transit/keys/{VICTIM}/config", data={"deletion_allowed": True})
    root.delete(f"transit/keys/{VICTIM}")
    _victim(root)


def _victim(root: hvac.Client) -> None:
    root.write_data(f"transit/keys/{VICTIM}", data={"type": "aes256-gcm96", "derived": True})
    root.write_data(f"transit/keys/{VICTIM}/rotate", data={})


OPEN = {"ciphertext": "{ciphertext}", "context": CONTEXT}
SEAL = {"plaintext": PLAIN, "context": CONTEXT}
ESCAPES = [
    Escape("opens a sealed note's key", NOT["field"], "POST", f"transit/decrypt/{FIELD}", OPEN),
    Escape("opens a backup's run key", NOT["recipient"], "POST", f"transit/decrypt/{RECIPIENT}", OPEN),
    Escape("opens in a batch", NOT["recipient"], "POST", f"transit/decrypt/{RECIPIENT}", {"batch_input": [OPEN]}),
    Escape("opens with put", NOT["recipient"], "PUT", f"transit/decrypt/{RECIPIENT}", OPEN),
    Escape("opens behind a slash", NOT["recipient"], "POST", f"transit/decrypt/{RECIPIENT}/", OPEN, works=False),
    Escape(
        "opens along another path", NOT["recipient"], "POST", f"transit/keys/../decrypt/{RECIPIENT}", OPEN, works=False
    ),
    Escape(
        "makes a data key of the notes",
        NOT["field"],
        "POST",
        f"transit/datakey/plaintext/{FIELD}",
        {"context": CONTEXT},
    ),
    Escape("exports a key", ALL, "GET", f"transit/export/encryption-key/{GLASS}", {}),
    Escape("backs a key up in plain text", ALL, "GET", f"transit/backup/{GLASS}", {}),
    Escape("wraps a key for a stranger", ALL, "GET", f"transit/byok-export/stranger/{VICTIM}", {}, works=False),
    Escape(
        "makes a key exportable",
        ALL,
        "POST",
        f"transit/keys/{VICTIM}/config",
        {"exportable": True},
        _no_exportable_victim,
    ),
    Escape(
        "allows plain backups",
        ALL,
        "POST",
        f"transit/keys/{VICTIM}/config",
        {"allow_plaintext_backup": True},
        _no_exportable_victim,
    ),
    Escape("allows deletion", ALL, "POST", f"transit/keys/{VICTIM}/config", {"deletion_allowed": True}),
    Escape(
        "makes old versions unreadable",
        ALL,
        "POST",
        f"transit/keys/{VICTIM}/config",
        {"min_decryption_version": 2},
        lambda root: root.write_data(f"transit/keys/{VICTIM}/config", data={"min_decryption_version": 1}),
    ),
    Escape("trims old versions", ALL, "POST", f"transit/keys/{GLASS}/trim", {"min_available_version": 2}),
    Escape(
        "replaces a key by its own",
        ALL,
        "POST",
        f"transit/restore/{VICTIM}",
        {"backup": "{backup}", "force": True},
    ),
    Escape("makes a key", ALL, "POST", "transit/keys/brand-new", {"type": "aes256-gcm96"}, _no_key),
    Escape("makes a key by a typing error", ALL, "POST", "transit/encrypt/brand-new", {"plaintext": PLAIN}, _no_key),
    Escape("deletes a mount of keys", ALL, "DELETE", "sys/mounts/spare", {}, _mount_back),
    Escape("moves a mount of keys", ALL, "POST", "sys/remount", {"from": "nowhere", "to": "elsewhere"}, works=False),
    Escape("writes a policy", ALL, "POST", "sys/policies/acl/door", {"policy": "{}"}, _no_user),
    Escape("rewrites its own policy", ALL, "POST", "sys/policies/acl/{who}", {"policy": "{}"}),
    Escape("mints the restorer's secret id", ALL, "POST", "auth/approle/role/restorer/secret-id", {}),
    Escape("makes a token", ALL, "POST", "auth/token/create", {"policies": ["restorer"], "ttl": "1m"}),
    Escape("makes an orphan token", ALL, "POST", "auth/token/create-orphan", {"policies": ["restorer"], "ttl": "1m"}),
    Escape("joins a group", ALL, "POST", "identity/group", {"name": "door", "policies": ["restorer"]}),
    Escape(
        "opens a login", ALL, "POST", "sys/auth/door", {"type": "userpass"}, lambda root: root.delete("sys/auth/door")
    ),
    Escape(
        "makes a namespace", ALL, "POST", "sys/namespaces/door", {}, lambda root: root.delete("sys/namespaces/door")
    ),
    Escape("reads the server's configuration", ALL, "GET", "sys/config/state/sanitized", {}),
    Escape("seals the server", ALL, "POST", "sys/seal", {}, works=False),
    Escape("replaces the whole storage", ALL, "POST", "sys/storage/raft/snapshot-force", {}, works=False),
    Escape("reads the database's configuration", ALL, "GET", "database/config/portal", {}),
    Escape(
        "takes the writer's database login",
        tuple(d for d in ALL if d != "backup-writer"),
        "GET",
        "database/creds/portal.backup-writer",
        {},
    ),
]
SNAPSHOT = Escape(
    "takes a snapshot of the server",
    tuple(d for d in ALL if d != "backup-writer"),
    "GET",
    "sys/storage/raft/snapshot",
    {},
)


def send(estate: AttackedEstate, token: str, escape: Escape, who: str) -> requests.Response:
    """The request as it stands, without a client that would tidy its path."""
    key = RECIPIENT if RECIPIENT in escape.path else FIELD
    text = json.dumps(escape.body)
    if "{ciphertext}" in text:
        text = text.replace("{ciphertext}", encrypted(estate, key))
    if "{backup}" in text:
        text = text.replace("{backup}", estate.vault("root").read(f"transit/backup/{GLASS}")["data"]["backup"])
    address = f"{estate.variables['VAULT_ADDR']}/v1/{escape.path.format(who=who)}"
    request = requests.Request(
        escape.method, address, data=text if escape.body else None, headers={"X-Vault-Token": token}
    )
    with requests.Session() as session:
        prepared = session.prepare_request(request)
        prepared.url = address
        return session.send(prepared, verify=estate.variables["VAULT_CACERT"], timeout=30, allow_redirects=False)


@pytest.fixture(scope="module", autouse=True)
def prepared(estate: AttackedEstate) -> Iterator[None]:
    """A key and a mount to be harmed where an attack works, so that the estate's own are not."""
    root = estate.vault("root")
    _victim(root)
    _mount_back(root)
    root.write_data(f"transit/keys/{GLASS}", data={"type": "aes256-gcm96"})
    root.write_data(f"transit/keys/{GLASS}/rotate", data={})
    open_wide = {"exportable": True, "allow_plaintext_backup": True}
    root.write_data(f"transit/keys/{GLASS}/config", data={**open_wide, "min_encryption_version": 2})
    root.write_data(f"transit/keys/{GLASS}/config", data={"min_decryption_version": 2})
    yield
    root.sys.disable_secrets_engine("spare")
    for key in (VICTIM, GLASS):
        root.write_data(f"transit/keys/{key}/config", data={"deletion_allowed": True})
        root.delete(f"transit/keys/{key}")


@contextmanager
def widened(estate: AttackedEstate, who: str) -> Iterator[None]:
    """The duty's policy with one rule more: everything."""
    root = estate.vault("root")
    ours = root.sys.read_acl_policy(who)["data"]["policy"]
    wide = {"*": {"capabilities": ["create", "read", "update", "delete", "list", "sudo"]}}
    root.sys.create_or_update_acl_policy(who, json.dumps({"path": wide}))
    try:
        yield
    finally:
        root.sys.create_or_update_acl_policy(who, ours)


@pytest.mark.parametrize("escape", [*ESCAPES, SNAPSHOT], ids=str)
def test_a_duty_does_not_escape(estate: AttackedEstate, escape: Escape):
    first = escape.who[0]
    if escape.works:
        with widened(estate, first):
            answer = send(estate, estate.vault(first).token, escape, first)
            assert answer.ok, f"on a wrong policy: {answer.status_code} {answer.text[:300]}"
        if escape.undo:
            escape.undo(estate.vault("root"))
    for who in escape.who:
        answer = send(estate, estate.vault(who).token, escape, who)
        # a path the server does not know, or cleans into another, is no way in either
        allowed = (403,) if escape.works else (403, 404, 400, 307, 308, 301)
        assert answer.status_code in allowed, f"{who}: {answer.status_code} {answer.text[:300]}"
        if answer.status_code not in (301, 307, 308):
            assert "plaintext" not in answer.text


def test_who_rewraps_cannot_open_what_it_rewrapped(estate: AttackedEstate):
    """The rotator's one operation gives a ciphertext of the newest version, to be opened by the restorer alone."""
    old = encrypted(estate, RECIPIENT)
    rotator, body = estate.vault("rotator"), {"ciphertext": old, "context": CONTEXT}
    new = rotator.write_data(f"transit/rewrap/{RECIPIENT}", data=body)["data"]["ciphertext"]
    opening = {"ciphertext": new, "context": CONTEXT}
    with pytest.raises(hvac.exceptions.Forbidden):
        rotator.write_data(f"transit/decrypt/{RECIPIENT}", data=opening)
    opened = estate.vault("restorer").write_data(f"transit/decrypt/{RECIPIENT}", data=opening)["data"]["plaintext"]
    assert opened == PLAIN


def test_the_rotators_fence_is_all_it_may_set(estate: AttackedEstate):
    rotator = estate.vault("rotator")
    for body in ({"min_encryption_version": 1, "deletion_allowed": True}, {"auto_rotate_period": "0"}):
        with pytest.raises(hvac.exceptions.Forbidden):
            rotator.write_data(f"transit/keys/{RECIPIENT}/config", data=body)


@pytest.mark.parametrize(
    "trick", [{"Exportable": True}, {"EXPORTABLE": True}, {"exportable": "true"}, {"exportable": 1}]
)
def test_spelling_does_not_get_past_a_denied_parameter(estate: AttackedEstate, trick: dict[str, Any]):
    admin, root = estate.vault("key-admin"), estate.vault("root")
    with suppress(hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest):
        admin.write_data(f"transit/keys/{RECIPIENT}/config", data=trick)
    state = root.read(f"transit/keys/{RECIPIENT}")["data"]
    assert state["exportable"] is False and state["allow_plaintext_backup"] is False


def test_a_parameter_in_the_address_does_not_get_past_either(estate: AttackedEstate):
    address = (
        f"{estate.variables['VAULT_ADDR']}/v1/transit/keys/{RECIPIENT}/config?exportable=true&deletion_allowed=true"
    )
    requests.post(
        address,
        json={"min_encryption_version": 0},
        headers={"X-Vault-Token": estate.vault("key-admin").token},
        verify=estate.variables["VAULT_CACERT"],
        timeout=30,
    ).close()
    state = estate.vault("root").read(f"transit/keys/{RECIPIENT}")["data"]
    assert state["exportable"] is False and state["deletion_allowed"] is False


def test_the_deployers_token_uses_no_key_and_reads_no_storage(estate: AttackedEstate):
    deployer = estate.vault("deployer")
    for path, body in (
        (f"transit/decrypt/{RECIPIENT}", {"ciphertext": encrypted(estate, RECIPIENT), "context": CONTEXT}),
        (f"transit/datakey/plaintext/{FIELD}", {"context": CONTEXT}),
        (f"transit/rewrap/{RECIPIENT}", {"ciphertext": encrypted(estate, RECIPIENT), "context": CONTEXT}),
        ("sys/policies/acl/deployer", {"policy": "{}"}),
        ("auth/token/create", {"policies": ["root"]}),
    ):
        with pytest.raises(hvac.exceptions.Forbidden):
            deployer.write_data(path, data=body)
    for path in (f"transit/export/encryption-key/{FIELD}", f"transit/backup/{FIELD}", "sys/storage/raft/snapshot"):
        with pytest.raises(hvac.exceptions.Forbidden):
            deployer.read(path)


def test_a_revoked_login_opens_nothing(estate: AttackedEstate):
    """A secret id that was destroyed gives no token, and the token it gave dies with it."""
    deployer = estate.vault("deployer")
    role = deployer.auth.approle.read_role_id("restorer")["data"]["role_id"]
    made = deployer.auth.approle.generate_secret_id("restorer")["data"]
    client = estate.vault_token("")
    try:
        client.auth.approle.login(role, made["secret_id"])
        client.auth.token.lookup_self()
        estate.vault("root").auth.approle.destroy_secret_id("restorer", made["secret_id"])
        estate.vault("root").auth.token.revoke(client.token)
        with pytest.raises(hvac.exceptions.Forbidden):
            client.auth.token.lookup_self()
        with pytest.raises(hvac.exceptions.InvalidRequest):
            client.auth.approle.login(role, made["secret_id"])
    finally:
        client.adapter.session.close()
