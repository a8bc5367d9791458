"""The auditors' report: one HTML file without scripts, fonts or links to anywhere.

`render` is pure: the same `ReportData` gives the same bytes. Bars are drawn as inline SVG; a figure beyond its limit is
red and says so in words too, so that print and colour-blind readers see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Bar:
    """A measured figure against its limit; both in `unit`."""

    value: float
    limit: float | None
    unit: str

    @property
    def exceeded(self) -> bool:
        """Whether the figure is beyond its limit."""
        return self.limit is not None and self.value > self.limit

    @property
    def width(self) -> float:
        """Length of the bar, 0 to 100; without a limit the bar stays empty."""
        return 0.0 if not self.limit else max(1.0, min(100.0, 100.0 * self.value / self.limit))

    def text(self) -> str:
        """`12 s of 4 h`, in the unit a person would choose."""
        shown = human(self.value, self.unit)
        return shown if self.limit is None else f"{shown} of {human(self.limit, self.unit)}"


def human(value: float, unit: str) -> str:
    """A duration in the largest fitting unit; other units as they are."""
    if unit != "s":
        return f"{value:g} {unit}"
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


@dataclass(frozen=True)
class DrillRow:
    """The last drill of a source from a copy with a recipient's key.

    `depth` is `full` for a restore that was compared, `open` where only the key was shown to open its slot.
    """

    source: str
    copy: str
    recipient: str
    state: str
    depth: str
    finished: str
    rto: Bar
    rpo: Bar


@dataclass(frozen=True)
class KeyRow:
    """A key and its age against its cryptoperiod."""

    name: str
    purpose: str
    data_class: str
    state: str
    version: str
    age: Bar | None


@dataclass(frozen=True)
class ReportData:
    """Everything the report shows."""

    env: str
    environment_kind: str
    generated: datetime
    manifest_digest: str
    accounts: Sequence[tuple[str, str, str]]
    stores: Sequence[dict[str, Any]]
    copies: Sequence[dict[str, Any]]
    copies_note: Sequence[str]
    drills: Sequence[DrillRow]
    keys: Sequence[KeyRow]
    statements: Sequence[dict[str, Any]]
    findings: Sequence[str]
    covered: int
    head_time: datetime | None
    simulated: int
    signers: Sequence[tuple[str, str]] = field(default_factory=tuple)


def drill_rows(statements: Sequence[Any], objectives: dict[str, tuple[int, int]]) -> list[DrillRow]:
    """The newest drill of each source, copy and recipient; `objectives` maps a source to (RTO, RPO) in seconds."""
    newest: dict[tuple[str, str, str], DrillRow] = {}
    for statement in statements:
        if statement.kind != "drill":
            continue
        p = statement.predicate
        rto, rpo = objectives.get(str(p.get("source")), (None, None))
        place = (str(p.get("source")), str(p.get("copy")), str(p.get("recipient")))
        newest[place] = DrillRow(
            *place,
            state=str(p.get("state")),
            depth=str(p.get("depth", "full")),
            finished=str(p.get("finished")),
            rto=Bar(float(p.get("rto_ms") or 0) / 1000, rto, "s"),
            rpo=Bar(float(p.get("rpo_seconds") or 0), rpo, "s"),
        )
    return [newest[place] for place in sorted(newest)]


def render(data: ReportData) -> str:
    """The report as one HTML document."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = resources.files("strongroom.evidence").joinpath("report.html.j2").read_text()
    return environment.from_string(template).render(data=data, human=human)
