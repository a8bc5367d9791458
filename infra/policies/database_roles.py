"""SQL of the dynamic database roles: one login a duty, living as long as its lease.

Grants name schemas and tables at the moment a credential is made; the tables are those of docs/formats/field.md.
"""

from __future__ import annotations

from dataclasses import dataclass

_LOGIN = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' CONNECTION LIMIT "
_KEY_TABLES = "strongroom.branch_keys, strongroom.subject_keys"


@dataclass(frozen=True)
class DatabaseRole:
    """What Vault runs to make and to end a credential, and how long it lives (seconds)."""

    creation: tuple[str, ...]
    revocation: tuple[str, ...]
    ttl_seconds: int = 3600
    max_ttl_seconds: int = 8 * 3600


def database_role_sql(duty: str) -> DatabaseRole:
    """The role of a duty; KeyError for a duty that does not connect to databases."""
    grants, connections = {
        "application": (_APPLICATION, 50),
        "rotator": (_ROTATOR, 4),
        "re-encryptor": (_RE_ENCRYPTOR, 8),
        "backup-writer": (_BACKUP_WRITER, 16),
    }[duty]
    return DatabaseRole(creation=(f"{_LOGIN}{connections};", *grants), revocation=_REVOCATION)


_APPLICATION = (
    'GRANT USAGE ON SCHEMA public, strongroom TO "{{name}}";',
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "{{name}}";',
    f'GRANT SELECT, INSERT, DELETE ON {_KEY_TABLES} TO "{{{{name}}}}";',
    'GRANT USAGE ON ALL SEQUENCES IN SCHEMA public, strongroom TO "{{name}}";',
)
# sees wrapped branch keys only: root rotation needs no row of a patient
_ROTATOR = (
    'GRANT USAGE ON SCHEMA strongroom TO "{{name}}";',
    'GRANT SELECT, UPDATE ON strongroom.branch_keys TO "{{name}}";',
)
_RE_ENCRYPTOR = (
    'GRANT USAGE ON SCHEMA strongroom TO "{{name}}";',
    f'GRANT SELECT, INSERT, UPDATE ON {_KEY_TABLES} TO "{{{{name}}}}";',
    'GRANT USAGE ON ALL SEQUENCES IN SCHEMA strongroom TO "{{name}}";',
)
_BACKUP_WRITER = ('GRANT pg_read_all_data TO "{{name}}";',)
# an open session outlives VALID UNTIL, so it is ended first
_REVOCATION = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';",
    'DROP OWNED BY "{{name}}";',
    'DROP ROLE IF EXISTS "{{name}}";',
)
