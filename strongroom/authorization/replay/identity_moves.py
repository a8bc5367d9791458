"""Steps over identities, as calls of IAM and STS: policies, boundaries, trust, groups, credentials, new identities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from strongroom.authorization.prover.derivation import Step
from strongroom.authorization.replay.moves import MARK, Answered, Move, NotReplayable, Request, Way
from strongroom.authorization.replay.scene import EVERYTHING, Scene, name_of, policy, statements_of, text_of

Made = Move | NotReplayable
Maker = Callable[[Scene, Step, str], Made]
#: The prover makes sessions of this name: a policy may name the session by its ARN.
SESSION = "prover"


def iam(operation: str, **arguments: Any) -> Request:
    """A call of IAM."""
    return Request("iam", operation, arguments)


def not_here(reason: str) -> Maker:
    """A row for what the laptop's cloud cannot show."""
    return lambda _scene, _step, words: NotReplayable(words, reason)


def assume_role(scene: Scene, step: Step, words: str) -> Made:
    """AssumeRole, with each ExternalId that the trust policy speaks of."""
    arguments = {"RoleArn": step.target, "RoleSessionName": SESSION}
    ids = [{}, *({"ExternalId": text} for text in _external_ids(scene, step.target))]
    ways = tuple(Way((Request("sts", "assume_role", {**arguments, **given}),)) for given in ids)
    return Move(words, step.actor, ways, becomes=step.target)


def trust_write(scene: Scene, step: Step, words: str) -> Made:
    """The trust policy rewritten to name the actor, then the role assumed."""
    name, trust = name_of(step.target), scene.identity(step.target).trust
    let_in = policy({"Effect": "Allow", "Principal": {"AWS": step.actor}, "Action": "sts:AssumeRole"})
    requests = (
        iam("update_assume_role_policy", RoleName=name, PolicyDocument=let_in),
        Request("sts", "assume_role", {"RoleArn": step.target, "RoleSessionName": SESSION}),
    )
    back = (iam("update_assume_role_policy", RoleName=name, PolicyDocument=text_of(trust)),) if trust else ()
    return Move(words, step.actor, (Way(requests),), becomes=step.target, mends=back)


def put_policy(kind: str) -> Maker:
    """An inline policy that allows everything; kind: Role, User or Group."""

    def make(_scene: Scene, step: Step, words: str) -> Made:
        at = {f"{kind}Name": _written(step), "PolicyName": MARK}
        put = iam(f"put_{kind.lower()}_policy", **at, PolicyDocument=EVERYTHING)
        return Move(words, step.actor, (Way((put,)),), mends=(iam(f"delete_{kind.lower()}_policy", **at),))

    return make


def _written(step: Step) -> str:
    """The name of what is written to; of what was made on the way the target says only which names are allowed."""
    return name_of(step.gain[1] if "*" in step.target else step.target)


def attach_policy(kind: str) -> Maker:
    """A managed policy that allows everything, which on AWS is there already (AdministratorAccess)."""

    def make(_scene: Scene, step: Step, words: str) -> Made:
        wide, scenery, gone = _wide(step.target.split(":")[4])
        at = {f"{kind}Name": _written(step), "PolicyArn": wide}
        attach, detach = (iam(f"{verb}_{kind.lower()}_policy", **at) for verb in ("attach", "detach"))
        return Move(words, step.actor, (Way((attach,)),), scenery=scenery, mends=(detach, *gone))

    return make


def delete_policies(kind: str) -> Maker:
    """Every inline policy that denies something is deleted."""

    def make(scene: Scene, step: Step, words: str) -> Made:
        at = {f"{kind}Name": _written(step)}
        found = {name: text for name, text in _inline(scene, step.target).items() if '"Deny"' in text}
        if not found:
            return NotReplayable(words, "no inline policy that denies was read")
        verb = kind.lower()
        gone = tuple(iam(f"delete_{verb}_policy", **at, PolicyName=name) for name in found)
        back = tuple(
            iam(f"put_{verb}_policy", **at, PolicyName=name, PolicyDocument=text) for name, text in found.items()
        )
        return Move(words, step.actor, (Way(gone),), mends=back)

    return make


