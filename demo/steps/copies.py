"""Three copies, and every source restored from every copy with every key that opens it."""

from __future__ import annotations

from typing import Any

from demo.stage import Stage, require

TITLE = "Copies and drills"


def show(stage: Stage) -> str:
    """Copies to the other account and to the disk, then drills all of it; RTO and RPO against the objectives."""
    copied = stage.run_well("copy")
    full = [result for options in _drills(stage) for result in stage.run_well("drill", **options).results]
    copies = {result.detail["copy"] for result in full}
    sources = {result.detail["source"] for result in full}
    require(len(full) == len(copies) * len(sources), "a source was not restored from every copy")
    require(len(copies) == 3 and len(sources) == 4, f"{len(sources)} sources from {len(copies)} copies were drilled")
    require(all(result.detail["verdict"] == "PASS" for result in full), "a drill did not pass")
    rows = sum(result.counts.get("rows", 0) for result in full)
    fields = sum(result.counts.get("fields_opened", 0) for result in full)
    require(fields, "no sealed field was opened in a restored database")
    stage.display.line(f"copied to another account and Region (compliance lock) and to disk: {copied.message}")
    keys = sorted({result.detail["recipient"] for result in full})
    stage.display.line(
        f"{len(full)} restores into scratch, {len(sources)} sources from {len(copies)} copies by {', '.join(keys)}: "
        f"{rows:,} rows and files equal, {fields} fields opened"
    )
    stage.recovery = recovery_lines(stage, full)
    return f"{len(full)} restores passed: {len(sources)} sources, {len(copies)} copies, {len(keys)} keys"


def _drills(stage: Stage) -> list[dict[str, str]]:
    """A full rehearsal of each copy by another key each: OpenBao's, KMS's in the other account, the offline one."""
    return [
        {"copy": "primary", "recipient": "recipient-transit", "depth": "full"},
        {"copy": "vaulted", "recipient": "recipient-vaulted", "depth": "full"},
        {"copy": "disk", "recipient": "escrow", "depth": "full", **stage.escrow_options},
    ]


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
