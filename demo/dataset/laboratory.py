"""Laboratory values of pregnancy and childbed: what is measured when, and how it is distributed.

Medians and spreads follow common obstetric reference ranges; they are meant to look right to somebody who knows them,
not to be used. Weeks are weeks of gestation since the last period; None stands for after delivery.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Analyte:
    """Something that is measured: `applies` says at which weeks, `draw` a value, `lowest..highest` what is possible."""

    name: str
    unit: str
    reference_range: str
    decimals: int
    lowest: float
    highest: float
    applies: Callable[[float | None], bool]
    draw: Callable[[random.Random, float | None], float]

    def measure(self, chance: random.Random, week: float | None) -> str:
        """A value as the laboratory prints it."""
        value = min(max(self.draw(chance, week), self.lowest), self.highest)
        return f"{value:.{self.decimals}f}"


def _between(first: float, last: float) -> Callable[[float | None], bool]:
    return lambda week: week is not None and first <= week < last


def _any_time(_: float | None) -> bool:
    return True


def _trimester(week: float | None) -> int:
    """0 after delivery, else 1 to 3."""
    return 0 if week is None else 1 if week < 14 else 2 if week < 28 else 3


#: Week -> lowest and highest usual hCG in mIU/mL: it doubles every two days, peaks about week ten, then falls.
HCG_RANGES = (
    (4, 5, 50),
    (5, 18, 7_340),
    (6, 1_080, 56_500),
    (7, 7_650, 150_000),
    (9, 25_700, 229_000),
    (13, 25_700, 288_000),
    (17, 13_300, 254_000),
    (25, 4_060, 165_400),
)


def hcg_range(week: float) -> tuple[int, int]:
    """The usual range before a week of gestation, for weeks below 25."""
    return next((low, high) for before, low, high in HCG_RANGES if week < before)


def _hcg(chance: random.Random, week: float | None) -> float:
    assert week is not None
    low, high = hcg_range(week)
    middle, spread = (math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / 5
    return min(max(math.exp(chance.gauss(middle, spread)), low), high)


def _haemoglobin(chance: random.Random, week: float | None) -> float:
    return chance.gauss((11.4, 12.6, 11.6, 11.9)[_trimester(week)], 0.9)


def _glucose(chance: random.Random, _week: float | None) -> float:
    return chance.gauss(168, 16) if chance.random() < 0.14 else chance.gauss(111, 15)


def _thyrotropin(chance: random.Random, week: float | None) -> float:
    return (1.6, 1.1, 1.5, 1.7)[_trimester(week)] * math.exp(chance.gauss(0, 0.5))


def _ferritin(chance: random.Random, week: float | None) -> float:
    return (32, 45, 26, 17)[_trimester(week)] * math.exp(chance.gauss(0, 0.55))


def _platelets(chance: random.Random, week: float | None) -> float:
    return chance.gauss((265, 250, 232, 218)[_trimester(week)], 48)


def _protein_ratio(chance: random.Random, week: float | None) -> float:
    if week is not None and week >= 20 and chance.random() < 0.035:  # pre-eclampsia begins after week 20
        return 300 + chance.expovariate(1 / 600)
    return 85 * math.exp(chance.gauss(0, 0.4))


def _epds(chance: random.Random, week: float | None) -> float:
    burdened = chance.random() < (0.15 if week is None else 0.11)
    return chance.gauss(15, 3) if burdened else abs(chance.gauss(4.5, 3))


ANALYTES = (
    Analyte("hCG", "mIU/mL", "by week", 0, 5, 288_000, _between(3.5, 20), _hcg),
    Analyte("Haemoglobin", "g/dL", "11.0-14.5", 1, 6.5, 16.5, _any_time, _haemoglobin),
    Analyte("Glucose 1 h after 50 g", "mg/dL", "< 140", 0, 62, 250, _between(24, 29), _glucose),
    Analyte("TSH", "mIU/L", "0.1-4.0", 2, 0.02, 12, _any_time, _thyrotropin),
    Analyte("Ferritin", "ug/L", "15-150", 0, 3, 320, _any_time, _ferritin),
    Analyte("Platelets", "10^9/L", "150-400", 0, 55, 480, _any_time, _platelets),
    Analyte("Protein/creatinine, urine", "mg/g", "< 300", 0, 20, 6_000, _between(12, 45), _protein_ratio),
    Analyte("EPDS", "points", "< 10", 0, 0, 30, lambda week: week is None or week >= 16, _epds),
)


def due_at(week: float | None) -> list[Analyte]:
    """What may be measured at a week of gestation."""
    return [analyte for analyte in ANALYTES if analyte.applies(week)]
