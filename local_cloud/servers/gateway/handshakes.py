"""How accounts join an organisation and leave it: invited and accepted by themselves, or made new."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.organizations import utils
from moto.organizations.models import FakeAccount, FakeOrganization, organizations_backends

from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .identity import iam_of
from .organization import RCP, SCP, enabled, organisation, organisation_of
from .seeding import ACCESS_ROLE, make_access_role

OPEN_FOR = timedelta(days=15)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Member(FakeAccount):
    """An account of an organisation under an id that exists, where moto would make one up."""

    def __init__(self, org: FakeOrganization, account: str, name: str, email: str, method: str, now: datetime) -> None:
        # not moto's constructor: it makes a role in an account of a new random id
        self.type, self.region, self.id = "ACCOUNT", org.region, account
        self.organization_id, self.master_account_id = org.id, org.master_account_id
        self.create_account_status_id = utils.make_random_create_account_status_id()
        self.name, self.email, self.create_time = name, email, now
        self.status = self.state = "ACTIVE"
        self.joined_method, self.parent_id = method, org.root_id
        self.attached_policies: list[Any] = []
        self.tags: dict[str, str] = {}


@dataclass
class Handshake:
    """An invitation of one account into one organisation."""

    id: str
    organisation: str
    manager: str
    account: str
    requested: datetime
    expires: datetime
    state: str = "OPEN"

    def shown(self, now: datetime) -> dict[str, Any]:
        """Handshake as the API answers it."""
        self.state = "EXPIRED" if self.state == "OPEN" and now >= self.expires else self.state
        return {
            "Id": self.id,
            "Arn": f"arn:aws:organizations::{self.manager}:handshake/{self.organisation}/invite/{self.id}",
            "Parties": [
                {"Id": self.organisation.removeprefix("o-"), "Type": "ORGANIZATION"},
                {"Id": self.account, "Type": "ACCOUNT"},
            ],
            "State": self.state,
            "RequestedTimestamp": self.requested,
            "ExpirationTimestamp": self.expires,
            "Action": "INVITE",
            "Resources": [
                {"Type": "ORGANIZATION", "Value": self.organisation},
                {"Type": "ACCOUNT", "Value": self.account},
            ],
        }


class Handshakes:
    """The rules of invitations, of new accounts and of leaving."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._all: dict[str, Handshake] = {}

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        named = {
            "InviteAccountToOrganization": self.invite,
            "AcceptHandshake": self.accept,
            "DeclineHandshake": self.decline,
            "CancelHandshake": self.cancel,
            "DescribeHandshake": self.describe,
            "ListHandshakesForAccount": self.list_own,
            "ListHandshakesForOrganization": self.list_all,
            "CreateAccount": self.create_account,
            "LeaveOrganization": self.leave,
        }
        return [Rule("organizations", operation, replace=method) for operation, method in named.items()]

    def invite(self, call: Call) -> Response:
        """InviteAccountToOrganization, by account id."""
        target = call.params["Target"]
        if target["Type"] != "ACCOUNT":
            raise Refuse(
                "InvalidInputException", "this cloud invites accounts by id", Reason="INVALID_PARTY_TYPE_TARGET"
            )
        backend, account = organisation_of(call.account), target["Id"]
        assert backend is not None, "membership was checked"
        if organisation_of(account) is not None:
            raise Refuse(
                "HandshakeConstraintViolationException",
                f"{account} is in an organization already",
                Reason="ALREADY_IN_AN_ORGANIZATION",
            )
        org = organisation(backend)
        pending = (
            h.shown(call.now)["State"] for h in self._all.values() if (h.organisation, h.account) == (org.id, account)
        )
        if "OPEN" in pending:
            raise Refuse("DuplicateHandshakeException", f"{account} is invited already")
        identifier = "h-" + "".join(secrets.choice(_LETTERS) for _ in range(12))
        made = Handshake(identifier, org.id, call.account, account, call.now, call.now + OPEN_FOR)
        self._all[identifier] = made
        return call.answer({"Handshake": made.shown(call.now)})

    def _open(self, call: Call) -> Handshake:
        found = self._find(call)
        state = found.shown(call.now)["State"]
        if state != "OPEN":
            raise Refuse("InvalidHandshakeTransitionException", f"the handshake is {state}")
        return found

    def _find(self, call: Call) -> Handshake:
        found = self._all.get(call.params["HandshakeId"])
        if found is None or call.account not in (found.account, found.manager):
            raise Refuse("HandshakeNotFoundException", f"there is no handshake {call.params['HandshakeId']}")
        return found

    def _end(self, call: Call, state: str, party: str) -> Response:
        handshake = self._open(call)
        if call.account != getattr(handshake, party):
            raise Refuse("AccessDeniedException", "You don't have permissions to access this resource.")
        if state == "ACCEPTED":
            self._join(call, handshake)
        handshake.state = state
        return call.answer({"Handshake": handshake.shown(call.now)})

    def accept(self, call: Call) -> Response:
        """AcceptHandshake, by the invited account: from the next call on the organisation's policies bind it."""
        return self._end(call, "ACCEPTED", "account")

    def decline(self, call: Call) -> Response:
        """DeclineHandshake, by the invited account."""
        return self._end(call, "DECLINED", "account")

    def cancel(self, call: Call) -> Response:
        """CancelHandshake, by the organisation."""
        return self._end(call, "CANCELED", "manager")

    def describe(self, call: Call) -> Response:
        """DescribeHandshake, for either party."""
        return call.answer({"Handshake": self._find(call).shown(call.now)})

    def list_own(self, call: Call) -> Response:
        """ListHandshakesForAccount."""
        return self._listed(call, "account")

    def list_all(self, call: Call) -> Response:
        """ListHandshakesForOrganization."""
        return self._listed(call, "manager")

    def _listed(self, call: Call, party: str) -> Response:
        rows = [h.shown(call.now) for h in self._all.values() if getattr(h, party) == call.account]
        return call.answer({"Handshakes": rows})

    def _join(self, call: Call, handshake: Handshake) -> None:
        if organisation_of(call.account) is not None:
            raise Refuse("HandshakeConstraintViolationException", f"{call.account} is in an organization already")
        email = f"{call.account}@accounts.invalid"
        self._add(handshake.manager, call, call.account, f"account-{call.account}", email, "INVITED")

    def _add(self, manager: str, call: Call, account: str, name: str, email: str, method: str) -> Member:
        backend = organizations_backends[manager]["aws"]
        member = Member(organisation(backend), account, name, email, method, call.now.replace(tzinfo=None))
        backend.accounts.append(member)
        for kind, default in ((SCP, utils.DEFAULT_SCP_POLICY_ID), (RCP, utils.DEFAULT_RCP_POLICY_ID)):
            if enabled(backend, kind):
                backend.attach_policy(PolicyId=default, TargetId=account)
        organizations_backends.master_accounts[account] = (manager, "aws")
        return member

    def create_account(self, call: Call) -> Response:
        """CreateAccount: a new id, and a role of full power that trusts the management account."""
        params = call.params
        account = next(i for i in iter(lambda: str(10**11 + secrets.randbelow(9 * 10**11)), "") if not _exists(i))
        member = self._add(call.account, call, account, params["AccountName"], params["Email"], "CREATED")
        member.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}
        make_access_role(account, f"arn:aws:iam::{call.account}:root", params.get("RoleName", ACCESS_ROLE))
        return call.answer(json.loads(json.dumps(member.create_account_status)))

    def leave(self, call: Call) -> Response:
        """LeaveOrganization, by a member."""
        backend = organisation_of(call.account)
        if backend is None:
            raise Refuse("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        if organisation(backend).master_account_id == call.account:
            raise Refuse("MasterCannotLeaveOrganizationException", "the management account does not leave")
        backend.remove_account_from_organization(AccountId=call.account)
        return call.answer()


def _exists(account: str) -> bool:
    return account in organizations_backends.master_accounts or bool(iam_of(account).roles)
