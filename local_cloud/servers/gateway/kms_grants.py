"""KMS grants: created for principals that exist, listed, revoked, retired; `strongroom.authorization` enforces them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from strongroom.authorization.grants import OPERATIONS

from .access import subject
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_answers import not_dry, usable
from .kms_demands import grant_of, grant_to_retire, key_demand
from .kms_keys import Key

#: What grants may allow, by the usage of the key (KMS developer guide, "Grant operations").
_CRYPTOGRAPHIC = {
    "ENCRYPT_DECRYPT": {"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"},
    "SIGN_VERIFY": {"Sign", "Verify"},
    "GENERATE_VERIFY_MAC": {"GenerateMac", "VerifyMac"},
}
_DATA_KEYS = frozenset(name for name in OPERATIONS if name.startswith("GenerateDataKey"))
_ANY_KEY = frozenset({"CreateGrant", "RetireGrant", "DescribeKey"})


class Grants:
    """The rules of CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant and RetireGrant."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._keys = cloud, cloud.keys

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        return [
            Rule("kms", "CreateGrant", replace=self.create),
            Rule("kms", "ListGrants", replace=self.list_grants),
            Rule("kms", "ListRetirableGrants", replace=self.list_retirable),
            Rule("kms", "RevokeGrant", replace=self.revoke),
            Rule("kms", "RetireGrant", replace=self.retire),
        ]

    def create(self, call: Call) -> Response:
        """CreateGrant; the same grant under the same name is not made twice."""
        key, params = self._keys.find(call.params["KeyId"], call.account, call.region), call.params
        usable(key)
        for field in ("GranteePrincipal", "RetiringPrincipal"):
            who = params.get(field)
            if who and not self._cloud.identities.exists(who):
                raise Refuse("InvalidArnException", f"{field} {who} does not exist")
        if "GranteePrincipal" not in params:
            raise Refuse("UnsupportedOperationException", "this cloud grants to ARNs of principals only")
        row: dict[str, Any] = {
            "GranteePrincipal": params["GranteePrincipal"],
            "RetiringPrincipal": params.get("RetiringPrincipal", ""),
            "Operations": list(params["Operations"]),
            "Constraints": params.get("Constraints", {}),
            "Name": params.get("Name", ""),
        }
        _check(key, row)
        self._within_parent(call, key, row)
        not_dry(call)
        with self._keys.lock:
            same = [old for old in key.grants if row["Name"] and all(old[name] == row[name] for name in row)]
            if not same:
                row |= {"GrantId": os.urandom(32).hex(), "GrantToken": os.urandom(48).hex()}
                row["CreationDate"] = call.now.timestamp()
                row["IssuingAccount"] = f"arn:aws:iam::{call.account}:root"
                key.grants.append(row)
                self._keys.save(key)
                same = [row]
        return call.answer({"GrantToken": same[0]["GrantToken"], "GrantId": same[0]["GrantId"]})

    def _within_parent(self, call: Call, key: Key, row: dict[str, Any]) -> None:
        """Raises Refuse where a grant alone lets its grantee create grants, and this one would give more than it."""
        demand = key_demand(self._cloud, call, "CreateGrant", key)
        if self._cloud.access.decide(call, replace(demand, grants=())).allowed:
            return
        child = grant_of(key, {**row, "GrantId": "new"})
        asking = subject(call.principal)
        parents = [grant for grant in demand.grants if grant.grantee in (asking.arn, asking.role_arn)]
        if not any("CreateGrant" in parent.operations and parent.covers(child) for parent in parents):
            raise Refuse("AccessDeniedException", "a grant gives its grantee no power to grant more than itself")

    @staticmethod
    def _shown(key_arn: str, row: dict[str, Any]) -> dict[str, Any]:
        hidden = ("GrantToken",)
        return {"KeyId": key_arn, **{name: value for name, value in row.items() if value and name not in hidden}}

    def list_grants(self, call: Call) -> Response:
        """ListGrants of a key, of one grantee or of one grant."""
        key, params = self._keys.find(call.params["KeyId"], call.account, call.region), call.params
        rows = [
            self._shown(key.arn, row)
            for row in key.grants
            if params.get("GrantId") in (None, row["GrantId"])
            and params.get("GranteePrincipal") in (None, row["GranteePrincipal"])
        ]
        return call.answer({"Grants": rows, "Truncated": False})

    def list_retirable(self, call: Call) -> Response:
        """ListRetirableGrants of a retiring principal."""
        rows = [
            self._shown(key.arn, row)
            for key in self._keys.in_region(call.region)
            for row in key.grants
            if row["RetiringPrincipal"] == call.params["RetiringPrincipal"] and key.account == call.account
        ]
        return call.answer({"Grants": rows, "Truncated": False})

    def revoke(self, call: Call) -> Response:
        """RevokeGrant."""
        key = self._keys.find(call.params["KeyId"], call.account, call.region)
        return self._remove(call, key, [row for row in key.grants if row["GrantId"] == call.params["GrantId"]])

    def retire(self, call: Call) -> Response:
        """RetireGrant, by its retiring principal or whoever may."""
        key, row = grant_to_retire(self._cloud, call)
        return self._remove(call, key, [row])

    def _remove(self, call: Call, key: Any, rows: list[dict[str, Any]]) -> Response:
        if not rows:
            raise Refuse("NotFoundException", "the grant does not exist")
        not_dry(call)
        with self._keys.lock:
            key.grants.remove(rows[0])
            self._keys.save(key)
        return call.answer()


def _check(key: Key, row: dict[str, Any]) -> None:
    """Raises Refuse where operations or constraints do not fit the key (CreateGrant; "Grant operations")."""
    fitting = _ANY_KEY | _CRYPTOGRAPHIC[key.usage]
    if key.spec == "SYMMETRIC_DEFAULT":
        fitting |= _DATA_KEYS
    elif key.usage != "GENERATE_VERIFY_MAC":
        fitting |= {"GetPublicKey"}
    wrong = sorted(set(row["Operations"]) - fitting)
    if wrong:
        raise Refuse("ValidationException", f"operation {wrong[0]} does not fit a key of {key.usage} and {key.spec}")
    contexts = {"EncryptionContextEquals", "EncryptionContextSubset"} & set(row["Constraints"] or ())
    if contexts and key.spec != "SYMMETRIC_DEFAULT":
        raise Refuse("ValidationException", "only symmetric encryption keys have encryption contexts to constrain")
    if len(contexts) > 1:
        raise Refuse("ValidationException", "a grant has one encryption context constraint")
    if set(row["Operations"]) - OPERATIONS or not row["Operations"]:
        raise Refuse("ValidationException", "a grant names the operations it allows")
