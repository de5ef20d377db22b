"""`engine.predictor`: the function behind `engine predict`, for the tables of a program, Dask and Spark."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from engine.batch.running.prepared_run import prepare_model
from engine.batch.running.scored_model import ScoredModel
from engine.batch.running.surroundings import difference_here
from engine.batch.running.work import MOST_SHOWN, RowProblem
from engine.batch.scoring_errors import BatchError
from engine.models import describe_surroundings
from engine.spec import StandIn, load_spec
from engine.text import did_you_mean, make_printable, plural

if TYPE_CHECKING:
    from engine.batch.frames.table_scoring import TableScoring

Errors = Literal["raise", "skip"]


class RefusedRows(BatchError):
    """Some rows of a table are bad; `problems` has the first ten things that are wrong with them, `bad` counts them."""

    def __init__(self, table: str, problems: Sequence[RowProblem], bad: int, rows: int) -> None:
        self.problems = tuple(problems)
        self.bad = bad
        super().__init__(table, problems, bad, rows)

    def __str__(self) -> str:
        table, problems, bad, rows = self.args
        lines = [make_printable(f"{table}:{problem}") for problem in problems[:MOST_SHOWN]]
        count = f"{plural(bad, 'bad row')} of {rows:,}"
        return "\n".join([*lines, f'{count}; to continue with empty predictions, use errors="skip"'])


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Which columns come out, as the command's options of these names say, and what becomes of bad rows."""

    only_predictions: bool = False
    columns: tuple[str, ...] | None = None
    prefix: str = ""
    errors: Errors = "raise"


class RowPredictor:
    """Adds a model's predictions to tables of rows: call it with one.

    It is small, and may be sent to other processes of machines like this one, with the same versions of the libraries:
    it contains the compiled model, reads no file, and restores the model once in each process, however often it is
    sent there.
    """

    def __init__(
        self, payload: bytes, scored: ScoredModel, options: TableOptions, compiled_with: Sequence[str] | None = None
    ) -> None:
        self._compiled_with = [*describe_surroundings()] if compiled_with is None else compiled_with
        self._payload = payload
        self._digest = hashlib.sha256(payload).hexdigest()
        self._scored = scored
        self._options = options
        self._scoring: TableScoring | None = None

    def __call__(self, rows: Any) -> Any:
        """Return a table of the same kind, with the columns that `engine predict` adds.

        Raises `RefusedRows` for bad rows unless they are skipped, `BatchError` for a table that does not fit the model
        or a process with other libraries than the one that compiled it, and `TypeError` for anything else than a
        DataFrame of pandas or a Table or RecordBatch of pyarrow.
        """
        from engine.batch.frames.table_scoring import TableScoring  # noqa: PLC0415 - needs pyarrow

        if self._scoring is None:
            if reason := difference_here(self._compiled_with, "this process"):
                raise BatchError(reason)
            self._scoring = TableScoring(self._scored, self._options)
        return self._scoring.score(rows, self._digest, self._payload)

    def __getstate__(self) -> tuple[Any, ...]:
        return self._payload, self._scored, self._options, self._compiled_with

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"<predictor of {self._scored.model.name}>"


def predictor(  # noqa: PLR0913 - the command's options
    model: str,
    routes: str = "routes.yaml",
    models: str | None = None,
    *,
    only_predictions: bool = False,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    errors: Errors = "raise",
) -> RowPredictor:
    """Return a function that scores tables of rows with a model of the spec, as `engine predict` scores files.

    A DataFrame of pandas gives a DataFrame with the same index, a Table or RecordBatch of pyarrow another one: the
    rows in their order, their columns as they are, and after them `prediction` (`prediction_1` and so on for results
    that are lists), `label` and `probability_CLASS`, as the model's output declares them. With `only_predictions`, or
    with `columns`, none or some of the table's own columns come out; `prefix` is put before the names of new ones.

    With `errors="raise"`, bad rows raise `RefusedRows`. With `errors="skip"`, their predictions are empty, and a last
    column `error` says why; it is empty for other rows.

    The model is compiled here if it is not in the cache. Raises `SpecError` for a spec or a model that is wrong, and
    `BatchError` for a model that the spec does not have.

        score = engine.predictor("iris")
        scored = score(pandas.read_csv("rows.csv"))
        scored = frame.map_partitions(score)  # of Dask
    """
    options = _checked(only_predictions, columns, prefix, errors)
    spec = load_spec(routes, models)
    if model not in spec.models:
        raise BatchError(f'there is no model "{model}" {did_you_mean(model, spec.models, "the models are")}')
    for name, one in spec.only([model]).models.items():
        if isinstance(one, StandIn):
            raise BatchError(f'the file of "{name}" does not exist yet, and its examples answer; train it first')
    if find_spec("pyarrow") is None:
        raise BatchError("engine.predictor needs pyarrow, which is not installed here: pip install pyarrow")
    return RowPredictor(*prepare_model(routes, models, model, lambda _: None), options)


def _checked(only_predictions: bool, columns: Sequence[str] | None, prefix: str, errors: Errors) -> TableOptions:
    """Return the options; raise `ValueError` or `TypeError` for some that cannot be."""
    if errors not in ("raise", "skip"):
        raise ValueError(f'errors={errors!r} is neither "raise" nor "skip"')
    if isinstance(columns, str):
        raise TypeError(f"columns={columns!r} is one string; write a list of names: columns=[{columns!r}]")
    if columns is not None and only_predictions:
        raise ValueError("columns and only_predictions contradict each other; use one of them")
    names = None if columns is None else tuple(columns)
    for place, name in enumerate(names or ()):
        if name in (names or ())[:place]:
            raise ValueError(f"columns names {name!r} twice")
    return TableOptions(only_predictions, names, prefix, errors)
