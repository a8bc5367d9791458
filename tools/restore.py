#!/usr/bin/env python3
"""Restores a Strongroom backup without Strongroom: Python 3.11, `cryptography`, `zstandard`, a folder and a key file.

The folder is a copy of the repository: the disk copy, or a bucket synced with any tool. SPEC.md beside this file (in
the project docs/formats/repository.md) says what is read here.

    restore.py list
    restore.py restore SOURCE --to FOLDER --key escrow.pem [--run RUN]
    restore.py field TABLE ROWKEY FIELD --key escrow.pem        one encrypted field, e.g. patients 7c9e... patient-mrn
    restore.py verify [--key escrow.pem]

Exit codes: 0 done, 2 usage, 3 something could not be written, 5 no key opens it, 6 stored bytes are wrong.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import json
import os
import re
import shutil
import struct
import sys
import tempfile
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

BLOB_LIMIT, SNAPSHOT_LIMIT = 16 << 20, 1 << 30
PACK_MAGIC, SNAPSHOT_MAGIC = b"SRPACK1\n", b"SRSNAP1\n"
COMMIT = "https://strongroom.dev/evidence/commit/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Failure(Exception):
    """Ends the program with a message and an exit code."""

    def __init__(self, message: str, code: int = 6) -> None:
        super().__init__(message)
        self.code = code


def derive(key: bytes, info: bytes, salt: bytes | None = None) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, info).derive(key)


def prefixed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def inflate(body: bytes, name: str, limit: int) -> bytes:
    try:
        if not 0 <= zstandard.frame_content_size(body) <= limit:
            raise Failure(f"{name}: larger than the format allows")
        return zstandard.ZstdDecompressor().decompress(body)
    except zstandard.ZstdError as error:
        raise Failure(f"{name} does not decompress ({error})") from None


def parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Failure(f"{name} is damaged: not a JSON object")
    return document


# ---- keys ------------------------------------------------------------------------------------------------------------


class EscrowKey:
    """The offline RSA key."""

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self._private = private
        der = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.reference = "escrow:" + hashlib.sha256(der).hexdigest()[:32]

    def unwrap(self, wrapped: bytes, context: dict[str, str], what: str) -> bytes:
        label = json.dumps(context, sort_keys=True, separators=(",", ":")).encode()
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label)
        try:
            return self._private.decrypt(wrapped, oaep)
        except ValueError:
            raise Failure(f"{what}: damaged, or made for another place") from None


def load_key(path: Path, passphrase_file: Path | None, passphrase_fd: int | None) -> EscrowKey:
    try:
        pem = path.read_bytes()
        if passphrase_file is not None:
            passphrase = passphrase_file.read_bytes().rstrip(b"\r\n")
        elif passphrase_fd is not None:
            with os.fdopen(passphrase_fd, "rb") as stream:
                passphrase = stream.readline().rstrip(b"\r\n")
        elif b"ENCRYPTED" in pem:
            passphrase = getpass.getpass(f"Passphrase of {path}: ").encode()
        else:
            passphrase = b""
        key = serialization.load_pem_private_key(pem, passphrase or None)
    except OSError as error:
        raise Failure(f"{error.filename or path}: {error.strerror}", 2) from None
    except (ValueError, TypeError):
        raise Failure(f"{path}: the passphrase does not open it, or it is no PEM private key", 5) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Failure(f"{path} is not an RSA key", 2)
    return EscrowKey(key)


class Trust:
    """Pinned signing keys: a JSON list of evidence keys, or a manifest part with `evidence`."""

    def __init__(self, path: Path) -> None:
        try:
            document = json.loads(path.read_text())
            keys = document if isinstance(document, list) else document["evidence"]["keys"]
            self._keys = {str(key["keyid"]): key for key in keys}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failure(f"{path}: not a trust file ({type(error).__name__})", 2) from None

    def check(self, envelope: dict[str, Any], payload: bytes, statement: dict[str, Any], name: str) -> None:
        """Failure unless exactly one pinned key that may sign commits has signed."""
        signatures = envelope.get("signatures", [])
        key = self._keys.get(str(signatures[0].get("keyid"))) if len(signatures) == 1 else None
        if key is None or COMMIT not in key["predicate_types"]:
            raise Failure(f"{name}: not signed by a pinned key that may sign commits")
        predicate = statement["predicate"]
        finished = datetime.fromisoformat(str(predicate.get("finished", "")).replace("Z", "+00:00"))
        begins, ends = (key.get(limit) and datetime.fromisoformat(key[limit]) for limit in ("not_before", "not_after"))
        if (begins and finished < begins) or (ends and finished > ends):
            raise Failure(f"{name}: signed outside of its key's period")
        kind = PAYLOAD_TYPE.encode()
        message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
        public = serialization.load_pem_public_key(key["spki_pem"].encode())
        try:
            assert isinstance(public, ec.EllipticCurvePublicKey)
            public.verify(base64.b64decode(signatures[0]["sig"]), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Failure(f"{name}: the signature does not match, the commit was changed") from None
        if (predicate.get("duty"), predicate.get("env")) != (key["duty"], key["env"]):
            raise Failure(f"{name}: signed for another duty or environment")


# ---- repository ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ref:
    """Bytes [start, start+size) of the blob whose frame is [offset, offset+length) of a pack."""

    run: str
    pack: str
    offset: int
    length: int
    start: int
    size: int


class Repository:
    """A repository in a folder."""

    def __init__(self, root: Path, trust: Trust | None) -> None:
        self.root, self._trust = root, trust
        if not (root / "format.json").is_file():
            raise Failure(f"{root} holds no repository: no format.json; name the folder with --from", 2)
        document = parse(self.read("format.json"), "format.json")
        if document.get("format") != "strongroom.repository/1" or document.get("features"):
            raise Failure(f"format {document.get('format')!r} needs a newer restore.py", 2)
        self.id = str(document["repo"])

    def read(self, name: str, digest: str = "") -> bytes:
        """A whole object, checked against its SHA-256 where one is known."""
        try:
            data = (self.root / name).read_bytes()
        except FileNotFoundError:
            raise Failure(f"{name} is missing") from None
        except OSError as error:
            raise Failure(f"{name}: {error.strerror}") from None
        if digest and hashlib.sha256(data).hexdigest() != digest:
            raise Failure(f"{name} is damaged: its SHA-256 is not what it must be; try another copy")
        return data

    def names(self, pattern: str) -> list[str]:
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob(pattern))

    def commit(self, name: str) -> dict[str, Any]:
        """What a commit states; its signature is checked if keys are pinned."""
        envelope = parse(self.read(name), name)
        try:
            payload = base64.b64decode(envelope["payload"], validate=True)
            statement = json.loads(payload)
            if envelope["payloadType"] != PAYLOAD_TYPE or statement["predicateType"] != COMMIT:
                raise ValueError("kind")
            if self._trust is not None:
                self._trust.check(envelope, payload, statement, name)
            predicate: dict[str, Any] = statement["predicate"]
            place = f"commits/{predicate['source']}/{predicate['run']}.dsse"
        except (ValueError, KeyError, TypeError, AssertionError):
            raise Failure(f"{name} is damaged: not a commit") from None
        if place != name or predicate["repo"] != self.id:
            raise Failure(f"{name} is the commit of {place} in {predicate['repo']}")
        return predicate

    def commits(self, source: str = "*") -> Iterator[tuple[str, dict[str, Any] | Failure]]:
        for name in self.names(f"commits/{source}/*.dsse"):
            try:
                yield name, self.commit(name)
            except Failure as failure:
                yield name, failure

    def latest(self, source: str) -> dict[str, Any]:
        """The newest commit of a source that can be believed."""
        listed = list(self.commits(source))
        found = [commit for _, commit in listed if isinstance(commit, dict)]
        for name, failure in listed:
            if isinstance(failure, Failure):
                say(f"set aside, it may be newer: {name}: {failure}")
        if not found:
            sources = ", ".join(sorted({name.split("/")[1] for name in self.names("commits/*/*.dsse")})) or "none"
            raise Failure(f"no readable backup of {source!r} here; there are: {sources}", 2)
        return max(found, key=lambda commit: (commit["committed_at"], commit["run"]))

    def run_key(self, run: str, commitment: str, key: EscrowKey) -> bytes:
        """The data key of a run from an escrow slot."""
        others, problem = [], None
        for name in reversed(self.names(f"keys/{run}/*.slot")):
            try:
                slot = parse(self.read(name), name)
                context = {part: str(slot[part]) for part in ("repo", "run", "recipient")}
                if slot["key_ref"] != key.reference:
                    others.append(f"{context['recipient']} ({slot['key_ref']})")
                    continue
                run_key = key.unwrap(base64.b64decode(slot["wrapped"]), context, name)
                if (
                    context["repo"] != self.id
                    or context["run"] != run
                    or derive(run_key, b"commit/v1").hex() != commitment
                ):
                    raise Failure(f"{name} opens to a key that the commit does not name")
                return run_key
            except (KeyError, ValueError):
                problem = Failure(f"{name} is damaged")
            except Failure as failure:
                problem = failure
        if problem is not None:
            raise problem
        raise Failure(
            f"run {run}: no slot for {key.reference}; slots here: {', '.join(others) or 'none'}; use that key's file", 5
        )


@dataclass
class Snapshot:
    """An opened snapshot."""

    repository: Repository
    commit: dict[str, Any]
    key: EscrowKey
    keys: dict[str, bytes] = field(default_factory=dict, repr=False)
    ciphers: dict[str, tuple[AESGCM, bytes]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        source, run, repo = self.commit["source"], self.commit["run"], self.repository.id
        self.name = f"snapshots/{source}/{run}"
        self.refs = read_refs(self.repository, self.commit)
        for needed, body in self.refs["runs"].items():
            expected = self.commit["commitment"] if needed == run else body["commitment"]
            self.keys[needed] = self.repository.run_key(needed, expected, self.key)
        data = self.repository.read(self.name, self.commit["snapshot_sha256"])
        aad = SNAPSHOT_MAGIC + prefixed(b"snapshot/v1", repo.encode(), run.encode(), source.encode())
        if data[:8] != SNAPSHOT_MAGIC:
            raise Failure(f"{self.name} is not a snapshot")
        try:
            sealed = AESGCM(derive(self.keys[run], SNAPSHOT_MAGIC, data[8:40])).decrypt(bytes(12), data[40:], aad)
        except InvalidTag:
            raise Failure(f"{self.name} does not authenticate") from None
        self.root = parse(inflate(sealed, self.name, SNAPSHOT_LIMIT), self.name)
        self._pool = ThreadPoolExecutor(2)
        self._kept: OrderedDict[tuple[str, int], Future[bytes]] = OrderedDict()

    def blob(self, ref: Ref) -> bytes:
        """Reads, decrypts and inflates one blob."""
        name = f"packs/{ref.pack[:2]}/{ref.pack}.pack"
        where = f"{name} at offset {ref.offset}"
        try:
            with (self.repository.root / name).open("rb") as file:
                header = file.read(40)
                file.seek(ref.offset)
                frame = file.read(ref.length)
        except FileNotFoundError:
            raise Failure(f"{name} is missing; try another copy") from None
        except OSError as error:
            raise Failure(f"{name}: {error.strerror}; try another copy") from None
        return self.open_frame(ref.run, ref.pack, header, ref.offset, frame, where)

    def open_frame(self, run: str, pack: str, header: bytes, offset: int, frame: bytes, where: str) -> bytes:
        if pack not in self.ciphers:
            if header[:8] != PACK_MAGIC or len(header) < 40 or run not in self.keys:
                raise Failure(f"{where}: no pack of run {run}")
            salt = header[8:40]
            bound = prefixed(b"pack/v1", self.repository.id.encode(), run.encode(), salt)
            self.ciphers[pack] = (AESGCM(derive(self.keys[run], b"pack/v1", salt)), bound)
        cipher, bound = self.ciphers[pack]
        if len(frame) < 21 or struct.unpack_from(">I", frame)[0] != len(frame) - 5 or frame[4] > 1:
            raise Failure(f"{where}: damaged; try another copy")
        try:
            body = cipher.decrypt(offset.to_bytes(12, "big"), frame[5:], bound + struct.pack(">QB", offset, frame[4]))
        except InvalidTag:
            raise Failure(f"{where}: damaged, it does not authenticate; try another copy") from None
        return inflate(body, where, BLOB_LIMIT) if frame[4] else body

    def content(self, refs: list[Ref]) -> Iterator[bytes]:
        """The pieces of `refs`, the next ones being read meanwhile."""
        for number, ref in enumerate(refs):
            for ahead in refs[number : number + 8]:
                self._request(ahead)
            piece = self._request(ref).result()[ref.start : ref.start + ref.size]
            if len(piece) != ref.size:
                raise Failure(f"packs/{ref.pack[:2]}/{ref.pack}.pack: shorter than its listing says")
            yield piece

    def _request(self, ref: Ref) -> Future[bytes]:
        place = (ref.pack, ref.offset)
        if place not in self._kept:
            self._kept[place] = self._pool.submit(self.blob, ref)
            while len(self._kept) > 24:
                self._kept.popitem(last=False)
        self._kept.move_to_end(place)
        return self._kept[place]

    def items(self) -> Iterator[dict[str, Any]]:
        """Every listed item; `refs` are Ref objects, those in parts included."""
        for segment in self.content(decode(self.root["packs"], self.root["listing"], self.name)):
            packs, lines = self._lines(segment)
            for item in lines:
                refs = decode(packs, item.get("refs", []), self.name)
                for part in self.content(decode(packs, item.get("parts", []), self.name)):
                    inner, listed = self._lines(part)
                    refs += [ref for line in listed for ref in decode(inner, line["refs"], self.name)]
                yield {**item, "refs": refs}

    def _lines(self, segment: bytes) -> tuple[list[list[str]], Iterator[dict[str, Any]]]:
        head, _, rest = segment.partition(b"\n")
        return parse(head, self.name)["packs"], (parse(line, self.name) for line in rest.splitlines())


def decode(packs: list[list[str]], rows: list[list[int]], name: str) -> list[Ref]:
    try:
        return [Ref(packs[row[0]][0], packs[row[0]][1], *row[1:]) for row in rows]
    except (IndexError, TypeError):
        raise Failure(f"{name}: a reference cannot be read") from None


def read_refs(repository: Repository, commit: dict[str, Any]) -> dict[str, Any]:
    name = f"refs/{commit['source']}/{commit['run']}.json"
    return parse(repository.read(name, commit["refs_sha256"]), name)


# ---- restoring a tree ------------------------------------------------------------------------------------------------


def safe_path(path: str) -> str:
    """A relative path that stays inside the target: "", "." and ".." components are written as %, %2E, %2E%2E."""
    return "/".join(part.replace(".", "%2E") or "%" if part in ("", ".", "..") else part for part in path.split("/"))


def write_tree(snapshot: Snapshot, target: Path) -> tuple[int, int, list[str]]:
    """(files, bytes, failed): writes into a new folder that becomes `target` once all of it is there."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Failure(f"{target} exists and is not empty: name a new folder", 2)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    files = size = 0
    failed: list[str] = []
    late: list[tuple[Path, dict[str, Any]]] = []
    metadata: list[str] = []
    try:
        for item in snapshot.items():
            path = part / safe_path(item["path"])
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if item["kind"] == "file":
                    size += write_file(snapshot, item, path)
                    files += 1
                elif item["kind"] == "dir":
                    path.mkdir(mode=0o700, exist_ok=True)
                if item["kind"] != "file":
                    late.append((path, item))
            except OSError as error:
                failed.append(f"{item['path']!r}: {error.strerror}")
            if item.get("metadata"):
                metadata.append(json.dumps({"path": item["path"], "metadata": item["metadata"]}))
        # links come after all files, so that no file is ever written through one; folders last keep their times
        for path, item in sorted(late, key=lambda pair: (pair[1]["kind"] == "dir", -len(pair[0].parts))):
            try:
                if item["kind"] == "symlink":
                    path.symlink_to(item["target"])
                else:
                    path.chmod(item["mode"])
                    os.utime(path, ns=(item["mtime_ns"], item["mtime_ns"]))
            except OSError as error:
                failed.append(f"{item['path']!r}: {error.strerror}")
        if metadata:
            (part / ".strongroom-metadata.ndjson").write_text("\n".join(metadata) + "\n")
        if target.exists():
            target.rmdir()
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return files, size, failed


