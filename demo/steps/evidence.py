"""What all this left as proof: a signed chain that anybody can check, and a report for auditors."""

from __future__ import annotations

from demo.stage import ENV, Stage, require

TITLE = "Evidence and report"


def show(stage: Stage) -> str:
    """Signs the head and verifies the chain under the pinned keys; an edited or a missing link must be noticed."""
    from strongroom.cli.evidence import load
    from strongroom.cli.report import write_report
    from strongroom.evidence.verification import verify_chain

    stage.run_well("collect-evidence")
    envelopes, pinned = load(ENV, None, None)
    report = verify_chain(envelopes, ENV, pinned, accept_simulated=True)
    found = "; ".join(f"{finding.name}: {finding.message}" for finding in report.findings[:3])
    require(report.intact and report.statements, f"the chain is not intact: {found or 'it is empty'}")
    names = sorted(envelopes)
    victim = names[len(names) // 2]
    edited = {**envelopes, victim: envelopes[victim].replace(b'"sig"', b'"sIg"', 1)}
    cut = {name: data for name, data in envelopes.items() if name != victim}
    for what, chain in (("an edited statement", edited), ("a removed statement", cut)):
        broken = verify_chain(chain, ENV, pinned, accept_simulated=True)
        require(not broken.intact, f"{what} was not noticed: verification proves nothing")
    path = write_report(ENV, stage.home / "report.html")
    stage.display.line(
        f"{len(report.statements)} statements by {len({s.predicate['duty'] for s in report.statements})} duties, each "
        f"with its own key; chain intact, head covers {report.covered}; edited or removed links are noticed"
    )
    require(path.stat().st_size > 10_000, f"{path} is too small to be a report")
    return f"{len(report.statements)} signed statements verified, report written"
