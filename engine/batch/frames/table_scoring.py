"""A table of rows → the same rows with their predictions, in slices, by what scores the blocks of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.batch.formats.expected import Expected
from engine.batch.formats.parquetreading import ParquetLayout, layout_of_schema
from engine.batch.formats.parquetwriting import ParquetWriter, parquet_writer
from engine.batch.frames.restored import restored_work
from engine.batch.running.scored_model import ScoredModel
from engine.batch.running.work import MOST_SHOWN, RowProblem, Work
from engine.batch.scoring.layout import layout_of
from engine.batch.scoring.record_batch import PredictionColumns, Scored
from engine.batch.scoring_errors import BatchError, Unreadable
from engine.collecting import pause_collector
from engine.schema import clip, show
from engine.text import did_you_mean, plural

if TYPE_CHECKING:
    from engine.batch.frames.row_predictor import TableOptions

_SLICE_ROWS = 32_768
_Mixed = Mapping[str, Sequence[Any]]


class TableScoring:
    """Scores tables with one model, which is restored when the first has rows."""

    def __init__(self, scored: ScoredModel, options: TableOptions) -> None:
        self._model = model = scored.model
        self._options = options
        self._predictions = PredictionColumns.of(model, scored.keys, scored.lengths, options.prefix, scored.types)
        self._expected = Expected.of(model, scored.count)
        self._fields = layout_of(model, scored.count).fields
        self._error = f"{options.prefix}error" if options.errors == "skip" else None

    def score(self, rows: Any, digest: str, payload: bytes) -> Any:
        """Return the rows with their predictions; raise `RefusedRows`, `BatchError` or `TypeError`."""
        if isinstance(rows, pa.Table):
            return self._with_predictions(rows, "Table", digest, payload)
        if isinstance(rows, pa.RecordBatch):
            whole = self._with_predictions(pa.Table.from_batches([rows]), "RecordBatch", digest, payload)
            return _one_batch(whole)
        if type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns"):
            return self._frame(rows, digest, payload)
        kind = f"{type(rows).__module__}.{type(rows).__qualname__}"
        raise TypeError(f"a predictor takes a pandas DataFrame, or a Table or RecordBatch of pyarrow, not {kind}")

    def _with_predictions(self, table: Any, name: str, digest: str, payload: bytes) -> Any:
        kept = self._carried(table.column_names, name)
        layout = self._layout(table.schema, name)
        added = self._added(table, layout, {}, name, digest, payload)
        result = table.select(kept)
        for field, column in zip(added.schema, added.columns, strict=True):
            result = result.append_column(field, column)
        return result

    def _frame(self, frame: Any, digest: str, payload: bytes) -> Any:
        from pandas import BooleanDtype, Int64Dtype, concat  # noqa: PLC0415 - whoever has a DataFrame has pandas

        from engine.batch.frames.feature_tables import feature_table  # noqa: PLC0415

        names = [*map(str, frame.columns)]
        kept = self._carried(names, "DataFrame")
        keys = self._expected.keys_in(names, "DataFrame") if names else {}
        features, mixed = feature_table(frame, [names.index(name) for name in keys.values()])
        # Of the other columns, only the names count.
        known = {field.name: field for field in features.schema}
        layout = self._layout(pa.schema([known.get(name, pa.field(name, pa.null())) for name in names]), "DataFrame")
        added = self._added(features, layout, mixed, "DataFrame", digest, payload)
        nullable = {} if self._error is None else {pa.int64(): Int64Dtype(), pa.bool_(): BooleanDtype()}
        new = added.to_pandas(types_mapper=nullable.get).set_axis(frame.index)
        return concat([frame.iloc[:, [names.index(name) for name in kept]], new], axis=1)

    def _layout(self, schema: Any, name: str) -> ParquetLayout:
        """Find the columns of an instance; raise `BatchError`."""
        if not schema.names:
            raise BatchError(f"{name}: the table has no columns")
        return layout_of_schema(schema, self._expected, self._fields, name)

    def _carried(self, names: Sequence[str], table: str) -> list[str]:
        """Name the columns of a table that come out; raise `BatchError`."""
        options = self._options
        kept = [*names] if options.columns is None else [*options.columns]
        for column in kept:
            if column not in names:
                known = did_you_mean(column, [*map(clip, names)], "the columns are")
                raise BatchError(f'{table}: there is no column "{column}" {known}')
        kept = [] if options.only_predictions else kept
        for column in kept:
            if (count := names.count(column)) > 1:
                raise BatchError(f"{table}: {plural(count, 'column')} are named {show(column)}; rename them")
        for one in (*self._predictions.names, self._error):
            if one in kept:
                advice = "use prefix=… to name the predictions differently"
                raise BatchError(f'{table}: the rows have a column "{one}" already; {advice}')
        return kept

    def _added(self, table: Any, layout: ParquetLayout, mixed: _Mixed, name: str, digest: str, payload: bytes) -> Any:
        """Return the columns of the predictions; raise `RefusedRows`, or `BatchError`."""
        writer = parquet_writer(self._predictions, layout, (), self._model.input.instance)
        problems: list[RowProblem] = []
        parts = []
        bad = 0
        if table.num_rows:
            with restored_work(digest, payload) as work, pause_collector():
                for made, found in self._slices(table, layout, mixed, writer, work):
                    parts.append(made)
                    bad += len({one.line for one in found})
                    problems += found[: max(0, MOST_SHOWN - len(problems))]
        if problems and self._error is None:
            from engine.batch.frames.row_predictor import RefusedRows  # noqa: PLC0415 - which imports this module

            raise RefusedRows(name, problems, bad, table.num_rows)
        return pa.concat_tables([self._empty(writer), *parts])

    def _slices(
        self, table: Any, layout: ParquetLayout, mixed: _Mixed, writer: ParquetWriter, work: Work
    ) -> Iterator[tuple[Any, list[RowProblem]]]:
        for begin in range(0, table.num_rows, _SLICE_ROWS):
            parsed = layout.parsed(table.slice(begin, _SLICE_ROWS), begin + 1)
            cells = {
                key: mixed[name][begin : begin + _SLICE_ROWS] for key, name in layout.keys.items() if name in mixed
            }
            if cells:
                parsed = replace(parsed, batch=replace(parsed.batch, columns={**parsed.batch.columns, **cells}))
            scored = work.scorer(len(parsed.batch.columns))(parsed.batch)
            found = [RowProblem(begin + one.row + 1, one.column, one.value, one.reason, "row") for one in scored.bad]
            try:
                made = writer.table(parsed, scored)
            except Unreadable as error:
                raise BatchError(f"row {error.line}: {error.reason}") from None
            yield self._with_errors(made, scored, found), found

    def _with_errors(self, made: Any, scored: Scored, found: Sequence[RowProblem]) -> Any:
        if self._error is None:
            return made
        reasons: list[str | None] = [None] * len(scored.result)
        for bad, problem in zip(scored.bad, found, strict=True):
            before = reasons[bad.row]
            reasons[bad.row] = problem.said if before is None else f"{before}; {problem.said}"
        return made.append_column(self._error, pa.array(reasons, pa.string()))

    def _empty(self, writer: ParquetWriter) -> Any:
        empty = writer.schema.empty_table()
        return empty if self._error is None else empty.append_column(self._error, pa.array([], pa.string()))


def _one_batch(table: Any) -> Any:
    """Return a table as one record batch, which it was before."""
    whole = table.combine_chunks()
    columns = [column.chunk(0) if column.num_chunks else pa.array([], column.type) for column in whole.columns]
    return pa.RecordBatch.from_arrays(columns, schema=whole.schema)
