"""Which targets an actor's request could at all be allowed on: the rest need no decision.

A key's policy or grants and a role's trust policy must name whoever asks, or the asker's account, in which case the
asker's own policies must cover the action. Everything here errs towards asking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set

from strongroom.authorization.documents import Form, Named, parse
from strongroom.authorization.prover.derivation import Gained
from strongroom.authorization.prover.facts import Facts, Identity, Key
from strongroom.authorization.prover.possible import loosened
from strongroom.authorization.request import Request
from strongroom.authorization.statements import Statement


class Index:
    """Look-ups over one set of facts; answers are kept."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._named: dict[tuple[Form, str], dict[str, set[str]]] = {}
        self._covers: dict[tuple[str, str], list[Statement]] = {}
        self._keys = {key.arn: key for key in facts.keys}
        self._roles = {role.arn: role for role in facts.identities if role.kind == "role" and role.trust is not None}
        self._near: dict[tuple[str, str], list[Identity]] = defaultdict(list)
        for identity in facts.identities:
            self._near[(identity.account, identity.kind)].append(identity)
        self._granted = {key.arn for key in facts.keys if key.grants}

    def keys(self, actor: Identity, action: str, known: Set[Gained]) -> list[Key]:
        """The keys on which a decision for this actor and action is worth making."""
        changed = {arn for kind, arn in known if kind in ("own", "use")} & self._keys.keys()
        found = self._targets(Form.KEY, actor, action, known) | changed | self._granted
        return [self._keys[arn] for arn in sorted(found)]

    def roles(self, actor: Identity, action: str, known: Set[Gained]) -> list[Identity]:
        """The roles whose trust policy could let the actor in."""
        return [self._roles[arn] for arn in sorted(self._targets(Form.TRUST, actor, action, known))]

    def near(self, actor: Identity, kind: str) -> list[Identity]:
        """The users or roles of the actor's account: no policy of theirs could let another account change them."""
        return self._near.get((actor.account, kind), [])

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

    def _targets(self, form: Form, actor: Identity, action: str, known: Set[Gained]) -> set[str]:
        named = self._named.get((form, action))
        if named is None:
            named = self._named[(form, action)] = self._read(form, action.lower())
        empty: set[str] = set()
        found = named.get("*", empty) | named.get(actor.arn, empty) | named.get(actor.principal.arn, empty)
        by_account = named.get(actor.account, empty)
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
        named: dict[str, set[str]] = defaultdict(set)
        policies: list[tuple[str, Named]] = [(key.arn, key.policy) for key in self._keys.values()]
        if form is Form.TRUST:
            policies = [(role.arn, role.trust) for role in self._roles.values() if role.trust is not None]
        for arn, policy in policies:
            for statement in parse(loosened(policy, form), form).allows:
                who = statement.principals
                if who is None or not statement.actions.match(action):
                    continue
                for name in ("*",) if who.everybody else who.arns | who.accounts:
                    named[name].add(arn)
        return named


def _widened(actor: Identity, known: Set[Gained]) -> bool:
    """True if the actor's own policies are no guide to what it may do: it is root, or they can be changed."""
    return actor.kind == "root" or ("admin", actor.arn) in known or any(kind == "join" for kind, _ in known)
