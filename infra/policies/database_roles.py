"""SQL of the dynamic database roles: one login a duty, living as long as its lease.

Grants name schemas and tables at the moment a credential is made; the tables are those of docs/formats/field.md
and must exist by then. The owner of the schema (the instance's master user) makes and ends these roles.
"""

from __future__ import annotations

from dataclasses import dataclass

_LOGIN = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' CONNECTION LIMIT "


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
    'GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "{{name}}";',
    'GRANT SELECT, INSERT, DELETE ON strongroom.branch_keys, strongroom.subject_keys TO "{{name}}";',
)
# sees wrapped branch keys only: the rotation of a root needs no row of a patient
_ROTATOR = (
    'GRANT USAGE ON SCHEMA strongroom TO "{{name}}";',
    'GRANT SELECT, UPDATE ON strongroom.branch_keys TO "{{name}}";',
)
_RE_ENCRYPTOR = (
    'GRANT USAGE ON SCHEMA strongroom TO "{{name}}";',
    'GRANT SELECT, INSERT, UPDATE ON strongroom.branch_keys, strongroom.subject_keys TO "{{name}}";',
    'GRANT SELECT, INSERT, UPDATE ON strongroom.branch_fences TO "{{name}}";',
    'GRANT EXECUTE ON FUNCTION strongroom.declare_branch_version, strongroom.validate_branch_version TO "{{name}}";',
)
_BACKUP_WRITER = ('GRANT pg_read_all_data TO "{{name}}";',)
_REVOCATION = (
    # from PostgreSQL 16 on the maker of a role is not yet its member, and only a member may end it
    'GRANT "{{name}}" TO CURRENT_USER;',
    'ALTER ROLE "{{name}}" NOLOGIN;',
    # an open session outlives VALID UNTIL
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';",
    'DROP OWNED BY "{{name}}";',
    'DROP ROLE "{{name}}";',
)
