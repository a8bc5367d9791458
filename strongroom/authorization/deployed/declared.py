"""What the estate declares about people acting together, in the terms of the prover: quorums, and pairs of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlparse

from strongroom.authorization.prover import Ability, Pair, Quorum
from strongroom.errors import ManifestError
from strongroom.estate import separation
from strongroom.estate.manifest import Manifest
from strongroom.estate.model import Doing, Estate


def quorums_of(estate: Estate, manifest: Manifest) -> tuple[Quorum, ...]:
    """The declared quorums, one a resource; ManifestError for a key that is not deployed."""
    return tuple(
        Quorum(declared.action, arn, declared.people, declared.mechanism)
        for declared in estate.quorums
        for arn in _of_quorum(estate, manifest, declared.resource)
    )


def declared_pairs(estate: Estate, manifest: Manifest, holders: Mapping[str, Sequence[str]]) -> list[Pair]:
    """The pairs of the section `never_together`; holders: duty -> names of the humans of the facts who hold it.

    ManifestError for a resource that is not deployed.
    """
    return [
        Pair(
            pair.name,
            _ability(f"{pair.name}: first", pair.first, manifest),
            _ability(f"{pair.name}: second", pair.second, manifest) if pair.second else None,
            same=pair.same,
            holders=tuple(human for duty in pair.only or () for human in holders.get(duty, ())),
        )
        for pair in estate.never_together
    ]


def _of_quorum(estate: Estate, manifest: Manifest, name: str) -> Sequence[str]:
    if separation.is_role(name):
        return separation.roles_of(estate, name)
    return (name,) if name.startswith(("arn:", "bao:")) else (manifest.key(name).ref,)


def _ability(name: str, doing: Doing, manifest: Manifest) -> Ability:
    resources = dict.fromkeys(arn for resource in doing.resources for arn in deployed_as(manifest, resource))
    return Ability(name, doing.actions, tuple(resources))


def deployed_as(manifest: Manifest, name: str) -> Iterator[str]:
    """The ARNs behind the name of a key, store, repository, copy or object; ManifestError if there is none.

    A store without ARN and a local copy have nothing that AWS decides on.
    """
    if name.startswith(("arn:", "bao:")):
        yield name
        return
    if name in {key.name for key in manifest.keys}:
        yield manifest.key(name).ref
        return
    place, inside = separation.split(name)
    found = [store.arn for store in manifest.stores if store.name == place and store.arn]
    repository, _, wanted = place.partition(".")
    found += [
        f"arn:aws:s3:::{urlparse(copy.url).netloc}"
        for declared in manifest.repositories
        for copy in declared.copies
        if declared.id == repository and copy.backend == "s3" and wanted in ("", copy.name)
    ]
    if not found:
        raise ManifestError(f"{name!r} is not deployed, or AWS does not decide on it")
    yield from (f"{arn}/{inside}" if inside else arn for arn in found)
