"""Requests → instances of a model: in JSON, CSV or JSON Lines, in a query string, and with features in the path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from engine.endpoints.messages import Request
from engine.endpoints.problems import violations_problem
from engine.endpoints.requests.json_body import read_json
from engine.endpoints.requests.text_values import PathFeatures, TextReader, Texts, parse_query
from engine.endpoints.row_bodies import USUAL_TYPES, RowFormat, RowReader, Rows, format_of_body
from engine.models import Facts
from engine.schema import Budget, Path, Violation
from engine.spec import BATCH_KEY, Model, Route

ALONE = Violation((BATCH_KEY,), "this route takes one at a time; send it by itself", "", ())
_TAKES = "JSON, text/csv or application/x-ndjson"


@dataclass(slots=True)
class Asked:
    """The instances of one request, which may be invalid.

    `value` is what was sent as JSON, or as `texts` in a query string, and `rows` what was sent in another format,
    `sent`. `misplaced` are violations beside the instances, and `size` counts the bytes.
    """

    instances: list[Any]
    is_batch: bool
    size: int
    sent: RowFormat = "json"
    value: Any = None
    rows: Rows | None = None
    texts: Texts | None = None
    misplaced: Sequence[Violation] = ()
    is_costly: bool = False

    def where(self, row: int) -> Path:
        """Return the place of an instance in the body."""
        return (BATCH_KEY, row) if self.is_batch else ()

    @property
    def broken(self) -> Mapping[int, str]:
        """What is wrong with rows that are no instances."""
        return {} if self.rows is None else self.rows.broken


class InstanceReader:
    """Reads the instances of a route with a model; the query parameters that it declares are no features."""

    def __init__(self, route: Route, model: Model, facts: Facts) -> None:
        self._model, self._facts, self._parameters = model, facts, route.parameters
        self._is_strict = route.strict_content_type
        self._most = route.limits.instances
        self._validator = model.input.validator()
        self._safe_size = self._validator.safe_size
        self._schema = model.input.instance
        has_key = BATCH_KEY in self._schema.properties
        self._takes_batches = not has_key and not route.is_single
        self._refuses_batches = not has_key and route.is_single
        self._is_single = route.is_single
        self._query = TextReader(self._schema)
        self._path = PathFeatures(self._schema, route.parameters) if route.parameters else None
        declared = () if route.query is None else route.query.instance.properties
        self._besides = frozenset(declared) - frozenset(self._schema.properties)

    @cached_property
    def _rows(self) -> RowReader:
        """Made for the first request that needs it, because of what it imports."""
        return RowReader(self._model, self._facts, self._parameters, self._most)

    def read(self, request: Request) -> Asked:
        """Read the instances of a request; raise `Problem` for what cannot be read at all."""
        is_query = request.method in ("GET", "HEAD")
        if self._path is not None and not request.body.strip():
            request = replace(request, body=b"{}", content_type="application/json")  # the path may have all features
        asked = self._read_query(request) if is_query else self._read_body(request)
        asked.is_costly = asked.size > self._safe_size
        if self._path is not None:
            self._put_path(request, asked, self._path)
        return asked

    def is_valid(self, asked: Asked) -> bool:
        """Judge the instances quickly; False may only mean that violations must be looked for."""
        if asked.is_costly or asked.misplaced or asked.broken:
            return False
        return all(map(self._validator.is_valid, asked.instances))

    def budget(self, request: Request, asked: Asked) -> Budget:
        """Make the budget for finding the violations of a request."""
        return self._validator.budget(request.paid(asked.size))

    def violations(self, asked: Asked, budget: Budget) -> Iterator[Violation]:
        """Yield the violations, in terms of what was sent."""
        found = self._found(asked, budget)
        return self._told(found, asked) if asked.texts is None else self._query.told(found, asked.texts)

    def _found(self, asked: Asked, budget: Budget) -> Iterator[Violation]:
        yield from asked.misplaced
        if self._refuses_batches and isinstance(asked.value, dict) and BATCH_KEY in asked.value:
            yield ALONE
            return
        broken = asked.broken
        for row, instance in enumerate(asked.instances):
            if row in broken:
                yield Violation(asked.where(row), broken[row], "", ())
            else:
                yield from self._validator.violations(instance, asked.where(row), budget)

    def _read_query(self, request: Request) -> Asked:
        texts = parse_query(request.query)
        if self._besides:
            texts = {name: found for name, found in texts.items() if name not in self._besides}
        return Asked([self._query.read(texts)], is_batch=False, size=len(request.query), texts=texts)

    def _read_body(self, request: Request) -> Asked:
        is_json = self._is_single or request.content_type in USUAL_TYPES
        sent = "json" if is_json else format_of_body(request)
        if sent != "json":
            rows = self._rows.read(request, sent)
            return Asked(rows.instances, is_batch=True, size=rows.size, sent=sent, rows=rows)
        value = read_json(request, self._schema, strict=self._is_strict, takes="JSON" if self._is_single else _TAKES)
        if not (self._takes_batches and isinstance(value, dict) and BATCH_KEY in value):
            return Asked([value], is_batch=False, size=len(request.body), value=value)
        instances, misplaced = take_batch(value, self._most)
        return Asked(instances, is_batch=True, size=len(request.body), value=value, misplaced=misplaced)

    def _put_path(self, request: Request, asked: Asked, path: PathFeatures) -> None:
        features = path.read(request.path)
        asked.instances = [path.put(features, one, asked.where(row)) for row, one in enumerate(asked.instances)]
        length = sum(len(str(feature).encode()) for feature in features.values())
        is_affordable = self._validator.is_affordable(length * len(asked.instances), request.paid(asked.size))
        asked.is_costly |= not is_affordable

    def _told(self, violations: Iterator[Violation], asked: Asked) -> Iterator[Violation]:
        """Add the lines of rows to violations, and explain how to send several instances if an array is not allowed."""
        value = asked.value
        if asked.rows is not None:
            return map(asked.rows.told, violations)
        if not self._takes_batches or not isinstance(value, list):
            return violations
        nested = bool(value) and isinstance(value[0], list | dict)
        return (
            replace(found, hint=_how_to_batch)
            if found.keyword == "type" and (not found.path or (nested and found.path == (0,)))
            else found
            for found in violations
        )


def take_batch(value: dict[str, Any], most: int) -> tuple[list[Any], list[Violation]]:
    """Take the instances out of a batch, and what may not stand beside them; raise `Problem` without instances."""
    instances = value[BATCH_KEY]
    beside = (name for name in value if name != BATCH_KEY)
    misplaced = [Violation((name,), 'a batch has only the key "instances"', "", ()) for name in beside]
    wrong = ""
    if not isinstance(instances, list):
        wrong = '"instances" is not an array; send a single instance by itself'
    elif not instances:
        wrong = "there are no instances; send at least 1"
    elif len(instances) > most:
        wrong = f"there are {len(instances):,} instances; at most {most:,} are allowed"
    if wrong:
        raise violations_problem([*misplaced, Violation((BATCH_KEY,), wrong, "", ())])
    return instances, misplaced


def _how_to_batch() -> str:
    return f'; to send several, use {{"{BATCH_KEY}": [...]}}'
