"""Every rule of the prover with its move, and the plan of a derivation."""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.authorization.prover.derivation import Step
from strongroom.authorization.prover.facts import OUTSIDER
from strongroom.authorization.prover.openbao_rules import RULES as OPENBAO_RULES
from strongroom.authorization.prover.rules import RULES
from strongroom.authorization.replay import identity_moves as identity
from strongroom.authorization.replay import key_moves as key
from strongroom.authorization.replay import store_moves as store
from strongroom.authorization.replay.identity_moves import Maker, not_here
from strongroom.authorization.replay.moves import Move, NotReplayable, Plan
from strongroom.authorization.replay.openbao_moves import openbao_move
from strongroom.authorization.replay.scene import Scene
from strongroom.authorization.replay.showing import LATE, show

_PROGRAM = not_here("the laptop's cloud keeps what programs are declared and runs none")
_CONSOLE = not_here("a password opens the console, which the laptop's cloud has not")
_PROVIDER = not_here("it takes a token that an identity provider signs, and none is the person's here")
_ORGANISATION = not_here("the laptop's accounts are in no organisation")
_ACL = not_here("the laptop's gateway decides by policies, not by access control lists")
_LATER = not_here("it takes effect when the next deployment or job reads it, which nothing here starts")
_CREDENTIALS = not_here("what is kept there has no form that is known to be credentials")

#: rule of AWS -> how a step by it is carried out
MOVES: Mapping[str, Maker] = {
    "assume-role": identity.assume_role,
    "assume-role-web-identity": _PROVIDER,
    "assume-role-saml": _PROVIDER,
    "trust-write": identity.trust_write,
    "role-policy-put": identity.put_policy("Role"),
    "role-policy-attach": identity.attach_policy("Role"),
    "role-policy-delete": identity.delete_policies("Role"),
    "role-policy-detach": identity.detach_policies("Role"),
    "role-boundary-put": identity.put_boundary("Role"),
    "role-boundary-drop": identity.drop_boundary("Role"),
    "create-role": identity.create_role,
    "user-policy-put": identity.put_policy("User"),
    "user-policy-attach": identity.attach_policy("User"),
    "user-policy-delete": identity.delete_policies("User"),
    "user-policy-detach": identity.detach_policies("User"),
    "user-boundary-put": identity.put_boundary("User"),
    "user-boundary-drop": identity.drop_boundary("User"),
    "access-key": identity.make_access_key,
    "login-create": _CONSOLE,
    "login-update": _CONSOLE,
    "federation-token": not_here("the laptop's gateway makes no sessions of federated users"),
    "create-user-key": identity.create_user,
    "create-user-login": _CONSOLE,
    "group-policy-put": identity.put_policy("Group"),
    "group-policy-attach": identity.attach_policy("Group"),
    "group-policy-delete": identity.delete_policies("Group"),
    "group-policy-detach": identity.detach_policies("Group"),
    "group-leave": identity.leave_group,
    "group-join": identity.join_group,
    "create-group-put": identity.create_group(attach=False),
    "create-group-attach": identity.create_group(attach=True),
    "policy-version": identity.new_version,
    "policy-default": identity.old_version,
    "boundary-version": identity.new_version,
    "boundary-default": identity.old_version,
    "oidc-create": _PROVIDER,
    "oidc-thumbprint": _PROVIDER,
    "oidc-client": _PROVIDER,
    "saml-create": _PROVIDER,
    "saml-update": _PROVIDER,
    "assume-root": _ORGANISATION,
    "organisation-policy-update": _ORGANISATION,
    "organisation-policy-detach": _ORGANISATION,
    "organisation-policy-off": _ORGANISATION,
    "organisation-move": _ORGANISATION,
    "organisation-remove": _ORGANISATION,
    "organisation-leave": _ORGANISATION,
    "key-policy": key.rewrite_policy,
    "grant": key.make_grant,
    "replicate": key.replicate,
    "primary-region": not_here("the laptop's gateway does not move the primary of a multi-Region key"),
    "alias-move": key.move_alias(recreate=False),
    "alias-recreate": key.move_alias(recreate=True),
    "bucket-policy": store.rewrite("s3"),
    "bucket-policy-delete": store.remove("s3"),
    "bucket-acl": _ACL,
    "object-acl": _ACL,
    "version-acl": _ACL,
    "bucket-acl-on": _ACL,
    "queue-policy": store.rewrite("sqs"),
    "queue-permission": store.permit("sqs"),
    "queue-permission-remove": store.forbid("sqs"),
    "topic-policy": store.rewrite("sns"),
    "topic-permission": store.permit("sns"),
    "topic-permission-remove": store.forbid("sns"),
    "secret-policy": store.rewrite("secretsmanager"),
    "secret-policy-delete": store.remove("secretsmanager"),
    "images-policy": store.rewrite("ecr"),
    "images-policy-delete": store.remove("ecr"),
    "vault-policy": store.rewrite("backup"),
    "vault-policy-delete": store.remove("backup"),
    "write-state": _LATER,
    "write-manifest": _LATER,
    **dict.fromkeys(
        ("read-secret", "read-parameter", "read-parameters", "read-parameter-path", "read-parameter-history",
         "read-object"),
        _CREDENTIALS,
    ),
}  # fmt: skip
_MEANS = {rule.name: rule.words for rule in RULES}
_MEANS_IN_OPENBAO = {rule.name: rule.words for rule in OPENBAO_RULES}
_RUNNING = frozenset(
    rule.name for rule in RULES if rule.name.startswith(("pass-role-", "write-")) and rule.name not in MOVES
)


def move_of(rule: str, *, openbao: bool = False) -> Maker | None:
    """How a step by a rule is carried out; None for a rule that has no row."""
    if openbao:
        return openbao_move(rule)
    return _PROGRAM if rule in _RUNNING else MOVES.get(rule)


def plan(scene: Scene, *, outside: bool = True) -> Plan:
    """The moves of a derivation; outside: whether the person has credentials of an account outside, as all could."""
    moves: list[Move | NotReplayable] = [_move(scene, step) for step in scene.steps]
    moves += [show(scene, held) for held in sorted(scene.counter.held, key=lambda held: LATE.get(held.action, 0))]
    checked = tuple(
        NotReplayable(move.words, "this cloud has no account outside")
        if isinstance(move, Move) and move.actor == OUTSIDER.arn and not outside
        else move
        for move in moves
    )
    return Plan(scene.counter.human, scene.counter.pair, checked)


def _move(scene: Scene, step: Step) -> Move | NotReplayable:
    openbao = not step.actor.startswith("arn:")  # a secret of AWS may hand over a login of OpenBao
    maker = move_of(step.rule, openbao=openbao)
    means = (_MEANS_IN_OPENBAO if openbao else _MEANS).get(step.rule, step.rule)
    words = f"{step.actor} {means} ({step.target})"
    if maker is None:
        return NotReplayable(words, f"the rule {step.rule!r} has no move")
    return maker(scene, step, words)
