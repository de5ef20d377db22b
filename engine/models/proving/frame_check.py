"""Compare the served answers with those of the estimator to a frame that was built as a training script would build it.

The frame comes from pandas and the reference or, without one, the examples; the engine's own conversion of instances is
not used for it. If the answers differ, only the user knows the dtypes with which the model was trained.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from engine.errors import RefusedInstance
from engine.models.data.dtypes import Dtype, DtypesNeeded, as_taken, list_columns, shown_dtypes
from engine.models.data.instances import Columns
from engine.models.data.reference import count_reference, reference_instances
from engine.models.data.reference_frames import declared_frame, dtype_of, reference_frame
from engine.models.estimators.inspection import Inspected
from engine.models.proving.other_dtypes import require_answer
from engine.schema import clip, show
from engine.spec import FileModel

MAX_ROWS = 200
MAX_SINGLES = 20
SECONDS = 5.0  # to find the one column that makes the difference
TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class _Pair:
    """The same rows twice: as the engine converts them, and as pandas reads them; `frame` shows the latter's dtypes."""

    ours: Any
    theirs: Any
    frame: Any
    source: str


def require_trained_dtypes(model: FileModel, inspected: Inspected) -> None:
    """Raise `DtypesNeeded` if the estimator answers differently to rows built as a training script would."""
    if inspected.columns.names is None:
        return
    respond = inspected.respond(model)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        pairs = [pair for pair in _pairs(model, inspected) if pair is not None]
        for pair in pairs:
            _require_equal(model, respond, pair)
        if not inspected.wanted.casts and not any(_answers(respond, pair.ours) for pair in pairs):
            require_answer(model, inspected)


def _pairs(model: FileModel, inspected: Inspected) -> Iterator[_Pair | None]:
    if importlib.util.find_spec("pandas") is None:
        return
    yield _pair_of_reference(model, inspected)
    yield _pair_of_examples(model, inspected)


def _pair_of_reference(model: FileModel, inspected: Inspected) -> _Pair | None:
    if model.reference is None:
        return None
    frame = reference_frame(model, inspected.columns.names or (), inspected.wanted.dtypes)
    if frame is None or len(frame) != count_reference(model):  # otherwise the rows would not be the same
        return None
    instances: list[Any] = []
    places = list(islice(_taken(model, inspected, reference_instances(model), instances), MAX_ROWS))
    return _pair(model, inspected, frame, instances, places, model.reference.name)


def _pair_of_examples(model: FileModel, inspected: Inspected) -> _Pair | None:
    import pandas as pd  # noqa: PLC0415 - an optional extra

    instances = [example.input for example in model.examples]
    if not instances:
        return None
    try:
        frame = declared_frame(pd.DataFrame(instances), model)
    except (ValueError, TypeError, OverflowError):  # if pandas cannot read it, there is nothing to compare
        return None
    return _pair(model, inspected, frame, instances, list(_taken(model, inspected, instances, [])), "the examples")


def _taken(model: FileModel, inspected: Inspected, instances: Iterable[Any], read: list[Any]) -> Iterator[int]:
    """Return the places of the valid instances that the columns can hold; those that were read are added to `read`."""
    is_valid, waiting = model.input.instance.takes, iter(instances)
    while chunk := list(islice(waiting, MAX_ROWS)):
        begin = len(read)
        read += chunk
        places = [begin + number for number, instance in enumerate(chunk) if is_valid(instance)]
        if _hold(inspected.columns, [read[place] for place in places]):
            yield from places
        else:
            yield from (place for place in places if _hold(inspected.columns, [read[place]]))


def _hold(columns: Columns, instances: Sequence[Any]) -> bool:
    try:
        if instances:
            columns.convert(instances)
    except RefusedInstance:
        return False
    return True


def _pair(
    model: FileModel, inspected: Inspected, frame: Any, instances: Sequence[Any], places: list[int], source: str
) -> _Pair | None:
    if not places:
        return None
    fitting, wanted = inspected.columns, inspected.wanted
    ours = as_taken(fitting.convert([instances[place] for place in places]))
    frame = _recorded(frame.reindex(columns=list(fitting.names or ())), wanted.dtypes, model)
    frame = frame.iloc[places].reset_index(drop=True)
    if fitting.form == "mappings":
        records = frame.to_dict("records")
        return _Pair(ours, records, frame, source) if not frame.isna().any(axis=None) else None
    if fitting.form == "array" and wanted.names is None:
        return _Pair(ours, frame.to_numpy(dtype=np.float32 if wanted.single else None), frame, source)
    return _Pair(ours, frame, frame, source)


