"""Creates a virtual environment from requirements.lock, hashes checked, then installs this project into it.

Standard library only: it runs before anything is installed. `ensurepip` alone would unpack pip twice, so the
environment is made without pip and the wheel bundled with Python installs `uv`, which installs the rest.
Usage: python tools/setup_venv.py .venv
"""

from __future__ import annotations

import ensurepip
import glob
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
UV_PIN = ROOT / "tools" / "uv.lock.txt"


def bundled_pip() -> str:
    """The pip wheel that ships with this Python; Debian keeps it outside the ensurepip package."""
    places = [os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), "/usr/share/python-wheels"]
    for place in places:
        for wheel in sorted(glob.glob(os.path.join(place, "pip-*.whl"))):
            return wheel
    sys.exit("no pip wheel found beside this Python; install the package python3-venv and run the command again")


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is the one place an older Python is met
        sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; run: make PYTHON=python3.12 ...")
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ".venv").resolve()
    python = target / "bin" / "python"
    print(f"setting up {target.name} (once)", flush=True)
    venv.EnvBuilder(with_pip=False, clear=target.exists() and not python.exists()).create(target)
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")}
    pip = [str(python), f"{bundled_pip()}/pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(UV_PIN)], check=True, env=env)
    uv = [str(target / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*uv, "--require-hashes", "-r", str(LOCK)], check=True, env=env)
    # Hashes cannot be asked of a local folder, hence a second call that may fetch nothing.
    subprocess.run([*uv, "--no-deps", "--no-build-isolation", "--offline", "-e", str(ROOT)], check=True, env=env)
    count = len(re.findall(r"^[A-Za-z0-9_.-]+==", LOCK.read_text(), re.MULTILINE))
    print(f"installed {count} pinned packages, every hash checked", flush=True)


if __name__ == "__main__":
    main()
