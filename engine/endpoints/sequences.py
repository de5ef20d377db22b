"""The endpoint of a route with a `sequence`: one response after another, by how often it was asked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, chain

from engine.endpoints.counters import Counter, Counters
from engine.endpoints.fixed import build_response
from engine.endpoints.messages import Endpoint, Request, Response
from engine.endpoints.problems import overload_problem
from engine.errors import Overloaded
from engine.spec import Route
from engine.spec import Sequence as Declared

KeyOf = Callable[[Request], bytes]


class SequenceEndpoint(Endpoint):
    """Asks one of several endpoints: each in its turn, for so many requests as it is declared."""

    def __init__(
        self, steps: Sequence[tuple[int, Endpoint]], counter: Counter, key_of: KeyOf, *, repeats: bool
    ) -> None:
        self._ends = [*accumulate(times for times, _ in steps)]
        self._endpoints = [endpoint for _, endpoint in steps]
        self._counter, self._key_of, self._repeats = counter, key_of, repeats

    @property
    def repeated(self) -> Sequence[bytes]:
        return [*chain.from_iterable(endpoint.repeated for endpoint in self._endpoints)]

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` if nobody can tell its turn."""
        try:
            count = self._counter(self._key_of(request))
        except Overloaded as busy:
            raise overload_problem(busy) from None
        if self._repeats:
            count %= self._ends[-1]
        return self._endpoints[min(bisect_right(self._ends, count), len(self._endpoints) - 1)](request)


def build_sequence(
    route: Route, declared: Declared, counters: Counters, key_of: KeyOf | None = None, name: str = ""
) -> Endpoint:
    """Make the endpoint of a sequence; `name` tells those of one route apart.

    `key_of` returns the value of `per` in a request, by default that of a path parameter.
    """
    steps = [(step.times, build_response(route, step.response)) for step in declared.steps]
    counter = counters(f"{' '.join(route.methods)} {route.path} {name}")
    return SequenceEndpoint(steps, counter, key_of or _key_of(declared.per), repeats=declared.repeat)


def _key_of(per: str | None) -> KeyOf:
    if per is None:
        return lambda _: b""
    parameter = per.removeprefix("path.")
    return lambda request: str(request.path[parameter]).encode()