def write_file(snapshot: Snapshot, item: dict[str, Any], path: Path) -> int:
    size = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in snapshot.content(item["refs"]):
            file.write(piece)
            size += len(piece)
        if size != item["size"]:
            raise Failure(f"{snapshot.name}: a file of {item['size']} bytes gives {size}")
        os.fchmod(file.fileno(), item["mode"])
    os.utime(path, ns=(item["mtime_ns"], item["mtime_ns"]))
    return size


# ---- one encrypted field out of a database dump ----------------------------------------------------------------------

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)


def copy_rows(snapshot: Snapshot, table: str) -> Iterator[dict[str, str | None]]:
    """Rows of a table from its COPY text (https://www.postgresql.org/docs/current/sql-copy.html, text format)."""
    tables: dict[str, Any] = snapshot.root["facts"].get("table_map", {})
    known = tables.get(table) or tables.get(f"public.{table}")
    if known is None:
        raise Failure(f"{snapshot.name} has no table {table!r}; it has: {', '.join(sorted(tables)) or 'none'}", 2)
    item = next((item for item in snapshot.items() if item["path"] == known["file"]), None)
    if item is None:
        raise Failure(f"{snapshot.name}: {known['file']} of table {table} is not listed")
    rest = b""
    for piece in snapshot.content(item["refs"]):
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line == b"\\.":
                return
            if line:
                values = line.decode().split("\t")
                yield {name: unescape(text) for name, text in zip(known["columns"], values, strict=True)}


