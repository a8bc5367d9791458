"""The pairs of abilities that nobody may hold together, for KMS: what each duty may never do (docs/threat-model.md).

The keys come by purpose from the manifest. Whoever may only use a key through a service does not count as its user.
Not expressed here, since the prover does not read it: deleting what one backed up, approving what one asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def pairs_of(keys: Mapping[str, tuple[str, str]], holders: Mapping[str, Sequence[str]]) -> list[Pair]:
    """The pairs over keys (name -> purpose and ARN) and the humans who hold each duty."""
    every = [arn for _, arn in keys.values()]
    recipients = [arn for purpose, arn in keys.values() if purpose == "recipient"]
    found = [
        Pair("destroy keys and use them", Ability("destroy", DESTROY, every), Ability("use", USE, every)),
        Pair(
            "destroy keys and change who may use them",
            Ability("destroy", DESTROY, every),
            Ability("own the policy", OWN_POLICY, every),
        ),
        Pair("own key policies and decrypt", Ability("own", OWN_POLICY, every), Ability("decrypt", OPEN, every)),
        Pair("rotate and decrypt", Ability("rotate", ROTATE, every), Ability("decrypt", OPEN, every)),
        Pair(
            "audit and change", Ability("audit", INSPECT, every), Ability("write", (*DESTROY, *OWN_POLICY, *USE), every)
        ),
    ]
    if recipients:
        found.append(
            Pair("write backups and open them", Ability("wrap", WRAP, recipients), Ability("open", OPEN, recipients))
        )
    for name, (purpose, arn) in sorted(keys.items()):
        if purpose in OPENERS:
            allowed = [human for duty in OPENERS[purpose] for human in holders.get(duty, ())]
            found.append(Pair(f"open {name} without its duty", Ability("open", OPEN, [arn]), holders=allowed))
        if purpose == "signing":
            allowed = list(holders.get(name.removeprefix("signing-"), ()))
            found.append(
                Pair(f"sign with {name} without its duty", Ability("sign", ("kms:Sign",), [arn]), holders=allowed)
            )
    return found
