"""The story of `make demo`: every step shown, verified and timed; exit code non-zero if any step was not verified."""

from __future__ import annotations

import getpass
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from demo.display import Display, Outcome
from demo.search import MINIMUM_BYTES
from demo.stage import Stage
from demo.steps import estate, logins, portal
from strongroom.errors import StrongroomError, UsageError, worst_exit_code

_SECRET_LIMIT = 64 << 10


@dataclass(frozen=True)
class Step:
    """A step and the titles of the steps it builds on."""

    module: ModuleType
    needs: tuple[ModuleType, ...] = ()

    @property
    def title(self) -> str:
        """What it is called on the terminal."""
        return str(self.module.TITLE)

    @property
    def show(self) -> Callable[[Stage], str]:
        """Does it; returns what was shown, raises when that is not what it must be."""
        shown: Callable[[Stage], str] = self.module.show
        return shown


STORY = (
    Step(estate),
    Step(logins, (estate,)),
    Step(portal, (logins,)),
)


def run(secret_file: Path | None, *, keep: bool = True) -> int:
    """Runs the whole story and returns the exit code: 0 if every step was verified, else that of the worst cause."""
    from strongroom.cli.output import project_root
    from strongroom.jobs.credentials import home

    display = Display()
    secret, origin = _secret(secret_file)
    stage = Stage(home(), project_root(), display, secret, secret_file)
    display.opening(str(stage.home), origin)
    began = time.monotonic()
    outcomes, codes = tell(stage, STORY)
    display.table(outcomes)
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    took = f"{time.monotonic() - began:.0f} s, slowest: {slowest.title} {slowest.seconds:.0f} s"
    display.summary([("took", took)])
    return worst_exit_code(codes)


def tell(stage: Stage, story: Sequence[Step]) -> tuple[list[Outcome], list[int]]:
    """Runs the steps in order; one that fails ends neither the story nor steps that do not build on it."""
    outcomes: list[Outcome] = []
    codes: list[int] = []
    failed: set[ModuleType] = set()
    for number, step in enumerate(story, 1):
        started = time.monotonic()
        lacking = [module.TITLE for module in step.needs if module in failed]
        verified: bool | None = False
        shown = ""
        with stage.display.step(number, step.title):
            if lacking:
                verified = None
                failed.add(step.module)
                stage.display.skipped(lacking[0])
            else:
                try:
                    shown = step.show(stage)
                    verified = True
                except KeyboardInterrupt:
                    raise
                except Exception as error:
                    shown, code = _cause(error)
                    codes.append(code)
                    failed.add(step.module)
                    stage.display.failed(shown)
        outcomes.append(Outcome(number, step.title, shown, verified, time.monotonic() - started))
    return outcomes, codes


def _cause(error: Exception) -> tuple[str, int]:
    """One sentence and an exit code. An unexpected error is told by type and place: its text may quote data."""
    if isinstance(error, StrongroomError):
        return str(error), error.exit_code or 1
    from strongroom.jobs.runner import _place

    return f"{type(error).__name__} at {_place(error)}", 1


def _secret(secret_file: Path | None) -> tuple[str, str]:
    """The secret to protect and where it is from: a file, the terminal, or generated."""
    if secret_file is not None:
        try:
            text, origin = secret_file.read_bytes().decode().rstrip("\r\n"), f"the secret is that of {secret_file}"
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{secret_file}: not a readable text file ({type(error).__name__})") from None
    elif sys.stdin.isatty() and sys.stderr.isatty():
        text = getpass.getpass("A secret to protect (not shown; Enter generates one): ")
        origin = "the secret was typed"
    else:
        text, origin = "", ""
    if not text and secret_file is None:
        text, origin = f"She has told nobody but us: {secrets.token_hex(16)}", "the secret was generated"
    if not MINIMUM_BYTES <= len(text.encode()) <= _SECRET_LIMIT:
        raise UsageError(
            f"the secret has {len(text.encode())} bytes, between {MINIMUM_BYTES} and {_SECRET_LIMIT} are needed",
            hint="a shorter one would be found by accident in the search for leaks",
        )
    return text, origin
