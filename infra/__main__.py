"""The Pulumi program of every layer: the stack's name `<layer>.<env>` says which one runs."""

import sys
from pathlib import Path

# `main: infra` starts this file with the folder infra/ as sys.path[0]; the packages live one folder up
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.program import run

run()
