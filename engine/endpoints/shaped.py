"""The endpoint of a model's route that says itself what it takes and answers: a public shape around the model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import chain
from typing import Any

from engine.endpoints.answering.responding import build_answer
from engine.endpoints.bodies.filling import shape_value
from engine.endpoints.fixed import Means, answer_by_case, build_cases
from engine.endpoints.instance_reader import BATCH_KEY, Asked, InstanceReader, take_batch
from engine.endpoints.messages import Endpoint, Headers, Request, Response
from engine.endpoints.prediction import Asking, PredictionWriter, require_finite
from engine.endpoints.problems import FULL, Problem, overload_problem, require_none
from engine.endpoints.requests.body_reader import BodyReader
from engine.endpoints.requests.parameters import fill_parameters, parameter_readers
from engine.endpoints.requests.values import ABSENT, Values, read_name, read_reference
from engine.errors import RefusedInstance
from engine.models import Prediction, key_of
from engine.schema import Budget, Violation
from engine.spec import Model, Name, Names, Reference, Route, parse_template, without_answer

PREDICTIONS = "predictions"
_PARTS = {"path": "path", "query": "query", "headers": "header", "cookies": "cookie"}
logger = logging.getLogger("engine")


class ItemReader:
    """Reads the items of a public shape, each of which an instance is made of; without an input there is one, empty."""

    def __init__(self, route: Route, names: Names, model: Model) -> None:
        self._body = None if route.input is None else BodyReader(route, route.input, is_exact=True)
        is_public = route.input is not None and BATCH_KEY not in route.input.instance.properties
        self._takes_many = is_public and not route.is_single
        self._most = route.limits.instances
        self._model = model.input.validator()
        self._make = None if route.instance is None else InstanceMaker(route.instance, names, model)

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
        for row, item in enumerate(asked.instances):
            if asked.is_batch:
                yield from self._body.validator.violations(item, asked.where(row), budget)
            else:
                yield from self._body.violations(item, request, budget)

    def make(self, asked: Asked, items: Sequence[Values]) -> Asked:
        """Make the instances of valid items; raise `Problem` for those that the model's input does not allow."""
        maker = self._make
        instances = asked.instances if maker is None else [maker.make(values) for values in items]
        made = replace(asked, instances=instances)
        if not all(map(self._model.is_valid, instances)):
            budget = self._model.budget(asked.size)
            found = (
                _placed(violation, asked, row, maker)
                for row, instance in enumerate(instances)
                for violation in self._model.violations(instance, (), budget)
            )
            require_none(found, budget)
        return made


class InstanceMaker:
    """Makes instances of the values of requests, as `instance` says; `sources` has the name of each feature."""

    def __init__(self, instance: Any, names: Names, model: Model) -> None:
        schema = model.input.instance
        self.sources: Mapping[str, Name] = {}
        if not isinstance(instance, Mapping) or schema.form != "object":
            shape = shape_value(instance, names)
            self.make: Callable[[Values], Any] = shape if callable(shape) else lambda _: shape
            return
        references = {key: found for key, value in instance.items() if (found := _alone(value)) is not None}
        self.sources = {key: reference.name for key, reference in references.items()}
        optional = {key for key in references if key not in schema.required or schema.feature(key).default is not None}
        readers: list[tuple[str, Callable[[Values], Any]]] = []
        fixed: dict[str, Any] = {}
        for key, value in instance.items():
            if key in references:
                is_free = key in optional and references[key].default is None
                read = read_name(references[key].name, names) if is_free else read_reference(references[key], names)
                readers.append((key, read))
            elif callable(shape := shape_value(value, names)):
                readers.append((key, shape))
            else:
                fixed[key] = shape

        def make(values: Values) -> dict[str, Any]:
            made = dict(fixed)
            for key, read in readers:
                value = read(values)
                if value is not ABSENT:
                    made[key] = value
            return made

        self.make = make


class ShapedEndpoint(Endpoint):
    """Reads what a route declares, asks its model, and answers with the first case whose condition is true."""

    def __init__(self, route: Route, asking: Asking, names: Names, means: Means, headers: Headers) -> None:
        self._parameters = parameter_readers(route)
        self._asking = asking
        self._has_shape = route.instance is not None or route.input is not None
        besides = () if route.query is None else tuple(route.query.instance.properties)
        self._instances = InstanceReader(route, asking.model, asking.facts, besides)
        self._items = ItemReader(route, names, asking.model)
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
            return self._fail(overload_problem(FULL), shared)
        try:
            return self._answer(request, shared)
        finally:
            self._free.append(None)

    def _answer(self, request: Request, shared: Values) -> Response:
        asked = self._read(request, shared)
        items = [shared] if len(asked.instances) == 1 else [_copied(shared) for _ in asked.instances]
        for values, item in zip(items, asked.instances, strict=True):
            values.body = item
        if self._has_shape:
            asked = self._items.make(asked, items)
        try:
            prediction = self._asking.ask(asked)
        except Exception as error:  # noqa: BLE001 - whatever fails, the spec may say what to answer
            return self._fail(error, shared)
        if not self._cases:
            return self._write(prediction, asked, request)
        require_finite(prediction, asked)
        self._fill(items, prediction)
        responses = [answer_by_case(self._cases, values) for values in items]
        return self._sent(_joined(responses) if asked.is_batch else responses[0])

    def _read(self, request: Request, shared: Values) -> Asked:
        """Read the parameters and the items of a request; raise `Problem` with all violations of both."""
        reader = self._items if self._has_shape else self._instances
        asked = reader.read(request)
        wrong, size = fill_parameters(shared, self._parameters)
        is_valid = reader.is_valid(asked)
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
        return Response(response.status, (*response.headers, *self._headers), response.body)


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


def _alone(value: Any) -> Reference | None:
    template = parse_template(value) if isinstance(value, str) else ()
    return template[0] if len(template) == 1 and isinstance(template[0], Reference) else None


def _placed(violation: Violation, asked: Asked, row: int, maker: InstanceMaker | None) -> Violation:
    """Return a violation of an instance at the place of the request that its feature comes from."""
    if maker is None:
        return replace(violation, path=(*asked.where(row), *violation.path))
    key = str(violation.path[0]) if violation.path else violation.name
    source = maker.sources.get(key)
    if source is None or source.root not in (*_PARTS, "body"):
        return replace(violation, path=asked.where(row), verdict=f"in the feature {key}: {violation.verdict}")
    part = _PARTS.get(source.root, "")
    begin = () if part else asked.where(row)
    return replace(violation, path=(*begin, *source.steps, *violation.path[1:]), part=part)
