"""The same estate with one thing wrong: shows that an attack works there, so that its refusal on ours says something.

A fault is a word: `role` (the thief's role may do everything), `unbounded` (its role has no permission boundary),
`key NAME`, `bucket NAME` (the resource's own policy lets the thief in), `trust DUTY` (the duty's role trusts the thief
and its holder). Every fault is mended when the block ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import stocked as shelf
from attacked_estate import DENIED, AttackedEstate, refused

from strongroom.estate import duties, names

_ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@dataclass(frozen=True)
class Attack:
    """Who tries what; on which wrongly made variant it works; with what it is refused on ours.

    `undo` takes away what the attack made where it worked. `saying` is in the refusal: the statement that decides.
    """

    who: str
    does: str
    act: Callable[[AttackedEstate], Any]
    faults: tuple[str, ...]
    undo: Callable[[AttackedEstate, Any], Any] | None = None
    saying: str = ""
    codes: tuple[str, ...] = DENIED

    def __str__(self) -> str:
        return f"{self.who.replace('/', '-')}-{self.does.replace(' ', '-')}"


def check(estate: AttackedEstate, attack: Attack) -> None:
    """The attack works on the faulty variant and is refused on ours."""
    # the boundary refuses even what a wide policy allows: without it the other fault shows
    with weakened(estate, attack.who, ("unbounded", *attack.faults)):
        answer = attack.act(estate)
        if attack.undo:
            attack.undo(estate, answer)
    refused(lambda: attack.act(estate), *attack.codes, saying=attack.saying)


@contextmanager
def weakened(estate: AttackedEstate, who: str, faults: Sequence[str]) -> Iterator[None]:
    """The estate with faults in favour of `who`."""
    with ExitStack() as mending:
        for fault in faults:
            kind, _, name = fault.partition(" ")
            made = {"role": _role, "unbounded": _unbounded, "key": _key, "bucket": _bucket, "trust": _trust}[kind]
            mending.enter_context(made(estate, who, name))
        yield


def account_of(who: str) -> str:
    """The account whose role `who` is."""
    account, _, duty = who.rpartition("/")
    return account or duties.accounts_of(duty)[0]


def _document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@contextmanager
def _role(estate: AttackedEstate, who: str, _name: str) -> Iterator[None]:
    iam, duty = estate.client(f"admin@{account_of(who)}", "iam"), who.rpartition("/")[2]
    iam.put_role_policy(RoleName=duty, PolicyName="fault", PolicyDocument=_document(_ANYTHING))
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=duty, PolicyName="fault")


@contextmanager
def _unbounded(estate: AttackedEstate, who: str, _name: str) -> Iterator[None]:
    iam, duty = estate.client(f"admin@{account_of(who)}", "iam"), who.rpartition("/")[2]
    ceiling = iam.get_role(RoleName=duty)["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if ceiling is None:  # another fault of the same block has taken it away
        yield
        return
    iam.delete_role_permissions_boundary(RoleName=duty)
    try:
        yield
    finally:
        iam.put_role_permissions_boundary(RoleName=duty, PermissionsBoundary=ceiling)


@contextmanager
def _key(estate: AttackedEstate, who: str, name: str) -> Iterator[None]:
    owner, key = estate.key_client(shelf.owner_of(estate, name), name), estate.keys[name]
    ours = owner.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    wide = {"Effect": "Allow", "Principal": {"AWS": estate.role_arn(who)}, "Action": "kms:*", "Resource": "*"}
    faulty = _document(*json.loads(ours)["Statement"], wide)
    owner.put_key_policy(KeyId=key, PolicyName="default", Policy=faulty)
    try:
        yield
    finally:
        owner.put_key_policy(KeyId=key, PolicyName="default", Policy=ours)


@contextmanager
def _bucket(estate: AttackedEstate, who: str, bucket: str) -> Iterator[None]:
    account, region = BUCKETS[bucket]
    admin = estate.client(f"admin@{account}", "s3", region)
    ours = admin.get_bucket_policy(Bucket=bucket)["Policy"]
    everything = [names.bucket_arn(bucket), names.bucket_arn(bucket, "*")]
    wide = {"Effect": "Allow", "Principal": {"AWS": estate.role_arn(who)}, "Action": "s3:*", "Resource": everything}
    admin.put_bucket_policy(Bucket=bucket, Policy=_document(wide))
    try:
        yield
    finally:
        admin.put_bucket_policy(Bucket=bucket, Policy=ours)


@contextmanager
def _trust(estate: AttackedEstate, who: str, duty: str) -> Iterator[None]:
    wanted = estate.role_arn(duty)
    iam, role = estate.client(f"admin@{account_of(duty)}", "iam"), duty.rpartition("/")[2]
    ours = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    user = estate.holder(who)
    holder = f"arn:aws:iam::{estate.account('workload')}:user/strongroom/{user}"
    wide = {"Effect": "Allow", "Principal": {"AWS": [holder, estate.role_arn(who)]}, "Action": "sts:AssumeRole"}
    users, may = estate.client("admin@workload", "iam"), {**_ANYTHING, "Action": "sts:AssumeRole", "Resource": wanted}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=_document(*ours["Statement"], wide))
    users.put_user_policy(UserName=user, PolicyName="fault", PolicyDocument=_document(may))
    try:
        yield
    finally:
        users.delete_user_policy(UserName=user, PolicyName="fault")
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(ours))


#: bucket -> (account, Region)
BUCKETS = {
    **{bucket: (account, region) for bucket, (_, region, account, _) in shelf.READERS.items()},
    shelf.CONTROL: ("workload", "us-east-1"),
}
