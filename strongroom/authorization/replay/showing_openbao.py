"""Abilities in OpenBao, shown by a request that changes nothing."""

from __future__ import annotations

import base64

from strongroom.authorization.prover.holdings import Held
from strongroom.authorization.replay.moves import MARK, Answered, Move, NotReplayable, Way
from strongroom.authorization.replay.openbao_moves import bao

_CONTEXT = base64.b64encode(MARK.encode()).decode()
#: What the server says to who may, of a request that lacks what it is about.
_ASKED_FOR_MORE = frozenset({"InvalidRequest", "InvalidPath"})


def show_openbao(held: Held, words: str) -> Move | NotReplayable:
    """The request that shows an ability: decrypting what was just encrypted, taking credentials, being the login."""
    path, verb = held.resource.removeprefix("bao:"), held.action.removeprefix("bao:")
    if verb in ("own", "blind", "destroy"):
        return Move(words, held.identity, (Way(()),))
    if verb == "act":
        return Move(words, held.identity, (Way((bao("GET", "auth/token/lookup-self"),)),))
    if verb in ("read", "list"):
        return Move(words, held.identity, (Way((bao("GET" if verb == "read" else "LIST", path),)),))
    parts = path.split("/")
    if verb == "update" and "decrypt" in parts:
        return _decrypt(held, words, parts)
    if verb == "update" and ("encrypt" in parts or "datakey" in parts):
        given = {"context": _CONTEXT, **({"plaintext": _CONTEXT} if "encrypt" in parts else {})}
        return Move(words, held.identity, (Way((bao("POST", path, **given),)),), answers=_ASKED_FOR_MORE)
    return NotReplayable(words, f"{held.action} on {path} has no request that changes nothing")


def _decrypt(held: Held, words: str, parts: list[str]) -> Move:
    """A ciphertext made by whoever may, with a derived key's context; opened by the identity."""
    sealing = "/".join("encrypt" if part == "decrypt" else part for part in parts)
    sealed = bao("POST", sealing, plaintext=_CONTEXT, context=_CONTEXT)
    opening = bao("POST", "/".join(parts), ciphertext=Answered("prepared.data.ciphertext"), context=_CONTEXT)
    # nobody here may seal under some keys: whoever may not open is refused before the ciphertext is looked at
    empty = bao("POST", "/".join(parts), ciphertext="vault:v1:", context=_CONTEXT)
    return Move(words, held.identity, (Way((opening,), sealed), Way((empty,))), answers=_ASKED_FOR_MORE)
