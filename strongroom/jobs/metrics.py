"""Metrics of runs in Prometheus text format, one file a job for the node exporter's textfile collector.

`last_success` moves only when a run ended with exit code 0; an alarm on its age is the dead-man's switch.
Gauges of a job's own come from `UnitResult.detail["gauges"]`: a list of (name, labels, value).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Gauge = tuple[str, Mapping[str, str], float]


def previous_success(folder: Path, job: str) -> float:
    """The last success recorded in a job's file, 0 when there is none."""
    try:
        lines = (folder / f"{job}.prom").read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    for line in lines:
        if line.startswith("strongroom_job_last_success_timestamp_seconds{"):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def write(folder: Path, job: str, *, finished: float, duration: float, exit_code: int, gauges: Iterable[Gauge]) -> Path:
    """Writes the file of a job by rename, so that a collector never reads half of it; returns its path."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client import Gauge as PrometheusGauge

    registry = CollectorRegistry()
    success = finished if exit_code == 0 else previous_success(folder, job)
    own: list[Gauge] = [
        ("strongroom_job_last_run_timestamp_seconds", {"job": job}, finished),
        ("strongroom_job_last_success_timestamp_seconds", {"job": job}, success),
        ("strongroom_job_duration_seconds", {"job": job}, duration),
        ("strongroom_job_exit_code", {"job": job}, float(exit_code)),
    ]
    known: dict[str, PrometheusGauge] = {}
    for name, labels, value in [*own, *gauges]:
        if name not in known:
            known[name] = PrometheusGauge(name, name.replace("_", " "), sorted(labels), registry=registry)
        known[name].labels(**labels).set(value)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = folder / f".{job}.prom.{os.getpid()}"
    temporary.write_bytes(generate_latest(registry))
    target = folder / f"{job}.prom"
    temporary.replace(target)
    return target
