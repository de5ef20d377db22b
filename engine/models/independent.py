"""What is served, held against the estimator fed with a frame that was built as a training script would build it.

The frame comes from pandas and the reference or, without one, the examples; the engine's own conversion of instances
has no part in it. Where the two get different answers, only the user knows which dtypes the model was trained with.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np

from engine.errors import RefusedInstance, SpecError
from engine.jsonschemas import types_of
from engine.models.askable import asked_instances
from engine.models.dtypes import Dtype, as_taken
from engine.models.estimator import Inspected, SklearnRuntime
from engine.models.instances import columns
from engine.models.predictor import Refusal
from engine.models.readings import declared_frame, dtype_of, reference_frame
from engine.models.reference import reference_instances
from engine.models.training import answers, trained_on
from engine.spec import Model
from engine.validation import Validator, clip, show

MAX_ROWS = 200
MAX_SINGLES = 20
TOLERANCE = 1e-5
MAX_NAMED = 5


class DtypesNeeded(SpecError):
    """The dtypes of some columns must be declared; `dtypes` are those that may well be meant."""

    def __init__(self, error: SpecError, dtypes: Mapping[str, str]) -> None:
        self.dtypes = dtypes
        super().__init__(error.diagnostics)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The same rows twice: as the engine converts them, and as pandas has them; `frame` shows the latter's dtypes."""

    ours: Any
    theirs: Any
    frame: Any
    source: str


def require_trained_dtypes(model: Model, inspected: Inspected) -> None:
    """Raise `DtypesNeeded` where the estimator answers other than to rows built as a training script would."""
    if inspected.columns.names is None:
        return
    respond = inspected.respond(model)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        pairs = [pair for pair in _pairs(model, inspected) if pair is not None]
        for pair in pairs:
            _require_equal(model, respond, pair)
        if not inspected.wanted.casts and not any(_answers(respond, pair.ours) for pair in pairs):
            _require_answer(model, inspected)


def _pairs(model: Model, inspected: Inspected) -> Iterator[_Pair | None]:
    if importlib.util.find_spec("pandas") is None:
        return
    yield _pair_of_reference(model, inspected)
    yield _pair_of_examples(model, inspected)


def _pair_of_reference(model: Model, inspected: Inspected) -> _Pair | None:
    if model.reference is None:
        return None
    frame = reference_frame(model, inspected.columns.names or (), inspected.wanted.dtypes)
    instances = list(islice(reference_instances(model), len(frame) + 1)) if frame is not None else []
    if frame is None or len(frame) != len(instances):
        return None
    places = list(islice(_taken(model, inspected, instances), MAX_ROWS))
    return _pair(model, inspected, frame, instances, places, model.reference.name)


def _pair_of_examples(model: Model, inspected: Inspected) -> _Pair | None:
    import pandas as pd  # noqa: PLC0415 - an optional extra

    instances = [example.input for example in model.examples]
    if not instances:
        return None
    try:
        frame = declared_frame(pd.DataFrame(instances), model)
    except (ValueError, TypeError, OverflowError):  # what pandas cannot read proves nothing
        return None
    return _pair(model, inspected, frame, instances, list(_taken(model, inspected, instances)), "the examples")


def _taken(model: Model, inspected: Inspected, instances: Sequence[Any]) -> Iterator[int]:
    """Give the places of the instances that are valid and that the columns can hold."""
    is_valid = Validator(model.input.document).is_valid
    for place, instance in enumerate(instances):
        if not is_valid(instance):
            continue
        try:
            inspected.columns.convert([instance])
        except RefusedInstance:
            continue
        yield place


