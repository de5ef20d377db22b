"""The columns of each part of a ColumnTransformer, by its documented behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer

from engine.models.data.array import Array


def column_selections(part: ColumnTransformer) -> Iterator[tuple[Any, Array]]:
    """Return each fitted step of a ColumnTransformer, or "drop" or "passthrough", with the numbers of its columns."""
    names = {name: place for place, name in enumerate(getattr(part, "feature_names_in_", ()))}
    for _, step, columns in part.transformers_:
        yield step, _places(columns, names, part.n_features_in_)


def _places(columns: Any, names: Mapping[str, int], count: int) -> Array:
    every = np.arange(count)
    if isinstance(columns, slice):
        start, stop = (names[end] if isinstance(end, str) else end for end in (columns.start, columns.stop))
        if isinstance(columns.stop, str):
            stop += 1  # a slice of names includes its end, as in pandas
        return every[start : stop : columns.step]
    chosen = np.atleast_1d(np.asarray(columns, dtype=None if len(np.atleast_1d(columns)) else np.int64))
    if chosen.dtype.kind in "OU":
        return np.array([names[name] for name in chosen.tolist()], np.int64)
    computed: Array = every[chosen]
    return computed
