"""What the first steps of a model reveal about each input column: categories, gaps, a usual value, free text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import FeatureUnion, Pipeline

from engine.models.data.dtypes import Dtype
from engine.models.data.learnt_categories import is_written_number
from engine.models.estimators.booster_columns import booster_dtypes, is_booster
from engine.models.estimators.column_selections import column_selections
from engine.models.estimators.estimator_parts import dtype_of_values, parts_of, steps_of, unfreeze

_SCALERS = ("MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler")
_TAKE_ANYTHING = ("DictVectorizer", "DummyClassifier", "DummyRegressor", "FeatureHasher", "FunctionTransformer")
_INSIDE = ("best_estimator_", "estimator_", "regressor_")


@dataclass(slots=True)
class KnownInput:
    """The known facts about one column.

    `categories` are those of an encoder, and with `ignores_others` it accepts any other; `gaps` says that a missing
    value is filled in or accepted; `usual` is a value from its middle; `is_text` says that it is split into words,
    `is_number` that it goes unchanged into a part that accepts only numbers. A column that is `dropped` by a selection
    may be `used` by a parallel part. `dtype` is that of its training, if a part has recorded it. If it
    `takes_no_texts`, it is a number in a booster, which does not even read a text that is written like one.
    """

    categories: tuple[Any, ...] | None = None
    ignores_others: bool = False
    gaps: bool = False
    usual: Any = None
    is_text: bool = False
    is_number: bool = False
    dropped: bool = False
    used: bool = False
    dtype: Dtype | None = None
    takes_no_texts: bool = False

    @property
    def is_strict(self) -> bool:
        """Whether a column with a further category is refused as a whole, as XGBoost does."""
        return (
            not self.ignores_others
            and bool(self.categories)
            and self.dtype is not None
            and self.dtype.kind == "category"
        )

    @property
    def is_unused(self) -> bool:
        """Whether no part ever uses the column."""
        return self.dropped and not self.used

    @property
    def is_plain(self) -> bool:
        """Whether nothing is known of the column except that it has numbers."""
        return self.categories is None and not (self.gaps or self.is_text or self.is_unused)

    def is_usually(self, value: Any) -> None:
        """Remember a usual value, the first one that is not missing."""
        if self.usual is None and not _is_gap(value):
            self.usual = value


@dataclass(frozen=True, slots=True)
class _Flow:
    """The columns that are still unchanged; `whole` says that they are all of them, in order and unchanged."""

    columns: Sequence[KnownInput]
    whole: bool = True


def known_inputs(estimator: Any, count: int) -> tuple[KnownInput, ...]:
    """Look through an estimator of `count` columns."""
    columns = tuple(KnownInput() for _ in range(count))
    _look(estimator, _Flow(columns))
    return columns


def known_of_mappings(part: Any) -> dict[str, KnownInput]:
    """Return the keys of the objects that a DictVectorizer has learnt, with the known texts of each."""
    known: dict[str, KnownInput] = {}
    for name in getattr(part, "feature_names_", ()):
        key, separator, text = name.partition(part.separator)
        column = known.setdefault(key, KnownInput(ignores_others=True, gaps=True))
        if separator:
            column.categories = (*(column.categories or ()), text)
    return known


def takes_texts(part: Any) -> bool:
    """Return whether an estimator begins with a part that splits texts into words."""
    if isinstance(part, Pipeline):
        return takes_texts(steps_of(part)[0])
    if isinstance(part, FeatureUnion):
        return any(takes_texts(step) for _, step in part.transformer_list)
    inner = [getattr(part, name) for name in (*_INSIDE, "estimator") if hasattr(part, name)]
    return hasattr(part, "build_analyzer") or any(map(takes_texts, inner))


def _look(part: Any, flow: _Flow) -> _Flow:
    """Record what a part reveals about its columns; return those that pass it unchanged."""
    part = unfreeze(part)
    for kind, look in _PARTS.items():
        if isinstance(part, kind):
            return look(part, flow)
    inner = next((getattr(part, name) for name in _INSIDE if hasattr(part, name)), None)
    if inner is not None:
        return _look(inner, flow)
    for column in flow.columns:
        column.used = True
    if part == "passthrough":
        return flow
    if hasattr(part, "categories_"):
        return _look_at_encoder(part, flow)
    if hasattr(part, "feature_types_in_"):
        return _look_at_additive(part, flow)
    if hasattr(part, "statistics_") or type(part).__name__ == "KNNImputer":
        return _look_at_imputer(part, flow)
    if type(part).__name__ in _SCALERS:
        return _look_at_scaler(part, flow)
    return _look_at_other(part, flow)


def _look_at_other(part: Any, flow: _Flow) -> _Flow:
    if flow.whole:
        dtypes = [*booster_dtypes(part, len(flow.columns))]
        is_sure = is_booster(part) or any(dtypes)
        for column, dtype in zip(flow.columns, dtypes or [None] * len(flow.columns), strict=False):
            column.dtype = dtype
            if dtype is not None and dtype.kind == "category" and dtype.values:
                column.categories, column.ignores_others = dtype.values, not hasattr(part, "get_booster")
            column.takes_no_texts = is_sure and (dtype is None or dtype.kind != "category")
    is_text, is_number = hasattr(part, "build_analyzer"), not any(map(_may_take_texts, parts_of(part)))
    for column in flow.columns:
        column.is_text, column.is_number = column.is_text or is_text, column.is_number or is_number
    return _Flow((), whole=False)


def _may_take_texts(part: Any) -> bool:
    """Return whether a part may accept other values than numbers: a few of scikit-learn's, or any foreign part."""
    name, module = type(part).__name__, type(part).__module__
    is_known = name in _TAKE_ANYTHING or hasattr(part, "categories_") or hasattr(part, "build_analyzer")
    return is_known or not module.startswith("sklearn.")


