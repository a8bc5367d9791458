"""Every error Strongroom raises on purpose, with the exit code a scheduler sees.

    StrongroomError                         1  internal: a defect of ours unless a subclass says otherwise
    ├── UsageError                          2  the call, a file or a setting is wrong; nothing was changed
    │   ├── EstateError                     2  stacks/estate.<env>.yaml: names file, line and key
    │   ├── ManifestError                   2  a manifest part is missing, of another schema or contradictory
    │   └── UnknownElement                  2  a policy holds something whose meaning is not known: never ignored
    ├── Partial                             3  done, but some units were left out, or a proof is overdue
    ├── Degraded                            4  done, but a copy could not be brought up to date
    ├── KeyFailure                          5  a key cannot be used: absent, disabled, unreachable, withheld
    ├── IntegrityFailure                    6  stored bytes are not what they must be
    │   ├── Corrupt                         6  a stored object does not match its name or its authentication tag
    │   ├── Missing                         6  a stored object that must exist does not
    │   ├── SignatureInvalid                6  an envelope does not verify under the pinned key of its kind
    │   └── ChainBroken                     6  a statement was removed, reordered, edited or cut off
    ├── LockFailure                         7  somebody holds what is needed
    │   ├── LeaseHeld                       7  another run holds the lease
    │   ├── Locked                          7  object lock refuses the change
    │   └── Exists                          7  a conditional put found the name taken
    ├── Transient                           8  storage or network failed after retries; run again
    ├── Refused                             9  a policy says no
    │   ├── Denied                          9  the service refused the principal; carries the deciding statement
    │   └── ApprovalInvalid                 9  an approval is absent, expired, used or for another plan
    ├── Undetermined                       10  the question could not be answered; neither pass nor fail
    └── Differs                            11  a comparison found a difference that was asked for

Messages name what is wrong and what to do. They never hold secrets or health data: an error is built from names,
counts and codes only. With several causes a run exits with the first of EXIT_PRECEDENCE.
"""

from __future__ import annotations

from collections.abc import Iterable

EXIT_OK = 0
#: With several causes the first of these wins (docs/operations.md, "Exit codes").
EXIT_PRECEDENCE = (6, 5, 9, 7, 8, 1, 10, 4, 3, 2, 11)


class StrongroomError(Exception):
    """Base of all errors raised on purpose; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(StrongroomError):
    """The call, a file or a setting is wrong; nothing was changed."""

    exit_code = 2


class EstateError(UsageError):
    """The declared estate is not valid; `file`, `line` and `key` say where."""

    def __init__(self, message: str, *, file: str, line: int | None = None, key: str = "", hint: str = "") -> None:
        where = file if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {key + ': ' if key else ''}{message}", hint=hint)
        self.file, self.line, self.key = file, line, key


class ManifestError(UsageError):
    """A manifest part is missing, of another schema or contradictory."""


class UnknownElement(UsageError):
    """A policy, grant or request holds an element, operator, key or value whose meaning is not known."""


class Partial(StrongroomError):
    """The run finished but left something out, or a proof is overdue."""

    exit_code = 3


class Degraded(StrongroomError):
    """The run finished but a copy could not be brought up to date."""

    exit_code = 4


class KeyFailure(StrongroomError):
    """A key cannot be used: absent, disabled, pending deletion, unreachable or withheld."""

    exit_code = 5


class IntegrityFailure(StrongroomError):
    """Stored bytes are not what they must be."""

    exit_code = 6


class Corrupt(IntegrityFailure):
    """A stored object does not match its name, its length or its authentication tag."""


class Missing(IntegrityFailure):
    """A stored object that must exist does not."""


class SignatureInvalid(IntegrityFailure):
    """An envelope does not verify under the pinned key of its kind."""


class ChainBroken(IntegrityFailure):
    """The evidence chain was cut, reordered or edited."""


class LockFailure(StrongroomError):
    """Somebody or something holds what is needed."""

    exit_code = 7


class LeaseHeld(LockFailure):
    """Another run holds the lease."""


class Locked(LockFailure):
    """Object lock refuses the change."""


class Exists(LockFailure):
    """A conditional put found the name taken, or a conditional replace found another version."""


class Transient(StrongroomError):
    """Storage or network failed after retries; running again may succeed."""

    exit_code = 8


class Refused(StrongroomError):
    """A policy says no."""

    exit_code = 9


class Denied(Refused):
    """The service refused the principal."""


class ApprovalInvalid(Refused):
    """An approval is absent, expired, already used, or for another plan."""


class Undetermined(StrongroomError):
    """The question could not be answered; neither a pass nor a failure."""

    exit_code = 10


class Differs(StrongroomError):
    """A comparison that was asked for found a difference."""

    exit_code = 11


def worst_exit_code(codes: Iterable[int]) -> int:
    """The exit code of a run with several causes: the first of EXIT_PRECEDENCE that occurs, else 0."""
    seen = set(codes)
    return next((code for code in EXIT_PRECEDENCE if code in seen), EXIT_OK)
