"""The secret is searched for wherever this demo has left bytes, after the same search has found planted canaries."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from demo.search import Forms, Hit, all_forms, forms, search_bytes, search_tree
from demo.stage import ENV, Stage, require
from demo.steps.portal import master_connection

TITLE = "Search for the secret"
CANARY = "canary"


@dataclass
class Place:
    """Somewhere the secret might lie: files below roots, or bytes that are fetched."""

    name: str
    roots: tuple[Path, ...] = ()
    fetched: list[tuple[str, bytes]] = field(default_factory=list)
    #: Part of the path or label of what a real request carried a canary into, beside the planted file.
    natural: str = ""
    #: Only files that changed since then: what others keep there is not looked through.
    since: float = 0.0


def show(stage: Stage) -> str:
    """Plants a canary in every place and encoding, then looks for both: each canary found, the secret nowhere."""
    canary = f"{CANARY}-{secrets.token_hex(16)}"
    needles = {f"secret/{name}": text for name, text in all_forms(stage.secret).items()}
    marks = {f"canary/{name}": text for name, text in forms(canary).items()}
    with _planted(stage, canary) as places:
        looked, leaks, files, size = 0, [], 0, 0
        for place in places:
            hits, count, total = _look(stage, place, {**needles, **marks})
            leaks += [hit for hit in hits if hit.form.startswith("secret/")]
            _demand_canaries(place, [hit for hit in hits if hit.form.startswith("canary/")], set(marks))
            looked, files, size = looked + 1, files + count, size + total
    require(not leaks, "the secret lies open: " + "; ".join(str(hit) for hit in leaks[:5]))
    stage.display.line(f"{len(marks)} encodings, also inside zstd: canary found in all {looked} places, secret in none")
    stage.display.line(f"{files:,} files, {size / 1e6:.0f} MB: the home folder, evidence, temporary files, processes")
    return f"not found in {looked} places, {files:,} files, {size / 1e6:.0f} MB; canaries found in each"


def _look(stage: Stage, place: Place, wanted: Forms) -> tuple[list[Hit], int, int]:
    mine = [stage.secret_file] if stage.secret_file else []
    found = search_tree(place.roots, wanted, leave_out=mine, since=place.since)
    require(not found.unreadable, f"{place.name}: not searched: {', '.join(found.unreadable[:3])}")
    hits = list(found.hits)
    for where, data in place.fetched:
        hits += search_bytes(data, where, wanted)
    return hits, found.files + len(place.fetched), found.bytes + sum(len(data) for _, data in place.fetched)


def _demand_canaries(place: Place, hits: list[Hit], marks: set[str]) -> None:
    """Every encoding planted in a place must be found there, plain and compressed; else the search shows nothing."""
    open_, packed = ({hit.form for hit in hits if hit.compressed is inside} for inside in (False, True))
    if place.natural:
        carried = [hit for hit in hits if place.natural in hit.where and f"planted-{CANARY}" not in hit.where]
        require(carried, f"{place.name}: the canary that a real request left there was not found")
    if place.roots:
        lacking = sorted((marks - open_) | (marks - packed))
        require(not lacking, f"{place.name}: the planted canary was not found as {', '.join(lacking)}")


@contextmanager
def _planted(stage: Stage, canary: str) -> Iterator[list[Place]]:
    """The places, each with a canary in it; planted files are gone when the block ends."""
    home, temporary = stage.home, Path(tempfile.mkdtemp(prefix="strongroom-canary-"))
    places = [
        Place("logs, OpenBao's audit log", (home / "cloud" / "logs", home / "run"), natural="openbao-audit"),
        Place("Pulumi state", (home / "state",)),
        Place("journal and metrics", (home / "journal", home / "metrics")),
        Place("PostgreSQL's files", (home / "cloud" / "postgres",), natural="pg_wal"),
        Place("OpenBao's storage", (home / "cloud" / "openbao",)),
        Place("gateway's events, objects and keys", _gateway_folders(home), natural="events"),
        Place("report, heads, escrow, credentials, the rest", _rest(home)),
        Place("copy on disk", (home / "copies",)),
        Place("temporary folders", (temporary, *_temporary(stage, temporary)), since=stage.began.timestamp()),
        Place("evidence and manifest", fetched=_fetched(stage, canary), natural="never signed"),
    ]
    content = _every_form(canary)
    planted = []
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", "import sys; sys.stdin.read()", canary],
        stdin=subprocess.PIPE,
        env={"CANARY": canary, "LC_ALL": "C"},
    )
    try:
        for place in places:
            if place.roots:
                place.roots[0].mkdir(mode=0o700, exist_ok=True)  # a step that was not run has made none
                planted.append(place.roots[0] / f"planted-{CANARY}")
                planted[-1].write_bytes(content)
        _leave_traces(stage, canary)
        places.append(Place("process table", fetched=_processes(), natural="cmdline"))
        yield places
    finally:
        for path in planted:
            path.unlink(missing_ok=True)
        child.communicate()
        temporary.rmdir()


def _every_form(canary: str) -> bytes:
    """The canary in every encoding, once as it is and once in a zstd frame."""
    plain = b"\n".join(forms(canary).values())
    return plain + b"\n" + zstandard.ZstdCompressor(level=3).compress(b" ".join([plain] * 3))


def _leave_traces(stage: Stage, canary: str) -> None:
    """Real requests that carry the canary: a row in PostgreSQL, a path at OpenBao, an object's name at the gateway."""
    import hvac
    import hvac.exceptions
    from botocore.exceptions import ClientError

    with master_connection(stage) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS canary (word text)")
        connection.execute("INSERT INTO canary VALUES (%s)", (canary,))
    client = hvac.Client(os.environ["VAULT_ADDR"], "none", verify=os.environ["VAULT_CACERT"])
    with suppress(hvac.exceptions.VaultError):  # refused, and written into the audit log
        client.read(f"transit/keys/{canary}")
    s3 = stage.context("auditor").session("auditor", "audit").client("s3")
    with suppress(ClientError):  # refused, and written into the trail
        s3.head_object(Bucket=f"strongroom-{ENV}-evidence", Key=canary)


