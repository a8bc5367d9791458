"""Three copies, and every source restored from every copy with every key that opens it."""

from __future__ import annotations

from typing import Any

from demo.stage import Stage, require

TITLE = "Copies and drills"
#: Restores at a time: most of one is waiting for servers that start.
AT_A_TIME = 4


def show(stage: Stage) -> str:
    """Copies to the other account and to the disk, then drills all of it; RTO and RPO against the objectives.

    One recipient of each copy gets the full rehearsal, the others read every pack back by their own key.
    """
    copied = stage.run_well("copy")
    drilled = stage.run_well("drill", parallel=AT_A_TIME, **stage.escrow_options).results
    full = [result for result in drilled if result.detail["depth"] == "full"]
    copies, sources, keys = ({result.detail[name] for result in drilled} for name in ("copy", "source", "recipient"))
    require(len(copies) == 3 and len(sources) == 4, f"{len(sources)} sources from {len(copies)} copies were drilled")
    require(len(full) == len(copies) * len(sources), "a source was not fully restored from every copy")
    require(all(result.detail["verdict"] == "PASS" for result in drilled), "a drill did not pass")
    rows = sum(result.counts.get("rows", 0) for result in full)
    fields = sum(result.counts.get("fields_opened", 0) for result in full)
    require(fields, "no sealed field was opened in a restored database")
    stage.display.line(f"copied to another account and Region (compliance lock) and to disk: {copied.message}")
    stage.display.line(
        f"{len(full)} restores into scratch ({len(sources)} sources, {len(copies)} copies), {len(drilled) - len(full)} "
        f"read back by the other keys: {rows:,} rows and files equal, {fields} sealed fields opened"
    )
    stage.recovery = recovery_lines(stage, full)
    return f"{len(full)} full restores passed: {len(sources)} sources from {len(copies)} copies, {len(keys)} keys tried"


def recovery_lines(stage: Stage, results: list[Any]) -> list[str]:
    """One line a source: the slowest restore and the age of what came back, against the objectives."""
    lines = []
    for source in sorted({result.detail["source"] for result in results}):
        own = [result.detail for result in results if result.detail["source"] == source]
        rto = max(detail["rto_seconds"] for detail in own)
        rpo = max(detail["rpo_seconds"] or 0 for detail in own)
        objective = stage.store(source).objective
        goals = f" (objectives {objective.rto_seconds} s, {objective.rpo_seconds} s)" if objective else ""
        lines.append(f"{source}: RTO {rto:.1f} s, RPO {rpo} s{goals}")
    return lines
