"""Speed and memory of the backup repository beside `tar | zstd` and whichever of restic, borg and age are on PATH.

    python bench/repository.py [--megabytes 300] [--rounds 3] [--folder /dev/shm]

Every step is a process of its own, steps of all tools interleave round by round, medians are printed with the ratio of
each peer to us from the same run. Wall seconds on a shared machine say little alone: read the CPU column and ratios.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

STEPS = ("first backup", "unchanged", "1 % changed", "verify", "restore")


def make_corpus(folder: Path, megabytes: int, seed: int = 7) -> None:
    """Images (incompressible), tables of text, and many small JSON files, a third of the bytes each."""
    rng = random.Random(seed)
    third = megabytes * 1_000_000 // 3
    (folder / "images").mkdir(parents=True)
    for n in range(max(1, third // 8_000_000)):
        (folder / "images" / f"{n:04}.dcm").write_bytes(rng.randbytes(8_000_000))
    words = [rng.randbytes(4).hex() for _ in range(4000)]
    (folder / "tables").mkdir()
    for n in range(max(1, third // 8_000_000)):
        with (folder / "tables" / f"{n:04}.csv").open("w") as file:
            while file.tell() < 8_000_000:
                rows = (f"{rng.randrange(10**6)},{','.join(rng.choices(words, k=12))}\n" for _ in range(1000))
                file.write("".join(rows))
    written = n = 0
    while written < third:
        small = folder / "records" / f"{n // 500:04}" / f"{n:07}.json"
        small.parent.mkdir(parents=True, exist_ok=True)
        fields = ",".join(f'"{w}":"{rng.choice(words)}"' for w in rng.choices(words, k=rng.randrange(40, 320)))
        small.write_text("{" + fields + "}")
        written += small.stat().st_size
        n += 1


def change_one_percent(folder: Path, seed: int = 8) -> None:
    """Rewrites one small file in a hundred, inserts rows into one table, adds an image."""
    rng = random.Random(seed)
    small = sorted((folder / "records").rglob("*.json"))
    for path in rng.sample(small, len(small) // 100):
        path.write_text(path.read_text().replace('":"', '":"x', 3))
    table = folder / "tables" / "0000.csv"
    text = table.read_bytes()
    middle = text.index(b"\n", len(text) // 2) + 1
    table.write_bytes(text[:middle] + b"inserted,row\n" * 2000 + text[middle:])
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    (folder / "images" / "new.dcm").write_bytes(rng.randbytes(total // 200))


@dataclass(frozen=True)
class Cost:
    """What one step cost."""

    wall: float
    cpu: float
    rss_mb: float


def measure(command: list[str] | str, cwd: Path, environment: dict[str, str] | None = None) -> Cost:
    """Runs a command to its end and returns its cost; a failing command ends the bench."""
    began = time.perf_counter()
    shell = isinstance(command, str)
    arguments = ["bash", "-o", "pipefail", "-c", command] if isinstance(command, str) else command
    child = subprocess.Popen(arguments, cwd=cwd, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{arguments[-1] if shell else ' '.join(arguments)} failed with {child.returncode}")
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def ours(work: Path) -> dict[str, Callable[[], Cost]]:
    """Our steps."""
    script = [sys.executable, str(Path(__file__).resolve()), "--work", str(work), "--step"]

    def run(step: str) -> Callable[[], Cost]:
        return lambda: measure([*script, step], ROOT)

    return {step: run(step) for step in STEPS}


def tar_zstd(work: Path) -> dict[str, Callable[[], Cost]]:
    """tar | zstd -1 (| age where it is on PATH): every backup is a full one."""
    seal, unseal = "cat", "cat"
    if shutil.which("age") and shutil.which("age-keygen"):
        key = work / "age.key"
        if not key.exists():
            subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
        seal, unseal = f"age -R <(age-keygen -y {key})", f"age -d -i {key}"
    backup = f"tar -C {work}/source -cf - . | zstd -q -1 -T0 | {seal} > {work}/tar.zst"
    unpack = f"{unseal} < {work}/tar.zst | zstd -q -d"
    restore = f"rm -rf {work}/out && mkdir {work}/out && {unpack} | tar -C {work}/out -xf -"
    verify = f"{unpack} | cat > /dev/null"
    commands = dict(zip(STEPS, (backup, backup, backup, verify, restore), strict=True))
    return {step: (lambda c=command: measure(c, work)) for step, command in commands.items()}


def restic(work: Path) -> dict[str, Callable[[], Cost]]:
    """restic, repository version 2."""
    environment = {"RESTIC_REPOSITORY": str(work / "restic"), "RESTIC_PASSWORD": "bench", "HOME": str(work)}
    subprocess.run(["restic", "init"], env={**os.environ, **environment}, check=True, capture_output=True)
    backup = f"restic -q backup {work}/source"
    restore = f"rm -rf {work}/out && restic -q restore latest --target {work}/out"
    commands = dict(zip(STEPS, (backup, backup, backup, "restic -q check --read-data", restore), strict=True))
    return {step: (lambda c=command: measure(c, work, environment)) for step, command in commands.items()}


def borg(work: Path) -> dict[str, Callable[[], Cost]]:
    """borg, repokey-blake2, zstd level 1."""
    environment = {"BORG_REPO": str(work / "borg"), "BORG_PASSPHRASE": "bench", "BORG_BASE_DIR": str(work / "b")}
    init = ["borg", "init", "-e", "repokey-blake2"]
    subprocess.run(init, env={**os.environ, **environment}, check=True, capture_output=True)
    backup = "borg create -C zstd,1 ::$(date +%s%N) source"
    restore = f"rm -rf {work}/out && mkdir {work}/out && cd {work}/out && borg extract ::$(borg list --short --last 1)"
    commands = dict(zip(STEPS, (backup, backup, backup, "borg check --verify-data", restore), strict=True))
    return {step: (lambda c=command: measure(c, work, environment)) for step, command in commands.items()}


def run_step(work: Path, step: str, megabytes: int) -> None:
    """One of our steps, in a process of its own."""
    from bench_kit import backup, mark_last_run, prepare, restore, verify

    if step == "corpus":
        make_corpus(work / "source", megabytes)
        prepare(work)
    elif step == "change":
        change_one_percent(work / "source")
    elif step in ("mark", "verify", "restore"):
        {"mark": mark_last_run, "verify": verify, "restore": restore}[step](work)
    else:
        backup(work, datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f"))


def stored_mb(path: Path) -> float:
    """Megabytes of a file or folder."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files) / 1e6


