"""A file's name and its first bytes → how it is read, and how its predictions are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

from engine.batch.formats.csvblocks import CsvLayout, CsvWriter
from engine.batch.formats.csvopening import open_csv
from engine.batch.formats.expected import Expected
from engine.batch.formats.jsonlines import JsonLayout, JsonWriter
from engine.batch.formats.opened import OpenedText, RowFile
from engine.batch.formats.parsed import BLOCK_BYTES, RecordLayout, Writer
from engine.batch.inputs import FormatName, Input, Stream, format_of, is_compressed
from engine.batch.outputs.whole import OutputTarget
from engine.batch.running.scored_model import ScoredModel
from engine.batch.running.work import MOST_SHOWN, Job
from engine.batch.scoring.layout import layout_of
from engine.batch.scoring.record_batch import PredictionColumns
from engine.batch.scoring_errors import BatchError, column_taken
from engine.schema import clip, show
from engine.text import did_you_mean, first_words, plural

_HOLDERS: Mapping[FormatName, str] = {
    "csv": "a CSV made from it",
    "jsonl": "a JSON object",
    "parquet": "a Parquet file",
}
_LACKS_PARQUET = "{}: Parquet files need pyarrow, which is not installed here: pip install pyarrow"


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """How files are scored.

    `format` and `output_format` hold where a name tells none. Of the input's columns, all are carried over unless it is
    `only_predictions`, or `columns` names some. Without `errors` or `skips`, a bad row ends the run.
    """

    format: FormatName | None = None
    output_format: FormatName | None = None
    only_predictions: bool = False
    columns: tuple[str, ...] | None = None
    prefix: str = ""
    separator: str | None = None
    has_header: bool = True
    skips: bool = False
    resumes: bool = False
    block_bytes: int = BLOCK_BYTES


class Opener:
    """Opens files for one model."""

    def __init__(self, scored: ScoredModel, options: ScoringOptions) -> None:
        self._model = model = scored.model
        self._options = options
        self._predictions = PredictionColumns.of(model, scored.keys, scored.lengths, options.prefix, scored.types)
        self._expected = Expected.of(model, scored.count)

    def open(self, source: Input, stream: Stream, target: OutputTarget) -> tuple[RowFile, Job]:
        """Read the beginning of a file, and decide how it is read and written; raise `BatchError`."""
        options = self._options
        kind = source.format(options.format)
        name = target.predictions.name if target.predictions is not None else ""
        written = options.output_format or format_of(name) or kind
        if "parquet" in (kind, written):
            _require_pyarrow(source.shown if kind == "parquet" else name or "stdout")
        opened = self._opened(kind, stream, source.shown)
        writer = self._writer(opened.layout, written, source.shown)
        if written == "parquet" and is_compressed(name):
            raise BatchError(f"{name}: a Parquet file is compressed inside; leave out .gz")
        job = Job(
            opened.layout,
            writer,
            is_compressed=is_compressed(name),
            stops=target.predictions is None and target.errors is None and not options.skips,
        )
        return opened, job

    def _opened(self, kind: FormatName, stream: Stream, name: str) -> RowFile:
        options, expected = self._options, self._expected
        if kind == "csv":
            table, offset, line, ahead = open_csv(
                stream, name, expected, options.separator, has_header=options.has_header
            )
            return OpenedText(stream, table, offset, line, ahead, self._absent(table.names))
        if kind == "jsonl":
            kept = () if options.only_predictions or options.columns is not None else self._predictions.names
            return OpenedText(stream, JsonLayout(expected.form, expected.features, expected.count, kept))
        from engine.batch.formats.parquetreading import open_parquet  # noqa: PLC0415 - needs pyarrow

        found = open_parquet(stream, expected, layout_of(self._model, expected.count).fields)
        missing = self._absent(found.layout.names)
        return replace(found.reading(self._carried(found.layout, name)), notes=missing)

    def _absent(self, names: Collection[str]) -> Sequence[str]:
        missing = self._expected.absent_from(names)
        if not missing:
            return ()
        shown = first_words(missing, MOST_SHOWN)
        return (f"there is no column for {shown}; the model's input allows that, and the values are missing",)

    def _writer(self, layout: RecordLayout, written: FormatName, name: str) -> Writer:
        carried = self._carried(layout, name)
        kept = layout.names if carried is None else carried
        if not isinstance(layout, JsonLayout):
            if not (isinstance(layout, CsvLayout) and written == "csv"):
                _require_distinct(kept, _head(layout, name), _HOLDERS[written])
            for one in self._predictions.names:
                if one in kept:
                    column = f'a column "{one}"'
                    raise BatchError(f"{_head(layout, name)}: {column_taken(column)}")
        elif written != "jsonl" and carried is None:
            table = "CSV" if written == "csv" else "Parquet file"
            raise BatchError(
                f"{name}: the objects of JSON Lines may differ in their keys, and a {table} has one set of columns; "
                "use --columns a,b or --only-predictions"
            )
        if written == "parquet":
            from engine.batch.formats.parquetwriting import parquet_writer  # noqa: PLC0415 - needs pyarrow

            return parquet_writer(self._predictions, layout, kept, self._model.input.instance)
        if written == "csv" and isinstance(layout, CsvLayout):
            return CsvWriter(
                self._predictions, layout.names, carried, layout.separator, layout.ending, mark=layout.mark
            )
        layout.require_text(kept, name)
        if written == "csv":
            return CsvWriter(self._predictions, carried=kept)
        return JsonWriter(self._predictions, carried if isinstance(layout, JsonLayout) else kept, self._expected.form)

    def _carried(self, layout: RecordLayout, name: str) -> tuple[str, ...] | None:
        """Name the columns to carry over, None for rows as they are; raise `BatchError` for one that is not there."""
        if self._options.only_predictions:
            return ()
        columns = self._options.columns
        if columns is None or isinstance(layout, JsonLayout):
            return columns
        for column in columns:
            if column not in layout.names:
                known = did_you_mean(column, [*map(clip, layout.names)], "the columns are")
                raise BatchError(f'{_head(layout, name)}: --columns: there is no column "{column}" {known}')
            if (count := layout.names.count(column)) > 1:
                said = f"{plural(count, 'column')} are named {show(column)}; rename them"
                raise BatchError(f"{_head(layout, name)}: --columns: {said}")
        return columns


def _head(layout: RecordLayout, name: str) -> str:
    """Say where a file names its columns."""
    return f"{name}:1" if layout.unit == "line" else name


def _require_distinct(names: Sequence[str], place: str, holder: str) -> None:
    """Raise `BatchError` for columns of the same name, of which a JSON object would hold the last."""
    twice = [(name, count) for name, count in Counter(names).items() if count > 1]
    if twice:
        found = ", ".join(f"{plural(count, 'column')} are named {show(name)}" for name, count in twice[:MOST_SHOWN])
        raise BatchError(
            f"{place}: {found}, and {holder} has one of a name; rename them, or choose others with --columns or "
            "--only-predictions"
        )


def _require_pyarrow(name: str) -> None:
    """Raise `BatchError` without the package that reads and writes Parquet."""
    if find_spec("pyarrow") is None:
        raise BatchError(_LACKS_PARQUET.format(name))
