"""Which targets an actor's request could at all be allowed on: the rest need no decision.

A key's policy or grants and a role's trust policy must name whoever asks, or the asker's account, in which case the
asker's own policies must cover the action; so must the policy of a resource of another account. Everything here errs
towards asking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

from strongroom.authorization.documents import Form, Named, parse
from strongroom.authorization.prover import power
from strongroom.authorization.prover.derivation import BEARING, Gained, Possible
from strongroom.authorization.prover.facts import Carrier, Facts, Identity, Key, Store
from strongroom.authorization.prover.possible import loosened
from strongroom.authorization.prover.targets import Aim, aim_at, aims
from strongroom.authorization.request import Request
from strongroom.authorization.statements import Statement

_CHANGES = ("own", "copy", "use", "share", "bare")


class Index:
    """Look-ups over one set of facts; answers are kept, for they are the same for every human who gained the same."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.steps: dict[tuple[str, frozenset[Gained]], list[Possible]] = {}
        self.allowed: dict[tuple[str, str, str, str, str, frozenset[Gained]], str] = {}
        self._asked: dict[tuple[str, ...], tuple[dict[str, Aim], list[Aim]]] = {}
        self._named: dict[tuple[Form, str], dict[str, set[str]]] = {}
        self._covers: dict[tuple[str, str], list[Statement]] = {}
        self._roles = {role.arn: role for role in facts.identities if role.kind == "role" and role.trust is not None}
        self._granted = {key.arn for key in facts.keys if key.grants}
        self._of_kind: dict[str, list[Carrier | Store]] = defaultdict(list)
        targets: list[Carrier | Store] = [*facts.carriers, *facts.stores]
        for target in targets:
            self._of_kind[target.kind].append(target)
        self._policies: list[tuple[str, Named]] = [
            (target.arn, aim.policy) for target in targets if (aim := aim_at(facts, target)).policy is not None
        ]

    def state(self, known: Set[Gained]) -> frozenset[Gained]:
        """The gains that decide what an identity may do: all but being one that exists, which decides for itself."""
        made = self.facts.by_arn
        return frozenset(
            (kind, arn) for kind, arn in known if kind in BEARING or (kind == "act" and arn in made and made[arn].made)
        )

    def asked(self, action: str, resources: Sequence[str]) -> tuple[dict[str, Aim], list[Aim]]:
        """What an action can mean of the resources of an ability: keys by ARN, and everything else."""
        names = (action, *resources)
        if names not in self._asked:
            found = [aim for name in resources if not name.startswith("bao:") for aim in aims(self.facts, action, name)]
            self._asked[names] = ({aim.arn: aim for aim in found if aim.key}, [aim for aim in found if not aim.key])
        return self._asked[names]

    def keys(self, actor: Identity, action: str, known: Set[Gained]) -> list[Key]:
        """The keys on which a decision for this actor and action is worth making."""
        changed = {arn for kind, arn in known if kind in _CHANGES} & self.facts.key_of.keys()
        found = self._targets(Form.KEY, actor, action, known) | changed | self._granted
        return [self.facts.key_of[arn] for arn in sorted(found)]

    def roles(self, actor: Identity, action: str, known: Set[Gained]) -> list[Identity]:
        """The roles whose trust policy could let the actor in."""
        return [self._roles[arn] for arn in sorted(self._targets(Form.TRUST, actor, action, known))]

    def reachable(self, actor: Identity, kind: str, action: str, known: Set[Gained]) -> Iterable[Carrier | Store]:
        """The carriers or stores of a kind on which a decision for this actor and action is worth making."""
        covered = self.covers(actor, action, known)
        changed = {arn for kind, arn in known if kind in _CHANGES}
        named = self._names(Form.RESOURCE, actor, action)
        for target in self._of_kind.get(kind, ()):
            own = covered and target.account == actor.account
            if own or target.arn in named or (changed and changed & {target.arn, aim_at(self.facts, target).store}):
                yield target

    def covers(self, actor: Identity, action: str, known: Set[Gained]) -> bool:
        """Whether the actor's own policies cover the action on anything."""
        return _widened(actor, known) or bool(self._covering(actor, action))

    def _covering(self, actor: Identity, action: str) -> list[Statement]:
        """The loosened Allow statements of the actor's own policies that cover the action."""
        asked = (actor.arn, action)
        if asked not in self._covers:
            self._covers[asked] = [
                statement
                for policy in actor.policies
                for statement in parse(loosened(policy, Form.IDENTITY), Form.IDENTITY).allows
                if statement.actions.match(action.lower())
            ]
        return self._covers[asked]

    def _names(self, form: Form, actor: Identity, action: str) -> set[str]:
        """The targets whose policy names the actor, or its account."""
        found = self._read(form, action.lower())
        names = ("*", actor.arn, actor.principal.arn, *_account_of(actor))
        return set().union(*(found.get(name, set()) for name in names))

    def _targets(self, form: Form, actor: Identity, action: str, known: Set[Gained]) -> set[str]:
        named = self._read(form, action.lower())
        empty: set[str] = set()
        found = named.get("*", empty) | named.get(actor.arn, empty) | named.get(actor.principal.arn, empty)
        by_account = set().union(*(named.get(name, empty) for name in _account_of(actor)))
        if not by_account or _widened(actor, known):
            return found | by_account
        covering = self._covering(actor, action)
        return found | {
            arn
            for arn in (by_account if covering else empty)
            if any(
                statement.resources is None or statement.resources.match(Request(actor.principal, action, arn))
                for statement in covering
            )
        }

    def _read(self, form: Form, action: str) -> dict[str, set[str]]:
        """Whom the Allow statements that cover an action name, each with the targets."""
        if (form, action) in self._named:
            return self._named[(form, action)]
        named = self._named[(form, action)] = defaultdict(set)
        policies: list[tuple[str, Named]] = self._policies
        if form is Form.KEY:
            policies = [(key.arn, key.policy) for key in self.facts.keys]
        if form is Form.TRUST:
            policies = [(role.arn, role.trust) for role in self._roles.values() if role.trust is not None]
        for arn, policy in policies:
            for statement in parse(loosened(power.resolved(self.facts, policy), form), form).allows:
                who = statement.principals
                if who is None or not statement.actions.match(action):
                    continue
                for name in ("*",) if who.everybody else who.arns | who.accounts | who.federated:
                    named[name].add(arn)
        return named


def _account_of(actor: Identity) -> tuple[str, str]:
    """The names by which a policy delegates to the actor's account."""
    return actor.account, f"arn:{actor.arn.split(':')[1] if ':' in actor.arn else ''}:iam::{actor.account}:root"


def _widened(actor: Identity, known: Set[Gained]) -> bool:
    """True if the actor's own policies are no guide to what it may do: it is root, or they can be changed."""
    return actor.kind == "root" or ("admin", actor.arn) in known or any(kind == "join" for kind, _ in known)
