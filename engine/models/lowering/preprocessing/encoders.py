"""scikit-learn's encoders → steps: of categories, of ranges of numbers, and of numbers as splines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import factorial
from typing import Any

import numpy as np
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, SplineTransformer

from engine.models.data.array import Array
from engine.models.lowering.result import NotLowered, Steps
from engine.models.runtime import steps as s


def _one_hot(step: Any) -> Steps:
    if step.handle_unknown not in ("error", "ignore") or step.min_frequency or step.max_categories:
        raise NotLowered("OneHotEncoder with infrequent categories")
    dropped = [-1] * len(step.categories_) if step.drop_idx_ is None else step.drop_idx_
    places = tuple(-1 if place is None else int(place) for place in dropped)
    return (s.OneHot(tuple(step.categories_), places, step.handle_unknown == "ignore"),)


def _ordinal(step: Any) -> Steps:
    if step.min_frequency or step.max_categories:
        raise NotLowered("OrdinalEncoder with infrequent categories")
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
    if is_uncertain or step.extrapolation == "error" or getattr(step, "handle_missing", "error") != "error":
        raise NotLowered("SplineTransformer with this extrapolation, degree or handle_missing")
    pieces = [_pieces(spline, step.extrapolation) for spline in step.bsplines_]
    edges, origins, coefficients = (np.array(arrays) for arrays in zip(*pieces, strict=True))
    kept = slice(None) if step.include_bias else slice(-1)
    wrap = _wrapped(step.bsplines_) if step.extrapolation == "periodic" else ()
    return (s.Check(), *wrap, s.Pieces(edges, origins, coefficients[..., kept]))


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
    if extrapolation in ("continue", "periodic"):
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
}