def detach_policies(kind: str) -> Maker:
    """Every managed policy that denies something is detached."""

    def make(scene: Scene, step: Step, words: str) -> Made:
        at = {f"{kind}Name": _written(step)}
        found = [
            item.name
            for item in _policies(scene, step.target)
            if item.name.startswith("arn:") and any(s.get("Effect") == "Deny" for s in statements_of(item))
        ]
        if not found:
            return NotReplayable(words, "no attached policy that denies was read")
        verb = kind.lower()
        gone = tuple(iam(f"detach_{verb}_policy", **at, PolicyArn=arn) for arn in found)
        back = tuple(iam(f"attach_{verb}_policy", **at, PolicyArn=arn) for arn in found)
        return Move(words, step.actor, (Way(gone),), mends=back)

    return make


def put_boundary(kind: str) -> Maker:
    """The boundary replaced by one that allows everything."""

    def make(scene: Scene, step: Step, words: str) -> Made:
        wide, scenery, gone = _wide(step.target.split(":")[4])
        put = iam(f"put_{kind.lower()}_permissions_boundary", **_bounded(kind, step.target), PermissionsBoundary=wide)
        back = _boundary_back(scene, kind, step.target)
        return Move(words, step.actor, (Way((put,)),), scenery=scenery, mends=(*back, *gone))

    return make


def drop_boundary(kind: str) -> Maker:
    """The boundary deleted."""

    def make(scene: Scene, step: Step, words: str) -> Made:
        drop = iam(f"delete_{kind.lower()}_permissions_boundary", **_bounded(kind, step.target))
        return Move(words, step.actor, (Way((drop,)),), mends=_boundary_back(scene, kind, step.target))

    return make


def join_group(scene: Scene, step: Step, words: str) -> Made:
    """Every user who acts is put into the group."""
    pairs = [{"GroupName": name_of(step.target), "UserName": name_of(user)} for user in _members(scene, step)]
    if not pairs:
        return NotReplayable(words, "nobody who acts in the derivation is a user of that account")
    join = tuple(iam("add_user_to_group", **pair) for pair in pairs)
    return Move(words, step.actor, (Way(join),), mends=tuple(iam("remove_user_from_group", **pair) for pair in pairs))


def leave_group(scene: Scene, step: Step, words: str) -> Made:
    """Every member who acts is taken out of the group."""
    members = [user for user in _members(scene, step) if step.target in scene.identity(user).groups]
    pairs = [{"GroupName": name_of(step.target), "UserName": name_of(user)} for user in members]
    leave = tuple(iam("remove_user_from_group", **pair) for pair in pairs)
    return Move(words, step.actor, (Way(leave),), mends=tuple(iam("add_user_to_group", **pair) for pair in pairs))


def new_version(_scene: Scene, step: Step, words: str) -> Made:
    """A version of a managed policy that allows everything, in force at once."""
    at = {"PolicyArn": step.target}
    make = iam("create_policy_version", **at, PolicyDocument=EVERYTHING, SetAsDefault=True)
    back = (
        iam("set_default_policy_version", **at, VersionId=Answered("before.Policy.DefaultVersionId")),
        iam("delete_policy_version", **at, VersionId=Answered("answer.PolicyVersion.VersionId")),
    )
    return Move(words, step.actor, (Way((make,)),), before=iam("get_policy", **at), mends=back)


def old_version(_scene: Scene, step: Step, words: str) -> Made:
    """An older version of a managed policy in force again; the service refuses where there is none."""
    at = {"PolicyArn": step.target}
    older = Answered("before.Versions[IsDefaultVersion=False].VersionId")
    ours = Answered("before.Versions[IsDefaultVersion=True].VersionId")
    choose, back = (iam("set_default_policy_version", **at, VersionId=version) for version in (older, ours))
    return Move(words, step.actor, (Way((choose,)),), before=iam("list_policy_versions", **at), mends=(back,))


def make_access_key(_scene: Scene, step: Step, words: str) -> Made:
    """An access key of the user."""
    at = {"UserName": name_of(step.target)}
    gone = iam("delete_access_key", **at, AccessKeyId=Answered("answer.AccessKey.AccessKeyId"))
    return Move(words, step.actor, (Way((iam("create_access_key", **at),)),), becomes=step.target, mends=(gone,))