def _pair(
    model: Model, inspected: Inspected, frame: Any, instances: Sequence[Any], places: list[int], source: str
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


def _recorded(frame: Any, dtypes: Mapping[str, Dtype], model: Model) -> Any:
    """Give columns the dtypes that the model itself has recorded."""
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


def _require_equal(model: Model, respond: Callable[[Any], Any], pair: _Pair) -> None:
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
    message = (
        f"the model's answers depend on the dtype of {_listed(named)}: to row {place + 1} of {pair.source} it "
        f"answers {_shown(theirs[place])} with {_dtypes(read)}, as pandas reads it, and {found} with {_dtypes(said)}, "
        f"as the input has it; declare what it was trained with, such as dtypes: {_dtypes(read)}"
    )
    raise DtypesNeeded(model.error(message, "input", "properties", named[0]), read)


def _column(pair: _Pair, name: str) -> Any:
    """Give a column of what the engine made, which may be an array."""
    import pandas as pd  # noqa: PLC0415 - an optional extra

    if hasattr(pair.ours, "columns"):
        return pair.ours[name]
    return pd.Series(pair.ours[:, pair.frame.columns.get_loc(name)])


def _culprits(respond: Callable[[Any], Any], pair: _Pair, theirs: Mapping[int, Any], place: int) -> list[str]:
    """Name the columns that make the difference: one if its dtype alone does, else all of another dtype."""
    ours = {name: _column(pair, name) for name in pair.frame.columns}
    differing = [name for name in ours if str(ours[name].dtype) != str(pair.frame[name].dtype)]
    for name in differing if pair.theirs is pair.frame else ():
        mixed = pair.frame.assign(**{name: ours[name]})
        if not _same(_answers(respond, mixed).get(place), theirs[place]):
            return [name]
    return differing


def _require_answer(model: Model, inspected: Inspected) -> None:
    """Ask for dtypes where the model fails on every row, and answers with others."""
    instances = asked_instances(model, MAX_SINGLES, inspected.columns.dtypes)
    runtime = SklearnRuntime(inspected.estimator, model.response_method, probabilities=False)
    failure: Exception | None = None
    for instance in instances:
        try:
            runtime(inspected.columns.convert([instance]))
        except (Refusal, RefusedInstance):  # it may be right to refuse what is made up
            continue
        except Exception as error:  # noqa: BLE001 - an estimator may raise anything
            failure = failure or error
        else:
            return
    if failure is None:
        return
    for dtypes in _others(model, inspected, instances):
        changed = replace(model, dtypes={**model.dtypes, **dtypes})
        if _answers_with(changed, inspected):
            named = list(dtypes)
            reason = clip(f"{type(failure).__name__}: {str(failure).strip().partition(chr(10))[0]}", 200)
            message = (
                f"the model fails on every row that was tried ({reason}), and answers with another dtype of "
                f"{_listed(named)}; if it was trained with that, declare dtypes: {_dtypes(dtypes)}"
            )
            raise DtypesNeeded(model.error(message, "input", "properties", named[0]), dtypes)


def _answers_with(model: Model, inspected: Inspected) -> bool:
    try:
        wanted = trained_on(model, inspected.estimator, replace(inspected.wanted, rows=None))
        columns(model, wanted)
    except SpecError:
        return False
    return answers(model, inspected.estimator, wanted)


def _others(model: Model, inspected: Inspected, instances: Sequence[Any]) -> Iterator[dict[str, str]]:
    """Give other dtypes that the columns may have had: times, categories, numbers that are floats."""
    dtypes = inspected.columns.dtypes
    texts = [name for name, dtype in dtypes.items() if dtype.kind == "string"]
    times = [name for name in texts if _are_times(instance.get(name) for instance in instances)]
    words = [name for name in texts if name not in times]
    whole = [name for name, dtype in dtypes.items() if dtype.kind == "int"]
    flags = [name for name, dtype in dtypes.items() if dtype.kind == "object" and _is_flag(model, name)]
    options = (
        dict.fromkeys(times, "datetime"),
        dict.fromkeys(words, "category"),
        dict.fromkeys(times, "datetime") | dict.fromkeys(words, "category"),
        dict.fromkeys(whole, "category"),
        dict.fromkeys(whole, "float"),
        dict.fromkeys(flags, "float"),
    )
    yield from (option for option in options if option)


def _is_flag(model: Model, name: str) -> bool:
    document = model.input.document
    return types_of(document["properties"][name], document) <= {"boolean", "null"}


def _are_times(cells: Iterator[Any]) -> bool:
    found = [cell for cell in cells if cell is not None]
    try:
        return bool(found) and all(datetime.fromisoformat(cell) for cell in found)
    except (TypeError, ValueError):
        return False


def _answers(respond: Callable[[Any], Any], rows: Any) -> dict[int, Any]:
    """Give the answers by row, asked together or, where that fails, one by one."""
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
    listed: list[Any] = (answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)).tolist()
    return listed


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, int | float):
        return bool(np.isclose(one, other, rtol=TOLERANCE, atol=1e-12, equal_nan=True))
    return bool(one == other)


def _shown(answer: Any) -> str:
    return clip(show(answer), 60)


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(f'"{name}"' for name in names[:MAX_NAMED]) + rest


def _dtypes(dtypes: Mapping[str, str]) -> str:
    shown = [f"{name}: {kind}" for name, kind in islice(dtypes.items(), MAX_NAMED)]
    return "{" + ", ".join(shown) + (", ..." if len(dtypes) > MAX_NAMED else "") + "}"
