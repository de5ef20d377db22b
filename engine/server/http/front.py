"""What Granian calls with each request.

It calls in one thread, which never waits: it answers what the app answers at once, and leaves the rest to others.
Between two requests, the app may be replaced by another one.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from engine.server.http.exchange import Exchange
from engine.server.http.traffic import Traffic

logger = logging.getLogger("engine")


class Front(Traffic):
    """Takes requests from Granian, and answers them by the app."""

    def __call__(self, watcher: Any) -> None:
        """Take one request; called by Granian, which drops whatever is raised."""
        try:
            Exchange(self, watcher.proto, watcher.scope).begin()
        except Exception:
            logger.exception("a request failed before the app had it")
            watcher.proto.response_empty(HTTPStatus.INTERNAL_SERVER_ERROR, [])
