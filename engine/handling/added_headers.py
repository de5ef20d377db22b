"""The `response_headers` of the service and its routes: prepared once, and added to answers that lack them."""

from __future__ import annotations

from collections.abc import Iterable

from engine.endpoints import Headers, Mounted
from engine.spec import Route, Service


class AddedHeaders:
    """Adds headers to the answers of each route, and those of the service to all other answers."""

    def __init__(self, service: Service, mounted: Iterable[Mounted]) -> None:
        self.of_service: Headers = service.response_headers
        several = {self.of_service, *(one.route.response_headers for one in mounted)}
        self._prepared = {
            headers: tuple((name.lower(), (name, value)) for name, value in headers) for headers in several
        }
        self.stand = any(several)

    def lacking(self, headers: Iterable[tuple[str, str]], route: Route | None) -> Headers:
        """Return what is to be added to an answer with some headers; a route's own win over these."""
        added = self._prepared[self.of_service if route is None else route.response_headers]
        if not added:
            return ()
        names = {name.lower() for name, _ in headers}
        return tuple(header for name, header in added if name not in names)
