"""The reason codes that evidence may carry, each with the sentence a person reads. Free text is not possible."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "due-never-done": "it was never done before",
    "due-age": "the last time is longer ago than the objective allows",
    "on-demand": "a person or schedule asked for it",
    "nothing-due": "nothing was due",
    "internal-error": "an unexpected error ended the unit",
    "interrupted": "the run was asked to stop",
    "key-unusable": "a key could not be used",
    "key-withheld": "a recipient's key did not open its slot",
    "integrity": "stored bytes were not what they must be",
    "corrupt-object": "a stored object did not match its name",
    "missing-object": "a stored object was not there",
    "digest-differs": "restored contents differ from what the backup recorded",
    "count-differs": "restored row counts differ from what the backup recorded",
    "field-unreadable": "a sampled encrypted field did not open",
    "refused": "a policy refused the principal",
    "locked": "an object lock refused the change",
    "lease-held": "another run held the lease",
    "storage-failed": "storage failed after retries",
    "undetermined": "the question could not be answered",
    "unreadable-source": "a source item could not be read",
    "source-changed": "a source item changed while it was read",
    "copy-behind": "a copy could not be brought up to date",
    "copy-healed": "a damaged object was replaced from another copy",
    "rto-exceeded": "the restore took longer than the objective",
    "rpo-exceeded": "the newest recovery point is older than the objective",
    "scratch-unavailable": "the scratch system could not be provided",
    "signature-unchecked": "no trusted key was given, so a signature was not checked",
    "simulated": "made on the laptop cloud",
    "raced": "a concurrent writer changed a row first; it was tried again",
    "quarantined": "a row could not be processed and was set aside",
    "usage": "a setting or an option was wrong",
    "partial": "some units were left out",
    "residue": "locked leftovers of an earlier run remain until their retention ends",
}

#: The reason a failure of an exit code has unless the job says a nearer one.
BY_EXIT_CODE = {
    1: "internal-error",
    2: "usage",
    3: "partial",
    4: "copy-behind",
    5: "key-unusable",
    6: "integrity",
    7: "locked",
    8: "storage-failed",
    9: "refused",
    10: "undetermined",
    11: "digest-differs",
}
