"""The job rotate-keys: gives new key material to keys whose cryptoperiod ends, in KMS and in transit.

Due is computed from the keys themselves (last rotation against `rotation_days` of the manifest), never from a
calendar of ours. A KMS key takes 25 on-demand rotations in its life; the job refuses the last five unless told.
Cryptoperiods: NIST SP 800-57 part 1 rev. 5, section 5.3.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from strongroom.errors import Refused
from strongroom.estate.manifest import Key
from strongroom.jobs.contract import Context, Plan, Proof, RunState, Unit, UnitResult, Verdict
from strongroom.keys import kms
from strongroom.keys.handles import Administrator, KeyState
from strongroom.keys.kms import KmsAdministrator
from strongroom.keys.transit import TransitAdministrator

ON_DEMAND_LIMIT, RESERVE = 25, 5
ROTATABLE = ("storage", "field-root", "recipient")


def administrator(ctx: Context, key: Key) -> Administrator:
    """The rotator's handle of a key."""
    if key.provider == "transit":
        return TransitAdministrator(ctx.vault("rotator"), key.ref)
    client = ctx.session("rotator", key.account, key.region).client("kms", region_name=key.region)
    return KmsAdministrator(client, key.ref)


def reason_due(state: KeyState, rotation_days: int | None, now: Any) -> str | None:
    """Why a key is due for rotation now, or None. Pure: from the key's state and its period."""
    if rotation_days is None:
        return None
    if state.last_rotated is None and now - state.created <= timedelta(days=rotation_days):
        return None
    last = state.last_rotated or state.created
    return "due-age" if now - last > timedelta(days=rotation_days) else None


class RotateKeys:
    """Rotates the due keys, or those named by the option `keys` (comma-separated)."""

    name = "rotate-keys"
    duty = "rotator"

    def plan(self, ctx: Context) -> Plan:
        """One unit a key that is due or named."""
        named = [n for n in str(ctx.options.get("keys") or "").split(",") if n]
        chosen = [ctx.manifest.key(n) for n in named] or [k for k in ctx.manifest.keys if k.purpose in ROTATABLE]
        units, reasons = [], []
        for key in chosen:
            if not named and key.account and "rotator" not in ctx.manifest.accounts[key.account].roles:
                continue
            state = administrator(ctx, key).describe()
            reason = "on-demand" if named else reason_due(state, key.rotation_days, ctx.clock.now())
            if reason:
                units.append(Unit("rotate-key", {"key": key.name, "from_version": state.current_version}))
                reasons.append(reason)
        return Plan(tuple(units), f"{len(units)} of {len(chosen)} keys", tuple(reasons))

    def execute(self, ctx: Context, unit: Unit) -> UnitResult:
        """Rotates one key; if its version moved on since the plan, it is left alone."""
        key = ctx.manifest.key(unit.arguments["key"])
        handle = administrator(ctx, key)
        before = handle.describe()
        if before.current_version != unit.arguments["from_version"]:
            return UnitResult(unit.id, RunState.OK, counts={"rotated": 0}, reasons=("raced",))
        if key.provider == "aws-kms":
            self._check_budget(ctx, key)
        after = handle.rotate()
        body: Mapping[str, Any] = {
            "key": key.name,
            "key_ref": key.ref,
            "from_version": before.current_version,
            "to_version": after.current_version,
            "counts": {"rotated": 1},
        }
        statement = ctx.evidence.emit("rotation", body)
        detail = {
            "key": key.name,
            "from_version": before.current_version,
            "to_version": after.current_version,
            "evidence": statement,
            "gauges": [
                ("strongroom_key_last_rotation_timestamp_seconds", {"key": key.name}, ctx.clock.now().timestamp())
            ],
        }
        return UnitResult(unit.id, RunState.OK, counts={"rotated": 1}, detail=detail)

    def verify(self, ctx: Context, results: tuple[UnitResult, ...]) -> Verdict:
        """Reads every rotated key's state back: its version must be the one the rotation made."""
        for result in results:
            if "to_version" not in result.detail:
                continue
            key = ctx.manifest.key(result.detail["key"])
            current = administrator(ctx, key).describe().current_version
            if current == result.detail["from_version"]:
                message = f"key {key.name} still has version {current}"
                return Verdict(RunState.FAILED, Proof.UNVERIFIED, ("key-unusable",), message, error=5)
        return Verdict(RunState.OK, Proof.VERIFIED)

    @staticmethod
    def _check_budget(ctx: Context, key: Key) -> None:
        client = ctx.session("rotator", key.account, key.region).client("kms", region_name=key.region)
        rotations = kms.call(client, "list_key_rotations", key.ref, KeyId=key.ref).get("Rotations", [])
        used = sum(1 for r in rotations if r.get("RotationType") == "ON_DEMAND")
        if used >= ON_DEMAND_LIMIT - RESERVE and not ctx.options.get("use_reserve"):
            raise Refused(
                f"key {key.name} has used {used} of {ON_DEMAND_LIMIT} on-demand rotations",
                hint="keep the rest for an emergency (--option use_reserve=1) or replace the key",
            )
