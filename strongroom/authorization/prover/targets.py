"""What a request can be aimed at: a resource with its owner and the policy that decides on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

from strongroom.authorization.documents import Named
from strongroom.authorization.prover import services
from strongroom.authorization.prover.derivation import Gained
from strongroom.authorization.prover.facts import OUTSIDER, Carrier, Facts, Identity, Key, Store
from strongroom.authorization.prover.identities import boundaries
from strongroom.authorization.prover.patterns import covers
from strongroom.authorization.prover.rule import Rule
from strongroom.errors import UnknownElement


@dataclass(frozen=True, slots=True)
class Aim:
    """A resource with its owner and its own policy, as a request names it.

    arn: or a pattern, for any resource that matches it. store: the ARN of the store whose policy that is. fence: the
    boundary that the request names or the target is under, None if that is open. sealed: the KMS key without which
    reading it gives nothing. rests: gains without which the target is not there.
    """

    arn: str
    account: str
    policy: Named | None = None
    key: Key | None = None
    store: str = ""
    fence: str | None = ""
    sealed: str = ""
    rests: tuple[Gained, ...] = ()


#: What a rule aims at, the role behind it, what it would give.
Chance = tuple[Aim, str, tuple[Gained, ...]]


def aim_at(facts: Facts, target: Identity | Key | Carrier | Store) -> Aim:
    """The aim of a request on a target of the facts."""
    if isinstance(target, Key):
        return Aim(target.arn, target.account, target.policy, target)
    if isinstance(target, Store):
        return of_store(target, "", target.arn)
    if isinstance(target, Identity):
        return Aim(target.arn, target.account, fence=aim_fence(target))
    store = facts.store_of.get(_container(target.arn))
    policy = target.policy or (store.policy if store else None)
    return Aim(target.arn, target.account, policy, store=store.arn if store else "", sealed=target.key)


def aims(facts: Facts, action: str, resource: str) -> list[Aim]:
    """What an action can mean of a resource that an ability names; empty if it names no such resource.

    resource: the ARN of a key, store, carrier or identity, of an object, or a pattern of these. A bucket stands for its
    objects where the action is about objects.
    """
    found: list[Aim] = []
    for target in named(facts, resource):
        asked = resource if isinstance(target, Store) and _container(resource) == target.arn else target.arn
        if isinstance(target, Identity) and action.lower().startswith("sts:assumerole"):
            found += [Aim(target.arn, target.account, target.trust)] if target.kind == "role" else []
        elif services.suits(action, asked):
            found.append(of_store(target, action, asked) if isinstance(target, Store) else aim_at(facts, target))
    return found


def named(facts: Facts, resource: str) -> list[Identity | Key | Carrier | Store]:
    """What of the facts an ARN, the ARN of an object, or a pattern of ARNs names."""
    if (store := facts.store_of.get(_container(resource))) is not None:
        return [store]
    if (key := facts.key_of.get(resource)) is not None:
        return [key]
    everything: list[Identity | Key | Carrier | Store] = [*facts.keys, *facts.stores, *facts.carriers]
    everything += facts.by_arn.values()
    return [target for target in everything if target.arn == resource or covers(resource, target.arn)]


def require_about(facts: Facts, name: str, actions: Sequence[str], resources: Sequence[str]) -> None:
    """UnknownElement if an ability asks about what was not read, or if none of its actions is about its resources."""
    asked = [resource for resource in resources if not resource.startswith("bao:")]
    for resource in asked:
        if not named(facts, resource):
            raise UnknownElement(f"{name}: {resource} is asked about and was not read", hint="read it, or do not ask")
    if asked and len(asked) == len(resources) and not any(aims(facts, a, r) for a in actions for r in asked):
        raise UnknownElement(f"{name}: no action is about one of the resources", hint="name the action's own resource")


def of_store(store: Store, action: str, resource: str) -> Aim:
    """The aim of an action on a store or its object; a bucket stands for all objects where the action is on these."""
    if store.kind == "vault" and "recoverypoint" in action.lower():
        resource = "*"  # recovery points have ARNs of the service they are of
    elif store.kind == "bucket" and "/" not in resource and services.of_objects(action):
        resource = f"{resource}/*"
    # objects and messages keep the key they came with, so only of a secret is its key known
    return Aim(
        resource, store.account, store.policy, store=store.arn, sealed=store.key if store.kind == "secret" else ""
    )


def _container(arn: str) -> str:
    """The bucket of an object, else the resource itself."""
    return arn.partition("/")[0] if arn.startswith("arn:aws:s3:::") else arn


def any_name(made: Identity) -> Aim:
    """The aim of making an identity: under a name of one's choice, under its boundary."""
    return Aim(f"arn:aws:iam::{made.account}:{made.kind}/*", made.account, fence=aim_fence(made))