def unescape(text: str) -> str | None:
    def plain(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] in "01234567":
            return chr(int(code, 8))
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        return _ESCAPES.get(code, code)

    return None if text == "\\N" else _ESCAPE.sub(plain, text) if "\\" in text else text


def binary(text: str | None) -> bytes:
    return bytes.fromhex(text[2:]) if text is not None and text.startswith("\\x") else b""


def open_field(snapshot: Snapshot, table: str, row_key: str, field_id: str) -> bytes:
    """The value of one sealed field: run key -> branch key -> subject key -> field (docs/formats/field.md)."""
    problem = Failure(f"{table} of {snapshot.name} has no row {row_key}", 2)
    for row in copy_rows(snapshot, table):
        if row_key not in row.values():
            continue
        problem = Failure(f"{table} {row_key}: no column holds field {field_id!r}, or it was changed")
        for cell in map(binary, row.values()):
            if cell[:3] != b"SF\x01" or len(cell) < 81:
                continue
            try:
                subject, material = subject_key(snapshot, str(uuid.UUID(bytes=cell[5:21])))
            except Failure as failure:
                problem = failure
                continue
            salt, tenant = cell[5:21], str(subject["tenant"]).encode()
            aad = prefixed(tenant, field_id.encode(), row_key.encode(), cell[3:5], salt)
            if derive(material, b"strongroom/field/commit/v1", salt) != cell[21:53]:
                continue
            cipher = AESGCM(derive(material, b"strongroom/field/seal/v1", salt))
            try:
                return cipher.decrypt(cell[53:65], cell[65:], aad)
            except InvalidTag:
                continue  # another field of this row: the field id is part of what is authenticated
    raise problem


