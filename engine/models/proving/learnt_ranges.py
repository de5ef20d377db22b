"""The training inputs as far as a trained model reveals them: the ranges of values, and the known texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.estimators.estimator_parts import count_of, parts_of
from engine.models.lowering.tree_walk import TreeEnsemble
from engine.models.runtime import steps as s

MAX_TEXTS = 400
_DATA = ("support_vectors_", "_fit_X", "X_train_", "cluster_centers_", "theta_", "means_", "exemplars_")


def learnt_ranges(estimator: Any, walk: TreeEnsemble | None) -> Mapping[int, tuple[float, float]]:
    """Return the range of each feature, as far as the model's first parts or its trees reveal it."""
    for part in parts_of(estimator):
        found = _range_of(part)
        if found is not None and len(found[0]) == getattr(estimator, "n_features_in_", -1):
            low, high = (np.nan_to_num(np.asarray(bound, dtype=np.float64)) for bound in found)
            return {place: (float(low[place]), float(high[place])) for place in range(len(low))}
    return {} if walk is None else _threshold_ranges(walk, count_of(estimator) or walk.table.width)


def known_texts(estimator: Any) -> list[str]:
    """Return words and categories that the model's encoders and vectorizers know, a bounded number."""
    texts: list[str] = []
    for part in parts_of(estimator):
        vocabulary = getattr(part, "vocabulary_", None)
        if isinstance(vocabulary, Mapping):
            texts += sorted(vocabulary)[:MAX_TEXTS]
        for categories in getattr(part, "categories_", ()):
            texts += [value for value in np.asarray(categories).tolist() if isinstance(value, str)][:MAX_TEXTS]
    return list(dict.fromkeys(texts))


def _range_of(part: Any) -> tuple[Array, Array] | None:
    if hasattr(part, "data_min_"):
        return part.data_min_, part.data_max_
    if getattr(part, "mean_", None) is not None and getattr(part, "scale_", None) is not None:
        return part.mean_ - 3 * part.scale_, part.mean_ + 3 * part.scale_
    if getattr(part, "center_", None) is not None and getattr(part, "scale_", None) is not None:
        return part.center_ - 3 * part.scale_, part.center_ + 3 * part.scale_
    for name in _DATA:
        rows = getattr(part, name, None)
        if isinstance(rows, np.ndarray) and rows.ndim == 2 and len(rows):  # noqa: PLR2004
            return rows.min(axis=0), rows.max(axis=0)
    if getattr(part, "components_", None) is not None and getattr(part, "mean_", None) is not None:
        spread = 3 * np.sqrt(np.abs(getattr(part, "explained_variance_", np.ones(1))).sum())
        return part.mean_ - spread, part.mean_ + spread
    return None


def _threshold_ranges(walk: TreeEnsemble, count: int) -> Mapping[int, tuple[float, float]]:
    found = {}
    for place, thresholds in learnt_thresholds(walk, count).items():
        low, high = float(thresholds.min()), float(thresholds.max())
        margin = 0.2 * (high - low) or max(1.0, abs(low))
        found[place] = (low - margin, high + margin)
    return found


def learnt_thresholds(walk: TreeEnsemble, count: int) -> Mapping[int, Array]:
    """Return the thresholds of each of `count` columns that reaches the trees as it is."""
    table, origins = walk.table, _origins(walk.before, range(count))
    inner = table.nodes[~table.is_leaf & np.isfinite(table.nodes["threshold"])]
    return {
        origins[feature]: np.unique(inner["threshold"][inner["feature"] == feature])
        for feature in np.unique(inner["feature"]).tolist()
        if feature < len(origins) and origins[feature] is not None
    }


def _origins(steps: Sequence[s.Step], columns: Sequence[Any]) -> Sequence[Any]:
    """Return the original column of each column behind some steps, None if it is none, as far as their number is known.

    `columns` are those before the steps.
    """
    for step in steps:
        match step:
            case s.Select():
                columns = [columns[place] for place in step.columns]
            case s.Ordinal():
                columns = [None] * len(step.categories)
            case s.Concatenate():
                columns = _joined_origins(step, columns)
            case s.Cast() | s.Check() | s.Clip() | s.Impute() | s.Narrow() | s.WholeAsSingle():
                continue
            case _:
                return ()
    return columns


def _joined_origins(step: s.Concatenate, columns: Sequence[Any]) -> Sequence[Any]:
    joined: list[Any] = []
    for branch in step.branches:
        found = _origins(branch, columns)
        if not found:
            break
        joined += found
    return joined
