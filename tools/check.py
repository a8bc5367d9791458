"""Everything `make test` runs, in one place: lint, format, import directions, types, then the test suite.

The static checks run beside the tests, because they use one core; pytest's own closing line is printed last.
Usage: python -m tools.check [pytest arguments]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
STATIC = {
    "lint": [[str(BIN / "ruff"), "check", "."], [str(BIN / "ruff"), "format", "--check", "--quiet", "."]],
    "layers": [[str(BIN / "lint-imports"), "--no-cache"]],
    "types": [[str(BIN / "mypy")]],
}


def environment() -> dict[str, str]:
    """This process's environment with bytecode allowed: without it every child imports pulumi_aws for 7 s."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def static_checks() -> list[str]:
    """Runs the static checks; returns the names of those that failed, after printing what they said."""
    failed = []
    for name, commands in STATIC.items():
        start = time.monotonic()
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
            if done.returncode:
                failed.append(name)
                print(f"{name}: FAILED\n{done.stdout}{done.stderr}", flush=True)
                break
        else:
            print(f"{name}: ok ({time.monotonic() - start:.1f} s)", flush=True)
    return failed


def main() -> int:
    """Exit code 0 only if every check and every test passed."""
    failed = static_checks()
    tests = [
        str(BIN / "pytest"),
        "-q",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-m",
        "not nightly and not aws",
        *sys.argv[1:],
    ]
    code = subprocess.run(tests, env=environment(), check=False).returncode
    if failed:
        print(f"static checks failed: {', '.join(failed)}")
    return code or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main())
