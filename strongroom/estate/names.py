"""Names and ARNs that follow from the estate alone.

They are fixed before anything is deployed, so that policies of one layer can name what a later layer makes, and no
layer needs to read another layer's state.
"""

from __future__ import annotations

from strongroom.estate import duties
from strongroom.estate.model import CopySpec, Estate


def prefix(estate: Estate) -> str:
    """The start of every name: strongroom-<env>."""
    return f"strongroom-{estate.env}"


def account_id(estate: Estate, account: str) -> str:
    """The twelve digits of an account; KeyError when the estate does not declare it."""
    return estate.accounts[account].id  # type: ignore[index]


def account_root(estate: Estate, account: str) -> str:
    """The ARN that stands for the account: its root user, and in a policy the delegation to its IAM policies."""
    return f"arn:aws:iam::{account_id(estate, account)}:root"


def role_path(estate: Estate) -> str:
    """The IAM path of every role and policy of an environment."""
    return f"/strongroom/{estate.env}/"


def role_arn(estate: Estate, account: str, duty: str) -> str:
    """The ARN of a duty's role in an account."""
    return f"arn:aws:iam::{account_id(estate, account)}:role{role_path(estate)}{duty}"


def role_arns(estate: Estate, duty: str) -> tuple[str, ...]:
    """The ARNs of a duty's role in every account it lives in."""
    return tuple(role_arn(estate, account, duty) for account in duties.accounts_of(duty))


def home_role_arn(estate: Estate, duty: str) -> str:
    """The ARN of a duty's role in its home account, where it signs."""
    return role_arn(estate, duties.accounts_of(duty)[0], duty)


def holder_arns(estate: Estate, duty: str, *, human: bool | None = None) -> tuple[str, ...]:
    """IAM ARNs of those who hold a duty, in declared order; `human` keeps only people, or only the rest."""
    found = []
    for name in estate.duties.get(duty, ()):
        person = estate.people[name]
        arn = role_arn(estate, "workload", name) if person.kind == "task" else person.iam
        if arn and human in (None, person.kind == "human"):
            found.append(arn)
    return tuple(found)


def bootstrap_role_arn(estate: Estate, account: str) -> str:
    """The administrator role that exists in every new account."""
    return f"arn:aws:iam::{account_id(estate, account)}:role/{estate.bootstrap.role}"


def boundary_arn(estate: Estate, account: str) -> str:
    """The permission boundary of the deployers in an account."""
    return f"arn:aws:iam::{account_id(estate, account)}:policy{role_path(estate)}deployer-boundary"


def duty_boundary_arn(estate: Estate, account: str) -> str:
    """The permission boundary of every other role of the estate in an account."""
    return f"arn:aws:iam::{account_id(estate, account)}:policy{role_path(estate)}duty-boundary"


def alias(estate: Estate, key: str) -> str:
    """The alias of a KMS key."""
    return f"alias/strongroom/{estate.env}/{key}"


def keys_of_account(estate: Estate, account: str, region: str = "") -> str:
    """A pattern for every KMS key of an account in one Region.

    For identity policies of cross-account users: the key's own policy, which names one role, is the exact half.
    """
    return f"arn:aws:kms:{region or estate.accounts[account].region}:{account_id(estate, account)}:key/*"  # type: ignore[index]


def manifest_bucket(estate: Estate) -> str:
    """The bucket of the manifest parts."""
    return estate.manifest_bucket or f"{prefix(estate)}-manifest"


def manifest_object(estate: Estate, layer: str) -> str:
    """The object of one layer's manifest part."""
    return f"{estate.env}/{layer}.json"


def state_bucket(estate: Estate) -> str:
    """The bucket of Pulumi's state, one prefix a layer."""
    return f"{prefix(estate)}-state"


def state_object(estate: Estate, layer: str) -> str:
    """The ARN of the object in which Pulumi keeps a layer's state, for a backend s3://<bucket>/<layer>."""
    return bucket_arn(state_bucket(estate), layer, ".pulumi", "stacks", "strongroom", f"{layer}.{estate.env}.json")


def evidence_bucket(estate: Estate) -> str:
    """The bucket of the evidence chain."""
    return estate.evidence.bucket or f"{prefix(estate)}-evidence"


def store_name(estate: Estate, store: str) -> str:
    """The name of a store's resource: bucket, queue or database instance."""
    return f"{prefix(estate)}-{store}"


def copy_bucket(estate: Estate, name: str, copy: CopySpec) -> str:
    """The data bucket of a repository copy."""
    return copy.bucket or f"{prefix(estate)}-backup-{name}"


def copy_control_bucket(estate: Estate, name: str, copy: CopySpec) -> str:
    """The control bucket of a repository copy: leases, caches, verified marks; not locked."""
    return copy.control_bucket or f"{prefix(estate)}-backup-control-{name}"


def bucket_arn(bucket: str, *keys: str) -> str:
    """The ARN of a bucket, or of keys below it."""
    return f"arn:aws:s3:::{'/'.join((bucket, *keys))}"


def log_group(estate: Estate) -> str:
    """The log group of the jobs."""
    return f"/strongroom/{estate.env}/jobs"


def log_group_arn(estate: Estate) -> str:
    """The ARN of the jobs' log group."""
    account = estate.accounts["workload"]
    return f"arn:aws:logs:{account.region}:{account.id}:log-group:{log_group(estate)}"


def queue_arn(estate: Estate, store: str) -> str:
    """The ARN of a queue store."""
    declared = estate.stores[store]
    region, account = estate.region_of(declared), account_id(estate, declared.account)
    return f"arn:aws:sqs:{region}:{account}:{store_name(estate, store)}"
