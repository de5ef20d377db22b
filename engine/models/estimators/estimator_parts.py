"""The parts of an estimator, and their attributes about its columns, as far as these are reliable."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from engine.models.data.dtypes import Dtype, Kind

MAX_PARTS = 50
MAX_VALUES = 400
_COUNTED = re.compile(r"(?:Column_|f|x)?(\d+)|feature_(\d{4})")
_MAPPING_READERS = ("DictVectorizer", "FeatureHasher")
_KINDS: Mapping[str, Kind] = {"i": "int", "u": "int", "f": "float", "b": "bool", "U": "string", "T": "string"}
# The function of y in a TransformedTargetRegressor.
_OF_TARGETS = ("transformer", "transformer_")
# Estimators that keep these in float32 refuse float64 on every row.
_OWN_ARRAYS = ("cluster_centers_", "components_")
# The Pipeline of imblearn is scikit-learn's, except for the samplers in it.
_OWN_MODULES = ("sklearn.", "imblearn.pipeline")
_LIBRARIES = {"catboost": "CatBoost", "interpret": "InterpretML", "lightgbm": "LightGBM", "xgboost": "XGBoost"}
_READERS = "engine.models.estimators.readers."  # of the libraries' own files


def parts_of(estimator: Any) -> list[Any]:
    """Return an estimator and the parts in it that get its columns: steps, transformers, the estimator of a search."""
    found: list[Any] = []
    waiting: deque[Any] = deque([estimator])
    while waiting:
        part = waiting.popleft()
        if isinstance(part, np.ndarray) and part.dtype != object:
            continue  # some models have thousands of arrays of numbers
        if isinstance(part, list | tuple | np.ndarray):
            waiting += list(part)[:MAX_PARTS]
        elif is_sampler(part):
            continue
        elif hasattr(part, "__dict__") and (part is estimator or _is_part(part)) and not _is_among(part, found):
            found.append(part)
            of_targets = _OF_TARGETS if isinstance(part, TransformedTargetRegressor) else ()
            waiting += [value for name, value in vars(part).items() if name not in of_targets]
    return found


def _is_among(part: Any, found: list[Any]) -> bool:
    return any(part is known for known in found)


def _is_part(value: Any) -> bool:
    return hasattr(value, "get_params") or type(value).__module__.startswith("sklearn.")


def library_of(estimator: Any) -> str:
    """Name the library that an estimator's own class is from, scikit-learn if it is no other that can be compiled."""
    module = type(estimator).__module__.removeprefix(_READERS).partition(".")[0]
    return _LIBRARIES.get(module.removesuffix("_file"), "scikit-learn")


def is_foreign(part: Any) -> bool:
    """Return whether a part is not scikit-learn's own."""
    return not type(part).__module__.startswith(_OWN_MODULES)


def is_sampler(part: Any) -> bool:
    """Return whether a part only chooses rows to train on, as imblearn's samplers do."""
    return hasattr(part, "fit_resample") and not hasattr(part, "transform") and not hasattr(part, "predict")


def steps_of(pipeline: Any) -> list[Any]:
    """Return the steps through which rows pass."""
    return [step for _, step in pipeline.steps if not is_sampler(step)]


def numpy_function(function: Any) -> str | None:
    """Name a numpy function of a single number, None for any other function."""
    name = getattr(function, "__name__", "")
    is_one = isinstance(function, np.ufunc) and (function.nin, function.nout) == (1, 1)
    return name if is_one and getattr(np, name, None) is function else None


def first_of(estimator: Any) -> Any:
    """Return the part that gets the rows: a pipeline's first step, in the best estimator of a search."""
    while isinstance(estimator, Pipeline) or hasattr(estimator, "best_estimator_"):
        estimator = steps_of(estimator)[0] if isinstance(estimator, Pipeline) else estimator.best_estimator_
    return estimator


def last_of(estimator: Any) -> Any:
    """Return the part that answers: a pipeline's last step, in the best estimator of a search or in a frozen one."""
    while True:
        estimator = unfreeze(estimator)
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        else:
            return estimator


