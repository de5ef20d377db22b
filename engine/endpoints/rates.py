"""How often somebody may ask: the counting is the library limits', in memory or in Redis."""

from __future__ import annotations

import logging
import math
import threading
import time
from http import HTTPStatus
from typing import Any

from engine.endpoints.messages import Headers
from engine.endpoints.metrics import Meter
from engine.endpoints.problems import Problem
from engine.spec import RateLimit, Rates

logger = logging.getLogger("engine")

JUMP_SECONDS = 1.0
TIMEOUT_SECONDS = 0.5
# How long a storage that has failed is not asked again, so that requests do not wait for it one after another.
REST_SECONDS = 1.0


class Storage:
    """Where requests are counted; opened with the first of them."""

    def __init__(self, rates: Rates, meter: Meter) -> None:
        self._rates = rates
        self._meter = meter
        self._lock = threading.Lock()
        self._counters: Any = None
        self._offset = 0.0
        self._rests_until = 0.0

    def count(self, key: str, seconds: int) -> tuple[int, float] | None:
        """Count a request; give how many there were in this window, and the seconds that are left of it.

        None where the storage does not answer.
        """
        if time.monotonic() < self._rests_until:
            self._meter.count("rate_limit_storage_failures")
            return None
        try:
            counters = self._open()
            count = counters.incr(key, seconds)
            left = counters.get_expiry(key) - time.time()
        except Exception as error:  # noqa: BLE001 - whatever a storage raises, the spec says what follows
            self._fail(error)
            return None
        return count, min(max(left, 0.0), float(seconds))

    @property
    def lets_through(self) -> bool:
        """Tell whether a request is let through that could not be counted."""
        return self._rates.on_storage_failure == "allow"

    def _open(self) -> Any:
        with self._lock:
            if self._counters is None:
                from limits.storage import storage_from_string  # noqa: PLC0415 - only where there are limits

                url = "memory://" if self._rates.storage == "memory" else self._rates.storage
                timeouts = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}
                options = timeouts if url != "memory://" else {}
                self._counters = storage_from_string(url, wrap_exceptions=True, **options)
                self._offset = time.time() - time.monotonic()
            if self._rates.storage == "memory":
                self._follow_clock()
            return self._counters

    def _follow_clock(self) -> None:
        """Begin anew where the clock was set, since windows end at times of the old one."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._offset) > JUMP_SECONDS:
            self._offset = offset
            self._counters.reset()
            logger.warning("the system's clock was set; rates are counted anew")

    def _fail(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS
        self._meter.count("rate_limit_storage_failures")
        does = "let through" if self.lets_through else "refused"
        logger.error("requests cannot be counted (%s); they are %s", type(error).__name__, does)


class Rate:
    """One limit: so many requests in a window of so many seconds, for each who asks."""

    def __init__(self, limit: RateLimit, scope: str, storage: Storage) -> None:
        self._limit = limit
        self._scope = scope
        self._storage = storage
        self._policy = ("RateLimit-Policy", f'"default";q={limit.requests};w={limit.seconds}')

    def hit(self, who: str) -> tuple[Headers, Problem | None]:
        """Count a request; give the headers that tell of the limit, and the problem where it is exceeded.

        The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
        """
        limit = self._limit
        counted = self._storage.count(f"engine/{self._scope}/{limit.requests}/{limit.seconds}/{who}", limit.seconds)
        if counted is None:
            if self._storage.lets_through:
                return (), None
            busy = (("Retry-After", str(math.ceil(REST_SECONDS))),)
            detail = "the rate of requests cannot be looked up just now"
            return (), Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=busy)
        count, left = counted
        wait = max(1, math.ceil(left))
        headers = (self._policy, ("RateLimit", f'"default";r={max(0, limit.requests - count)};t={wait}'))
        if count <= limit.requests:
            return headers, None
        detail = f"more than {limit.requests:,} requests in {limit.seconds:,} seconds; ask again in {wait:,} seconds"
        return headers, Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=(("Retry-After", str(wait)),))
