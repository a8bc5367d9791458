"""Provider resources: the explicit ones of the program and a default one per package and version.

A provider is a resource of its own in the state, named by reference <urn>::<id>. Its plugin is started when the
first step needs it; deletions need providers of the old state too, which are then configured as they were.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Protocol

from local_cloud.engine import urn as urns
from local_cloud.engine import values
from local_cloud.engine.goal import Goal
from local_cloud.engine.provider import Diff, Provider
from local_cloud.engine.state import Resource
from local_cloud.engine.values import UNKNOWN, Properties
from strongroom.errors import StrongroomError


class Plugins(Protocol):
    """Where plugins come from: a pool that outlives the deployment, or executables it starts."""

    def acquire(self, package: str, configuration: Properties) -> Provider: ...


class Registry:
    """The configured providers of one deployment."""

    def __init__(self, plugins: Plugins, old: Mapping[str, Resource], preview: bool) -> None:
        self._plugins = plugins
        self._old = old
        self._preview = preview
        self._live: dict[str, Provider] = {}
        self._lock = threading.RLock()

    def check(self, goal: Goal, old: Resource | None) -> tuple[Provider, Properties]:
        """A started plugin and the configuration that it accepts."""
        wanted = goal.inputs | ({"version": goal.version} if goal.version else {})
        provider = self._plugins.acquire(urns.package_of(goal.type), wanted)
        return provider, provider.check_config(goal.urn, old.inputs if old else {}, wanted)

    def new_id(self) -> str:
        """The id of a provider that does not exist yet."""
        return UNKNOWN if self._preview else str(uuid.uuid4())

    def install(self, urn: str, id_: str, provider: Provider, inputs: Properties) -> None:
        """Configures a provider and makes it answer for <urn>::<id>."""
        provider.configure(urn, id_, inputs)
        with self._lock:
            self._live[f"{urn}::{id_}"] = provider

    def get(self, reference: str) -> Provider:
        """The provider of a reference; one that only the old state knows is configured as it was.

        Raises StrongroomError when neither the program nor the state knows it.
        """
        with self._lock:
            if (live := self._live.get(reference)) is not None:
                return live
            urn, id_ = urns.split_reference(reference)
            old = self._old.get(reference)
            if old is None:
                raise StrongroomError(f"provider {reference} is neither registered nor in the state")
            provider = self._plugins.acquire(urns.package_of(old.type), old.inputs)
            self.install(urn, id_, provider, old.inputs)
            return provider

    def close(self) -> None:
        """Ends every provider."""
        with self._lock:
            for provider in self._live.values():
                provider.close()
            self._live.clear()


def configuration_diff(provider: Provider, urn: str, id_: str, olds: Properties, news: Properties) -> Diff:
    """What a changed configuration means; a plugin that has no opinion gets an update, never a replacement."""
    if values.reveal(olds) == values.reveal(news):
        return Diff(changes=False)
    answer = provider.diff_config(urn, id_, olds, news)
    keys = tuple(sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key)))
    return answer if answer.changes is not None else Diff(changes=True, keys=keys)


class Defaults:
    """The default provider of each package and version, registered when first asked for."""

    def __init__(self, stack: str, project: str, config: Mapping[str, str], register: Callable[[Goal], str]) -> None:
        self._stack, self._project, self._config = stack, project, config
        self._register = register
        self._known: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def reference(self, package: str, version: str) -> str:
        """The reference of the package's default provider; its configuration is that of the stack."""
        with self._lock:
            known = self._known.get((package, version))
            if known is None:
                name = f"default_{version.replace('.', '_').replace('-', '_')}" if version else "default"
                type_ = urns.PROVIDER_PREFIX + package
                inputs = {
                    key.split(":", 1)[1]: value for key, value in self._config.items() if key.startswith(f"{package}:")
                }
                urn = urns.make(self._stack, self._project, "", type_, name)
                goal = Goal(urn=urn, type=type_, name=name, custom=True, inputs=inputs, version=version)
                known = self._known[package, version] = self._register(goal)
            return known
