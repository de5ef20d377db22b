"""The endpoint of a model: instances in, checked against the model's input, predictions out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from http import HTTPStatus
from itertools import repeat
from math import isfinite
from time import perf_counter
from typing import Any

from engine.endpoints.instance_reader import Asked, InstanceReader
from engine.endpoints.messages import Endpoint, Headers, Request, Response, encode_json
from engine.endpoints.monitoring.metrics import Meter
from engine.endpoints.problems import FULL, Problem, list_once, overload_problem, require_none, violations_problem
from engine.endpoints.row_bodies import ANY_TYPE, MEDIA_TYPES, RowWriter, format_of_answer
from engine.errors import Overloaded, RefusedInstance, UnknownKey
from engine.models import NOT_FINITE, Facts, Prediction, Predictor, is_finite
from engine.schema import Path, Violation
from engine.spec import Model, Route

QUICK_SECONDS = 0.001
# Identifies the model file behind an answer, if the service has `model_header`.
MODEL_HEADER = "X-Model"
# Says that examples have answered, because a model's file is not there yet.
STAND_IN_HEADER = "X-Stand-In"
_NULL = b"null"
_OK = int(HTTPStatus.OK)  # a member of an enumeration takes longer to look up
_HEADERS = (("Content-Type", "application/json"),)


def name_model(facts: Facts) -> str:
    """Name a model and its file, as `iris@0123456789ab`."""
    return f"{facts.name}@{facts.hash}"


Place = Callable[[Violation, Asked, int], Violation]
"""Returns a violation of the instance of one row at its place in the request."""


def place_in_body(violation: Violation, asked: Asked, row: int) -> Violation:
    """Return a violation of an instance that is in the body as it is."""
    return replace(violation, path=(*asked.where(row), *violation.path))


class Asking:
    """Asks a model for the instances of requests, measures that, and makes problems of what it refuses."""

    def __init__(self, model: Model, predictor: Predictor, meter: Meter) -> None:
        self.model, self.facts = model, predictor.facts
        self.predictor = self._predict = predictor
        self._timed = meter.model(model.name).add
        predictor.watch(meter.batches(model.name).add)

    @property
    def is_quick(self) -> bool:
        """Whether the model is known to be quick, and callers do not wait in a queue."""
        facts = self._predict.facts
        seconds = None if facts.is_remote else facts.report.seconds
        return seconds is not None and seconds < QUICK_SECONDS

    def ask(self, asked: Asked, place: Place) -> Prediction:
        """Predict for valid instances; raise `Problem` for those that the model refuses, or if it is overloaded.

        `place` finds the place in the request of what an instance violates.
        """
        try:
            return self._ask(asked.instances)
        except RefusedInstance as refused:
            if isinstance(refused, UnknownKey) and not asked.is_batch:
                raise Problem(HTTPStatus.NOT_FOUND, refused.reason) from None
            told: Iterable[Violation] = (
                place(Violation(_within(asked.instances[one.row], one.key), one.reason, "", ()), asked, one.row)
                for one in (refused, *refused.others)
            )
            rows = asked.rows
            told = list_once(told) if rows is None else map(rows.told, told)
            raise violations_problem(told, are_all=refused.are_all) from None
        except Overloaded as busy:
            raise overload_problem(busy) from None

    def measured(self, rows: int, call: Callable[[], Any]) -> Any:  # noqa: ARG002 - for those who say more of it
        """Call the model for some rows by a way of the caller's own, and measure the time."""
        begin = perf_counter()
        try:
            return call()
        finally:
            self._timed(perf_counter() - begin)

    def _ask(self, instances: list[Any]) -> Prediction:
        """Predict, and measure the time."""
        begin = perf_counter()
        try:
            return self._predict(instances)
        finally:
            self._timed(perf_counter() - begin)


def require_finite(prediction: Prediction, asked: Asked) -> None:
    """Raise `Problem` for answers with numbers that JSON does not have."""
    chances: Iterable[Any] = prediction.probabilities or repeat(None)
    if all(map(_is_surely_finite, prediction.result, chances)):
        return
    answers = zip(prediction.result, chances, strict=False)
    if odd := [row for row, parts in enumerate(answers) if not is_finite(parts)]:
        told = (Violation(asked.where(row), NOT_FINITE, "", ()) for row in odd)
        raise violations_problem(told if asked.rows is None else map(asked.rows.told, told))


