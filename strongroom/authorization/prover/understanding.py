"""What a proof has to understand before it begins: every document, every name that something else refers to."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.authorization.documents import Form, parse
from strongroom.authorization.prover import openbao_power
from strongroom.authorization.prover.duties import Pair
from strongroom.authorization.prover.facts import Facts
from strongroom.authorization.prover.rules import CARRIERS
from strongroom.authorization.prover.services import STORES
from strongroom.errors import UnknownElement


def require_understood(facts: Facts, pairs: Sequence[Pair] = ()) -> None:
    """Raises UnknownElement for what has no known meaning, even where no derivation passes."""
    openbao_power.understood(facts, pairs)
    _documents(facts)
    for human in facts.humans:
        for name in human.identities:
            if not name.startswith("bao:") and name not in facts.by_arn:
                raise UnknownElement(f"{human.name}: {name} is not among the identities", hint="read it")
    for carrier in facts.carriers:
        if carrier.kind not in CARRIERS:
            raise UnknownElement(f"{carrier.arn}: carrier {carrier.kind!r} is not known", hint="see rules.CARRIERS")
        if not carrier.role.startswith("bao:") and carrier.role not in facts.by_arn:
            raise UnknownElement(f"{carrier.arn}: runs as {carrier.role}, which was not read", hint="read the role")
    for store in facts.stores:
        if store.kind not in STORES:
            raise UnknownElement(f"{store.arn}: store {store.kind!r} is not known", hint="see services.STORES")


def _documents(facts: Facts) -> None:
    for identity in facts.identities:
        forms = [(Form.IDENTITY, policy) for policy in identity.policies]
        forms += [(Form.BOUNDARY, identity.boundary)] if identity.boundary else []
        forms += [(Form.TRUST, identity.trust)] if identity.trust else []
        for form, policy in forms:
            parse(policy, form)
    for policies in facts.groups.values():
        for policy in policies:
            parse(policy, Form.IDENTITY)
    for key in facts.keys:
        parse(key.policy, Form.KEY)
    owned = [store.policy for store in facts.stores] + [carrier.policy for carrier in facts.carriers]
    for resource in owned:
        if resource is not None:
            parse(resource, Form.RESOURCE)
    for account in facts.accounts:
        for form, levels in ((Form.SCP, account.scps), (Form.RCP, account.rcps)):
            for policy in (policy for level in levels for policy in level):
                parse(policy, form)
