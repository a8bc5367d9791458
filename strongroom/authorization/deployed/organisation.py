"""The organisation read back: its id, and the SCPs and RCPs that stand above each account, the root's first.

Only the management account and a delegated administrator may read the tree. What is not read is left out and noted:
policies of an organisation only take away, so without them more people can do more, never fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from strongroom.authorization.deployed.asking import refused
from strongroom.authorization.documents import Named
from strongroom.authorization.prover.facts import Account

NONE = "AWSOrganizationsNotInUseException"
Client = Callable[[str], Any]


@dataclass(frozen=True)
class Organisation:
    """id: of the organisation that all accounts are in, '' if that is not known. notes: what was left out, and why."""

    id: str
    management: str
    accounts: tuple[Account, ...]
    notes: tuple[str, ...]


def read_organisation(accounts: Sequence[str], client: Client) -> Organisation:
    """Asks with `client` of each account (twelve digits), the management account first, until one may read the tree.

    Raises nothing that a service answers: a refusal becomes a note.
    """
    ids: dict[str, str] = {}
    managements: set[str] = set()
    notes: list[str] = []
    for account in accounts:
        try:
            found = client(account).describe_organization()["Organization"]
            ids[account] = found["Id"]
            managements.add(found["MasterAccountId"])
        except ClientError as error:
            if error.response["Error"]["Code"] != NONE:  # in no organisation there is nothing to leave out
                notes.append(_left_out(account, error))
    common = set(ids.values())
    one = common.pop() if len(common) == 1 and len(ids) == len(accounts) else ""
    management = managements.pop() if one else ""
    above: dict[str, Account] = {}
    if ids:
        first = sorted(ids, key=lambda account: account != management)
        above, unread = _above([account for account in accounts if account in ids], first, management, client)
        notes += unread
    return Organisation(one, management, tuple(above.get(a, Account(a)) for a in accounts), tuple(notes))


def _above(
    accounts: Sequence[str], readers: Sequence[str], management: str, client: Client
) -> tuple[dict[str, Account], list[str]]:
    """The policies above each account, read by the first account that may; the management account is under none."""
    said: list[str] = []
    for reader in readers:
        tree = _Tree(client(reader))
        try:
            return {account: tree.above(account) for account in accounts if account != management}, []
        except ClientError as error:
            said.append(_left_out(reader, error))
    return {}, said


def _left_out(account: str, error: ClientError) -> str:
    return f"SCPs and RCPs are left out, since they only take away: account {account}: {refused(error)}"


class _Tree:
    def __init__(self, client: Any) -> None:
        self._client = client
        self._texts: dict[str, Named] = {}

    def above(self, account: str) -> Account:
        chain = [*reversed(list(self._parents(account))), account]
        return Account(account, self._levels(chain, "SERVICE"), self._levels(chain, "RESOURCE"))

    def _parents(self, child: str) -> Iterator[str]:
        """The organisational units above an account and the root, the nearest first."""
        while not child.startswith("r-"):
            child = self._client.list_parents(ChildId=child)["Parents"][0]["Id"]
            yield child

    def _levels(self, chain: Sequence[str], kind: str) -> tuple[tuple[Named, ...], ...]:
        """The policies of each level; a level without any is where the kind of policy is not in use."""
        levels = (tuple(self._policies(target, f"{kind}_CONTROL_POLICY")) for target in chain)
        return tuple(level for level in levels if level)

    def _policies(self, target: str, kind: str) -> Iterator[Named]:
        pages = self._client.get_paginator("list_policies_for_target").paginate(TargetId=target, Filter=kind)
        for page in pages:
            for policy in page["Policies"]:
                if policy["Id"] not in self._texts:
                    content = self._client.describe_policy(PolicyId=policy["Id"])["Policy"]["Content"]
                    self._texts[policy["Id"]] = Named(f"{policy['Name']} ({policy['Id']})", content)
                yield self._texts[policy["Id"]]
