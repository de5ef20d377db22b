"""How many requests a client may send, counted in this process or in a Redis server."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict, defaultdict
from http import HTTPStatus
from typing import Any

from engine.endpoints.messages import Headers
from engine.endpoints.monitoring.metrics import Meter
from engine.endpoints.problems import Problem
from engine.spec import RateLimit, Rates

logger = logging.getLogger("engine")

MOST_WINDOWS, ENDED_AT_ONCE = 200_000, 2
# How long a storage may keep a request waiting for each of its answers, and for all of them.
TIMEOUT_SECONDS, WHOLE_SECONDS = 0.5, 2.0
# As many requests as a worker handles at once may wait for the storage.
MOST_CONNECTIONS = 1024
# How long a failed storage is left alone, so that requests do not wait for it one after another.
REST_SECONDS = 1.0


class Memory:
    """Counts in this process, by a clock that cannot be set; a window begins with its first request.

    Windows of one length end in the order in which they began, so the next one to end is always known.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: defaultdict[int, OrderedDict[str, tuple[float, int]]] = defaultdict(OrderedDict)

    def __len__(self) -> int:
        return sum(map(len, self._windows.values()))

    def count(self, key: str, seconds: int) -> tuple[int, float]:
        """Count a request; return the number of requests in this window, and the seconds that are left of it."""
        now = time.monotonic()
        with self._lock:
            windows = self._windows[seconds]
            end, count = windows.get(key, (0.0, 0))
            if end <= now:
                windows.pop(key, None)
                end, count = now + seconds, 0
                self._make_room(now)
            windows[key] = (end, count + 1)
        return count + 1, end - now

    def _make_room(self, now: float) -> None:
        """Drop windows that have ended, a few at a time, and, if there are too many, the one that ends first."""
        for windows in self._windows.values():
            for _ in range(ENDED_AT_ONCE):
                if windows and _first_end(windows) <= now:
                    windows.popitem(last=False)
        if len(self) >= MOST_WINDOWS:
            min(filter(None, self._windows.values()), key=_first_end).popitem(last=False)


def _first_end(windows: OrderedDict[str, tuple[float, int]]) -> float:
    return next(iter(windows.values()))[0]


class Redis:
    """Counts in a Redis server, by the library limits."""

    def __init__(self, url: str) -> None:
        from limits.storage import storage_from_string  # noqa: PLC0415 - only where there is a Redis

        from engine.endpoints.guards.bounded_redis import ALLOWANCE, connection_class  # noqa: PLC0415

        options: dict[str, Any] = {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            "connection_class": connection_class(url),
            "max_connections": MOST_CONNECTIONS,
        }
        self._allowance = ALLOWANCE
        self._counters: Any = storage_from_string(url, wrap_exceptions=True, **options)

    def count(self, key: str, seconds: int) -> tuple[int, float]:
        """Count a request; return the number of requests in this window, and the seconds that are left of it.

        Raises any exception if the server does not answer in time, or not with a count and a time.
        """
        self._allowance.begin(WHOLE_SECONDS)
        count = self._counters.incr(key, seconds)
        left = self._counters.get_connection().ttl(self._counters.prefixed_key(key))
        if count < 1 or not math.isfinite(left):
            raise ValueError(f"the count is {count}, and the seconds that are left are {left}")
        return count, float(left)


class Storage:
    """The counter of requests; opened by the first of them."""

    def __init__(self, rates: Rates, prefix: str, meter: Meter) -> None:
        self._storage = rates.storage
        self.is_remote = rates.storage != "memory"  # requests are counted in another process
        self.lets_through = rates.on_storage_failure == "allow"  # a request that could not be counted
        self._prefix = prefix
        self._meter = meter
        self._lock = threading.Lock()
        self._counts: Memory | Redis | None = None
        self._failed = False
        self._rests_until = 0.0

    def count(self, key: str, seconds: int) -> tuple[int, float] | None:
        """Count a request; return the number of requests in this window, and the seconds that are left of it.

        None if the storage does not answer.
        """
        if self._failed and self._is_resting():
            self._meter.count("rate_limit_storage_failures")
            return None
        try:
            count, left = self._open().count(f"{self._prefix}/{key}", seconds)
        except Exception as error:  # noqa: BLE001 - whatever a storage raises, the spec says what follows
            self._fail(error)
            return None
        self._failed = False
        return count, min(max(left, 0.0), float(seconds))

    def _is_resting(self) -> bool:
        """Return whether a failed storage is left alone; the first request after the rest tries it, and no other."""
        with self._lock:
            now = time.monotonic()
            resting = now < self._rests_until
            if not resting:
                self._rests_until = now + WHOLE_SECONDS + TIMEOUT_SECONDS + REST_SECONDS
            return resting

    def _open(self) -> Memory | Redis:
        with self._lock:
            if self._counts is None:
                self._counts = Redis(self._storage) if self.is_remote else Memory()
            return self._counts

    def _fail(self, error: Exception) -> None:
        self._rests_until, self._failed = time.monotonic() + REST_SECONDS, True
        self._meter.count("rate_limit_storage_failures")
        does = "let through" if self.lets_through else "refused"
        logger.error("requests cannot be counted (%s); they are %s", type(error).__name__, does)


class Rate:
    """One limit: a number of requests in a window of some seconds, for each client."""

    def __init__(self, limit: RateLimit, scope: str, storage: Storage) -> None:
        self._limit = limit
        self._scope = scope
        self._storage = storage
        self.waits = storage.is_remote  # for another service, before a request is counted
        self._policy = ("RateLimit-Policy", f'"default";q={limit.requests};w={limit.seconds}')

    def hit(self, who: str) -> tuple[Headers, Problem | None]:
        """Count a request; return the headers that describe the limit, and the problem if it is exceeded.

        The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
        """
        limit = self._limit
        counted = self._storage.count(f"{self._scope}/{limit.requests}/{limit.seconds}/{who}", limit.seconds)
        if counted is None:
            if self._storage.lets_through:
                return (), None
            busy = (("Retry-After", str(math.ceil(REST_SECONDS))),)
            detail = "the request rate cannot be checked at the moment"
            return (), Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=busy)
        count, left = counted
        wait = max(1, math.ceil(left))
        headers = (self._policy, ("RateLimit", f'"default";r={max(0, limit.requests - count)};t={wait}'))
        if count <= limit.requests:
            return headers, None
        detail = f"more than {limit.requests:,} requests in {limit.seconds:,} seconds; retry in {wait:,} seconds"
        return headers, Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=(("Retry-After", str(wait)),))
