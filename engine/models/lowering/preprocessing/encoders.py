"""scikit-learn's encoders → steps: of categories, of ranges of numbers, and of numbers as splines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import factorial
from typing import Any

import numpy as np
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, SplineTransformer, TargetEncoder

from engine.models.data.array import Array
from engine.models.lowering.frames.columns import apart, lookup
from engine.models.lowering.result import NotLowered, Steps
from engine.models.runtime import steps as s


def _one_hot(step: Any) -> Steps:
    if step.handle_unknown not in ("error", "ignore") or step.min_frequency or step.max_categories:
        return _one_hot_of_infrequent(step)
    dropped = [-1] * len(step.categories_) if step.drop_idx_ is None else step.drop_idx_
    places = tuple(-1 if place is None else int(place) for place in dropped)
    return (s.OneHot(tuple(step.categories_), places, step.handle_unknown == "ignore"),)


def _one_hot_of_infrequent(step: Any) -> Steps:
    if step.drop is not None:
        raise NotLowered("OneHotEncoder with infrequent categories and drop")
    rare = getattr(step, "infrequent_categories_", None) or [None] * len(step.categories_)
    pairs = zip(step.categories_, rare, strict=True)
    return _asked(step, [len(known) - (0 if few is None else len(few) - 1) for known, few in pairs])


def _asked(step: Any, widths: Sequence[int]) -> Steps:
    """Return lookups of what an encoder makes of each category of a column; `widths` are the columns that it makes."""
    firsts = np.array([known[0] for known in step.categories_], object)
    columns = []
    for place, (known, width) in enumerate(zip(step.categories_, widths, strict=True)):
        begin = sum(widths[:place])
        rows = [_row(step, firsts, place, value) for value in (*known.tolist(), np.nan, *_others(known))]
        kept = [None if row is None else row[begin : begin + width] for row in rows]
        others = (kept[-2], kept[-1])
        columns.append(((place,), (lookup(known, kept[:-2], others, "Found unknown categories"),), width))
    return (apart(columns),)


def _others(known: Array) -> list[Any]:
    """Return a value that is none of the categories."""
    return ["engine: a category that nobody has"] if known.dtype.kind in "OU" else [float(np.nanmax(known)) + 1]


def _row(step: Any, firsts: Array, place: int, value: Any) -> Any:
    """Return what an encoder makes of one value, beside the first categories; None if it refuses it."""
    cells = firsts.copy()
    cells[place] = value
    rows = cells.reshape(1, -1) if any(known.dtype.kind in "OU" for known in step.categories_) else [cells.tolist()]
    try:
        made = step.transform(rows)
    except ValueError:
        return None
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made)[0].tolist()


def _target_encoder(step: Any) -> Steps:
    """Return a lookup for each column: the mean of each class, if there are several."""
    classes = len(step.classes_) if step.target_type_ == "multiclass" else 1
    means = np.atleast_1d(step.target_mean_).tolist()
    columns = []
    for place, known in enumerate(step.categories_):
        found = np.column_stack(step.encodings_[place * classes : (place + 1) * classes])
        gap = next((number for number, value in enumerate(known.tolist()) if value is None or value != value), None)  # noqa: PLR0124
        others = (means if gap is None else found[gap].tolist(), means)
        columns.append(((place,), (lookup(known, found, others),), classes))
    return (apart(columns),)


def _ordinal(step: Any) -> Steps:
    if step.min_frequency or step.max_categories:
        return _asked(step, [1] * len(step.categories_))
    codes = tuple(_codes(step, known) for known in step.categories_)
    return (s.Ordinal(tuple(step.categories_), codes, step.handle_unknown == "error"),)


def _codes(step: Any, known: Array) -> Array:
    """Return a number for each category and, as the last, the one for all other values."""
    codes = np.arange(len(known) + 1).astype(step.dtype)
    if len(known) and known[-1] != known[-1]:
        codes[-2] = step.encoded_missing_value
    if step.handle_unknown == "use_encoded_value":
        codes[-1] = step.unknown_value
    return codes


def _bins(step: Any) -> Steps:
    edges = tuple(edges[1:-1] for edges in step.bin_edges_)
    return (s.Check(), s.Bins(edges, step.encode != "ordinal"))


def _splines(step: Any) -> Steps:
    # scikit-learn moves the bounds of all columns but the first where it extrapolates lines by lines.
    is_uncertain = step.degree == 0 or (step.degree == 1 and step.extrapolation == "linear")
    if is_uncertain:
        raise NotLowered("SplineTransformer of degree 0, or of degree 1 with linear extrapolation")
    is_bound = step.extrapolation == "error"
    pieces = [_pieces(spline, step.extrapolation) for spline in step.bsplines_]
    edges, origins, coefficients = (np.array(arrays) for arrays in zip(*pieces, strict=True))
    kept = slice(None) if step.include_bias else slice(-1)
    wrap = _wrapped(step.bsplines_) if step.extrapolation == "periodic" else ()
    bound = (_bounds(step.bsplines_),) if is_bound else ()
    takes_gaps = getattr(step, "handle_missing", "error") == "zeros"
    filled = (s.Impute(np.zeros(1)),) if takes_gaps else ()
    pieces_of = s.Pieces(edges, origins, coefficients[..., kept])
    return (s.Check(missing=takes_gaps), *bound, *wrap, pieces_of, *filled)


def _bounds(splines: Any) -> s.Step:
    """Return the step that refuses values beyond the knots."""
    low, high = (np.array([spline.t[place] for spline in splines]) for place in (splines[0].k, -splines[0].k - 1))
    return s.Within(low, high, "X contains values beyond the limits of the knots.")


def _wrapped(splines: Any) -> Steps:
    """Return the steps that take a value into the period of its splines."""
    low = np.array([spline.t[spline.k] for spline in splines])
    period = np.array([spline.t[-spline.k - 1] for spline in splines]) - low
    if not (period > 0).all():
        raise NotLowered("SplineTransformer of a column that is always the same")
    return (s.Arithmetic("subtract", low), s.Arithmetic("remainder", period), s.Arithmetic("add", low))


def _pieces(spline: Any, extrapolation: str) -> tuple[Array, Array, Array]:
    """Return the edges between the polynomials of splines, the origin of each, and its coefficients."""
    knots, powers = spline.t[spline.k : len(spline.t) - spline.k], range(spline.k, -1, -1)
    low, high = knots[0], knots[-1]
    origins, edges = knots[:-1], knots[1:-1]
    inside = [[spline(origin, nu=power) / factorial(power) for power in powers] for origin in origins]
    if extrapolation in ("continue", "error", "periodic"):
        return edges, origins, np.array(inside)
    slopes = 1 if extrapolation == "linear" else 0
    outside = [
        [spline(end, nu=power) if power <= slopes else np.zeros(spline.c.shape[1]) for power in powers]
        for end in (low, high)
    ]
    return (
        np.array([low, *edges, high]),
        np.array([low, *origins, high]),
        np.array([outside[0], *inside, outside[1]]),
    )


ENCODERS: Mapping[type, Callable[[Any], Steps]] = {
    KBinsDiscretizer: _bins,
    OneHotEncoder: _one_hot,
    OrdinalEncoder: _ordinal,
    SplineTransformer: _splines,
    TargetEncoder: _target_encoder,
}
