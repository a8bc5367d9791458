"""Deeds of eve in OpenBao on keys, mounts and control groups: True once the key's data are open or lost."""

from __future__ import annotations

import base64
import json
from typing import Any

import hvac
import hvac.exceptions
from bao_world import CONTEXT, KEY, PLAIN, World, b64, stanza
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding


def configure(w: World, eve: hvac.Client, **switches: Any) -> None:
    eve.write_data(f"{w.mount}/keys/{KEY}/config", data=switches)


def export(w: World, eve: hvac.Client) -> bool:
    configure(w, eve, exportable=True)
    keys = eve.read(f"{w.mount}/export/encryption-key/{KEY}")["data"]["keys"]
    return w.opened_outside(base64.b64decode(keys["1"]))


def export_wrapped(w: World, eve: hvac.Client) -> bool:
    mine = rsa.generate_private_key(65537, 4096)
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    body = {"public_key": mine.public_key().public_bytes(*form).decode(), "type": "rsa-4096"}
    eve.write_data(f"{w.mount}/keys/mine/import", data=body)
    wrapped = base64.b64decode(eve.read(f"{w.mount}/byok-export/mine/{KEY}")["data"]["keys"]["1"])
    between = mine.decrypt(wrapped[:512], padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))
    return w.opened_outside(aes_key_unwrap_with_padding(between, wrapped[512:]))


def exportable(w: World) -> None:
    configure(w, w.root, exportable=True)


def backup(w: World, eve: hvac.Client) -> bool:
    configure(w, eve, exportable=True, allow_plaintext_backup=True)
    taken = json.loads(base64.b64decode(eve.read(f"{w.mount}/backup/{KEY}")["data"]["backup"]))
    return w.opened_outside(base64.b64decode(taken["policy"]["keys"]["1"]["key"]))


def known_backup(w: World) -> str:
    """A key that eve made elsewhere and knows."""
    w.root.write_data(f"{w.mount}/keys/known", data={"type": "aes256-gcm96", "derived": True})
    w.root.write_data(f"{w.mount}/keys/known/config", data={"exportable": True, "allow_plaintext_backup": True})
    return str(w.root.read(f"{w.mount}/backup/known")["data"]["backup"])


def replace_key(w: World, eve: hvac.Client) -> bool:
    known = known_backup(w)
    eve.write_data(f"{w.mount}/restore/{KEY}", data={"backup": known, "force": True})
    material = json.loads(base64.b64decode(known))["policy"]["keys"]["1"]["key"]
    return w.opened_outside(base64.b64decode(material), w.seal())


def overwrite_key(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"{w.mount}/restore/{KEY}", data={"backup": known_backup(w), "force": True})
    return w.lost()


def delete_key(w: World, eve: hvac.Client) -> bool:
    configure(w, eve, deletion_allowed=True)
    eve.delete(f"{w.mount}/keys/{KEY}")
    return w.lost()


def rotated(w: World) -> None:
    w.root.write_data(f"{w.mount}/keys/{KEY}/rotate", data={})


def trimmable(w: World) -> None:
    rotated(w)
    configure(w, w.root, min_encryption_version=2, min_decryption_version=2)


def trim(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"{w.mount}/keys/{KEY}/trim", data={"min_available_version": 2})
    return w.lost()


def fence(w: World, eve: hvac.Client) -> bool:
    configure(w, eve, min_decryption_version=2)
    return w.lost()


def delete_mount(w: World, eve: hvac.Client) -> bool:
    eve.delete(f"sys/mounts/{w.mount}")
    return w.lost()


def remount(w: World, eve: hvac.Client) -> bool:
    moved = eve.write_data("sys/remount", data={"from": w.mount, "to": f"mine-{w.number}"})["data"]["migration_id"]
    for _ in range(1000):
        if w.root.read(f"sys/remount/status/{moved}")["data"]["migration_info"]["status"] == "success":
            break
    return w.opened(eve, f"mine-{w.number}")


def approvers(w: World) -> None:
    """Opening takes one approval of a group; one of its members is eve's own second login."""
    second = f"second-{w.number}"
    w.root.sys.create_or_update_acl_policy(second, stanza("sys/control-group/authorize", "update"))
    w.approle(second, second)
    entity = w.entity_of(w.login(second))
    w.root.write_data("identity/group", data={"name": f"approvers-{w.number}", "member_entity_ids": [entity]})


CONTROLLED = """
path "{mount}/decrypt/recipient-transit" {
  capabilities = ["update"]
  control_group = {
    ttl = "1h"
    factor "another" {
      controlled_capabilities = ["update"]
      identity { group_names = ["approvers-{n}"] approvals = 1 }
    }
  }
}
"""


def ask(w: World, eve: hvac.Client) -> dict[str, Any]:
    """Token and accessor of a request that waits for approval."""
    body = {"ciphertext": w.sealed, "context": b64(CONTEXT)}
    return dict(eve.adapter.request("post", f"/v1/{w.mount}/decrypt/{KEY}", json=body)["wrap_info"])


def approve_oneself(w: World, eve: hvac.Client) -> bool:
    waiting = ask(w, eve)
    w.login(f"second-{w.number}").write_data("sys/control-group/authorize", data={"accessor": waiting["accessor"]})
    answer = eve.sys.unwrap(waiting["token"])
    return bool(base64.b64decode(answer["data"]["plaintext"]) == PLAIN)
