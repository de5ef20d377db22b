"""A request → its checked values, or one problem with all violations of its body and its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from engine.endpoints.messages import Request
from engine.endpoints.problems import FULL, overload_problem, require_none
from engine.endpoints.requests.body_reader import BodyReader
from engine.endpoints.requests.parameters import Reads, fill_parameters, parameter_readers
from engine.endpoints.requests.values import Values
from engine.schema import Budget
from engine.spec import Route


class RequestReader:
    """Reads the parameters and the body of a route's requests.

    `free` has an entry for each further request whose body may be checked at the same time.
    """

    def __init__(self, route: Route, *, is_exact: bool) -> None:
        self._parameters = parameter_readers(route)
        self._body = None if route.input is None else BodyReader(route, route.input, is_exact=is_exact)
        self._free = [None] * route.limits.concurrent

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to read."""
        return not self._parameters and self._body is None

    def read(self, request: Request) -> Values:
        """Read one request; raise `Problem`."""
        if self._body is None:
            return self._read(request)
        try:
            self._free.pop()
        except IndexError:
            raise overload_problem(FULL) from None
        try:
            return self._read(request)
        finally:
            self._free.append(None)

    def _read(self, request: Request) -> Values:
        values, body = Values(request), self._body
        broken: BodyReader | None = None
        if body is not None:
            value = values.body = body.read(request)
            if not body.is_valid(value, request):
                broken = body
        wrong, size = fill_parameters(values, self._parameters) if self._parameters else ((), 0)
        if wrong or broken is not None:
            self._require_none(values, wrong, broken, len(request.body) + size)
        return values

    def _require_none(self, values: Values, wrong: Sequence[Reads], broken: BodyReader | None, size: int) -> None:
        """Raise the problem with all violations that are found, within the budget of the request's size."""
        paid = values.request.paid(size)
        budget = Budget(paid) if self._body is None else self._body.validator.budget(paid)
        found = [reader.violations(values.request, budget) for reader in wrong]
        if broken is not None:
            found.append(broken.violations(values.body, values.request, budget))
        require_none(chain.from_iterable(found), budget)
