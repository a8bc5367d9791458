"""What the commands of `duty` stand on: the estate as declared, what is deployed as the auditor reads it, the pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strongroom.cli.output import project_root, use_laptop_cloud

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.authorization.deployed import Deployed
    from strongroom.authorization.prover import Pair
    from strongroom.estate.manifest import Manifest
    from strongroom.estate.model import Estate
    from strongroom.jobs.context import JobContext


#: Services that decide on what a store holds; of a database only the server itself does.
_DECIDING = ("s3", "sqs", "sns", "secretsmanager")


def declared(env: str) -> Estate:
    """The estate file of an environment."""
    from strongroom.estate.loader import estate_file, load

    return load(estate_file(project_root(), env))


def deployed(env: str, *, quorums: bool = True, quiet: bool = False) -> tuple[Estate, Manifest, Deployed]:
    """The environment as the auditor reads it; without `quorums` as if the estate declared none."""
    from strongroom.authorization.deployed import read
    from strongroom.jobs.context import JobContext, load_manifest
    from strongroom.progress import Silent, terminal_progress

    use_laptop_cloud()
    estate, manifest = declared(env), load_manifest(env, "auditor")
    if not quorums:
        estate = estate.model_copy(update={"quorums": ()})
    ctx = JobContext(manifest, job="duty", duty="auditor")
    progress = Silent() if quiet else terminal_progress()
    progress.start("reading what is deployed", None)

    def session(account: str, region: str) -> Any:
        progress.advance()
        return ctx.session("auditor", account, region)

    try:
        return estate, manifest, read(manifest, estate, session, _vault(ctx, estate))
    finally:
        progress.stop()


def pairs_of_estate(estate: Estate, manifest: Manifest, found: Deployed) -> list[Pair]:
    """What nobody may hold together: Strongroom's pairs over the manifest, and the organisation's own."""
    from strongroom.authorization.deployed.declared import declared_pairs
    from strongroom.authorization.deployed.openbao_people import pairs_of_server
    from strongroom.authorization.prover.pairs import pairs_of

    keys = {key.name: (key.purpose, key.ref) for key in manifest.keys if key.provider == "aws-kms"}
    holders = holders_of(estate, found)
    bao = pairs_of_server(manifest, found.facts.openbao, holders) if found.facts.openbao else []
    pairs = pairs_of(keys, holders, stores=deciding_stores(estate, manifest))
    return [*pairs, *bao, *declared_pairs(estate, manifest, holders)]


def deciding_stores(estate: Estate, manifest: Manifest) -> dict[str, tuple[str, str]]:
    """The stores on whose content AWS alone decides, by name: purpose and ARN."""
    from strongroom.authorization.deployed.stores import stores_by_purpose

    named = stores_by_purpose(manifest, estate)
    return {name: (purpose, arn) for name, (purpose, arn) in named.items() if arn.split(":")[2] in _DECIDING}


def _vault(ctx: JobContext, estate: Estate) -> Any:
    """The auditor's login to OpenBao; None without one, which `read` makes a gap if the estate has a server."""
    from strongroom.errors import Denied, UsageError

    try:
        return ctx.vault("auditor") if estate.vault else None
    except (UsageError, Denied):
        return None


def holders_of(estate: Estate, found: Deployed) -> dict[str, list[str]]:
    """Duty -> the humans of the facts who hold it."""
    merged = {name: human.name for human in found.facts.humans for name in human.name.split("+")}
    return {duty: [merged[name] for name in held if name in merged] for duty, held in estate.duties.items()}


def chosen(pairs: Sequence[Pair], names: Sequence[str]) -> list[Pair]:
    """The pairs of these names, or all if none is named; UsageError for an unknown name."""
    from strongroom.errors import UsageError

    known = {pair.name for pair in pairs}
    for name in names:
        if name not in known:
            raise UsageError(f"no pair is called {name!r}", hint=f"known: {'; '.join(sorted(known))}")
    return [pair for pair in pairs if pair.name in names or not names]


def by_name(manifest: Manifest, text: str) -> str:
    """A text in which keys are called as in the manifest."""
    for key in manifest.keys:
        text = text.replace(key.ref, key.name) if key.ref.startswith("arn:") else text
    return text
