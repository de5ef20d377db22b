"""The way from an error to the docs page, shown to those who may read it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from engine.endpoints import Mounted
from engine.handling.incoming import Incoming
from engine.spec import Service


class Signpost:
    """Leads to the docs page of a service, if it has one that is open to the client."""

    def __init__(self, service: Service, mounted: Iterable[Mounted]) -> None:
        # The page is the first of the paths that the docs take.
        self._docs = next((one for one in mounted if one.route.built_in == "docs"), None)
        self._title = service.title

    def path(self, incoming: Incoming) -> str:
        """Return the path of the docs page; empty without one that this client may read."""
        if self._docs is None or self._docs.guard.identify(incoming.environ)[1] is not None:
            return ""
        return self._docs.route.path

    def mark(self, page: str, incoming: Incoming) -> str:
        """Add to an error's page where the endpoints are listed; at `/`, that is all there is to say."""
        path = self.path(incoming)
        if not path:
            return page
        # Relative, so that it also works behind a proxy that puts a prefix before the path.
        href = "./" + "../" * (incoming.path.count("/") - 1) + quote(path.lstrip("/"))
        link = f'<p>The endpoints of this service are listed at <a href="{escape(href)}">{escape(path)}</a>.</p>\n'
        if incoming.path != "/" or "<h1>Not Found</h1>" not in page:
            return page + link
        name = escape(self._title)
        head = f"<!doctype html>\n<html lang=en>\n<title>{name}</title>\n<h1>{name}</h1>\n"
        return f"{head}<p>There is no page at this address.</p>\n{link}"
