"""Steps in OpenBao, as requests of its HTTP API; what would destroy keys or cannot be undone is said and not done."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from strongroom.authorization.prover.derivation import Step
from strongroom.authorization.replay.identity_moves import Made, Maker, not_here
from strongroom.authorization.replay.moves import MARK, Answered, Move, NotReplayable, Request, Way
from strongroom.authorization.replay.scene import Scene

_ALL = ["create", "read", "update", "delete", "list", "patch", "sudo"]
WIDE = json.dumps({"path": {"*": {"capabilities": _ALL}}})
_TEN_MINUTES = "600s"


def bao(method: str, path: str, **body: object) -> Request:
    """A request on a path."""
    return Request("bao", method, {"path": path, "json": body} if body else {"path": path})


def _follows(_scene: Scene, step: Step, words: str) -> Made:
    """A step that needs no request: it is what an earlier one means."""
    return Move(words, step.actor, (Way(()),))


def _policy_write(scene: Scene, step: Step, words: str) -> Made:
    """The policy replaced by one that allows everything."""
    name = step.gain[1].removeprefix("bao:policy/")
    server = scene.facts.openbao
    if server is None or name not in server.policy:
        return NotReplayable(words, "the policy is not there now")
    back = bao("POST", step.target, policy=str(server.policy[name].rules))
    return Move(words, step.actor, (Way((bao("POST", step.target, policy=WIDE),)),), mends=(back,))


def _secret_id(custom: bool) -> Maker:
    """A secret id of the AppRole for one login, and that login; the id of the role is no secret, and read before."""

    def make(_scene: Scene, step: Step, words: str) -> Made:
        role = step.gain[1].removeprefix("bao:")
        chosen = {"secret_id": f"{MARK}-{secrets.token_urlsafe(24)}"} if custom else {}
        mint = bao("POST", step.target, num_uses=1, **chosen)
        secret = Answered("answers.0.data.secret_id")
        login = bao("POST", "auth/approle/login", role_id=Answered("before.data.role_id"), secret_id=secret)
        return Move(
            words, step.actor, (Way((mint, login)),), becomes=step.gain[1], before=bao("GET", f"{role}/role-id")
        )

    return make


def _token(_scene: Scene, step: Step, words: str) -> Made:
    """A token with the policy, or with one that allows everything if any is possible."""
    name = step.gain[1].removeprefix("bao:policy/")
    wanted = "root" if name == "*" else name
    create = bao("POST", step.target, policies=[wanted], no_default_policy=True, ttl=_TEN_MINUTES)
    return Move(words, step.actor, (Way((create,)),), becomes=step.gain[1])


def _password(_scene: Scene, step: Step, words: str) -> Made:
    """The user's password set and used; the old one is known to nobody here and cannot be put back."""
    _, mount, _, name = step.gain[1].removeprefix("bao:").split("/")
    password = secrets.token_urlsafe(24)
    requests = (
        bao("POST", step.target, password=password),
        bao("POST", f"auth/{mount}/login/{name}", password=password),
    )
    return Move(words, step.actor, (Way(requests),), becomes=step.gain[1], stays=f"the password of {name} is another")


def _export(_scene: Scene, step: Step, words: str) -> Made:
    """The key's material read; it is shown to nobody."""
    return Move(words, step.actor, (Way((bao("GET", step.target),)),))


_DESTROYS = not_here("it would destroy keys, and nothing brings them back")
_ONE_WAY = not_here("it cannot be undone: a key that was exportable once stays so")
_SHARES = not_here("it takes shares of the unseal key, which a replay never opens")
_STATE = not_here("it would put the whole server into another state")
_OTHERS = not_here("it changes how others log in, and what was there before is not readable")
#: rule of OpenBao -> how a step by it is carried out
OPENBAO_MOVES: Mapping[str, Maker] = {
    "policy-write": _policy_write,
    "secret-id-mint": _secret_id(custom=False),
    "secret-id-custom": _secret_id(custom=True),
    "password-reset": _password,
    "token-any": _token,
    "token-subset": _token,
    "token-by-role": _token,
    "key-export": _export,
    "key-byok-export": _export,
    "key-backup": _export,
    **dict.fromkeys(
        (
            "has-login",
            "entity-of",
            "group-of",
            "group-member-of",
            "key-is-exportable",
            "key-has-backups",
            "key-is-deletable",
            "mount-moved",
        ),
        _follows,
    ),
    **dict.fromkeys(("key-make-exportable", "key-allow-backup", "key-allow-deletion"), _ONE_WAY),
    **dict.fromkeys(("root-by-shares", "root-generate", "rekey"), _SHARES),
    **dict.fromkeys(("raw-storage", "snapshot-restore", "storage-replace", "plugin-register", "seal"), _STATE),
    **dict.fromkeys(
        (
            "key-replace",
            "key-overwrite",
            "key-import-version",
            "key-delete",
            "key-trim",
            "key-fence",
            "mount-delete",
            "mount-move",
            "moved-decrypt",
            "audit-disable",
            "lease-revoke",
        ),
        _DESTROYS,
    ),
}


def openbao_move(rule: str) -> Maker:
    """How a step by a rule of OpenBao is carried out; what is not in the table changes others' logins."""
    return OPENBAO_MOVES.get(rule, _OTHERS)