def subject_key(snapshot: Snapshot, identity: str) -> tuple[dict[str, str | None], bytes]:
    """The row of strongroom.subject_keys and the key it holds."""
    subject = next((r for r in copy_rows(snapshot, "strongroom.subject_keys") if r["id"] == identity), None)
    if subject is None:
        raise Failure(f"data key {identity} is not in this backup: its subject was shredded before", 5)
    tenant, data_class, version = (str(subject[name]) for name in ("tenant", "class", "branch_version"))
    for row in copy_rows(snapshot, "strongroom.branch_keys"):
        if (row["tenant"], row["class"], row["version"]) != (tenant, data_class, version):
            continue
        if row["key_ref"] == snapshot.key.reference:
            context = {"class": data_class, "purpose": "branch-key", "recipient": str(row["recipient"])}
            context |= {"tenant": tenant, "version": version}
            branch = snapshot.key.unwrap(binary(row["wrapped"]), context, f"branch key {data_class} v{version}")
            who = (uuid.UUID(str(subject["subject"])).bytes, uuid.UUID(identity).bytes, struct.pack(">I", int(version)))
            aad = prefixed(b"strongroom/subject-key/v1", tenant.encode(), data_class.encode(), *who)
            wrapped = binary(subject["wrapped"])
            try:
                return subject, AESGCM(branch).decrypt(wrapped[:12], wrapped[12:], aad)
            except InvalidTag:
                raise Failure(f"subject key {identity} does not open: its row was changed") from None
    raise Failure(f"branch key {data_class} v{version} is not wrapped for {snapshot.key.reference}", 5)