def _recorded(frame: Any, dtypes: Mapping[str, Dtype], model: FileModel) -> Any:
    """Return columns the dtypes that the model itself has recorded."""
    import pandas as pd  # noqa: PLC0415 - an optional extra

    for name, dtype in dtypes.items():
        if name not in frame.columns or name in model.dtypes:
            continue
        if dtype.kind == "category":
            known = pd.CategoricalDtype([*dtype.values]) if dtype.values else "category"  # noqa: PD011
            frame[name] = frame[name].astype(known)
        elif dtype.kind == "datetime":
            frame[name] = pd.to_datetime(frame[name], errors="coerce")
        elif dtype.kind == "float" and frame[name].dtype.kind == "i":
            frame[name] = frame[name].astype("float64")
    return frame


def _require_equal(model: FileModel, respond: Callable[[Any], Any], pair: _Pair) -> None:
    theirs = _answers(respond, pair.theirs)
    if not theirs or theirs != _answers(respond, pair.theirs):  # it fails, or answers by chance
        return
    ours = _answers(respond, pair.ours)
    place = next((place for place, answer in theirs.items() if not _same(ours.get(place), answer)), None)
    if place is None or isinstance(pair.ours, list):
        return
    named = _culprits(respond, pair, theirs, place)
    if not named:
        return
    read = {name: dtype_of(pair.frame[name]).declared for name in named}
    said = {name: dtype_of(_column(pair, name)).declared for name in named}
    found = f"answers {_shown(ours[place])}" if place in ours else "fails"
    needed = shown_dtypes(read)
    message = (
        f"the model's answers depend on the dtype of {list_columns(named)}: to row {place + 1} of {pair.source} it "
        f"answers {_shown(theirs[place])} with {needed}, as pandas reads it, and {found} with "
        f"{shown_dtypes(said)}, as the input has it; declare what it was trained with, such as dtypes: {needed}"
    )
    raise DtypesNeeded(model.error(message, "input", "properties", named[0]), read)


def _column(pair: _Pair, name: str) -> Any:
    """Return a column of the engine's rows, which may be an array."""
    import pandas as pd  # noqa: PLC0415 - an optional extra

    if hasattr(pair.ours, "columns"):
        return pair.ours[name]
    return pd.Series(pair.ours[:, pair.frame.columns.get_loc(name)])


def _culprits(respond: Callable[[Any], Any], pair: _Pair, theirs: Mapping[int, Any], place: int) -> list[str]:
    """Name the columns that make the difference: one if its dtype alone does, else all of another dtype."""
    ours = {name: _column(pair, name) for name in pair.frame.columns}
    differing = [name for name in ours if str(ours[name].dtype) != str(pair.frame[name].dtype)]
    deadline = time.monotonic() + SECONDS
    for name in differing if pair.theirs is pair.frame else ():
        if time.monotonic() > deadline:
            break
        mixed = pair.frame.assign(**{name: ours[name]})
        if not _same(_answers(respond, mixed).get(place), theirs[place]):
            return [name]
    return differing


def _answers(respond: Callable[[Any], Any], rows: Any) -> dict[int, Any]:
    """Return the answers by row, asked together or, if that fails, one by one."""
    try:
        return dict(enumerate(_respond(respond, rows)))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - an estimator may raise anything
        found: dict[int, Any] = {}
    for place in range(min(len(rows), MAX_SINGLES)):
        one = rows.iloc[place : place + 1] if hasattr(rows, "iloc") else rows[place : place + 1]
        try:
            found[place] = _respond(respond, one)[0]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S112 - as above
            continue
    return found


def _respond(respond: Callable[[Any], Any], rows: Any) -> list[Any]:
    answer = respond(rows)
    if isinstance(answer, list) and all(np.ndim(output) for output in answer):  # an array for each output
        return [list(entry) for entry in zip(*(np.asarray(one).tolist() for one in answer), strict=True)]
    values: list[Any] = (answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)).tolist()
    return values


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, int | float):
        return bool(np.isclose(one, other, rtol=TOLERANCE, atol=1e-12, equal_nan=True))
    return bool(one == other)


def _shown(answer: Any) -> str:
    return clip(show(answer), 60)
