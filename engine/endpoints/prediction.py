"""The endpoint of a model: JSON or a query string in, checked against the model's input, predictions out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from http import HTTPStatus
from itertools import chain, repeat
from time import perf_counter
from typing import Any

from engine.endpoints.messages import Endpoint, Request, Response, encode_json
from engine.endpoints.monitoring.metrics import Meter
from engine.endpoints.problems import FULL, Problem, overload_problem, require_none, violations_problem
from engine.endpoints.requests.json_body import read_json
from engine.endpoints.requests.text_values import PathFeatures, TextReader, parse_query
from engine.endpoints.row_bodies import (
    ANY_TYPE,
    MEDIA_TYPES,
    USUAL_TYPES,
    RowFormat,
    RowReader,
    Rows,
    RowWriter,
    format_of_answer,
    format_of_body,
)
from engine.errors import Overloaded, RefusedInstance, UnknownKey
from engine.models import NOT_FINITE, Facts, Prediction, Predictor, is_finite
from engine.schema import Path, Violation
from engine.spec import Model, Route

BATCH_KEY = "instances"
QUICK_SECONDS = 0.001
# Identifies the model file behind an answer, if the service has `model_header`.
MODEL_HEADER = "X-Model"
_NULL = b"null"
_TAKES = "JSON, text/csv or application/x-ndjson"
_OK = int(HTTPStatus.OK)  # a member of an enumeration takes longer to look up
_HEADERS = (("Content-Type", "application/json"),)


def name_model(facts: Facts) -> str:
    """Name a model and its file, as `iris@0123456789ab`."""
    return f"{facts.name}@{facts.hash}"


class PredictEndpoint(Endpoint):
    """Answers with predictions for one instance, or for `{"instances": [...]}`; by GET for one in the query string."""

    def __init__(self, route: Route, model: Model, predictor: Predictor, meter: Meter, *, named: bool = False) -> None:
        self._model, self._predict, self._parameters = model, predictor, route.parameters
        self._headers = (*_HEADERS, (MODEL_HEADER, name_model(predictor.facts))) if named else _HEADERS
        self._timed = meter.model(model.name).add
        predictor.watch(meter.batches(model.name).add)
        self._strict = route.strict_content_type
        self._most = route.limits.instances
        self._free = [None] * route.limits.concurrent
        self._validator = model.input.validator()
        self._safe_size = self._validator.safe_size
        self._schema = model.input.instance
        self._takes_batches = BATCH_KEY not in self._schema.properties
        self._query = TextReader(self._schema)
        self._path = PathFeatures(self._schema, route.parameters) if route.parameters else None

    @cached_property
    def _reader(self) -> RowReader:
        """Made for the first request that needs it, because of what it imports."""
        return RowReader(self._model, self._predict.facts, self._parameters, self._most)

    @cached_property
    def _writer(self) -> RowWriter:
        return RowWriter(self._model, self._predict.facts)

    @property
    def is_quick(self) -> bool:
        """Return whether the model is known to be quick, and callers do not wait in a queue."""
        seconds = self._predict.facts.report.seconds
        return seconds is not None and seconds < QUICK_SECONDS

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for an instance that the model's input does not allow.

        The same applies to one that the model refuses, or answers with a number that JSON does not have.
        """
        try:
            self._free.pop()
        except IndexError:
            raise overload_problem(FULL) from None
        try:
            return self._answer(request)
        finally:
            self._free.append(None)

    def _answer(self, request: Request) -> Response:
        asked = request.method in ("GET", "HEAD")
        if self._path is not None and not request.body.strip():
            request = replace(request, body=b"{}", content_type="application/json")  # the path may have all features
        sent: RowFormat = "json" if asked or request.content_type in USUAL_TYPES else format_of_body(request)
        rows, value = None, None
        misplaced: list[Violation] = []
        if sent != "json":
            rows = self._reader.read(request, sent)
            batch, instances, size = True, rows.instances, rows.size
        else:
            value = self._query.read(parse_query(request.query)) if asked else self._read_json(request)
            batch = not asked and self._takes_batches and isinstance(value, dict) and BATCH_KEY in value
            instances, misplaced = self._batch(value) if batch else ([value], misplaced)
            size = len(request.query if asked else request.body)

        def where(row: int) -> Path:
            return (BATCH_KEY, row) if batch else ()

        is_costly = size > self._safe_size
        if self._path is not None:
            features = self._path.read(request.path)
            instances = [self._path.put(features, one, where(row)) for row, one in enumerate(instances)]
            length = sum(len(str(feature).encode()) for feature in features.values())
            is_costly |= not self._validator.is_affordable(length * len(instances), request.paid(size))
        broken = rows.broken if rows is not None else {}
        if is_costly or misplaced or broken or not all(map(self._validator.is_valid, instances)):
            budget = self._validator.budget(request.paid(size))
            found = chain.from_iterable(
                self._validator.violations(instance, where(row), budget)
                if row not in broken
                else (Violation(where(row), broken[row], "", ()),)
                for row, instance in enumerate(instances)
            )
            found = chain(misplaced, found)
            worded = self._query.told(found, parse_query(request.query)) if asked else self._told(found, value, rows)
            require_none(worded, budget)
        return self._predicted(request, instances, where, sent, rows)

    def _predicted(
        self, request: Request, instances: list[Any], where: Callable[[int], Path], sent: RowFormat, rows: Rows | None
    ) -> Response:
        """Answer with the predictions for valid instances, in the format that the client prefers."""
        try:
            prediction = self._ask(instances)
        except RefusedInstance as refused:
            if isinstance(refused, UnknownKey) and not where(0):
                raise Problem(HTTPStatus.NOT_FOUND, refused.reason) from None
            all_refused = (refused, *refused.others)
            told = (
                Violation((*where(one.row), *_within(instances[one.row], one.key)), one.reason, "", ())
                for one in all_refused
            )
            raise violations_problem(told if rows is None else map(rows.told, told), are_all=refused.are_all) from None
        except Overloaded as busy:
            raise overload_problem(busy) from None
        kind = sent if request.accept in ANY_TYPE else format_of_answer(request, sent)
        body = _as_json(prediction) if kind == "json" else b""
        # NaN and infinity are written as null.
        if (kind != "json" or _NULL in body) and (odd := _not_finite(prediction)):
            told = (Violation(where(row), NOT_FINITE, "", ()) for row in odd)
            raise violations_problem(told if rows is None else map(rows.told, told))
        if kind == "json":
            return Response(_OK, self._headers, body)
        headers = (("Content-Type", MEDIA_TYPES[kind]), *self._headers[1:])
        return Response(_OK, headers, self._writer.write(prediction, kind))

    def _told(self, violations: Iterator[Violation], value: Any, rows: Rows | None) -> Iterator[Violation]:
        """Add the lines of rows to violations, and explain how to send several instances if an array is not allowed."""
        if rows is not None:
            return map(rows.told, violations)
        if not self._takes_batches or not isinstance(value, list):
            return violations
        nested = bool(value) and isinstance(value[0], list | dict)
        return (
            replace(found, hint=_how_to_batch)
            if found.keyword == "type" and (not found.path or (nested and found.path == (0,)))
            else found
            for found in violations
        )

    def _ask(self, instances: list[Any]) -> Prediction:
        """Predict, and measure the time."""
        begin = perf_counter()
        try:
            return self._predict(instances)
        finally:
            self._timed(perf_counter() - begin)

    def _read_json(self, request: Request) -> Any:
        return read_json(request, self._schema, strict=self._strict, takes=_TAKES)

    def _batch(self, value: dict[str, Any]) -> tuple[list[Any], list[Violation]]:
        """Take the instances out of a batch, and what may not stand beside them; raise `Problem` without instances."""
        instances = value[BATCH_KEY]
        beside = (name for name in value if name != BATCH_KEY)
        misplaced = [Violation((name,), 'a batch has only the key "instances"', "", ()) for name in beside]
        wrong = ""
        if not isinstance(instances, list):
            wrong = '"instances" is not an array; send a single instance by itself'
        elif not instances:
            wrong = "there are no instances; send at least 1"
        elif len(instances) > self._most:
            wrong = f"there are {len(instances):,} instances; at most {self._most:,} are allowed"
        if wrong:
            raise violations_problem([*misplaced, Violation((BATCH_KEY,), wrong, "", ())])
        return instances, misplaced


def _as_json(prediction: Prediction) -> bytes:
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


def _not_finite(prediction: Prediction) -> list[int]:
    """Return the rows whose answers contain a number that JSON does not have."""
    chances = prediction.probabilities or repeat(None)
    return [row for row, parts in enumerate(zip(prediction.result, chances, strict=False)) if not is_finite(parts)]


def _how_to_batch() -> str:
    return f'; to send several, use {{"{BATCH_KEY}": [...]}}'
