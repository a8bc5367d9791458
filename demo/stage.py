"""What the steps of the story share: the folder, the secret, contexts of duties, jobs run as a scheduler would."""

from __future__ import annotations

import hashlib
import sys
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.display import Display
from strongroom.errors import Differs

if TYPE_CHECKING:
    from strongroom.estate.manifest import Copy, Manifest, Repository, Store
    from strongroom.jobs.context import JobContext
    from strongroom.jobs.runner import RunReport
    from strongroom.storage.contract import Storage

ENV = "dev"
TENANT = "prenatal-clinic"
#: Variables of the user's own cloud; the demo must not reach it, whatever they say.
FOREIGN = (
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "STRONGROOM_MANIFEST",
    "STRONGROOM_VAULT_CREDENTIALS",
    "VAULT_TOKEN",
    "VAULT_NAMESPACE",
)


def require(condition: object, message: str) -> None:
    """Differs with `message` unless the condition holds: a step that cannot show what it says is not verified."""
    if not condition:
        raise Differs(message)


def digest(value: str | bytes) -> str:
    """The first 16 hex digits of a SHA-256: enough to compare by eye."""
    data = value.encode() if isinstance(value, str) else value
    return hashlib.sha256(data).hexdigest()[:16]


@dataclass(frozen=True)
class Patient:
    """Whose note the secret is: row key of the note, and the patient as the subject of its data key."""

    note: Any
    subject: Any


@dataclass
class Stage:
    """One run of the demo. `secret` never leaves this process except sealed."""

    home: Path
    root: Path
    display: Display
    secret: str = field(repr=False)
    secret_file: Path | None = None
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    patient: Patient | None = None
    jobs: list[tuple[str, float]] = field(default_factory=list)
    recovery: list[str] = field(default_factory=list)
    #: The data set, made while the first layers deploy.
    portal: Future[Any] | None = field(default=None, repr=False)
    _contexts: dict[str, JobContext] = field(default_factory=dict, repr=False)

    @property
    def escrow(self) -> Path:
        """Where the offline key lies: beside the home folder, not in it, as it would be on a stick in a safe."""
        return self.home.with_name(f"{self.home.name.lstrip('.')}-escrow")

    @property
    def escrow_options(self) -> dict[str, str]:
        """The job options that hand in the offline key."""
        return {"escrow_key": str(self.escrow / "escrow.pem"), "escrow_passphrase": str(self.escrow / "passphrase")}

    @property
    def python(self) -> Path:
        """The folder of this interpreter's programs."""
        return Path(sys.executable).parent

    def manifest(self) -> Manifest:
        """What is deployed."""
        return self.context("restorer").manifest

    def store(self, name: str) -> Store:
        """A store of the manifest."""
        return self.manifest().store(name)

    def repository(self) -> Repository:
        """The one backup repository."""
        return self.manifest().repository()

    def named(self, words: str) -> str:
        """Words for people: ARNs of keys and roles as the names they have in the estate."""
        manifest = self.manifest()
        names = {key.ref: key.name for key in manifest.keys}
        names |= {arn: f"role {duty}" for account in manifest.accounts.values() for duty, arn in account.roles.items()}
        for reference in sorted(names, key=len, reverse=True):
            words = words.replace(reference, names[reference])
        return words

    def context(self, duty: str, **options: Any) -> JobContext:
        """A context with a duty's credentials, kept when it has no options."""
        from strongroom.jobs.context import JobContext, load_manifest

        if options or duty not in self._contexts:
            made = JobContext(load_manifest(ENV, duty), job="demo", duty=duty, options=options)
            if options:
                return made
            self._contexts[duty] = made
        return self._contexts[duty]

    def forget_contexts(self) -> None:
        """Drops kept sessions, so that what comes next proves itself anew."""
        self._contexts.clear()

    def copy(self, name: str) -> Copy:
        """A copy of the repository."""
        from backup_jobs import opening

        return opening.copy_named(self.repository(), name)

    def data(self, duty: str, copy: str) -> Storage:
        """The objects of a copy, with a duty's credentials."""
        from backup_jobs import opening

        return opening.data(self.context(duty), duty, self.repository(), self.copy(copy))

    def run(self, name: str, **options: Any) -> RunReport:
        """Runs a job by name in this process, through the runner, and remembers how long it took."""
        from strongroom.cli.registry import run_named

        started = time.monotonic()
        report = run_named(name, ENV, options, quiet=True)
        self.jobs.append((name, time.monotonic() - started))
        return report

    def run_well(self, name: str, **options: Any) -> RunReport:
        """Runs a job that must end with exit code 0; Differs with its own words when it does not."""
        report = self.run(name, **options)
        words = "; ".join([*report.problems[:2], report.message] if report.message else report.problems[:2])
        require(report.exit_code == 0, f"{name} ended with {report.exit_code}: {words or report.state.value}")
        return report
