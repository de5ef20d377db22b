"""How many requests a route works on at once, from the reading of their bodies to their answers."""

from __future__ import annotations

from http import HTTPStatus

from engine.endpoints.problems import Problem
from engine.errors import Overloaded


class Places:
    """So many places, each taken by one request; used as a context manager by any number of threads."""

    def __init__(self, count: int) -> None:
        self._free = [None] * count

    def __enter__(self) -> None:
        """Take a place; raise `Problem` 503 where none is free."""
        try:
            self._free.pop()
        except IndexError:
            raise overloaded(Overloaded("the service has more requests in hand than it takes at once")) from None

    def __exit__(self, *_: object) -> None:
        self._free.append(None)


def overloaded(busy: Overloaded) -> Problem:
    """Make the 503 for a request that may succeed a little later."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(busy), headers=(("Retry-After", "1"),))
