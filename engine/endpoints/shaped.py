"""The endpoint of a model's route that says itself what it takes and answers: a public shape around the model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from itertools import chain

from engine.endpoints.answering.responding import build_answer
from engine.endpoints.fixed import Means, answer_by_case, build_cases
from engine.endpoints.instance_reader import Asked, InstanceReader
from engine.endpoints.messages import Endpoint, Headers, Request, Response
from engine.endpoints.prediction import Asking, PredictionWriter, place_in_body, require_finite
from engine.endpoints.problems import FULL, Problem, overload_problem, require_none
from engine.endpoints.requests.parameters import fill_parameters, parameter_readers
from engine.endpoints.requests.values import Values
from engine.endpoints.shaping.item_reader import ItemReader
from engine.errors import RefusedInstance
from engine.models import Prediction, key_of
from engine.spec import Names, Route, without_answer

PREDICTIONS = "predictions"
logger = logging.getLogger("engine")


class ShapedEndpoint(Endpoint):
    """Reads what a route declares, asks its model, and answers with the first case whose condition is true."""

    def __init__(self, route: Route, asking: Asking, names: Names, means: Means, headers: Headers) -> None:
        self._parameters = parameter_readers(route)
        self._asking = asking
        self._has_shape = route.instance is not None or route.input is not None
        self._instances = InstanceReader(route, asking.model, asking.facts)
        self._items = ItemReader(route, names, asking.model)
        self._place = self._items.place if self._has_shape else place_in_body
        self._write = PredictionWriter(asking, headers).write
        self._cases = build_cases(route, names, means)
        self._failed = None if route.on_failure is None else build_answer(route.on_failure, without_answer(names))
        self._model = {"name": asking.facts.name, "sha256": asking.facts.sha256}
        self._headers = headers
        self._free = [None] * route.limits.concurrent
        self._is_quick = self._asking.is_quick and all(case.sequence is None for case in route.cases)

    @property
    def is_quick(self) -> bool:
        return self._is_quick

    @property
    def repeated(self) -> Sequence[bytes]:
        return [body for _, answer in self._cases for body in answer.kept]

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for one that violates what the route declares, or the model refuses."""
        shared = Values(request)
        shared.model = self._model
        try:
            self._free.pop()
        except IndexError:
            return self.refuse(request, overload_problem(FULL))
        try:
            return self._answer(request, shared)
        finally:
            self._free.append(None)

    def refuse(self, request: Request, busy: Exception) -> Response:
        """Answer a request for which there is no room as `on_failure` says."""
        shared = Values(request)
        shared.model = self._model
        if self._failed is not None:  # whose answer may refer to what was sent
            self._take_items(self._read(request, shared), shared)
        return self._fail(busy, shared)

    def _answer(self, request: Request, shared: Values) -> Response:
        asked = self._read(request, shared)
        items = self._take_items(asked, shared)
        if self._has_shape:
            self._items.make(asked, items, request)
        try:
            prediction = self._asking.ask(asked, self._place)
        except Exception as error:  # noqa: BLE001 - whatever fails, the spec may say what to answer
            return self._fail(error, shared)
        if not self._cases:
            return self._write(prediction, asked, request)
        require_finite(prediction, asked)
        self._fill(items, prediction)
        if asked.is_batch:
            budget = shared.budget  # which begins now
            for values in items:
                values.budget = budget
        try:
            responses = [answer_by_case(self._cases, values) for values in items]
        except Problem as busy:  # too many requests wait for the fault of a case
            return self._fail(busy, shared)
        return self._sent(_joined(responses) if asked.is_batch else responses[0])

    def choose_case(self, request: Request) -> int:
        """Return the number of the case, from 1, that answers a valid request of one item; 1 if there are none."""
        shared = Values(request)
        shared.model = self._model
        asked = self._read(request, shared)
        items = self._take_items(asked, shared)
        if self._has_shape:
            self._items.make(asked, items, request)
        self._fill(items, self._asking.ask(asked, self._place))
        return next((number for number, (test, _) in enumerate(self._cases, 1) if test is None or test(items[0])), 1)

    def _take_items(self, asked: Asked, shared: Values) -> list[Values]:
        """Make the values of each item."""
        if len(asked.instances) == 1:
            shared.body = asked.instances[0]
            return [shared]
        items = [_copied(shared) for _ in asked.instances]
        for values, item in zip(items, asked.instances, strict=True):
            values.body = item
        return items

    def _read(self, request: Request, shared: Values) -> Asked:
        """Read the parameters and the items of a request; raise `Problem` with all violations of both."""
        reader = self._items if self._has_shape else self._instances
        asked = reader.read(request)
        is_valid = reader.is_valid(asked)
        wrong, size = fill_parameters(shared, self._parameters) if self._parameters else ([], 0)
        if wrong or not is_valid:
            asked.size += size
            budget = reader.budget(request, asked)
            found = [one.violations(request, budget) for one in wrong]
            if not is_valid and self._has_shape:
                found.append(self._items.violations(asked, request, budget))
            elif not is_valid:
                found.append(self._instances.violations(asked, budget))
            require_none(chain.from_iterable(found), budget)
        return asked

    def _fill(self, items: Sequence[Values], prediction: Prediction) -> None:
        """Fill a model's answers into the values of the items."""
        labels, chances = prediction.labels, prediction.probabilities
        for row, values in enumerate(items):
            values.result = prediction.result[row]
            values.label = key_of(values.result) if labels is None else labels[row]
            if chances is not None:
                values.probability = chances[row]

    def _fail(self, error: Exception, shared: Values) -> Response:
        """Answer where the model has failed; raise the error if it is the client's, or if the spec has no answer."""
        is_theirs = isinstance(error, RefusedInstance) or (
            isinstance(error, Problem) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR
        )
        if self._failed is None or is_theirs:
            raise error
        if not isinstance(error, Problem):
            logger.error("%s: the model failed; on_failure answers", self._model["name"], exc_info=error)
        return self._sent(self._failed.respond(shared))

    def _sent(self, response: Response) -> Response:
        if not self._headers:
            return response
        own = {name.lower() for name, _ in response.headers}
        added = (header for header in self._headers if header[0].lower() not in own)
        return Response(response.status, (*response.headers, *added), response.body)


def _copied(shared: Values) -> Values:
    """Return the values of one item of a batch: those that all items share, to be completed."""
    copy = Values(shared.request)
    copy.__dict__.update(shared.__dict__)
    return copy


def _joined(responses: Sequence[Response]) -> Response:
    """Join the JSON answers for the items of a batch, which have the same status and headers."""
    first = responses[0]
    bodies = [response.body.rstrip(b"\n") for response in responses if isinstance(response.body, bytes)]
    return Response(first.status, first.headers, b'{"%b":[' % PREDICTIONS.encode() + b",".join(bodies) + b"]}\n")
