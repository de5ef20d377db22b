"""Record batches → predictions, the same that the same rows get by HTTP; knows no file and no process.

Columns that are valid for certain become rows without an object for each instance. Everything else is judged as a
request is: instance by instance, by the validator and the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from engine.batch.scoring.layout import Layout, layout_of
from engine.batch.scoring.record_batch import ABSENT, BadRow, Key, RecordBatch, Scored
from engine.errors import RefusedInstance
from engine.models import NOT_FINITE, is_finite
from engine.models.data.array import Array
from engine.models.data.rows import slice_rows
from engine.models.files.modules import raised_at
from engine.models.predictor import ModelPredictor
from engine.schema import Violation
from engine.spec import Model

EMPTY = "the cell is empty, and the input requires a value"
# Of a compiled program, and of scikit-learn, whose calls take longer to begin.
CALL_ROWS, SKLEARN_CALL_ROWS = 4096, 16_384
_MOST_VIOLATIONS = 10


class Scorer:
    """Scores record batches with one model; not for several threads at once."""

    def __init__(self, model: Model, predictor: ModelPredictor, width: int | None = None) -> None:
        """Prepare for batches whose instances, where they are arrays of any length, have `width` items."""
        columns = predictor.columns
        floats = columns.bulk.floats if columns.bulk is not None else ()
        self.layout: Layout = layout_of(model, columns.count if columns.count is not None else width, floats)
        self._predictor = predictor
        self._runtime = predictor.runtime
        self._arrays = getattr(predictor.runtime, "arrays", None)
        self._call_rows = CALL_ROWS if self._arrays is not None else SKLEARN_CALL_ROWS
        self._convert = predictor.columns.convert
        self._bulk = predictor.columns.bulk if self.layout.is_separable else None
        self._validator = model.input.validator()
        self._labels = predictor.wording.label_by_class()
        self._width = len(predictor.facts.keys) if model.output.probabilities else 0

    def __call__(self, batch: RecordBatch) -> Scored:
        """Score the rows of a batch, which keep their places."""
        answers = _Answers(batch.count, self._width)
        rest = self._score_columns(batch, answers)
        self._score_instances(batch, rest, answers)
        answers.refuse_infinite()
        result = answers.result
        labels = [self._labels.get(one) for one in result] if self._labels else None
        answers.bad.sort(key=lambda one: one.row)
        return Scored(result, answers.probabilities, labels, answers.bad)

    def _score_columns(self, batch: RecordBatch, answers: _Answers) -> Sequence[int]:
        """Score the rows that are valid for certain; return the others."""
        if self._bulk is None or batch.count == 0:
            return range(batch.count)
        columns, doubts = self._read(batch)
        if doubts is None:
            sure: Array = np.arange(batch.count)
        else:
            sure = np.flatnonzero(~doubts)
            columns = {key: _take(cells, sure) for key, cells in columns.items()}
        rest = [] if doubts is None else np.flatnonzero(doubts).tolist()
        if not len(sure):
            return rest
        try:
            rows = self._bulk.make(columns, len(sure))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - which row it is shows when they are taken one by one
            return range(batch.count)
        for begin in range(0, len(sure), self._call_rows):
            places = sure[begin : begin + self._call_rows]
            try:
                answers.put(places, *self._ask(slice_rows(rows, begin, begin + self._call_rows)))
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - the same
                rest += places.tolist()
        return rest

    def _read(self, batch: RecordBatch) -> tuple[Mapping[Key, Any], Array | None]:
        """Read all columns; return them and which rows are in doubt, None where none is."""
        columns: dict[Key, Any] = {}
        doubts = np.zeros(batch.count, bool)
        doubts[list(batch.broken)] = True
        for key, field in self.layout.fields.items():
            if key not in batch.columns:
                doubts |= field.required
                continue
            cells = batch.columns[key]
            values, doubted = (
                field.from_texts(cells) if batch.is_text else field.from_values(cells, has_nulls=batch.has_nulls)
            )
            columns[key] = values
            if doubted is not None:
                doubts |= doubted
        return columns, doubts if doubts.any() else None

    def _ask(self, rows: Any) -> tuple[Any, Any]:
        if self._arrays is not None:
            result, chances = self._arrays(rows)
            return result.tolist(), chances
        answer = self._runtime(rows)
        return answer.result, answer.probabilities

    def _score_instances(self, batch: RecordBatch, rows: Sequence[int], answers: _Answers) -> None:
        """Score rows as requests are, and tell what is wrong with those that are refused."""
        valid: list[tuple[int, Any]] = []
        for row in rows:
            if row in batch.broken:
                answers.bad.append(BadRow(row, batch.broken[row]))
                continue
            instance = self.layout.instance(batch, row)
            if self._validator.is_valid(instance):
                valid.append((row, instance))
            else:
                found = islice(self._validator.violations(instance), _MOST_VIOLATIONS)
                answers.bad += [self._told(batch, row, violation) for violation in found]
        for begin in range(0, len(valid), self._call_rows):
            self._ask_instances(batch, valid[begin : begin + self._call_rows], answers)

    def _told(self, batch: RecordBatch, row: int, violation: Violation) -> BadRow:
        """Put a violation in terms of a column and its cell."""
        key = violation.path[0] if violation.path else violation.name
        if key not in self.layout.fields:
            key = 0 if self.layout.form == "value" else ""
        column = self._column(key)
        value = batch.columns[key][row] if key in batch.columns else None
        is_empty = not batch.has_nulls and violation.keyword == "required" and key in batch.columns
        return BadRow(row, EMPTY if is_empty else violation.detail, column, None if value is ABSENT else value)

    def _column(self, key: Key) -> str:
        return key if isinstance(key, str) else f"item {key}" if self.layout.form == "array" else ""

    def _ask_instances(self, batch: RecordBatch, valid: Sequence[tuple[int, Any]], answers: _Answers) -> None:
        """Score valid instances; where that fails, search those that are refused by halves."""
        if not valid:
            return
        try:
            found = self._ask(self._convert([instance for _, instance in valid]))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - an estimator may raise anything
            if len(valid) == 1:
                (row, instance), *_ = valid
                answers.bad.append(self._refused(batch, row, instance, error))
                return
            middle = len(valid) // 2
            self._ask_instances(batch, valid[:middle], answers)
            self._ask_instances(batch, valid[middle:], answers)
            return
        answers.put(np.array([row for row, _ in valid]), *found)

    def _refused(self, batch: RecordBatch, row: int, instance: Any, error: Exception) -> BadRow:
        """Return the reason for which a request with this instance would be refused."""
        try:
            self._predictor([instance])
        except RefusedInstance as refused:
            if refused.key is not None:
                return self._told(batch, row, Violation((refused.key,), refused.reason, "", ()))
            return BadRow(row, refused.reason)
        except Exception as failure:  # noqa: BLE001 - which would be 500
            error = failure
        place = raised_at(error)
        where = f" (at {place})" if place else ""
        return BadRow(row, f"the model failed: {type(error).__name__}: {error}{where}")


class _Answers:
    """The answers to a batch while they come in."""

    def __init__(self, count: int, width: int) -> None:
        self.result: list[Any] = [None] * count
        self.probabilities = np.full((count, width), np.nan) if width else None
        self.bad: list[BadRow] = []
        self._answered: list[Array] = []

    def put(self, rows: Array, result: list[Any], probabilities: Any) -> None:
        """Put the answers to some rows in their places."""
        first, last = int(rows[0]), int(rows[-1])
        if last - first + 1 == len(rows):
            self.result[first : last + 1] = result
        else:
            for row, one in zip(rows.tolist(), result, strict=True):
                self.result[row] = one
        if self.probabilities is not None:
            self.probabilities[rows] = probabilities
        if isinstance(result[0], float | list) or self.probabilities is not None:
            self._answered.append(rows)

    def refuse_infinite(self) -> None:
        """Take back answers with a number in them that is not finite, which JSON does not have."""
        for rows in self._answered:
            for row in self._infinite(rows):
                self.result[row] = None
                self.bad.append(BadRow(row, NOT_FINITE))

    def _infinite(self, rows: Array) -> Iterator[int]:
        chances = self.probabilities
        odd = np.zeros(len(rows), bool) if chances is None else ~np.isfinite(chances[rows]).all(axis=1)
        first = self.result[int(rows[0])]
        if isinstance(first, float | list):
            odd |= [not is_finite(self.result[row]) for row in rows.tolist()]
        return iter(rows[odd].tolist())


def score_batches(scorer: Scorer, batches: Iterable[RecordBatch]) -> Iterator[Scored]:
    """Score batch after batch, in their order."""
    return map(scorer, batches)


def _take(cells: Any, rows: Array) -> Any:
    return cells[rows] if isinstance(cells, np.ndarray) else [cells[row] for row in rows.tolist()]
