"""Statements and conditions that no named request depends on, each with the reason why it stands nevertheless."""

from __future__ import annotations

_CEILING = "the duty's boundary refuses what is beyond it; both are kept, since the boundary serves all duties at once"
_NAMED = "the principal is an account, and the condition on aws:PrincipalArn says who in it; either would do"

#: (document, statement, change), with wildcards -> reason
REDUNDANT: dict[tuple[str, str, str], str] = {
    ("key *", "RootUserRecovers", "every principal"): _NAMED,
    ("key storage-manifest", "AuditorReads", "every principal"): _NAMED,
    ("bucket strongroom-dev-manifest", "RolesOfOtherAccounts*", "every principal"): _NAMED,
    ("bucket strongroom-dev-evidence", "SignersAppend", "without Null s3:if-none-match"): (
        "NothingIsReplaced denies an unconditional put to everybody; the Allow says the same, so that neither leans on "
        "the other"
    ),
    ("bucket strongroom-dev-backup-vaulted", "RotatorAppendsSlots", "without Null s3:if-none-match"): (
        "PutsAreConditional denies it to everybody, and only the copier may match"
    ),
    ("bucket strongroom-dev-backup-primary", "PutsAreConditional", "without Null s3:if-match"): (
        "nothing is replaced in a primary copy, so a put that matches is denied by NothingIsReplaced; the statement is "
        "that of the far copy, where a copier heals"
    ),
    ("queue *", "OwnAccountOnly", "removed"): (
        "no statement lets another account in; the Deny holds against one that is added later, or by SetQueueAttributes"
    ),
    ("role workload/job-starter", "TasksRun", "every action"): _CEILING,
    ("role workload/job-starter", "TaskRolesPass", "every action"): _CEILING,
    ("role workload/task-starter", "LogWrite", "every action"): _CEILING,
}
