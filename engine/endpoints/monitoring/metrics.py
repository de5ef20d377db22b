"""Service metrics: counted by each process separately, and added up for each scrape."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.counting import Histogram, Tally

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
NO_ROUTE = "(none)"
# Why a connection was closed: it was idle, its place was needed, its client did not read, its address had too many.
CLOSED = ("idle", "crowded", "not_reading", "per_address")
# Why a worker was replaced: it ended by itself, another process killed it, or it did not respond.
RESTARTS = ("ended", "killed", "hung")
# What became of spans: sent, dropped because too many waited, or not accepted by the collector.
SPANS = ("exported", "dropped", "failed")

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one or more processes.

    `requests` are seconds by route, method and status, `models` seconds and `batches` rows of each call by model,
    `events` are rare events, by name and outcome or reason.
    """

    requests: Mapping[Key, Tally] = field(default_factory=dict)
    models: Mapping[str, Tally] = field(default_factory=dict)
    batches: Mapping[str, Tally] = field(default_factory=dict)
    events: Mapping[tuple[str, str], int] = field(default_factory=dict)
    in_flight: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            _added(self.requests, other.requests),
            _added(self.models, other.models),
            _added(self.batches, other.batches),
            _added(self.events, other.events),
            self.in_flight + other.in_flight,
        )


class Meter:
    """The counters of this process; they keep counting across generations."""

    def __init__(self, in_flight: Callable[[], int] = lambda: 0) -> None:
        self._requests: dict[Key, Histogram] = {}
        self._models: dict[str, Histogram] = {}
        self._batches: dict[str, Histogram] = {}
        self._events: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._in_flight = in_flight

    def requests(self, route: str, method: str, status: int) -> Histogram:
        """Return the counter of the seconds of requests; methods unknown to HTTP are counted as one."""
        method = method if method in METHODS else "OTHER"
        return self._requests.get((route, method, status)) or self._requests.setdefault(
            (route, method, status), Histogram(SECONDS)
        )

    def model(self, name: str) -> Histogram:
        """Return the counter of the seconds that a model's answers take."""
        return self._models.setdefault(name, Histogram(SECONDS))

    def batches(self, name: str) -> Histogram:
        """Return the counter of the rows of a model's calls."""
        return self._batches.setdefault(name, Histogram(ROWS))

    def count(self, event: str, outcome: str = "", number: int = 1) -> None:
        with self._lock:
            self._events[event, outcome] += number

    def keep(self, routes: Iterable[str]) -> None:
        """Drop the counts of routes that no longer exist, so that they do not pile up over reloads."""
        kept = {*routes, NO_ROUTE}
        self._requests = {key: histogram for key, histogram in list(self._requests.items()) if key[0] in kept}

    def numbers(self) -> Counts:
        """Return what this process has counted so far."""
        return Counts(
            {key: tally for key, tally in _tallies(self._requests).items() if any(tally.counts)},
            _tallies(self._models),
            _tallies(self._batches),
            dict(self._events),
            self._in_flight(),
        )


def _tallies(histograms: Mapping[Any, Histogram]) -> dict[Any, Tally]:
    return {key: histogram.tally() for key, histogram in list(histograms.items())}


def _added(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    return {**one, **other, **{key: one[key] + other[key] for key in one.keys() & other.keys()}}
