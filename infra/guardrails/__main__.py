"""The policy pack: the catalogue's controls over every preview and update; a failed control stops it.

pulumi preview -s keys.prod --policy-pack infra/guardrails
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# the pack is started with its own folder as sys.path[0]; the packages live two folders up
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

from infra.guardrails.normalise import Declared, facts
from strongroom.controls.catalogue import CATALOGUE
from strongroom.controls.facts import UNKNOWN, Control, Verdict


def reader(properties: Any) -> Callable[[str], Any]:
    """Reads inputs; the pack's runtime raises on a value that only the update will know."""

    def read(name: str) -> Any:
        try:
            return properties.get(name)
        except Exception as error:
            if type(error).__name__ != "UnknownValueError":
                raise
            return UNKNOWN

    return read


def policy(control: Control) -> StackValidationPolicy:
    """A control as a policy over the whole stack."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        declared = [Declared(r.resource_type, r.name, reader(r.props)) for r in args.resources]
        for finding in control(facts(declared, "preview")):
            if finding.verdict is Verdict.FAIL:
                report(f"{finding.control} {finding.subject}: {finding.reason} ({finding.clause})", None)

    return StackValidationPolicy(
        name=f"strongroom-{control.id.lower()}",
        description=f"{control.title} (45 CFR {control.clause})",
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
    )


PolicyPack("strongroom", [policy(control) for control in CATALOGUE])
