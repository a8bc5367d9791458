#!/usr/bin/env python3
"""Verifies an exported evidence folder with nothing of Strongroom: Python 3.11 and the package `cryptography`.

    python verify.py FOLDER --trust trust.json [--env dev] [--head HEAD.dsse] [--as-of 2026-03-01T00:00:00Z]

FOLDER holds evidence/<env>/<sequence>.dsse. trust.json is the list of pinned keys that the deployment printed; take it
from there, not from the folder you check. Exit codes: 0 intact, 2 wrong call, 6 not intact, 10 nothing to check.
The rules are those of docs/formats/evidence.md.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREFIX = "https://strongroom.dev/evidence/"
NAME = re.compile(r"^(\d{12})\.dsse$")
HEAD_MAX_AGE = timedelta(hours=48)
CURVES = {"ecdsa-p256-sha256": hashes.SHA256, "ecdsa-p384-sha384": hashes.SHA384}


class Wrong(Exception):
    """A statement that does not hold; the text says why."""


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def load_trust(path: Path) -> dict[str, dict]:
    """Pinned keys by key id; each id must be the SHA-256 of its own public key."""
    keys = {}
    for item in json.loads(path.read_text()):
        public = serialization.load_pem_public_key(item["spki_pem"].encode())
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise ValueError(f"the key of {item['duty']} is no EC key")
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        if hashlib.sha256(der).hexdigest() != item["keyid"]:
            raise ValueError(f"the key id of {item['duty']} does not match its public key")
        keys[item["keyid"]] = {**item, "public": public}
    return keys


def verify_envelope(data: bytes, keys: dict[str, dict]) -> dict:
    """The statement of an envelope signed by the pinned key of its kind and duty."""
    try:
        envelope = json.loads(data)
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = envelope["signatures"]
        statement = json.loads(payload)
        predicate, kind = statement["predicate"], statement["predicateType"]
        kind_name = kind.removeprefix(PREFIX).removesuffix("/v1")
        finished = parse_time(predicate["finished"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Wrong(f"not an evidence envelope ({type(error).__name__})") from None
    if envelope["payloadType"] != PAYLOAD_TYPE or kind != f"{PREFIX}{kind_name}/v1":
        raise Wrong("unknown payload or predicate type")
    if len(signatures) != 1 or signatures[0]["keyid"] not in keys:
        raise Wrong("not signed by exactly one pinned key")
    key = keys[signatures[0]["keyid"]]
    if kind not in key["predicate_types"]:
        raise Wrong(f"the key of {key['duty']} may not sign {kind_name}")
    if finished < parse_time(key["not_before"]) or (key["not_after"] and finished > parse_time(key["not_after"])):
        raise Wrong(f"the key of {key['duty']} was not in its period")
    if (predicate.get("env"), predicate.get("duty")) != (key["env"], key["duty"]):
        raise Wrong("the statement names another environment or duty than its key has")
    signed = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    try:
        key["public"].verify(base64.b64decode(signatures[0]["sig"]), signed, ec.ECDSA(CURVES[key["alg"]]()))
    except InvalidSignature:
        raise Wrong(f"the signature of {key['duty']} does not match") from None
    return {"kind": kind_name, "predicate": predicate}


def check_chain(folder: Path, env: str, keys: dict[str, dict], heads: list[Path], as_of: datetime | None) -> list[str]:
    """Every finding of a chain, as sentences."""
    found, hashes_by_number, simulated = [], {0: "0" * 64}, 0  # 0: the head of a chain that was empty
    covered, head_time, own = 0, None, set()
    previous, expected = "0" * 64, 1
    files = sorted(p for p in (folder / "evidence" / env).iterdir() if NAME.match(p.name))
    for path in files:
        number, data = int(path.stem), path.read_bytes()
        while expected < number:
            found.append(f"{expected:012d}: statement {expected} was removed")
            expected, previous = expected + 1, ""
        digest = hashlib.sha256(data).hexdigest()
        hashes_by_number[number] = digest
        try:
            statement = verify_envelope(data, keys)
            predicate = statement["predicate"]
            if predicate.get("sequence") != number or (previous and predicate.get("previous") != previous):
                raise Wrong("does not follow the statement before it")
            if statement["kind"] == "head":
                if hashes_by_number.get(predicate["covers"]) != predicate["covers_sha256"]:
                    raise Wrong(f"the notary saw another statement {predicate['covers']}")
                covered, head_time = predicate["covers"], parse_time(predicate["finished"])
            if statement["kind"] == "head" or (statement["kind"] == "run" and predicate["duty"] == "notary"):
                own.add(number)
            simulated += bool(predicate.get("simulated"))
        except Wrong as error:
            found.append(f"{path.name}: {error}")
        previous, expected = digest, number + 1
    for path in heads:
        try:
            predicate = verify_envelope(path.read_bytes(), keys)["predicate"]
            if hashes_by_number.get(predicate["covers"]) != predicate["covers_sha256"]:
                found.append(f"{path.name}: the chain was cut or changed at number {predicate['covers']}")
        except Wrong as error:
            found.append(f"{path.name}: {error}")
    if not files:
        found.append("there is no statement at all")
    if as_of is not None:
        if head_time is None or as_of - head_time > HEAD_MAX_AGE:
            found.append("no head of the notary within 48 hours before the given time")
        elif behind := [n for n in hashes_by_number if n > covered and n not in own]:
            found.append(f"{len(behind)} statements after the notary's last head")
    print(f"{len(files)} statements, {simulated} of them made on a laptop cloud, head covers {covered}")
    return found


def main() -> int:
    """Runs the check and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trust", type=Path, required=True, help="pinned keys, from the deployment's output")
    parser.add_argument("--env", default="dev")
    parser.add_argument("--head", type=Path, action="append", default=[], help="a notary's head kept elsewhere")
    parser.add_argument("--as-of", type=parse_time, default=None, help="demand a head not older than 48 h at this time")
    given = parser.parse_args()
    try:
        keys = load_trust(given.trust)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{given.trust}: {error}", file=sys.stderr)
        return 2
    if not (given.folder / "evidence" / given.env).is_dir():
        print(f"{given.folder}: no folder evidence/{given.env}", file=sys.stderr)
        return 10
    found = check_chain(given.folder, given.env, keys, given.head, given.as_of)
    for line in found:
        print(f"  {line}")
    print("the chain is NOT intact" if found else "the chain is intact")
    return 6 if found else 0


if __name__ == "__main__":
    sys.exit(main())