def fenced(facts: Facts, rule: Rule, identity: Identity) -> list[Aim]:
    """The aims of a write on an identity: under its boundary, or under each other one that the request could set."""
    target = Aim(identity.arn, identity.account, fence=aim_fence(identity))
    if identity.made:
        target = replace(any_name(identity), rests=(("act", identity.arn),))
    if not rule.sets_boundary:
        return [target]
    others = [boundary.name for boundary in boundaries(facts.identities, identity.account)]
    free = f"arn:aws:iam::{identity.account}:policy/of-ones-own"
    return [replace(target, fence=fence) for fence in (free, *others) if fence != target.fence]


def aim_fence(identity: Identity) -> str:
    """The ARN of the boundary an identity is under, "" if it is under none that IAM names."""
    return identity.boundary.name if identity.boundary and identity.boundary.name.startswith("arn:") else ""


def in_account(facts: Facts, actor: Identity, rule: Rule, known: Set[Gained]) -> Iterator[Chance]:
    """Targets without a policy of their own: only the account that they are in, or that manages them, reaches them.

    Identities that are made are there once somebody made them.
    """
    target, account = rule.target, actor.account
    here = [identity for identity in facts.by_arn.values() if identity.account == account]
    there = [identity for identity in here if not identity.made or ("act", identity.arn) in known]
    users = tuple((rule.gain, identity.arn) for identity in there if identity.kind == "user")
    if target in ("role", "user", "federated"):
        for identity in (identity for identity in there if identity.kind == target):
            for aim in fenced(facts, rule, identity):
                yield aim, identity.arn, ((rule.gain, identity.arn),)
    elif target in ("new-role", "new-user"):
        for identity in (identity for identity in here if identity.made and target == f"new-{identity.kind}"):
            yield any_name(identity), identity.arn, (("act", identity.arn),)
    elif target == "new-group":
        yield Aim(f"arn:aws:iam::{account}:group/*", account), "", users
    elif target == "self" and actor.kind == "user":
        yield Aim(f"arn:aws:sts::{account}:federated-user/*", account), "", ((rule.gain, actor.arn),)
    elif target == "member-root" and manages(facts, actor):
        for root in (f"arn:aws:iam::{other.id}:root" for other in facts.accounts if other.id != account):
            yield Aim(root, account), "", (("act", root),)
    elif target == "membership" and organised(facts):
        yield Aim("*", account), "", (("unruled", account),)
    elif target == "member" and manages(facts, actor):
        yield Aim("*", account), "", tuple(("unruled", other.id) for other in facts.accounts)
    elif target in ("group", "managed", "boundary"):
        yield from _shared(facts, actor, rule, there, known)


def _shared(
    facts: Facts, actor: Identity, rule: Rule, there: Sequence[Identity], known: Set[Gained]
) -> Iterator[Chance]:
    """Groups and managed policies: what changes them changes every identity that has them, or comes to have them."""
    if rule.gain == "join":
        for arn in (arn for arn in facts.groups if arn.split(":")[4] == actor.account):
            yield Aim(arn, actor.account), "", (("join", arn),)
        return
    mine = (arn for identity in there for arn in identity.shared(rule.target))
    for arn in sorted({arn for arn in mine if arn.split(":")[4] == actor.account}):
        having = tuple((rule.gain, identity.arn) for identity in there if arn in identity.shared(rule.target))
        yield Aim(arn, actor.account), "", having
    users = tuple((rule.gain, identity.arn) for identity in there if identity.kind == "user")
    for group in sorted(arn for kind, arn in known if kind == "join"):
        attached = [policy.name for policy in facts.groups.get(group, ()) if policy.name.startswith("arn:")]
        for arn in {"group": [group], "managed": attached}.get(rule.target, []):
            if arn.split(":")[4] == actor.account:
                yield Aim(arn, actor.account, rests=(("join", group),)), "", users


def crosses_nothing(identity: Identity, aim: Aim, gained: Set[Gained]) -> bool:
    """True if the aim is another account's and has no policy of its own: no request to it can be allowed."""
    if aim.account == identity.account or aim.policy is not None or aim.key is not None:
        return False
    return not any((kind, aim.store or aim.arn) in gained for kind in ("own", "share"))


def organised(facts: Facts) -> bool:
    """Whether there is any sign of an organisation around the accounts."""
    return bool(facts.organisation) or any(account.scps or account.rcps for account in facts.accounts)


def manages(facts: Facts, identity: Identity) -> bool:
    """Whether the identity may be one of the organisation's management account, which no policy of it binds."""
    if identity.account == OUTSIDER.account or not organised(facts):
        return False
    if facts.management:
        return identity.account == facts.management
    account = facts.account_of.get(identity.account)
    return account is None or not (account.scps or account.rcps)
