"""What Granian calls with each request.

It calls in one thread, which never waits: it answers what the handler answers at once, and leaves the rest to others.
Between two requests, the handler may be replaced by another one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter
from typing import Any

from engine.handling import WireAnswer
from engine.server.http.exchange import Exchange
from engine.server.http.head import is_plain
from engine.server.http.traffic import Traffic

logger = logging.getLogger("engine")


class Front(Traffic):
    """Takes requests from Granian, and has the handler answer them."""

    def __call__(self, watcher: Any) -> None:
        """Take one request; called by Granian, which drops whatever is raised."""
        protocol, scope = watcher.proto, watcher.scope
        try:
            found = self.at_once.get(scope.path)
            if found is None or not self._answer_at_once(found, protocol, scope):
                Exchange(self, protocol, scope).begin()
        except Exception:
            logger.exception("a request failed before it reached its handler")
            protocol.response_empty(HTTPStatus.INTERNAL_SERVER_ERROR, [])

    def _answer_at_once(self, found: tuple[WireAnswer, Callable[[float], None]], protocol: Any, scope: Any) -> bool:
        """Answer a request of which nothing but its path matters, and tell whether it is one."""
        began = perf_counter()
        if self.draining or self.logs or not is_plain(scope, self.limits.headers, self.hosts):
            return False
        answer, count = found
        protocol.response_bytes(*answer)
        count(perf_counter() - began)
        return True
