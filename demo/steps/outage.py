"""KMS and OpenBao are down: the restore by KMS says so, the single-file reader with the offline key does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.stage import ENV, Stage, digest, require

TITLE = "KMS and OpenBao are gone"
SERVICES = ("kms", "openbao")
#: All that tools/restore.py needs; cffi and pycparser are what `cryptography` itself stands on.
PACKAGES = ("cryptography", "zstandard", "cffi", "pycparser", "_cffi_backend*")
_SECONDS = 120.0


def show(stage: Stage) -> str:
    """Stops both, restores by KMS (exit 5) and by escrow (digests equal), and starts both again."""
    assert stage.patient is not None
    kit = recovery_kit(stage)
    with tempfile.TemporaryDirectory(prefix="strongroom-outage-") as name, _stopped(stage):
        folder = Path(name)
        restoring = _strongroom(stage, folder / "by-kms", kit)
        python = isolated_python(folder / "venv")
        reader = [python, "-I", kit / "restore.py"]
        keys = _keys(stage, kit / "trust.json")
        alone = _run([python, "-I", "-c", _ALONE])
        require(alone.returncode == 0, f"the isolated interpreter is not isolated: {alone.stderr.decode()[-200:]}")
        row = ["psychotherapy_notes", str(stage.patient.note), "psy-note"]
        field = _run([*reader, "field", *row, *keys])
        tree = _run([*reader, "restore", "device-data", "--to", folder / "by-escrow", *keys])
        output, _ = restoring.communicate(timeout=_SECONDS)
        require(restoring.returncode == 5, f"`restore run` by KMS ended with {restoring.returncode}: {_last(output)}")
        for what, done in (("field", field), ("restore", tree)):
            require(done.returncode == 0, f"restore.py {what} ended with {done.returncode}: {_last(done.stderr)}")
        require(digest(field.stdout) == digest(stage.secret), "restore.py brought back another note than was stored")
        files = _compare(stage, folder / "by-escrow")
    stage.display.refused("strongroom restore run, exit 5", stage.named(_last(output)).partition(";")[0][:150])
    stage.display.line("restore.py: python -I, empty environment, cryptography and zstandard only, the escrow key")
    stage.display.line(
        f"its note    {field.stdout.decode()[:2]}…  sha256 {digest(field.stdout)}, equal; {files} files equal"
    )
    return f"secret and {files} files back without KMS, OpenBao or Strongroom"


_ALONE = """
import importlib.util, os, sys
found = [name for name in ("strongroom", "boto3", "hvac", "psycopg") if importlib.util.find_spec(name)]
sys.exit(f"can import {found}" if found else f"has {sorted(os.environ)}" if set(os.environ) - {"LC_CTYPE"} else 0)
"""


def isolated_python(folder: Path) -> Path:
    """An interpreter that finds the standard library and two packages, linked from this installation: no network."""
    import cryptography

    subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--without-pip", "--symlinks", folder], check=True, capture_output=True
    )
    installed = Path(cryptography.__file__).parent.parent
    (target,) = (folder / "lib").glob("python*/site-packages")
    for pattern in PACKAGES:
        for found in installed.glob(pattern):
            (target / found.name).symlink_to(found)
    return folder / "bin" / "python"


@contextmanager
def _stopped(stage: Stage) -> Iterator[None]:
    from local_cloud.servers import lifecycle

    try:
        for service in SERVICES:
            lifecycle.set_service(stage.home, service, up=False)
        yield
    finally:
        for service in SERVICES:
            lifecycle.set_service(stage.home, service, up=True)
        stage.forget_contexts()


def recovery_kit(stage: Stage) -> Path:
    """What lies beside the escrow key for a day without KMS: manifest, pinned signers, the reader. No secrets.

    The manifest's bucket is encrypted under KMS, so with KMS down nobody can fetch it any more.
    """
    from local_cloud.servers.layout import private_folder, write_private
    from strongroom.estate.manifest import LAYERS
    from strongroom.storage.s3 import S3Storage

    ctx, declared = stage.context("restorer"), stage.manifest().evidence
    bucket = S3Storage(ctx.session("restorer", "workload").client("s3"), f"strongroom-{ENV}-manifest")
    kit = private_folder(stage.escrow / "kit")
    parts = private_folder(kit / "manifest" / ENV)
    for layer in LAYERS:
        write_private(parts / f"{layer}.json", bucket.get(f"{ENV}/{layer}.json"))
    signers = [key.model_dump(mode="json") for key in (declared.keys if declared else ())]
    write_private(kit / "trust.json", json.dumps(signers))
    write_private(kit / "restore.py", (stage.root / "tools" / "restore.py").read_bytes())
    return kit


def _strongroom(stage: Stage, target: Path, kit: Path) -> subprocess.Popen[bytes]:
    """`strongroom restore run` as somebody would start it, with the restorer's credentials and the kit's manifest."""
    command = [stage.python / "strongroom", "restore", "run", "device-data", "--to", target, "-e", ENV]
    return subprocess.Popen(
        command,
        cwd=stage.root,
        env={**os.environ, "STRONGROOM_MANIFEST": str(kit / "manifest")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _run(command: list[str | Path]) -> subprocess.CompletedProcess[bytes]:
    """A child that gets nothing from this environment."""
    return subprocess.run(command, env={}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS)


def _keys(stage: Stage, trust: Path) -> list[str | Path]:
    from backup_jobs import opening

    folder = opening.local_path(stage.copy("disk"))
    options = stage.escrow_options
    return [
        "--from", folder, "--key", options["escrow_key"], "--passphrase-file", options["escrow_passphrase"],
        "--trust", trust,
    ]  # fmt: skip


def _compare(stage: Stage, restored: Path) -> int:
    """Every file of the device folder against what came back; how many."""
    from backup_jobs.sources.declared import folder_of

    live = folder_of(stage.store("device-data"))
    names = sorted(path.relative_to(live) for path in live.rglob("*") if path.is_file())
    back = sorted(path.relative_to(restored) for path in restored.rglob("*") if path.is_file())
    require(names == back and names, f"{len(names)} files were backed up, {len(back)} came back")
    for name in names:
        require((live / name).read_bytes() == (restored / name).read_bytes(), f"{name} came back with other bytes")
    return len(names)


def _last(output: bytes) -> str:
    """The line that tells the error."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "no message")
    return told.removeprefix("error: ")
