"""KMS aliases: names of keys within one account and Region, moved only between keys of one kind."""

from __future__ import annotations

import re

from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_answers import moment, not_pending, page

_ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}")


class Aliases:
    """The rules of CreateAlias, UpdateAlias, DeleteAlias and ListAliases."""

    def __init__(self, cloud: Cloud) -> None:
        self._keys = cloud.keys

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        return [
            Rule("kms", "CreateAlias", replace=self.create),
            Rule("kms", "UpdateAlias", replace=self.update),
            Rule("kms", "DeleteAlias", replace=self.delete),
            Rule("kms", "ListAliases", replace=self.list_aliases),
        ]

    def create(self, call: Call) -> Response:
        """CreateAlias for a key of the same account and Region."""
        name = call.params["AliasName"]
        self._check(name)
        if (call.account, call.region, name) in self._keys.aliases:
            raise Refuse("AlreadyExistsException", f"An alias with the name {name} already exists")
        self._point(call, name)
        return call.answer()

    def update(self, call: Call) -> Response:
        """UpdateAlias: the alias moves to another key of the same usage."""
        self._check(call.params["AliasName"])
        self._point(call, call.params["AliasName"])
        return call.answer()

    @staticmethod
    def _check(name: str) -> None:
        if not _ALIAS.fullmatch(name):
            raise Refuse("InvalidAliasNameException", "an alias is alias/ and letters, digits, /, _ and -")
        if name.startswith("alias/aws/"):
            raise Refuse("NotAuthorizedException", "alias/aws/ is reserved for AWS")

    def _point(self, call: Call, name: str) -> None:
        target = call.params["TargetKeyId"]
        if "alias/" in target:
            raise Refuse("ValidationException", "an alias names a key by id or ARN, not another alias")
        key = self._keys.find(target, call.account, call.region)
        if key.account != call.account:
            raise Refuse("AccessDeniedException", f"an alias is in the account of its key, {key.arn} is in another")
        not_pending(key)
        current = self._keys.aliases.get((call.account, call.region, name))
        if current is not None:
            old = self._keys.find(current[0], call.account, call.region)
            if (old.usage, old.spec == "SYMMETRIC_DEFAULT") != (key.usage, key.spec == "SYMMETRIC_DEFAULT"):
                raise Refuse("ValidationException", "an alias moves only between keys of the same kind and usage")
        self._keys.set_alias(call.account, call.region, name, key.id, call.now)

    def delete(self, call: Call) -> Response:
        """DeleteAlias; the key stays."""
        self._check(call.params["AliasName"])
        self._keys.set_alias(call.account, call.region, call.params["AliasName"], None, call.now)
        return call.answer()

    def list_aliases(self, call: Call) -> Response:
        """ListAliases, all or those of one key."""
        wanted = call.params.get("KeyId")
        key = self._keys.find(wanted, call.account, call.region) if wanted else None
        rows = [
            {
                "AliasName": name,
                "AliasArn": f"arn:aws:kms:{region}:{account}:{name}",
                "TargetKeyId": target,
                "CreationDate": moment(created),
                "LastUpdatedDate": moment(created),
            }
            for (account, region, name), (target, created) in sorted(self._keys.aliases.items())
            if (account, region) == (call.account, call.region) and (key is None or key.id == target)
        ]
        return page(call, "Aliases", rows, 50)
