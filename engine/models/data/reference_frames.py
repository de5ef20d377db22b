"""A reference as pandas reads it in a training script: this module does not use the conversion of instances."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.models.data.dtypes import Dtype
from engine.schema import clip
from engine.spec import FileModel

_KINDS: Mapping[str, Any] = {"b": "bool", "f": "float", "i": "int", "u": "int"}


def reference_dtypes(model: FileModel, order: Sequence[str], recorded: Mapping[str, Dtype]) -> dict[str, Dtype]:
    """Return the dtypes that pandas finds in a reference; declared ones have their categories and zones."""
    frame = reference_frame(model, order, recorded)
    if frame is None:
        return {}
    return {
        str(name): Dtype(_KINDS[dtype.kind]) if dtype.kind in _KINDS else dtype_of(frame[name])
        for name, dtype in frame.dtypes.items()
    }


def reference_frame(model: FileModel, order: Sequence[str], recorded: Mapping[str, Dtype]) -> Any:
    """Read the reference as a training script would; None without a reference, or without pandas.

    Columns have the dtypes that pandas infers, or those that the spec declares. Columns that are texts according to the
    spec or the model are read as texts.
    """
    if model.reference is None or importlib.util.find_spec("pandas") is None:
        return None
    import pandas as pd  # noqa: PLC0415 - an optional extra

    texts = [name for name in order if _is_text(model, name, recorded.get(name))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame = _read_frame(model.reference, tuple(texts))
            frame = frame[[name for name in order if name in frame.columns]].reset_index(drop=True)
            frame = declared_frame(frame, model)
            for name in frame.columns:
                if name in recorded and recorded[name].is_open and name not in model.dtypes:
                    frame[name] = frame[name].astype(pd.CategoricalDtype(_categories(frame[name], model, name)))
            return frame
    except (ValueError, OSError, UnicodeDecodeError):  # reported where the reference is read for its rows
        return None


@contextmanager
def reading_once() -> Iterator[None]:
    """Make pandas read a reference only once in this context."""
    try:
        yield
    finally:
        _read_frame.cache_clear()


@lru_cache(maxsize=1)
def _read_frame(file: Path, texts: tuple[str, ...]) -> Any:
    """Read the rows that are not blank; the frame must not be changed."""
    import pandas as pd  # noqa: PLC0415 - an optional extra

    frame = pd.read_csv(file, dtype=dict.fromkeys(texts, str), low_memory=False)  # 08004 is not 8004
    if frame.isna().all(axis=1).any():  # a row of NA and the like counts, a blank one does not
        blank = pd.read_csv(file, dtype=str, keep_default_na=False).eq("").all(axis=1)
        frame = frame[~blank]
    return frame


def _is_text(model: FileModel, name: str, recorded: Dtype | None) -> bool:
    if name in model.dtypes:
        return model.input.instance.properties[name].types <= {"string", "null"}
    return recorded is not None and recorded.kind == "string"


def declared_frame(frame: Any, model: FileModel) -> Any:
    """Convert a frame's columns to the dtypes that the spec declares."""
    import pandas as pd  # noqa: PLC0415 - an optional extra

    for name, declared in model.dtypes.items():
        if name not in frame.columns:
            continue
        try:
            frame[name] = _declared(pd, frame[name], model, name)
        except (TypeError, ValueError) as error:
            reason = clip(str(error).strip().partition("\n")[0], 200)
            message = f'the known rows cannot be read with "{name}" as {declared}: {reason}'
            raise model.error(message, "dtypes", name) from None
    return frame


def _declared(pandas: Any, column: Any, model: FileModel, name: str) -> Any:
    kind, _, zone = model.dtypes[name].rstrip("]").partition("[")
    match kind:
        case "datetime":
            times = pandas.to_datetime(column, format="ISO8601", utc=bool(zone))
            return times.dt.tz_convert(zone) if zone else times
        case "category":
            return column.astype(pandas.CategoricalDtype(_categories(column, model, name)))
        case "string":
            return column if dtype_of(column).kind == "string" else column.astype("str")
        case _:
            return column.astype({"float": "float64", "int": "int64"}.get(kind, kind))


def _categories(column: Any, model: FileModel, name: str) -> list[Any]:
    """Return a column's categories in the order of pandas, sorted: those of the input and those in the rows."""
    values = {*model.input.instance.properties[name].listed, *column.dropna().tolist()}
    try:
        return sorted(values)
    except TypeError:
        return list(dict.fromkeys(values))


def dtype_of(column: Any) -> Dtype:
    """Return the dtype of a pandas column."""
    dtype = column.dtype
    if str(dtype) == "category":
        return Dtype("category", tuple(dtype.categories.tolist()))
    if getattr(dtype, "kind", "") == "M":
        return Dtype("datetime", zone=str(getattr(dtype, "tz", "") or ""))
    if dtype.kind in _KINDS:
        return Dtype(_KINDS[dtype.kind])
    if str(dtype) == "str":  # texts and missing values, as pandas 3 infers them
        return Dtype("string")
    is_text = column.map(lambda cell: isinstance(cell, str) or cell != cell).all()  # noqa: PLR0124
    return Dtype("string" if is_text else "object")