def _look_at_pipeline(part: Any, flow: _Flow) -> _Flow:
    for step in steps_of(part):
        flow = _look(step, flow)
    return flow


def _look_at_columns(part: Any, flow: _Flow) -> _Flow:
    if not flow.whole or not hasattr(part, "transformers_") or part.n_features_in_ != len(flow.columns):
        return _Flow((), whole=False)
    onward: list[KnownInput] = []
    for step, places in column_selections(part):
        chosen = [flow.columns[place] for place in places]
        if step != "drop":
            onward += _look(step, _Flow(chosen)).columns
        for column in chosen:
            column.dropped |= step == "drop"
    return _Flow(onward, whole=False)


def _look_at_union(part: Any, flow: _Flow) -> _Flow:
    for _, step in part.transformer_list:
        if step != "drop":
            _look(step, flow)
    return _Flow((), whole=False)


def _look_at_histogram(part: Any, flow: _Flow) -> _Flow:
    """Histogram boosting takes missing values everywhere, and encodes a DataFrame's categories itself."""
    encoder = getattr(part, "_preprocessor", None)  # there is no public way
    if encoder is not None:
        _look(encoder, flow)
    for column in flow.columns:
        column.gaps = column.used = True
        column.is_number = column.categories is None and not column.is_text
    return _Flow((), whole=False)


def _look_at_encoder(part: Any, flow: _Flow) -> _Flow:
    if flow.whole and len(part.categories_) == len(flow.columns):
        for column, categories in zip(flow.columns, part.categories_, strict=True):
            column.dtype = dtype_of_values(categories)
            listed = np.asarray(categories).tolist()
            values = tuple(value for value in listed if not _is_gap(value))
            column.gaps |= len(values) < len(listed)
            column.ignores_others = getattr(part, "handle_unknown", "ignore") != "error"
            if all(isinstance(value, str | int | float | bool) for value in values):
                column.categories = values
            else:
                column.is_text = True
    return _Flow((), whole=False)


def _look_at_additive(part: Any, flow: _Flow) -> _Flow:
    """InterpretML's models take missing values and unknown categories; they write numbers as words."""
    if flow.whole and len(part.feature_types_in_) == len(flow.columns):
        for column, kind, levels in zip(flow.columns, part.feature_types_in_, part.bins_, strict=True):
            column.gaps, column.is_number, column.ignores_others = True, kind == "continuous", True
            if kind != "continuous" and not all(map(is_written_number, levels[0])):
                column.categories = tuple(map(str, levels[0]))
    return _Flow((), whole=False)


def _look_at_imputer(part: Any, flow: _Flow) -> _Flow:
    usual = getattr(part, "statistics_", None)
    is_number = usual is None or np.asarray(usual).dtype.kind in "biuf"
    for column in flow.columns:
        column.gaps, column.is_number = True, column.is_number or is_number
    if flow.whole and usual is not None and len(usual) == len(flow.columns):
        for column, value in zip(flow.columns, np.asarray(usual).tolist(), strict=True):
            column.is_usually(value)
    return flow


def _look_at_scaler(part: Any, flow: _Flow) -> _Flow:
    for column in flow.columns:
        column.is_number = True
    middle = next((getattr(part, name) for name in ("mean_", "center_") if getattr(part, name, None) is not None), None)
    if middle is None and hasattr(part, "data_min_"):
        middle = (part.data_min_ + part.data_max_) / 2
    if flow.whole and middle is not None and len(middle) == len(flow.columns):
        for column, value in zip(flow.columns, np.asarray(middle).tolist(), strict=True):
            column.is_usually(value)
    return _Flow(flow.columns, whole=False)


def _is_gap(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN


_PARTS: Mapping[Any, Callable[[Any, _Flow], _Flow]] = {
    Pipeline: _look_at_pipeline,
    ColumnTransformer: _look_at_columns,
    FeatureUnion: _look_at_union,
    (HistGradientBoostingClassifier, HistGradientBoostingRegressor): _look_at_histogram,
}