def unfreeze(part: Any) -> Any:
    """Return the estimator in a FrozenEstimator (scikit-learn 1.6 and later), which is never trained again."""
    while type(part).__name__ == "FrozenEstimator":
        part = part.estimator
    return part


def has_threshold(part: Any) -> bool:
    """Return whether a classifier compares a score with a threshold of its own."""
    return isinstance(part, FixedThresholdClassifier | TunedThresholdClassifierCV)


def takes_mappings(estimator: Any) -> bool:
    """Return whether an estimator begins with a part that takes objects as they are."""
    first = first_of(estimator)
    return type(first).__name__ in _MAPPING_READERS and getattr(first, "input_type", "dict") == "dict"


def surely_casts(estimator: Any) -> bool:
    """Return whether an array of float64 means the same to every part as one of another dtype."""
    return not any(
        is_foreign(part)
        or hasattr(part, "categories_")
        or (isinstance(part, FunctionTransformer) and part.func is not None)
        for part in parts_of(estimator)
    )


def was_single(estimator: Any) -> bool:
    """Return whether a part keeps arrays of its training in float32."""
    arrays = (getattr(part, name, None) for part in parts_of(estimator) for name in _OWN_ARRAYS)
    return any(isinstance(array, np.ndarray) and array.dtype == np.float32 for array in arrays)


def names_of(estimator: Any) -> tuple[str, ...] | None:
    """Return the names of the columns that an estimator was trained on, None if it had none.

    Other libraries number the columns of arrays; such names do not count.
    """
    first = first_of(estimator)
    found = _asked(estimator, "feature_names_in_")
    if found is None and is_foreign(first):
        found = _asked(first, "feature_names_")
    if not isinstance(found, list | tuple | np.ndarray) or not len(found):
        return None
    names = tuple(map(str, found))
    return None if _are_counted(names) and any(map(is_foreign, _name_givers(first))) else names


def _name_givers(first: Any) -> Iterator[Any]:
    """Yield the parts whose names of columns an estimator has: its own, or those of the ones that it was made of."""
    yield first
    if getattr(first, "estimator", None) is not None:
        yield first.estimator
    members = getattr(first, "estimators_", None)
    yield from members if isinstance(members, list) else ()


def as_declared(names: tuple[str, ...], declared: Iterable[str]) -> tuple[str, ...]:
    """Return a model's names as other libraries write them: LightGBM replaces a space by _."""
    written = {re.sub(r"\s", "_", name): name for name in declared}
    return tuple(name if name in written.values() else written.get(name, name) for name in names)


def count_of(estimator: Any) -> int | None:
    """Return the number of columns that an estimator was trained on, None if it does not know it."""
    count = _asked(estimator, "n_features_in_")
    return int(count) if count else None


def _asked(estimator: Any, attribute: str) -> Any:
    """Read an attribute; a property of a foreign class may raise anything."""
    try:
        return getattr(estimator, attribute, None)
    except Exception:  # noqa: BLE001
        return None


def _are_counted(names: tuple[str, ...]) -> bool:
    found = [_COUNTED.fullmatch(name) for name in names]
    return all(one is not None and int(one[1] or one[2]) == place for place, one in enumerate(found))


def dtype_of_values(values: Any) -> Dtype:
    """Return the dtype of a column from the values that an encoder has learnt."""
    array = np.asarray(values)
    listed = array.tolist()
    kept = plain_values(listed)[:MAX_VALUES]
    if array.dtype.kind == "M":
        return Dtype("datetime")
    if array.dtype.kind in _KINDS:
        return Dtype(_KINDS[array.dtype.kind], kept)
    is_text = bool(kept) and all(isinstance(value, str) for value in kept)
    return Dtype("string" if is_text and None not in listed else "object", kept)


def plain_values(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return the values that JSON can represent, without NaN."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    return tuple(value for value in plain if isinstance(value, str | int | float) and value == value)  # noqa: PLR0124
