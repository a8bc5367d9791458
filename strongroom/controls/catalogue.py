"""Every control, in the order of its id."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.controls import kms, s3
from strongroom.controls.facts import Control, Fact, Finding

CATALOGUE: tuple[Control, ...] = tuple(sorted((*kms.CONTROLS, *s3.CONTROLS), key=lambda control: control.id))


def judge(facts: Sequence[Fact]) -> list[Finding]:
    """The findings of all controls over these facts."""
    return [finding for control in CATALOGUE for finding in control(facts)]
