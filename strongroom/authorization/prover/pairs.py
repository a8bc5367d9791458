"""The pairs of abilities that nobody may hold together: what each duty may never do (docs/threat-model.md).

Keys and stores come by purpose from the manifest. Whoever uses a key through a service does not open it, yet may not
destroy it either. Not expressed: approving what one asked for (a quorum says that nobody does either alone), and what
depends on the time or the content of a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from strongroom.authorization.prover.duties import OWN_POLICY, Ability, Pair

DESTROY = ("kms:ScheduleKeyDeletion", "kms:DisableKey")
ROTATE = ("kms:RotateKeyOnDemand", "kms:ReEncryptFrom")
WRAP = ("kms:GenerateDataKey", "kms:Encrypt")
OPEN = ("kms:Decrypt",)
USE = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:Sign", "kms:GenerateMac")
INSPECT = ("kms:ListGrants",)
#: purpose of a key -> the duties that may open it directly; storage keys are used through services only
OPENERS: Mapping[str, tuple[str, ...]] = {
    "storage": (),
    "field-root": ("application", "re-encryptor"),
    "recipient": ("restorer",),
}
#: Purposes of keys that sign or authenticate: nothing can be decrypted with them.
WITHOUT_CIPHERTEXT = ("signing", "id")
#: What removes an object, or the control that keeps it: its lock, the bucket's lifecycle and versions.
DELETE = (
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:BypassGovernanceRetention",
    "s3:PutObjectLegalHold",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketVersioning",
    "s3:PutBucketObjectLockConfiguration",
    "s3:DeleteBucket",
    "sqs:DeleteQueue",
    "sqs:PurgeQueue",
    "secretsmanager:DeleteSecret",
    "backup:DeleteRecoveryPoint",
    "backup:DeleteBackupVault",
    "backup:DeleteBackupVaultLockConfiguration",
    "backup:UpdateRecoveryPointLifecycle",
)
READ = ("s3:GetObject", "s3:GetObjectVersion", "sqs:ReceiveMessage", "secretsmanager:GetSecretValue")
PUT = ("s3:PutObject",)
FILL = (*PUT, "sqs:SendMessage", "secretsmanager:PutSecretValue")
CHANGE = (
    *PUT,
    *DELETE,
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutEncryptionConfiguration",
    "sqs:SetQueueAttributes",
    "secretsmanager:PutSecretValue",
)
#: What a backup is: who writes it may not read these back.
CONTENTS = ("packs", "snapshots", "keys")
#: The duties that append to the evidence.
SIGNERS = ("backup-writer", "copier", "restorer", "rotator", "re-encryptor", "notary")

Holders = Mapping[str, Sequence[str]]


def pairs_of(
    keys: Mapping[str, tuple[str, str]], holders: Holders, *, stores: Mapping[str, tuple[str, str]] | None = None
) -> list[Pair]:
    """The pairs over keys and stores (name -> purpose and ARN) and the humans who hold each duty.

    Purposes of stores: repository, control, evidence, manifest, state (buckets), data (what AWS decides on by itself:
    buckets, queues, secrets; others are left out). Every ARN has to be among the facts, else the proof is refused.
    """
    places: dict[str, dict[str, str]] = {}
    for name, (purpose, arn) in sorted((stores or {}).items()):
        places.setdefault(purpose, {})[name] = arn
    return [
        *_over_keys(keys, holders, [arn for _, arn in (stores or {}).values()]),
        *_over_stores(keys, holders, places),
    ]


def _over_keys(keys: Mapping[str, tuple[str, str]], holders: Holders, stores: Sequence[str]) -> Iterator[Pair]:
    every = [arn for _, arn in keys.values()]
    recipients = _of(keys, "recipient")
    destroy, own = Ability("destroy", DESTROY, every), Ability("own the policy", OWN_POLICY, every)
    decrypt = Ability("decrypt", OPEN, [arn for purpose, arn in keys.values() if purpose not in WITHOUT_CIPHERTEXT])
    # every duty reads the manifest: to use its key through S3 is no use of what the keys keep
    kept = [arn for purpose, arn in keys.values() if purpose != "state"]
    yield Pair("destroy keys and use them", destroy, Ability("use", USE, kept, through=True))
    yield Pair("destroy keys and change who may use them", destroy, own)
    yield Pair("own key policies and decrypt", own, decrypt)
    yield Pair("rotate and decrypt", Ability("rotate", ROTATE, every), decrypt)
    changing = (*DESTROY, *OWN_POLICY, *USE, *(CHANGE if stores else ()))
    yield Pair("audit and change", Ability("audit", INSPECT, every), Ability("write", changing, [*every, *stores]))
    if recipients:
        wrap, unwrap = Ability("wrap", WRAP, recipients), Ability("open", OPEN, recipients)
        yield Pair("write backups and open them", wrap, unwrap)
    for name, (purpose, arn) in sorted(keys.items()):
        if purpose in OPENERS:
            allowed = _who(holders, OPENERS[purpose])
            yield Pair(f"open {name} without its duty", Ability("open", OPEN, [arn]), holders=allowed)
        if purpose == "signing":
            allowed = _who(holders, [name.removeprefix("signing-")])
            yield Pair(f"sign with {name} without its duty", Ability("sign", ("kms:Sign",), [arn]), holders=allowed)


def _over_stores(
    keys: Mapping[str, tuple[str, str]], holders: Holders, places: Mapping[str, Mapping[str, str]]
) -> Iterator[Pair]:
    every, recipients = [arn for _, arn in keys.values()], _of(keys, "recipient")
    for name, arn in places.get("repository", {}).items():
        contents = [f"{arn}/{prefix}/*" for prefix in CONTENTS]
        write, read = Ability("write", PUT, [f"{arn}/packs/*"]), Ability("read", READ, contents)
        delete = Ability("delete or shorten", DELETE, [arn])
        yield Pair(f"delete from {name}", delete)
        yield Pair(f"write {name} and delete from it", write, delete)
        yield Pair(f"write {name} and read it", write, read, holders=_who(holders, ["copier"]))
        retain = Ability("retain", ("s3:PutObjectRetention",), [f"{arn}/commits/*"])
        yield Pair(f"extend the locks of {name} and read it", retain, read, holders=_who(holders, ["copier"]))
        if recipients:
            # the rotator appends slots and the restorer opens: what makes a backup is its packs and commits
            whole = Ability("write", PUT, [f"{arn}/packs/*", f"{arn}/commits/*"])
            yield Pair(f"write {name} and open it", whole, Ability("open", OPEN, recipients))
        for other, control in places.get("control", {}).items():
            mark = Ability("mark verified", PUT, [f"{control}/verified/*"])
            yield Pair(f"write {name} and mark it verified in {other}", write, mark)
    for name, arn in places.get("control", {}).items():
        mark = Ability("mark verified", PUT, [f"{arn}/verified/*"])
        yield Pair(f"mark verified in {name} without the duty", mark, holders=_who(holders, ["restorer"]))
    for name, arn in places.get("evidence", {}).items():
        yield Pair(f"delete or shorten {name}", Ability("delete or shorten", DELETE, [arn]))
        yield Pair(f"append to {name} unsigned", Ability("append", PUT, [f"{arn}/*"]), holders=_who(holders, SIGNERS))
    for purpose, inside in (("state", "{layer}/*"), ("manifest", "*/{layer}.json")):
        for name, arn in places.get(purpose, {}).items():
            for duty in sorted(duty for duty in holders if duty.startswith("deployer.")):
                layer = duty.removeprefix("deployer.")
                writing = Ability("write", PUT, [f"{arn}/{inside.format(layer=layer)}"])
                yield Pair(f"write {layer} in {name} without its duty", writing, holders=holders[duty])
    data = [arn for arn in places.get("data", {}).values() if arn.split(":")[2] in ("s3", "sqs", "secretsmanager")]
    if data:
        read = Ability("read data", READ, data)
        if every:
            yield Pair("read data and destroy keys", read, Ability("destroy", DESTROY, every))
            yield Pair("read data and own key policies", read, Ability("own", OWN_POLICY, every))
        erase = tuple(action for action in DELETE if action != "s3:DeleteObject")
        yield Pair("write data and erase its versions", Ability("write", FILL, data), Ability("erase", erase, data))


def _of(keys: Mapping[str, tuple[str, str]], purpose: str) -> list[str]:
    return [arn for is_for, arn in keys.values() if is_for == purpose]


def _who(holders: Holders, duties: Iterable[str]) -> list[str]:
    return [human for duty in duties for human in holders.get(duty, ())]
