"""The story of `make demo`: every step shown, verified and timed; exit code non-zero if any step was not verified."""

from __future__ import annotations

import getpass
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from demo.dataset.generate import generate
from demo.display import Display, Outcome
from demo.search import MINIMUM_BYTES
from demo.stage import Stage
from demo.steps import backups, copies, estate, evidence, healing, leaks, logins, outage, portal, refusals, rotation
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
    Step(backups, (portal,)),
    Step(copies, (backups,)),
    Step(rotation, (backups,)),
    Step(refusals, (backups,)),
    Step(healing, (copies,)),
    Step(evidence, (logins,)),
    Step(outage, (copies,)),
    Step(leaks, (portal,)),
)
#: Said at the end of every demo, since a laptop cannot show it.
NOT_SHOWN = (
    "AWS itself: its evaluation of these policies, durability, Regions, quotas, cost; separate people; locks that "
    "outlive an administrator; a compromised host. Statements made here are marked simulated"
)


def run(secret_file: Path | None, *, keep: bool = True) -> int:
    """Runs the whole story and returns the exit code: 0 if every step was verified, else that of the worst cause."""
    from local_cloud.servers import lifecycle
    from strongroom.cli.output import project_root
    from strongroom.jobs.credentials import home

    display = Display()
    secret, origin = _secret(secret_file)
    stage = Stage(home(), project_root(), display, secret, secret_file)
    display.opening(str(stage.home), origin)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as ahead:
        stage.portal = ahead.submit(generate)
        outcomes, codes = tell(stage, STORY)
    display.table(outcomes)
    if not keep:
        lifecycle.stop_all(stage.home)
    display.summary(_closing(stage, outcomes, time.monotonic() - began))
    return worst_exit_code(codes)


def _closing(stage: Stage, outcomes: Sequence[Outcome], seconds: float) -> list[tuple[str, str]]:
    """The last lines: recovery times, what was not shown, where the report is, how long it took."""
    slowest = sorted(outcomes, key=lambda outcome: -outcome.seconds)[:3]
    verified = sum(outcome.verified is True for outcome in outcomes)
    named = ", ".join(f"{outcome.title} {outcome.seconds:.1f} s" for outcome in slowest)
    report = stage.home / "report.html"
    rows = [("recovery", line) for line in stage.recovery]
    rows.append(("not shown", NOT_SHOWN))
    rows.append(("report", str(report) if report.is_file() else "was not written"))
    rows.append(("try it", "strongroom demo break byte|row, strongroom evidence list, strongroom job run drill"))
    rows.append(("took", f"{seconds:.1f} s; slowest: {named}"))
    rows.append(("result", f"{verified} of {len(outcomes)} steps verified"))
    return rows


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
