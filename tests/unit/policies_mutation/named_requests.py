"""The table of named requests: who may make each of them, stated by hand from the duties and not from the policies.

Every row is decided for all roles, a stranger of another account and, where keys are concerned, administrators and
root users; exactly those in `may` are allowed. Resources called `careless` let the three accounts in as a whole, as
many do: there the identity policies alone decide.
"""

from __future__ import annotations

from collections.abc import Iterator

from asked_principals import ADMINS, MANIFEST, PEOPLE, ROLES, ROOTS, row
from mutated_estate import ACCOUNTS, Row, bucket_account
from requests_of_buckets import on_controls, on_evidence, on_images, on_manifest, on_repositories
from requests_of_keys import on_keys
from requests_of_roles import by_deployers, on_careless, on_queues, on_trust, under_ceilings


def rows() -> list[Row]:
    """The whole table, and what follows from it for each half of a decision."""
    made = (
        *(on_keys, on_manifest, on_evidence, on_images, on_repositories, on_controls, on_queues, on_trust),
        *(by_deployers, under_ceilings),
    )
    stated = [row for part in made for row in part()]
    probes = [probe for one in stated for probe in _probes(one)]
    halves = [half for one in [*stated, *probes] for half in _halves(one)]
    unique = {(r.name, r.document, r.among, r.may): r for r in (*stated, *probes, *halves, *on_careless())}
    return list(unique.values())


def _probes(one: Row) -> Iterator[Row]:
    """In the same circumstances, what nobody may: a statement that allowed every action would allow it."""
    if "careless" in one.document:
        return
    if ":s3:::" in one.resource:
        action = "s3:AbortMultipartUpload" if "/" in one.resource else "s3:ListBucketMultipartUploads"
    elif one.document.startswith("key "):
        action = "kms:RevokeGrant"
    else:
        return
    among = (*PEOPLE, *ADMINS, *ROOTS) if action.startswith("kms:") else PEOPLE
    yield row(action, one.resource, (), among, context=one.context, document=one.document)


def _halves(one: Row) -> Iterator[Row]:
    """A decision across accounts has two halves, and one must not lean on the other.

    Asked of a bucket that lets in whole accounts the identity policies alone decide; asked by roles that may do
    everything the bucket's policy does. Each half says the same as both; but all roles read the manifest.
    """
    if one.action == "kms:RevokeGrant":
        number = one.resource.split(":")[4]
        far = [f"{who}!" for who in ROLES if ACCOUNTS[who.partition("/")[0]] != number]
        yield row(one.action, one.resource, (), far, context=one.context, document=one.document)
    if ":s3:::strongroom-" not in one.resource or not set(PEOPLE) <= set(one.among):
        return
    bucket, _, key = one.resource.split(":::")[1].partition("/")
    context, far = dict(one.context), [who for who in ROLES if not who.startswith(f"{bucket_account(bucket)}/")]
    identity = one.may & frozenset(ROLES)
    yield row(one.action, one.resource, identity, ROLES, context=context, document="bucket careless-workload")
    reads = bucket == MANIFEST and (one.action, key[:4]) in (("s3:GetObject", "dev/"), ("s3:ListBucket", ""))
    bucket_half = far if reads else [who for who in far if who in one.may]
    whole = [f"{who}!" for who in far]
    yield row(
        one.action, one.resource, [f"{who}!" for who in bucket_half], whole, context=context, document=one.document
    )