# ---- command line ----------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(text.encode(errors="backslashreplace").decode(), file=sys.stderr)


def run_list(repository: Repository) -> int:
    bad = 0
    print(f"repository {repository.id} in {repository.root}")
    for name, commit in repository.commits():
        if isinstance(commit, Failure):
            bad += 1
            print(f"  BAD  {name}: {commit}")
        else:
            refs = read_refs(repository, commit)
            packs = sum(len(body["packs"]) for body in refs["runs"].values())
            slots = repository.names(f"keys/{commit['run']}/*.slot")
            keys = ", ".join(sorted({Path(slot).name.rsplit(".", 2)[0] for slot in slots})) or "no key"
            print(f"  {commit['source']:<20} {commit['run']}  {commit['committed_at']}  {packs} packs  {keys}")
    return 6 if bad else 0


def run_verify(repository: Repository, key: EscrowKey | None) -> int:
    """Every object of every snapshot against its hash; with a key also every blob and every reference."""
    bad: dict[str, str] = {}
    seen: dict[str, dict[int, tuple[int, int]]] = {}
    for name, commit in repository.commits():
        try:
            if isinstance(commit, Failure):
                raise commit
            refs = read_refs(repository, commit)
            snapshot = Snapshot(repository, commit, key) if key else None
            for run, body in refs["runs"].items():
                for pack in body["packs"]:
                    try:
                        if pack not in seen:
                            seen[pack] = check_pack(repository, snapshot, run, pack)
                    except Failure as failure:
                        bad[f"packs/{pack[:2]}/{pack}.pack"] = str(failure)
            repository.read(f"snapshots/{commit['source']}/{commit['run']}", commit["snapshot_sha256"])
            for item in snapshot.items() if snapshot and not bad else ():
                for ref in item["refs"]:
                    length, size = seen.get(ref.pack, {}).get(ref.offset, (0, 0))
                    if length != ref.length or ref.start + ref.size > size:
                        raise Failure(f"{name}: a file refers to a piece that pack {ref.pack} does not hold")
        except Failure as failure:
            if failure.code != 6:
                raise
            bad[name] = str(failure)
    for name, reason in bad.items():
        print(f"BAD  {name}: {reason}")
    print(f"{len(seen)} packs read, {len(bad)} objects bad" + ("" if key else "; hashes only: give --key to open them"))
    return 6 if bad else 0


