"""How one permission over keys, the server or databases leads to more, as data that prover and checker read alike.

Sources: OpenBao documentation, "Transit", "System backend", "Database". Carried out on OpenBao 2.7.2 unless a
comment says otherwise (test_attack_openbao_escapes.py).
"""

from __future__ import annotations

from strongroom.authorization.prover.openbao_login_rules import LOGIN_RULES
from strongroom.authorization.prover.openbao_rule import DELETE, READ, WRITE, Rule, rule

_KEY = "{mount}/keys/{name}"
_RESTORE = "{mount}/restore/{name} {mount}/restore"
_SNAPSHOT = "sys/storage/raft/snapshot sys/storage/raft/snapshot-force"

KEYS: tuple[Rule, ...] = (
    rule("key-is-exportable", "key", "exportable {key}", "finds the key exportable", when="exportable"),
    rule("key-has-backups", "key", "plain-backup {key}", "finds plain backups allowed", when="allow_plaintext_backup"),
    rule("key-is-deletable", "key", "deletable {key}", "finds deletion allowed", when="deletion_allowed"),
    rule(
        "key-make-exportable",
        "key",
        "exportable {key}",
        "makes the key exportable",
        f"{_KEY}/config",
        true="exportable",
    ),
    rule(
        "key-allow-backup",
        "key",
        "plain-backup {key}",
        "allows plain backups of the key",
        f"{_KEY}/config",
        true="allow_plaintext_backup",
    ),
    rule(
        "key-allow-deletion",
        "key",
        "deletable {key}",
        "allows deletion of the key",
        f"{_KEY}/config",
        true="deletion_allowed",
    ),
    rule(
        "key-export",
        "key",
        "own {key}",
        "exports the key's material",
        "{mount}/export/{?}/{name} {mount}/export/{?}/{name}/{?}",
        can=READ,
        needs="exportable {key}",
    ),
    rule(
        "key-byok-export",
        "key",
        "own {key}",
        "exports the key's material wrapped for a key of its own",
        "{mount}/byok-export/{?}/{name} {mount}/byok-export/{?}/{name}/{?}",
        can=READ,
        needs="exportable {key}",
    ),
    rule(
        "key-backup",
        "key",
        "own {key}",
        "takes a plain backup of the key",
        "{mount}/backup/{name}",
        can=READ,
        needs="exportable {key}, plain-backup {key}",
    ),
    rule("key-replace", "key", "own {key}", "replaces the key by one it knows", _RESTORE, true="force", free="backup"),
    rule(
        "key-overwrite", "key", "destroy {key}", "overwrites the key by another", _RESTORE, true="force", free="backup"
    ),
    rule(
        "key-import-version",
        "key",
        "own {key}",
        "imports a version of the key that it knows",
        f"{_KEY}/import_version",
        free="ciphertext|public_key",
        when="imported",
    ),
    rule(
        "key-delete",
        "key",
        "destroy {key}",
        "deletes the key",
        f"{_KEY} {_KEY}/soft-delete",
        can=DELETE,
        needs="deletable {key}",
    ),
    rule("key-trim", "key", "destroy {key}", "trims versions of the key", f"{_KEY}/trim", free="min_available_version"),
    rule(
        "key-fence",
        "key",
        "destroy {key}",
        "makes what old versions sealed unreadable",
        f"{_KEY}/config",
        free="min_decryption_version",
    ),
    rule(
        "mount-delete",
        "mount",
        "destroy bao:{path}",
        "deletes the mount with all in it",
        "sys/mounts/{path}",
        can=DELETE,
    ),
    rule(
        "mount-move",
        "mount",
        "moved bao:{path}",
        "moves the mount to another path",
        "sys/remount",
        sudo=True,
        free="from to",
    ),
    rule("mount-moved", "mount", "destroy bao:{path}", "leaves nothing at the mount's path", needs="moved bao:{path}"),
    rule(
        "moved-decrypt",
        "key",
        "own {key}",
        "uses the key at its new path",
        "{?}/decrypt/{name} {?}/datakey/plaintext/{name}",
        needs="moved bao:{mount}",
    ),
)

SERVER: tuple[Rule, ...] = (
    rule(
        "raw-storage",
        "server",
        "act bao:root",
        "reads or writes raw storage",
        "sys/raw/{*} sys/raw",
        can=(*READ, *WRITE),
        sudo=True,
    ),
    rule("root-by-shares", "shares", "act bao:root", "makes a root token with its shares", when="unauthenticated"),
    rule(
        "root-generate",
        "shares",
        "act bao:root",
        "makes a root token with its shares",
        "sys/generate-root-token/update",
    ),
    rule(
        "rekey",
        "shares",
        "destroy bao:*",
        "gives the unseal key new shares of its own",
        "sys/rotate/root/update sys/rekey/update",
    ),
    # by the documentation: it needs a snapshot from before, when more was allowed, and a token of then
    rule("snapshot-restore", "server", "act bao:root", "puts back another state of the server", _SNAPSHOT),
    rule("storage-replace", "server", "destroy bao:*", "replaces all that is stored", _SNAPSHOT),
    # by the documentation: it also takes a program in the server's plugin folder
    rule(
        "plugin-register",
        "server",
        "act bao:root",
        "registers a program as a plugin",
        "sys/plugins/catalog/{*}",
        sudo=True,
    ),
    # by the documentation: a workflow runs as whoever executes it, and may hold tokens
    rule(
        "workflow-write",
        "workflow",
        "act bao:root",
        "rewrites a workflow that others execute",
        "sys/workflows/manage/{name}",
    ),
    rule(
        "workflow-read",
        "workflow",
        "act bao:root",
        "reads the tokens a workflow may hold",
        "sys/workflows/manage/{name}",
        can=READ,
    ),
    rule(
        "audit-disable",
        "audit",
        "blind bao:sys/audit/{name}",
        "switches the audit device off",
        "sys/audit/{name}",
        can=DELETE,
        sudo=True,
    ),
    # availability only: nothing is opened, nothing lost
    rule("seal", "server", "halt bao:sys", "seals the server", "sys/seal"),
    rule(
        "lease-revoke",
        "server",
        "halt bao:sys/leases",
        "revokes logins and credentials",
        "sys/leases/revoke-prefix/{*} sys/leases/revoke-force/{*}",
        sudo=True,
    ),
)

DATABASES: tuple[Rule, ...] = (
    rule(
        "database-config",
        "database",
        "own bao:{path}",
        "sends the database's administrator password to a server of its own",
        "{path}/config/{?}",
        free="connection_url|username|password|plugin_name|root_rotation_statements",
    ),
    rule(
        "database-role",
        "database-role",
        "define bao:{path}/creds/{name}",
        "writes the statements that make the role's logins",
        "{path}/roles/{name} {path}/static-roles/{name}",
        free="creation_statements|rotation_statements|db_name|username|revocation_statements|renew_statements",
    ),
    rule(
        "database-creds",
        "database-role",
        "own bao:{path}",
        "takes a login made by its own statements",
        "{path}/creds/{name} {path}/static-creds/{name}",
        can=READ,
        needs="define bao:{path}/creds/{name}",
    ),
    # by the documentation
    rule(
        "password-policy",
        "database",
        "own bao:{path}",
        "makes the passwords of new logins predictable",
        "sys/policies/password/{?}",
        free="policy",
    ),
)

RULES: tuple[Rule, ...] = (*LOGIN_RULES, *KEYS, *SERVER, *DATABASES)
