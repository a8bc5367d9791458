"""What deployers and jobs obey: the state of each layer, and the manifest. Whoever may write it acts through them."""

from __future__ import annotations

from collections.abc import Iterator

from strongroom.authorization.prover.facts import Carrier
from strongroom.estate import duties, names
from strongroom.estate.manifest import LAYERS, Manifest
from strongroom.estate.model import Estate


def obeyed(manifest: Manifest, estate: Estate) -> list[Carrier]:
    """The objects of the state bucket and of the manifest bucket, each with every role that obeys it.

    The policy that decides on an object is its bucket's, which the facts hold as a store.
    """
    return [*_state(manifest, estate), *_manifest(manifest, estate)]


def _state(manifest: Manifest, estate: Estate) -> Iterator[Carrier]:
    """A layer's deployer applies whatever its state says. Without a bucket the state is its holder's own file."""
    if not estate.bootstrap.state_bucket:
        return
    account = names.account_id(estate, "workload")
    for layer in duties.DEPLOYERS:
        for role in _deployed(manifest, duties.deployer(layer)):
            yield Carrier(names.state_object(estate, layer), account, "state", role)


def _manifest(manifest: Manifest, estate: Estate) -> Iterator[Carrier]:
    """A job merges the parts of all layers: a part may add a key, a store or a copy to those of the others."""
    account = names.account_id(estate, "workload")
    roles = dict.fromkeys(role for duty in duties.JOBS.values() for role in _deployed(manifest, duty))
    for layer in LAYERS:
        part = names.bucket_arn(names.manifest_bucket(estate), names.manifest_object(estate, layer))
        for role in roles:
            yield Carrier(part, account, "manifest", role)


def _deployed(manifest: Manifest, duty: str) -> list[str]:
    return [account.roles[duty] for account in manifest.accounts.values() if duty in account.roles]
