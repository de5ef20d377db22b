"""The items of a public shape in a request, each of which becomes an instance of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from engine.endpoints.instance_reader import ALONE, Asked, take_batch
from engine.endpoints.messages import Request
from engine.endpoints.problems import list_once, require_none
from engine.endpoints.requests.body_reader import BodyReader
from engine.endpoints.requests.text_values import PathFeatures
from engine.endpoints.requests.values import Values
from engine.endpoints.shaping.instance_maker import InstanceMaker
from engine.schema import Budget, Violation
from engine.spec import BATCH_KEY, Model, Names, Route


class ItemReader:
    """Reads the items of a public shape; without an input there is one, empty. Then makes instances of them."""

    def __init__(self, route: Route, names: Names, model: Model) -> None:
        is_exact = route.instance is not None  # otherwise the items are the instances, whose numbers are the model's
        self._body = None if route.input is None else BodyReader(route, route.input, is_exact=is_exact)
        is_public = route.input is not None and BATCH_KEY not in route.input.instance.properties
        self._takes_many = is_public and not route.is_single
        self._refuses_many = is_public and route.is_single
        self._most = route.limits.instances
        self._model = model.input.validator()
        self._safe_size = self._model.safe_size
        self._make = None if route.instance is None else InstanceMaker(route.instance, names, model)
        takes_path = route.instance is None and route.parameters
        self._path = PathFeatures(model.input.instance, route.parameters) if takes_path else None

    def read(self, request: Request) -> Asked:
        """Read the items of a request; raise `Problem` for what cannot be read at all."""
        if self._body is None:
            return Asked([None], is_batch=False, size=0)
        value = self._body.read(request)
        if not (self._takes_many and isinstance(value, dict) and BATCH_KEY in value):
            return Asked([value], is_batch=False, size=len(request.body), value=value)
        items, misplaced = take_batch(value, self._most)
        return Asked(items, is_batch=True, size=len(request.body), value=value, misplaced=misplaced)

    def is_valid(self, asked: Asked) -> bool:
        """Judge the items quickly; False may only mean that violations must be looked for."""
        if self._body is None:
            return True
        validator = self._body.validator
        if asked.misplaced or asked.size > validator.safe_size:
            return False
        return all(map(validator.is_valid, asked.instances))

    def budget(self, request: Request, asked: Asked) -> Budget:
        """Make the budget for finding the violations of a request."""
        paid = request.paid(asked.size)
        return Budget(paid) if self._body is None else self._body.validator.budget(paid)

    def violations(self, asked: Asked, request: Request, budget: Budget) -> Iterator[Violation]:
        """Yield the violations of the items."""
        yield from asked.misplaced
        if self._body is None:
            return
        if self._refuses_many and isinstance(asked.value, dict) and BATCH_KEY in asked.value:
            if next(self._body.violations(asked.value, request, budget), None) is not None:
                yield ALONE
            return
        for row, item in enumerate(asked.instances):
            if asked.is_batch:
                yield from self._body.validator.violations(item, asked.where(row), budget)
            else:
                yield from self._body.violations(item, request, budget)

    def make(self, asked: Asked, items: Sequence[Values], request: Request) -> None:
        """Make instances of valid items, in their place; raise `Problem` for what the model's input does not allow."""
        maker = self._make
        asked.instances = self._put_path(asked, request) if maker is None else [maker.make(values) for values in items]
        if self._is_costly(asked, request) or not all(map(self._model.is_valid, asked.instances)):
            budget = self._model.budget(request.paid(asked.size) + _shared_size(request))
            require_none(list_once(self._violations(asked, budget)), budget)

    def place(self, violation: Violation, asked: Asked, row: int) -> Violation:
        """Return a violation of an instance at its place in the request."""
        if self._make is not None:
            return self._make.place(violation, asked, row)
        return replace(violation, path=(*asked.where(row), *violation.path))

    def _violations(self, asked: Asked, budget: Budget) -> Iterator[Violation]:
        """Yield the violations of the instances."""
        for row, instance in enumerate(asked.instances):
            for violation in self._model.violations(instance, (), budget):
                yield self.place(violation, asked, row)

    def _put_path(self, asked: Asked, request: Request) -> list[Any]:
        if self._path is None:
            return asked.instances
        features, put = self._path.read(request.path), self._path.put
        return [put(features, item, asked.where(row)) for row, item in enumerate(asked.instances)]

    def _is_costly(self, asked: Asked, request: Request) -> bool:
        """Return whether judging the instances may take longer than the bytes of the request have paid for."""
        uses = 1 if self._make is None else max(self._make.uses_of_body, 1)
        shared = _shared_size(request)
        size = asked.size * uses + shared * len(asked.instances)
        return size > self._safe_size and not self._model.is_affordable(size, request.paid(asked.size) + shared)


def _shared_size(request: Request) -> int:
    """Return about how many bytes of a request all of its items share."""
    environ = request.environ
    return len(request.query) + len(environ.get("PATH_INFO", "")) + len(environ.get("HTTP_COOKIE", ""))
