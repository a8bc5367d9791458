"""One configuration of the `aws` provider: credentials, assumed roles, Region, default tags, cached clients."""

from __future__ import annotations

import os
import threading
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, DeferredRefreshableCredentials
from botocore.loaders import Loader

from local_cloud.plugins.loopback import require_loopback
from local_cloud.plugins.table import Invalid, Properties

# Settings that only tune how the real provider reaches AWS are taken and mean nothing here.
_WITHOUT_MEANING = frozenset(
    {
        "skipCredentialsValidation",
        "skipMetadataApiCheck",
        "skipRegionValidation",
        "skipRequestingAccountId",
        "s3UsePathStyle",
        "retryMode",
        "maxRetries",
        "stsRegion",
        "userAgents",
        "tokenBucketRateLimiterCapacity",
    }
)
SETTINGS = _WITHOUT_MEANING | frozenset(
    {
        "accessKey",
        "secretKey",
        "token",
        "profile",
        "region",
        "assumeRoles",
        "defaultTags",
        "endpoints",
        "allowedAccountIds",
        "forbiddenAccountIds",
        "sharedConfigFiles",
        "sharedCredentialsFiles",
        "customCaBundle",
    }
)
_ROLE_FIELDS = {
    "roleArn": "RoleArn",
    "sessionName": "RoleSessionName",
    "externalId": "ExternalId",
    "policy": "Policy",
    "sourceIdentity": "SourceIdentity",
}
# Reading the services' models costs more than any call: all configurations in a process share what was read.
_MODELS = Loader(include_default_search_paths=True)
# These ask addresses off this machine for credentials.
_DISTANT_CREDENTIALS = ("iam-role", "container-role", "sso", "login", "assume-role-with-web-identity")


class AwsSession:
    """Clients for one configuration; `client` may be called from many threads."""

    def __init__(self, settings: Properties) -> None:
        self._endpoints = _endpoints(settings.get("endpoints") or [])
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._verify = settings.get("customCaBundle") or os.environ.get("AWS_CA_BUNDLE") or None
        self.tags: dict[str, str] = dict((settings.get("defaultTags") or {}).get("tags") or {})
        base = _botocore_session(settings)
        self.region = settings.get("region") or base.get_config_variable("region") or ""
        if not self.region:
            raise Invalid("no Region: set aws:region, or AWS_REGION, or region in the profile")
        self._session = self._assumed(base, settings.get("assumeRoles") or [])
        self._check_account(settings)

    def client(self, service: str, region: str = "") -> Any:
        """The client of a service in a Region (default: the configuration's); the same object each time."""
        key = service, region or self.region
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._made(self._session, *key)
            return self._clients[key]

    def identity(self) -> Properties:
        """Who the configuration is: {Account, Arn, UserId} of sts:GetCallerIdentity."""
        who: Properties = self.client("sts").get_caller_identity()
        return who

    def _made(self, session: Any, service: str, region: str) -> Any:
        own = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
        endpoint = self._endpoints.get(service) or os.environ.get(own) or os.environ.get("AWS_ENDPOINT_URL", "")
        require_loopback(endpoint, own if os.environ.get(own) else "AWS_ENDPOINT_URL")
        config = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=32,
            proxies={},  # a proxy would carry loopback calls off this machine
            s3={"addressing_style": "path"},
        )
        # not boto3.Session: a second one over the same botocore session registers its hooks twice, and S3 refuses
        return session.create_client(
            service, region_name=region, endpoint_url=endpoint, config=config, verify=self._verify
        )

    def _assumed(self, session: Any, roles: list[Properties]) -> Any:
        """A session whose credentials come from each role in turn, assumed with those before it."""
        for role in roles:
            unknown = set(role) - set(_ROLE_FIELDS) - {"duration"}
            if unknown or "roleArn" not in role:
                raise Invalid(f"assumeRoles: {', '.join(sorted(unknown)) or 'no roleArn'}: not supported here")
            session = self._with_role(session, role)
        return session

    def _with_role(self, before: Any, role: Properties) -> Any:
        request = {api: role[name] for name, api in _ROLE_FIELDS.items() if role.get(name)}
        request.setdefault("RoleSessionName", "pulumi")

        def fetch() -> dict[str, str]:
            with self._lock:
                given = self._made(before, "sts", self.region).assume_role(**request)["Credentials"]
            return {
                "access_key": given["AccessKeyId"],
                "secret_key": given["SecretAccessKey"],
                "token": given["SessionToken"],
                "expiry_time": given["Expiration"].isoformat(),
            }

        session = _new_session()
        session._credentials = DeferredRefreshableCredentials(fetch, "assume-role")
        return session

    def _check_account(self, settings: Properties) -> None:
        allowed, forbidden = settings.get("allowedAccountIds") or [], settings.get("forbiddenAccountIds") or []
        if allowed or forbidden:
            account = self.identity()["Account"]
            if account in forbidden or (allowed and account not in allowed):
                raise Invalid(f"account {account} is not one this provider may work in (allowedAccountIds)")


def _endpoints(declared: list[Properties]) -> dict[str, str]:
    """Endpoints by service from the setting; every endpoint of setting and environment must be on this machine."""
    require_loopback(os.environ.get("AWS_ENDPOINT_URL", ""), "AWS_ENDPOINT_URL")
    for name, value in os.environ.items():
        if name.startswith("AWS_ENDPOINT_URL_") and value:
            require_loopback(value, name)
    return {
        service: require_loopback(url, f"endpoints.{service}")
        for group in declared
        for service, url in group.items()
        if url
    }


def _new_session() -> Any:
    session = botocore.session.Session()
    session.register_component("data_loader", _MODELS)
    return session


def _botocore_session(settings: Properties) -> Any:
    session = _new_session()
    for name, variable in (("sharedConfigFiles", "config_file"), ("sharedCredentialsFiles", "credentials_file")):
        if files := settings.get(name):
            session.set_config_variable(variable, files[0])
    if profile := settings.get("profile"):
        session.set_config_variable("profile", profile)
    if settings.get("accessKey"):
        session._credentials = Credentials(settings["accessKey"], settings.get("secretKey"), settings.get("token"))
        return session
    resolver = session.get_component("credential_provider")
    present = {provider.METHOD for provider in resolver.providers}
    for method in _DISTANT_CREDENTIALS:
        if method in present:
            resolver.remove(method)
    return session