def check_pack(repository: Repository, snapshot: Snapshot | None, run: str, pack: str) -> dict[int, tuple[int, int]]:
    """Offset -> (frame length, blob size) of every blob of a pack; empty without a key."""
    name = f"packs/{pack[:2]}/{pack}.pack"
    data = repository.read(name, pack)
    found: dict[int, tuple[int, int]] = {}
    offset = 40
    while snapshot is not None and offset < len(data):
        end = offset + 5 + int.from_bytes(data[offset : offset + 4], "big")
        blob = snapshot.open_frame(run, pack, data[:40], offset, data[offset:end], f"{name} at offset {offset}")
        found[offset] = (end - offset, len(blob))
        offset = end
    return found


def run_restore(repository: Repository, key: EscrowKey, source: str, run: str, target: Path) -> int:
    commit = repository.commit(f"commits/{source}/{run}.dsse") if run else repository.latest(source)
    say(f"restoring {source}, run {commit['run']} of {commit['committed_at']}, into {target}")
    snapshot = Snapshot(repository, commit, key)
    files, size, failed = write_tree(snapshot, target)
    print(f"{files} files, {size} bytes restored to {target}")
    for line in snapshot.root["unreadable"]:
        say(f"was not readable when the backup was made: {line!r}")
    for line in failed:
        say(f"not written: {line}")
    return 3 if failed else 0