def _is_surely_finite(result: Any, chances: Mapping[str, float] | None) -> bool:
    """Return True for most finite answers, quickly; False means that each number must be looked at."""
    is_finite_one = isfinite(result) if isinstance(result, int | float) else isinstance(result, str)
    return is_finite_one and (chances is None or isfinite(sum(chances.values())))


def model_headers(facts: Facts, *, named: bool) -> tuple[tuple[str, str], ...]:
    """Return the headers that say what has answered: the model's file if it is `named`, and a stand-in always."""
    model = ((MODEL_HEADER, name_model(facts)),) if named else ()
    return (*model, (STAND_IN_HEADER, "true")) if facts.is_stand_in else model


class ModelEndpoint(Endpoint):
    """Answers with predictions of a model: so many requests at once as its route allows."""

    def __init__(self, route: Route, asking: Asking) -> None:
        self._asking = asking
        self._free = [None] * route.limits.concurrent

    @property
    def is_quick(self) -> bool:
        """Return whether the model is known to be quick, and callers do not wait in a queue."""
        return self._asking.is_quick

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for what cannot be read or predicted, or if there is no room."""
        try:
            self._free.pop()
        except IndexError:
            raise overload_problem(FULL) from None
        try:
            return self.answer(request)
        finally:
            self._free.append(None)

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """Answer one request, once there is room for it."""


class PredictEndpoint(ModelEndpoint):
    """Answers with predictions for one instance, or for `{"instances": [...]}`; by GET for one in the query string."""

    def __init__(self, route: Route, asking: Asking, headers: Headers = ()) -> None:
        super().__init__(route, asking)
        self._reader = InstanceReader(route, asking.model, asking.facts)
        self._write = PredictionWriter(asking, headers).write

    def answer(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for an instance that the model's input does not allow.

        The same applies to one that the model refuses, or answers with a number that JSON does not have.
        """
        reader = self._reader
        asked = reader.read(request)
        if not reader.is_valid(asked):
            budget = reader.budget(request, asked)
            require_none(reader.violations(asked, budget), budget)
        return self._write(self._asking.ask(asked, place_in_body), asked, request)


class PredictionWriter:
    """Writes predictions as they are, in the format that a client prefers."""

    def __init__(self, asking: Asking, headers: Headers) -> None:
        self._model, self._facts = asking.model, asking.facts
        self._headers = (*_HEADERS, *headers)

    @cached_property
    def _rows(self) -> RowWriter:
        """Made for the first request that needs it, because of what it imports."""
        return RowWriter(self._model, self._facts)

    def write(self, prediction: Prediction, asked: Asked, request: Request) -> Response:
        """Make the answer to a request; raise `Problem` for numbers that JSON does not have."""
        sent = asked.sent
        kind = sent if request.accept in ANY_TYPE else format_of_answer(request, sent)
        body = as_json(prediction) if kind == "json" else b""
        if kind != "json" or _NULL in body:  # NaN and infinity are written as null
            require_finite(prediction, asked)
        if kind == "json":
            return Response(_OK, self._headers, body)
        headers = (("Content-Type", MEDIA_TYPES[kind]), *self._headers[1:])
        return Response(_OK, headers, self._rows.write(prediction, kind))


def as_json(prediction: Prediction) -> bytes:
    """Write predictions as JSON."""
    answer: dict[str, Any] = {"result": prediction.result}
    if prediction.labels is not None:
        answer["labels"] = prediction.labels
    if prediction.probabilities is not None:
        answer["probabilities"] = prediction.probabilities
    return encode_json(answer)


def _within(instance: Any, key: str | int | None) -> Path:
    """Return the path to a feature of an instance, empty if the instance lacks it."""
    is_there = key in instance if isinstance(instance, dict) else isinstance(instance, list) and key is not None
    return (key,) if is_there and key is not None else ()