def main() -> None:
    """Runs all tools and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm") if Path("/dev/shm").is_dir() else None)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        run_step(args.work, args.step, args.megabytes)
        return
    # everything big happens in children: a child's peak memory begins at its parent's
    script = [sys.executable, str(Path(__file__).resolve()), "--work"]
    costs: dict[tuple[str, str], list[Cost]] = {}
    sizes: dict[str, list[float]] = {}
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory(dir=args.folder, prefix="strongroom-bench-") as folder:
            work = Path(folder)
            measure([*script, str(work), "--step", "corpus", "--megabytes", str(args.megabytes)], ROOT)
            tools = {"strongroom": ours(work), "tar,zstd": tar_zstd(work)}
            tools |= {name: make(work) for name, make in (("restic", restic), ("borg", borg)) if shutil.which(name)}
            for step in STEPS:
                if step == "1 % changed":
                    measure([*script, str(work), "--step", "change"], ROOT)
                for name in random.Random(number).sample(sorted(tools), len(tools)):
                    costs.setdefault((name, step), []).append(tools[name][step]())
                # the restorer's read-back, not part of a backup's time: without it nothing is referred to
                measure([*script, str(work), "--step", "mark"], ROOT)
            stored = {"strongroom": work / "data", "tar,zstd": work / "tar.zst"}
            stored |= {name: work / name for name in tools if name in ("restic", "borg")}
            for name, path in stored.items():
                sizes.setdefault(name, []).append(stored_mb(path))
            megabytes = stored_mb(work / "source")
    print(
        f"{megabytes:.0f} MB, medians of {args.rounds} rounds; wall s / CPU s / RSS MB, (wall and CPU relative to ours)"
    )
    for step in STEPS:
        own = [statistics.median(getattr(c, key) for c in costs["strongroom", step]) for key in ("wall", "cpu")]
        for name in dict.fromkeys(tool for tool, _ in costs):
            wall, cpu, rss = (
                statistics.median(getattr(c, key) for c in costs[name, step]) for key in ("wall", "cpu", "rss_mb")
            )
            ratio = f"({wall / own[0]:.2f}x, {cpu / own[1]:.2f}x)"
            print(f"  {step:<14}{name:<12}{wall:8.2f} {cpu:8.2f} {rss:8.0f}   {ratio}")
    for name, values in sizes.items():
        print(f"  {'stored MB':<14}{name:<12}{statistics.median(values):8.1f}")


if __name__ == "__main__":
    main()