def run_field(repository: Repository, key: EscrowKey, args: argparse.Namespace) -> int:
    sources = [args.source] if args.source else sorted({n.split("/")[1] for n in repository.names("commits/*/*.dsse")})
    for source in sources:
        commit = repository.commit(f"commits/{source}/{args.run}.dsse") if args.run else repository.latest(source)
        snapshot = Snapshot(repository, commit, key)
        if "table_map" in snapshot.root["facts"]:
            value = open_field(snapshot, args.table, args.row_key, args.field)
            sys.stdout.buffer.write(value + (b"\n" if sys.stdout.isatty() else b""))
            return 0
    raise Failure("no source here is a database dump", 2)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).resolve().parent.parent
    default = here if (here / "format.json").is_file() else Path()
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--from", dest="folder", type=Path, default=default, help="the repository's folder")
    common.add_argument("--trust", type=Path, help="pinned signing keys; without it signatures are not checked")
    common.add_argument("--key", type=Path, help="escrow key, PEM")
    common.add_argument("--passphrase-file", type=Path)
    common.add_argument("--passphrase-fd", type=int)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("list", "verify", "restore", "field"):
        commands.add_parser(name, parents=[common])
    restore, one = commands.choices["restore"], commands.choices["field"]
    restore.add_argument("source")
    restore.add_argument("--to", type=Path, required=True)
    for name in ("table", "row_key", "field"):
        one.add_argument(name)
    one.add_argument("--source", default="")
    for command in (restore, one):
        command.add_argument("--run", default="")
    args = parser.parse_args(arguments)
    try:
        repository = Repository(args.folder, Trust(args.trust) if args.trust else None)
        if args.trust is None:
            say("signature not checked: give --trust FILE to check who made these backups")
        if args.command == "list":
            return run_list(repository)
        if args.key is None and args.command != "verify":
            raise Failure(f"{args.command} needs --key FILE, the escrow key", 2)
        key = load_key(args.key, args.passphrase_file, args.passphrase_fd) if args.key else None
        if args.command == "verify":
            return run_verify(repository, key)
        assert key is not None
        if args.command == "restore":
            return run_restore(repository, key, args.source, args.run, args.to)
        return run_field(repository, key, args)
    except Failure as failure:
        say(f"error: {failure}")
        return failure.code


if __name__ == "__main__":
    sys.exit(main())
