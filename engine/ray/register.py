"""The register of an application: what all replicas have counted, how they are, and the turns of their sequences.

It is a deployment of the application, so that Ray starts it again where it is lost. What it has told of the counts, it
has put into Ray's own store before, so that the sums never fall; the turns begin again.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.endpoints import FORGOTTEN, Counts, SharedCounts
from engine.ray.cluster import begin_replica
from engine.ray.store import delete_value, read_value, write_value

REPORT_SECONDS = 1.0
# A replica that has not reported for so long counts as ended.
SILENT_SECONDS = 10.0
# Of so many ended replicas the counts are kept apart, in case one of them was only paused.
MOST_ENDED = 100
UNKNOWN: Mapping[str, Any] = {"generation": 0, "degraded": [], "workers": [], "models": []}
"""The status of an application of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a replica says of itself: its node, its generation, why it lacks a newer one, and what it has counted.

    `number` grows with each report of a replica.
    """

    replica: str
    number: int
    node: str
    address: str
    pid: int
    generation: int
    failed: str
    models: Sequence[Mapping[str, Any]]
    counts: Counts = field(repr=False)


@dataclass(slots=True)
class _Known:
    report: Report
    heard: float


class Register:
    """Adds up what replicas report."""

    def __init__(self, name: str) -> None:
        begin_replica()
        self._key = _key(name)
        self._living: dict[str, _Known] = {}
        self._turns = SharedCounts()
        self._oldest = 0
        self._ended: dict[str, Counts] = {}
        self._rest = Counts()
        if (kept := read_value(self._key)) is not None:
            reports, self._ended, self._rest = pickle.loads(kept)  # noqa: S301 - written below
            self._living = {one.replica: _Known(one, time.monotonic()) for one in reports}

    async def report(self, report: Report) -> Mapping[str, Any]:
        """Take a report; return the status of the application."""
        known = self._living.get(report.replica)
        if known is None or known.report.number < report.number:  # else a newer one has overtaken it
            self._living[report.replica] = _Known(report, time.monotonic())
        if self._ended.pop(report.replica, None) is not None:  # it was only paused
            self._keep()
        self._look()
        return self._status()

    async def numbers(self, report: Report) -> Counts:
        """Take a report; return what all replicas have counted, the ended ones too."""
        await self.report(report)
        forgotten = Counts(events={(FORGOTTEN, ""): count}) if (count := self._turns.take_forgotten()) else Counts()
        self._rest += forgotten
        self._keep()
        living = [known.report.counts for known in self._living.values()]
        return sum((*living, *self._ended.values()), self._rest)

    async def status(self) -> Mapping[str, Any]:
        """Return the status of the application."""
        self._look()
        return self._status()

    async def turn(self, generation: int, name: str, key: bytes) -> int:
        """Count a key of a sequence; return how often it was seen before."""
        _, seen = self._turns.answer(0, generation, name, key)
        return seen

    def _look(self) -> None:
        """Let replicas that are silent be ended ones."""
        now = time.monotonic()
        silent = [name for name, known in self._living.items() if now - known.heard > SILENT_SECONDS]
        for name in silent:
            self._ended[name] = replace(self._living.pop(name).report.counts, in_flight=0)
        while len(self._ended) > MOST_ENDED:
            self._rest += self._ended.pop(next(iter(self._ended)))
        if silent:
            self._keep()
        oldest = min((known.report.generation for known in self._living.values()), default=self._oldest)
        if oldest != self._oldest:
            self._oldest = oldest
            self._turns.keep(oldest)

    def _keep(self) -> None:
        reports = [known.report for known in self._living.values()]
        write_value(self._key, pickle.dumps((reports, self._ended, self._rest)))

    def _status(self) -> Mapping[str, Any]:
        now = time.monotonic()
        reports = sorted((known.report for known in self._living.values()), key=lambda one: (one.address, one.pid))
        newest = max(reports, key=lambda one: one.generation, default=None)
        return {
            "generation": newest.generation if newest is not None else 0,
            "degraded": sorted({one.failed for one in reports if one.failed}),
            "workers": [
                {
                    "number": number,
                    "pid": one.pid,
                    "generation": one.generation,
                    "responds": now - self._living[one.replica].heard < 3 * REPORT_SECONDS,
                    "replica": one.replica,
                    "node": one.node,
                    "address": one.address,
                }
                for number, one in enumerate(reports, 1)
            ],
            "models": newest.models if newest is not None else [],
        }


def forget_counts(name: str) -> None:
    """Forget what an application's replicas have counted."""
    delete_value(_key(name))


def _key(name: str) -> str:
    return f"counts/{name}"
