"""Steps over KMS keys, as calls of KMS: policies, grants, replicas, aliases."""

from __future__ import annotations

from typing import Any

from strongroom.authorization.prover import Key
from strongroom.authorization.prover.derivation import Step
from strongroom.authorization.prover.rules import GRANTED
from strongroom.authorization.replay.identity_moves import Made
from strongroom.authorization.replay.moves import MARK, Answered, Move, NotReplayable, Request, Way
from strongroom.authorization.replay.scene import Scene, text_of
from strongroom.errors import UsageError

_DAYS = 7


def kms(key: str, operation: str, **arguments: Any) -> Request:
    """A call of KMS in the Region of a key."""
    return Request("kms", operation, arguments, region_of(key))


def region_of(arn: str) -> str:
    """The Region in an ARN."""
    return arn.split(":")[3]


def key_of(scene: Scene, arn: str) -> Key:
    """A key of the facts; UsageError if it is not deployed now."""
    for key in scene.facts.keys:
        if key.arn == arn:
            return key
    raise UsageError(f"{arn} is not deployed now", hint="prove again")


def rewrite_policy(scene: Scene, step: Step, words: str) -> Made:
    """The key's policy replaced by one that lets everybody in who acts in the derivation."""
    put = put_policy(step.target, scene.open_to(scene.actors, "kms:*"))
    back = put_policy(step.target, text_of(key_of(scene, step.target).policy))
    return Move(words, step.actor, (Way((put,)),), mends=(back,))


def put_policy(key: str, text: str) -> Request:
    """PutKeyPolicy; past the lockout check only where it stops a policy that leaves the caller out."""
    at = {"KeyId": key, "PolicyName": "default", "Policy": text}
    past = kms(key, "put_key_policy", **at, BypassPolicyLockoutSafetyCheck=True)
    return Request("kms", "put_key_policy", at, region_of(key), instead=past)


def make_grant(scene: Scene, step: Step, words: str) -> Made:
    """A grant of what is needed later, to whoever needs it; its maker may retire it, even if nobody may revoke."""
    needs: dict[str, set[str]] = {}
    for actor, action in scene.needs_of(step.target, step):
        if action in GRANTED:
            needs.setdefault(actor, set()).add(action.removeprefix("kms:"))
    if not needs:
        return NotReplayable(words, "nothing in the derivation needs the grant")
    who, operations = next(iter(needs.items()))
    given = {"KeyId": step.target, "GranteePrincipal": who, "Operations": sorted(operations)}
    grant = kms(step.target, "create_grant", **given, RetiringPrincipal=step.actor)
    at = {"KeyId": step.target, "GrantId": Answered("answer.GrantId")}
    back = Request("kms", "retire_grant", at, region_of(step.target), kms(step.target, "revoke_grant", **at))
    return Move(words, step.actor, (Way((grant,)),), mends=(back,))


def replicate(scene: Scene, step: Step, words: str) -> Made:
    """A replica in another Region under a policy of one's own, used in the key's place from then on."""
    home = region_of(step.target)
    elsewhere = next((region for region in (*scene.regions, "us-west-2", "us-east-1") if region != home), "")
    copy = step.target.replace(f":{home}:", f":{elsewhere}:")
    opened = scene.open_to(scene.actors, "kms:*")
    make = kms(step.target, "replicate_key", KeyId=step.target, ReplicaRegion=elsewhere, Policy=opened,
               BypassPolicyLockoutSafetyCheck=True)  # fmt: skip
    gone = kms(copy, "schedule_key_deletion", KeyId=copy, PendingWindowInDays=_DAYS)
    stays = f"the replica in {elsewhere} is deleted after {_DAYS} days"
    renames = (step.target, Answered("answer.ReplicaKeyMetadata.Arn"))
    return Move(words, step.actor, (Way((make,)),), renames=renames, mends=(gone,), stays=stays)


def move_alias(recreate: bool) -> Any:
    """The alias given to a key of one's own, which is used in the key's place from then on."""

    def make(scene: Scene, step: Step, words: str) -> Made:
        aliases = getattr(key_of(scene, step.target), "aliases", ())
        if not aliases:
            return NotReplayable(words, "no alias of the key was read")
        made = f"answers.{int(recreate)}.KeyMetadata.Arn"  # after the alias was dropped, if it is
        at, own = {"AliasName": aliases[0]}, {"TargetKeyId": Answered(made)}
        create = kms(step.target, "create_key", Policy=scene.open_to(scene.actors, "kms:*"), Description=MARK,
                     BypassPolicyLockoutSafetyCheck=True)  # fmt: skip
        drop = (kms(step.target, "delete_alias", **at),) if recreate else ()
        give = kms(step.target, "create_alias" if recreate else "update_alias", **at, **own)
        back = (
            kms(step.target, "update_alias", **at, TargetKeyId=step.target),
            kms(step.target, "schedule_key_deletion", KeyId=own["TargetKeyId"], PendingWindowInDays=_DAYS),
        )
        stays = f"the key that took the alias is deleted after {_DAYS} days"
        renames = (step.target, own["TargetKeyId"])
        return Move(words, step.actor, (Way((*drop, create, give)),), renames=renames, mends=back, stays=stays)

    return make
