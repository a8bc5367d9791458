"""Steps in OpenBao, as requests of its HTTP API."""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.authorization.replay.identity_moves import Maker

#: rule of OpenBao -> how a step by it is carried out
OPENBAO_MOVES: Mapping[str, Maker] = {}
