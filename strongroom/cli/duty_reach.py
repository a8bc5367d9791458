"""`duty reach`: what each person and workload can come to do with keys and stores, as the prover finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from strongroom.cli import duty_reading
from strongroom.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(env: str, person: Sequence[str], *, without_quorums: bool, markdown: bool, json: bool) -> None:
    """Prints what is reached; Undetermined if anything could not be read."""
    from strongroom.authorization.prover import Reach
    from strongroom.authorization.prover.reach import reached
    from strongroom.errors import Undetermined

    estate, manifest, found = duty_reading.deployed(env, quorums=not without_quorums, quiet=json)
    if found.gaps:
        raise Undetermined("; ".join(gap.reason for gap in found.gaps), hint="let the auditor read it")
    keys = {key.name: (key.purpose, key.ref) for key in manifest.keys if key.provider == "aws-kms"}
    transit = {key.name: key.ref for key in manifest.keys if key.provider == "transit"} if found.facts.openbao else {}
    stores = duty_reading.deciding_stores(estate, manifest)
    answer = reached(Reach(found.about(person).facts), keys, stores, transit)
    if json:
        print_json(answer)
    elif markdown:
        typer.echo("\n".join(table(answer)))
    else:
        for human, mine in answer.items():
            typer.echo(human)
            typer.echo("\n".join(f"  {kind}: {', '.join(names)}" for kind, names in mine.items()) or "  nothing")


def table(answer: dict[str, dict[str, list[str]]]) -> list[str]:
    """The answer as lines of a Markdown table; who reaches nothing is left out."""
    lines = ["| who | can come to |", "|---|---|"]
    for human, mine in sorted(answer.items()):
        reaches = "; ".join(f"**{kind}** {', '.join(sorted(names))}" for kind, names in mine.items())
        lines += [f"| `{human}` | {reaches} |"] if reaches else []
    return lines