def create_role(scene: Scene, step: Step, words: str) -> Made:
    """A role that trusts the actor, assumed at once."""
    made = step.gain[1]  # the target is whatever name may be chosen
    name, trust = (
        name_of(made),
        policy({"Effect": "Allow", "Principal": {"AWS": step.actor}, "Action": "sts:AssumeRole"}),
    )
    requests = (
        iam("create_role", RoleName=name, AssumeRolePolicyDocument=trust, **_fence(scene, made)),
        Request("sts", "assume_role", {"RoleArn": made, "RoleSessionName": SESSION}),
    )
    return Move(words, step.actor, (Way(requests),), becomes=made, mends=(iam("delete_role", RoleName=name),))


def create_user(scene: Scene, step: Step, words: str) -> Made:
    """A user with an access key."""
    made = step.gain[1]  # the target is whatever name may be chosen
    at = {"UserName": name_of(made)}
    requests = (iam("create_user", **at, **_fence(scene, made)), iam("create_access_key", **at))
    key = iam("delete_access_key", **at, AccessKeyId=Answered("answer.AccessKey.AccessKeyId"))
    return Move(words, step.actor, (Way(requests),), becomes=made, mends=(key, iam("delete_user", **at)))


def create_group(attach: bool) -> Maker:
    """A group that allows everything, with the user in it."""

    def make(_scene: Scene, step: Step, words: str) -> Made:
        at, user = {"GroupName": MARK}, {"UserName": name_of(step.gain[1])}
        wide, scenery, gone = _wide(step.gain[1].split(":")[4]) if attach else ("", (), ())
        give = (
            iam("attach_group_policy", **at, PolicyArn=wide)
            if attach
            else iam("put_group_policy", **at, PolicyName=MARK, PolicyDocument=EVERYTHING)
        )
        take = (
            iam("detach_group_policy", **at, PolicyArn=wide)
            if attach
            else iam("delete_group_policy", **at, PolicyName=MARK)
        )
        requests = (iam("create_group", **at), give, iam("add_user_to_group", **at, **user))
        mends = (iam("remove_user_from_group", **at, **user), take, iam("delete_group", **at), *gone)
        return Move(words, step.actor, (Way(requests),), scenery=scenery, mends=mends)

    return make


def _members(scene: Scene, step: Step) -> list[str]:
    return [user for user in scene.users() if user.split(":")[4] == step.target.split(":")[4]]


def _wide(account: str) -> tuple[str, tuple[Request, ...], tuple[Request, ...]]:
    """A managed policy that allows everything: ARN, what makes it where AWS has none, what removes it."""
    arn = f"arn:aws:iam::{account}:policy/{MARK}"
    return (
        arn,
        (iam("create_policy", PolicyName=MARK, PolicyDocument=EVERYTHING),),
        (iam("delete_policy", PolicyArn=arn),),
    )


def _bounded(kind: str, arn: str) -> dict[str, str]:
    return {f"{kind}Name": name_of(arn)}


def _boundary_back(scene: Scene, kind: str, arn: str) -> tuple[Request, ...]:
    boundary, at = scene.identity(arn).boundary, _bounded(kind, arn)
    if boundary is None:
        return (iam(f"delete_{kind.lower()}_permissions_boundary", **at),)
    return (iam(f"put_{kind.lower()}_permissions_boundary", **at, PermissionsBoundary=boundary.name),)


def _fence(scene: Scene, arn: str) -> dict[str, str]:
    boundary = scene.identity(arn).boundary
    return {"PermissionsBoundary": boundary.name} if boundary else {}


def _external_ids(scene: Scene, role: str) -> list[str]:
    found: list[str] = []
    for statement in statements_of(scene.identity(role).trust):
        for keys in statement.get("Condition", {}).values():
            for key, values in keys.items():
                if key.lower() == "sts:externalid":
                    found += values if isinstance(values, list) else [values]
    return found


def _policies(scene: Scene, arn: str) -> list[Any]:
    return list(scene.facts.groups.get(arn, ()) if ":group/" in arn else scene.identity(arn).policies)


def _inline(scene: Scene, arn: str) -> Mapping[str, str]:
    """The inline policies of a user, role or group by name, as `deployed.iam` calls them."""
    mark, where = " (inline policy of ", arn.rpartition(":")[2]
    return {
        item.name.partition(mark)[0]: text_of(item)
        for item in _policies(scene, arn)
        if item.name.endswith(f"{mark}{where})")
    }
