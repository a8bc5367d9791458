"""What an estate says about who must act together and who may never: quorums, and pairs an organisation adds.

A quorum is something the proof of duties takes for granted (docs/formats/estate.md, "Quorums"); it is checked here that
it names something of the estate, so that a misspelt one cannot be believed in.
"""

from __future__ import annotations

from collections.abc import Iterator

from strongroom.estate import duties, names
from strongroom.estate.keyring import keyring
from strongroom.estate.model import Estate, Quorum
from strongroom.estate.problem import Problem

BOOTSTRAP = "bootstrap"


def problems(estate: Estate) -> Iterator[Problem]:
    """Every contradiction of the sections `quorums` and `never_together`."""
    seen: dict[tuple[str, str], int] = {}
    for index, quorum in enumerate(estate.quorums):
        at = ("quorums", index)
        message = _unusable(estate, quorum)
        if message:
            yield Problem((*at, "resource"), message)
        first = seen.setdefault((quorum.action, quorum.resource), index)
        if first != index:
            yield Problem(at, f"{quorum.action} on {quorum.resource} is already under quorum {first}")
    taken: set[str] = set()
    for index, pair in enumerate(estate.never_together):
        where = ("never_together", index)
        if pair.name in taken:
            yield Problem((*where, "name"), f"{pair.name!r} stands twice")
        taken.add(pair.name)
        if (pair.second is None) == (pair.only is None):
            yield Problem(where, "says what is kept apart by either second or only", "one of the two")
        if pair.same and pair.second is None:
            yield Problem((*where, "same"), "compares first with second, and there is no second")
        for side, doing in (("first", pair.first), ("second", pair.second)):
            for place, name in enumerate(doing.resources if doing else ()):
                if not _known(estate, name):
                    yield Problem((*where, side, "resources", place), _nothing(name))
        for place, duty in enumerate(pair.only or ()):
            if duty not in (BOOTSTRAP, *duties.all_duties()):
                yield Problem((*where, "only", place), f"no such duty: {duty!r}")


def roles_of(estate: Estate, duty: str) -> tuple[str, ...]:
    """The ARNs of a duty's role in all its accounts; `bootstrap` is every account's administrator role."""
    if duty == BOOTSTRAP:
        return tuple(names.bootstrap_role_arn(estate, account) for account in estate.accounts)
    return names.role_arns(estate, duty)


def is_role(name: str) -> bool:
    """Whether a resource is named by the duty whose role it is."""
    return name == BOOTSTRAP or name in duties.all_duties()


def split(name: str) -> tuple[str, str]:
    """Store or repository copy, and the name of an object in it or ''; a copy is `<repository>.<copy>`."""
    place, _, inside = name.partition("/")
    return place, inside


def _unusable(estate: Estate, quorum: Quorum) -> str:
    """Why a quorum could have no effect, or ''."""
    service, name = quorum.action.partition(":")[0], quorum.resource
    if "*" in name:
        return "names one thing, without a star"
    if service == "bao":
        return "" if name.startswith("bao:") else f"an action of OpenBao needs a path bao:..., not {name!r}"
    if name.startswith("bao:"):
        return f"{quorum.action} is no action of OpenBao"
    if service in ("sts", "iam"):
        known = is_role(name) or name.startswith("arn:aws:iam::")
        return "" if known else f"{quorum.action} needs a duty, {BOOTSTRAP!r} or the ARN of an identity, not {name!r}"
    if service == "kms":
        known = name in _kms_keys(estate) or name.startswith("arn:aws:kms:")
        return "" if known else f"{name!r} is no KMS key of this estate (known: {', '.join(sorted(_kms_keys(estate)))})"
    return "" if name.startswith("arn:") else f"{quorum.action} needs an ARN, not {name!r}"


def _kms_keys(estate: Estate) -> set[str]:
    return {spec.name for spec in keyring(estate) if spec.provider == "aws-kms"}


def _known(estate: Estate, name: str) -> bool:
    if "*" in name:
        return False
    if name.startswith(("arn:", "bao:")) or name in _kms_keys(estate):
        return True
    place, _ = split(name)
    repository, _, copy = place.partition(".")
    if copy:
        return repository in estate.repositories and copy in estate.repositories[repository].copies
    return place in estate.stores or place in estate.repositories


def _nothing(name: str) -> str:
    return f"{name!r} is no KMS key, store, repository or copy of this estate, no ARN and no path bao:..."
