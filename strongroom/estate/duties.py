"""The duties, the accounts their roles live in, and which of them sign evidence (docs/threat-model.md, "Duties").

A duty is the smallest set of permissions that one job needs. Its role has the same path and name in every account it
lives in: `/strongroom/<env>/<duty>`. The first account is the duty's home: there it signs.
"""

from __future__ import annotations

from typing import Final

#: duty -> accounts its role exists in; the first is its home
HOMES: Final[dict[str, tuple[str, ...]]] = {
    "key-admin": ("workload",),
    "application": ("workload",),
    "rotator": ("workload",),
    "re-encryptor": ("workload",),
    "backup-writer": ("workload",),
    "restorer": ("workload", "backup"),
    "auditor": ("workload", "audit", "backup"),
    "copier": ("backup",),
    "lock-keeper": ("backup",),
    "notary": ("audit",),
}

#: layer -> accounts its deployer works in; bootstrap has none, it uses each account's own administrator role
DEPLOYERS: Final[dict[str, tuple[str, ...]]] = {
    "access": ("workload", "backup", "audit"),
    "audit": ("audit",),
    "keys": ("workload",),
    "data": ("workload",),
    "backup": ("workload", "backup"),
    "jobs": ("workload",),
}

#: duties of AWS's own services in the workload account: what starts a job and what pulls its image
SERVICES: Final[dict[str, str]] = {
    "job-starter": "scheduler.amazonaws.com",
    "task-starter": "ecs-tasks.amazonaws.com",
}

#: signing duty -> kinds of evidence it may sign
SIGNS: Final[dict[str, tuple[str, ...]]] = {
    "backup-writer": ("run", "commit", "census", "refusal"),
    "copier": ("run", "copy", "refusal"),
    "restorer": ("run", "verified", "drill", "check", "refusal"),
    "rotator": ("run", "rotation", "census", "refusal"),
    "re-encryptor": ("run", "rotation", "census", "refusal"),
    "notary": ("run", "head", "check"),
}

#: duties that log in to Vault or OpenBao by AppRole
VAULT: Final[tuple[str, ...]] = (
    "key-admin",
    "application",
    "rotator",
    "re-encryptor",
    "backup-writer",
    "restorer",
    "auditor",
)

#: job -> duty whose credentials it runs with
JOBS: Final[dict[str, str]] = {
    "backup": "backup-writer",
    "copy": "copier",
    "drill": "restorer",
    "extend-locks": "lock-keeper",
    "rotate-keys": "rotator",
    "rewrap-slots": "rotator",
    "rewrap-fields": "rotator",
    "reencrypt-fields": "re-encryptor",
    "collect-evidence": "notary",
}


def deployer(layer: str) -> str:
    """The duty that deploys a layer."""
    return f"deployer.{layer}"


def all_duties() -> tuple[str, ...]:
    """Every duty a person or workload can hold, deployers included."""
    return (*HOMES, *(deployer(layer) for layer in DEPLOYERS))


def accounts_of(duty: str) -> tuple[str, ...]:
    """The accounts a duty's role lives in; KeyError for an unknown duty."""
    if duty in SERVICES:
        return ("workload",)
    if duty.startswith("deployer."):
        return DEPLOYERS[duty.removeprefix("deployer.")]
    return HOMES[duty]
