"""Rows in CSV or JSON Lines in a request, and predictions in these formats.

Rows are read as `predict` reads them from a file; the packages for it are imported by the first such request.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal

from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem, violations_problem
from engine.models import Facts, Prediction
from engine.schema import Violation, clip
from engine.spec import Model
from engine.text import plural

if TYPE_CHECKING:
    from engine.batch.formats.parsed import Block, RecordLayout, Writer

RowFormat = Literal["csv", "json", "jsonl"]
CSV, NDJSON = "text/csv", "application/x-ndjson"
_FORMATS: dict[str, RowFormat] = {
    CSV: "csv",
    NDJSON: "jsonl",
    "application/jsonl": "jsonl",
    "application/ndjson": "jsonl",
    "application/json": "json",
}
MEDIA_TYPES: Final = {"csv": f"{CSV}; charset=utf-8", "jsonl": NDJSON, "json": "application/json"}
# The types that most clients send, which are recognized quickly.
USUAL_TYPES: Final = frozenset(("", "application/json", "application/x-www-form-urlencoded"))
ANY_TYPE: Final = frozenset(("", "*/*"))
_LINES_FOR_EACH = 20  # instance that a body may have
_MOST_ACCEPT = 1000  # characters of an Accept header that are read
_PARAMETER = re.compile(r';\s*(\w+)\s*=\s*"?([^";]*)"?')
_ADVICE = "send text/csv; header=absent if there is no such line"
_ONE_LINE = "the body is a single line; with curl use --data-binary @FILE, because -d removes line breaks"


def format_of_body(request: Request) -> RowFormat:
    """Return the format of a body by its Content-Type; any other type counts as JSON."""
    return _FORMATS.get(request.content_type.partition(";")[0].strip().lower(), "json")


def format_of_answer(request: Request, sent: RowFormat) -> RowFormat:
    """Choose the format that `Accept` names, with the highest weight; without one, that of the request."""
    best, chosen = 0.0, sent
    for one in request.accept[:_MOST_ACCEPT].lower().split(","):
        media_type, _, parameters = one.partition(";")
        known = _FORMATS.get(media_type.strip())
        if known is not None and (weight := _weight(f";{parameters}")) > best:
            best, chosen = weight, known
    return chosen


def _weight(parameters: str) -> float:
    text = dict(_PARAMETER.findall(parameters)).get("q", "1")
    try:
        return float(text)
    except ValueError:
        return 0.0


@dataclass(frozen=True, slots=True)
class Rows:
    """The instances of a request, the line on which each begins, and their approximate length as JSON.

    `broken` says what is wrong with rows that are no instances, such as one without a cell for each column.
    """

    instances: list[Any]
    lines: Sequence[int]
    size: int
    broken: Mapping[int, str]

    def told(self, violation: Violation) -> Violation:
        """Return a violation with its line."""
        line = self.lines[int(violation.path[1])]
        return replace(violation, verdict=f"line {line}: {violation.verdict}")


class RowReader:
    """Reads the rows of requests to one model.

    `in_path` are the features in the route's path, and `most` is the limit of instances in a request. `order` is that
    of the columns of a CSV without a header, if not that of the model's input.
    """

    def __init__(
        self, model: Model, facts: Facts, in_path: Sequence[str], most: int, *, order: Sequence[str] = ()
    ) -> None:
        from engine.batch.formats.expected import Expected  # noqa: PLC0415 - with the first request
        from engine.batch.scoring.layout import layout_of  # noqa: PLC0415

        count = facts.features if isinstance(facts.features, int) else None
        expected = Expected.of(model, count, in_path)
        self._expected = replace(expected, features=tuple(order)) if order else expected
        self._count = count
        self._most = most
        self._layout = lru_cache(maxsize=4)(partial(layout_of, model))  # an array without bounds may have any width

    def read(self, request: Request, kind: RowFormat) -> Rows:
        """Read the rows of a body; raise `Problem`."""
        from engine.batch.scoring_errors import BatchError, Misfit, Unreadable  # noqa: PLC0415 - see above

        self._require_few_lines(request, kind)
        try:
            layout, block = self._open(request, kind)
            parsed = layout.parse(block)
        except Unreadable as error:
            raise Problem(HTTPStatus.BAD_REQUEST, f"line {error.line}: {error.reason}") from None
        except Misfit as error:
            said = [_without_name(line) for line in error.reason.splitlines()]
            if error.reason != str(error):
                said[-1] += f"; {_ADVICE}"
            elif b"\n" not in request.body:
                said[-1] += f"; {_ONE_LINE}"
            raise violations_problem(Violation((), one, "", ()) for one in said) from None
        except BatchError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, _without_name(str(error))) from None
        self._require_count(parsed.batch.count)
        fields = self._layout(self._count or len(parsed.batch.columns))
        instances = [fields.instance(parsed.batch, row) for row in range(parsed.batch.count)]
        names = sum(len(str(key)) + 4 for key in parsed.batch.columns)
        return Rows(instances, parsed.lines, len(request.body) + names * len(instances), parsed.batch.broken)

    def _open(self, request: Request, kind: RowFormat) -> tuple[RecordLayout, Block]:
        from engine.batch.formats.csvopening import open_csv  # noqa: PLC0415 - see above
        from engine.batch.formats.jsonlines import JsonLayout  # noqa: PLC0415
        from engine.batch.formats.parsed import Block  # noqa: PLC0415

        parameters = _parameters(request)
        charset = parameters.get("charset", "utf-8").lower()
        if charset not in ("utf-8", "utf8", "us-ascii"):
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the charset is {clip(charset)}; send UTF-8")
        if kind == "jsonl":
            expected = self._expected
            return JsonLayout(expected.form, expected.features, expected.count), Block(request.body, 1, 0)
        stream = io.BytesIO(request.body)
        layout, offset, line, _ = open_csv(stream, "", self._expected, has_header=_has_header(parameters))
        return layout, Block(request.body[offset:], line, 0)

    def _require_few_lines(self, request: Request, kind: RowFormat) -> None:
        """Raise `Problem` for a body of too many instances before any of them is read, which takes far longer."""
        body = request.body
        lines = body.count(b"\n") + (not body.endswith(b"\n"))
        if lines <= self._most:
            return
        allowed = self._most * _LINES_FOR_EACH + 1  # a cell of a CSV may have line breaks in it
        if lines > allowed:
            detail = f"there are {lines:,} lines; at most {allowed:,} are allowed for {plural(self._most, 'instance')}"
            raise violations_problem([Violation((), detail, "", ())])
        if kind == "jsonl" or b'"' not in body:
            filled = sum(bool(line.strip()) for line in body.splitlines())
            self._require_count(max(filled - (kind == "csv" and _has_header(_parameters(request))), 1))

    def _require_count(self, count: int) -> None:
        detail = ""
        if not count:
            detail = "there are no instances; send at least 1"
        elif count > self._most:
            detail = f"there are {count:,} instances; at most {self._most:,} are allowed"
        if detail:
            raise violations_problem([Violation((), detail, "", ())])


def _parameters(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in _PARAMETER.findall(request.content_type)}


def _has_header(parameters: Mapping[str, str]) -> bool:
    return parameters.get("header", "present").lower() != "absent"


def _without_name(message: str) -> str:
    """Reword a message about a file for a body."""
    place, _, said = message.partition(": ")
    line = place.removeprefix(":")
    return f"line {line}: {said}" if line else said.replace("the file", "the body")


class RowWriter:
    """Writes the predictions of one model, a row for each instance."""

    def __init__(self, model: Model, facts: Facts) -> None:
        from engine.batch.formats.csvblocks import CsvWriter  # noqa: PLC0415 - with the first request
        from engine.batch.formats.jsonlines import JsonWriter  # noqa: PLC0415
        from engine.batch.scoring.record_batch import PredictionColumns  # noqa: PLC0415

        columns = PredictionColumns.of(model, facts.keys, facts.result.lengths if facts.result is not None else ())
        self._writers: dict[str, Writer] = {
            "csv": CsvWriter(columns, carried=()),
            "jsonl": JsonWriter(columns, carried=()),
        }

    def write(self, prediction: Prediction, kind: RowFormat) -> bytes:
        """Write predictions that are finite."""
        from engine.batch.formats.parsed import Parsed  # noqa: PLC0415 - see above
        from engine.batch.scoring.record_batch import RecordBatch, Scored  # noqa: PLC0415

        chances: Any = prediction.probabilities and [[*row.values()] for row in prediction.probabilities]
        labels: list[str | None] | None = None if prediction.labels is None else [*prediction.labels]
        scored = Scored(prediction.result, chances, labels)
        parsed = Parsed(RecordBatch({}, len(prediction.result)), (), (), lambda _: ())
        writer = self._writers[kind]
        return writer.head() + writer.write(parsed, scored)
