"""Delays and failures that a spec declares: drawn for each request, before its endpoint is asked.

Nothing waits here. What was drawn stands in the request, and the server that received it acts by it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.endpoints.messages import Endpoint, Failing, Request, Response, Sending
from engine.endpoints.problems import FULL, Problem, overload_problem
from engine.spec import Fault, Route

# What faults are counted as.
KINDS = ("delay", "reset", "timeout")


class Faults:
    """Draws the faults of one route, and bounds how many of its requests wait at once."""

    def __init__(self, route: Route, seed: int | None) -> None:
        self._free = [None] * route.limits.concurrent
        # By the route, so that requests to others do not change what is drawn.
        name = f"{' '.join(route.methods)} {route.path}"
        self._random = random.Random() if seed is None else random.Random(f"{seed} {name}")  # noqa: S311

    def happens(self, chance: float) -> bool:
        """Draw whether something happens that has a chance, a part of 1."""
        return chance >= 1 or self._random.random() < chance

    def inject(self, fault: Fault | None, request: Request) -> None:
        """Draw what becomes of a request, in place of what was drawn before; raise `Problem` if too many wait."""
        delay, fails, hold = self._draw(fault)
        if request.sending is not None:
            request.sending.release()
            request.sending = None
        if not delay and not fails:
            return
        try:
            self._free.pop()
        except IndexError:
            raise overload_problem(FULL) from None
        request.sending = Sending(delay, fails, hold, self._free)

    def _draw(self, fault: Fault | None) -> tuple[float, Failing, float]:
        if fault is None:
            return 0.0, "", 0.0
        delay, failure = fault.delay, fault.failure
        is_delayed = delay is not None and self.happens(delay.chance)
        is_shared = delay is not None and failure is not None and delay.node is failure.node
        is_failed = failure is not None and (is_delayed if is_shared else self.happens(failure.chance))
        seconds = 0.0
        if delay is not None and is_delayed:
            seconds = delay.low if delay.low == delay.high else self._random.uniform(delay.low, delay.high)
        if failure is None or not is_failed:
            return seconds, "", 0.0
        return seconds, failure.kind, failure.hold if failure.kind == "timeout" else 0.0


class FaultyEndpoint(Endpoint):
    """An endpoint whose answers are delayed, or never sent."""

    def __init__(self, endpoint: Endpoint, fault: Fault | None, faults: Faults) -> None:
        self._endpoint, self._fault, self._faults = endpoint, fault, faults

    @property
    def is_quick(self) -> bool:
        return False

    @property
    def repeated(self) -> Sequence[bytes]:
        return self._endpoint.repeated

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` as the endpoint does, or if too many requests wait already."""
        try:
            self._faults.inject(self._fault, request)
        except Problem as busy:
            return self._endpoint.refuse(request, busy)
        return self._endpoint(request)
