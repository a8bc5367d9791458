"""moto's applications, asked by the service that the gateway decided on instead of by what moto makes of the request.

moto looks for a request's service in its headers, body and path, over a listing of its own folder: a third of its time,
and a second opinion about what was asked. Here the gateway says it.
"""

from __future__ import annotations

from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

#: The key of the WSGI environment that names the service, as calls to it are signed.
SERVICE = "gateway.service"


class MotoApps(DomainDispatcherApplication):
    """A WSGI application that dispatches by `SERVICE`; each service's application is made at its first call."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._backends: dict[str, str] = {}

    def get_application(self, environ: dict[str, Any]) -> Any:
        """The application of the service. Raises LookupError where moto has none."""
        return self.of(environ[SERVICE])

    def of(self, service: str) -> Any:
        """The application of a service by its signing name."""
        with self.lock:
            backend = self._backends.get(service) or self._backend(service)
            if backend not in self.app_instances:
                self.app_instances[backend] = self.create_app(backend)
            return self.app_instances[backend]

    def _backend(self, service: str) -> str:
        found = self.get_backend_for_host(service) or self.get_backend_for_host(f"{service}.us-east-1.amazonaws.com")
        if found is None:
            raise LookupError(f"moto has no backend for {service}")
        self._backends[service] = str(found)
        return str(found)
