"""Multi-Region KMS keys: replicas share id and material, have policies of their own, and one of them is the primary."""

from __future__ import annotations

from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_answers import metadata, not_pending, own_key, usable
from .kms_keys import Key
from .kms_policy import check_key_policy, default_policy


class Regions:
    """The rules of ReplicateKey and UpdatePrimaryRegion."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._keys = cloud, cloud.keys

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        return [
            Rule("kms", "ReplicateKey", replace=self.replicate),
            Rule("kms", "UpdatePrimaryRegion", replace=self.update_primary),
        ]

    def _primary(self, call: Call) -> Key:
        key = own_key(self._cloud, call)
        if not key.multi_region or key.primary_region != key.region:
            raise Refuse("UnsupportedOperationException", f"{call.operation} needs the primary of a multi-Region key")
        return key

    def replicate(self, call: Call) -> Response:
        """ReplicateKey: the same id and material in another Region, with a policy, tags and description of its own."""
        key, params = self._primary(call), call.params
        usable(key)
        region = params["ReplicaRegion"]
        if self._keys.with_id(key.id, region) is not None:
            raise Refuse("AlreadyExistsException", f"the key has a replica in {region} already")
        replica = Key(
            key.id,
            key.account,
            region,
            key.spec,
            key.usage,
            params.get("Policy") or default_policy(key.account),
            call.now.timestamp(),
            params.get("Description", ""),
            multi_region=True,
            primary_region=key.region,
            tags={tag["TagKey"]: tag["TagValue"] for tag in params.get("Tags", ())},
            materials=list(key.materials),
        )
        bypass = bool(params.get("BypassPolicyLockoutSafetyCheck"))
        check_key_policy(self._cloud, call, replica, replica.policy, bypass=bypass)
        self._keys.add(replica)
        tags = [{"TagKey": name, "TagValue": value} for name, value in replica.tags.items()]
        shown = metadata(self._cloud, replica)
        return call.answer({"ReplicaKeyMetadata": shown, "ReplicaPolicy": replica.policy, "ReplicaTags": tags})

    def update_primary(self, call: Call) -> Response:
        """UpdatePrimaryRegion: a replica becomes the primary and takes over rotation; what was primary is a replica."""
        key, region = self._primary(call), call.params["PrimaryRegion"]
        not_pending(key)
        new = self._keys.with_id(key.id, region)
        if new is None or new is key:
            raise Refuse("NotFoundException", f"{key.arn} has no replica in {region}")
        not_pending(new)
        with self._keys.lock:
            new.rotation_days, new.rotation_since = key.rotation_days, key.rotation_since
            key.rotation_days = None
            for each in self._keys.replicas(key):
                each.primary_region = region
                self._keys.save(each)
        return call.answer()