def _fetched(stage: Stage, canary: str) -> list[tuple[str, bytes]]:
    """Evidence and manifest lie encrypted on disk, so they are read through S3; signed payloads also decoded."""
    import base64
    import json

    from strongroom.cli.evidence import load

    envelopes, _ = load(ENV, None, None)
    found = list(envelopes.items())
    found += [(f"{name} (payload)", base64.b64decode(json.loads(data)["payload"])) for name, data in envelopes.items()]
    found.append(("manifest", stage.manifest().model_dump_json().encode()))
    decoy = json.dumps({"payload": base64.b64encode(f'{{"note": "{canary}"}}'.encode()).decode()})
    return [*found, ("an envelope that was never signed", decoy.encode())]


def _processes() -> list[tuple[str, bytes]]:
    """Arguments and environments of all processes of this user; another user's environments are closed to us."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        for part in ("cmdline", "environ"):
            try:
                found.append((f"{folder}/{part}", (folder / part).read_bytes()))
            except OSError:
                continue  # it ended, or belongs to somebody else
    return found


def _gateway_folders(home: Path) -> tuple[Path, ...]:
    names = ("events", "s3", "kms", "gateway", "sqs", "secretsmanager")
    return tuple(path for path in (home / "cloud" / name for name in names) if path.is_dir())


def _rest(home: Path) -> tuple[Path, ...]:
    """Everything below the home folder that no other place covers, escrow folder included."""
    covered = {"cloud", "state", "journal", "metrics", "copies", "run", "software"}
    others = [path for path in sorted(home.iterdir()) if path.name not in covered]
    folders = [path for path in others if path.is_dir()]
    return (*folders, *(path for path in others if path.is_file()))


def _temporary(stage: Stage, own: Path) -> list[Path]:
    """What this user has made in the temporary folder since the demo began."""
    since, found = stage.began.timestamp(), []
    for path in Path(tempfile.gettempdir()).iterdir():
        try:
            status = path.lstat()
        except OSError:
            continue  # gone meanwhile
        ours = status.st_uid == os.geteuid() and max(status.st_ctime, status.st_mtime) >= since
        if ours and path != own and not path.is_symlink() and path.resolve() not in (stage.home, *stage.home.parents):
            found.append(path)
    return found
