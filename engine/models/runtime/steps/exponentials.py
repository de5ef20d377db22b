"""Exponentials with the same bits as those that XGBoost, LightGBM, CatBoost and InterpretML call.

numpy's own differs from the C library's in the last bit: of float64 on some processors, of float32 on all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.models.data.array import Array

_LARGEST = 709.782712893384  # whose exponential is a float64

# expf of glibc and musl: 2^(k/32) times a polynomial of the rest, in float64.
_PIECES = 32
_POWERS = np.exp2(np.arange(_PIECES) / _PIECES)
_LISTED = _POWERS.tolist()
_FEW = 16
_LOG2_E = float.fromhex("0x1.71547652b82fep+0") * _PIECES
_CUBIC = float.fromhex("0x1.c6af84b912394p-5") / _PIECES**3
_SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / _PIECES**2
_LINEAR = float.fromhex("0x1.62e42ff0c52d6p-1") / _PIECES

# expd of fmath, which CatBoost contains: a table of 2^(k/2048), whose bits are put beside those of the exponent.
_BITS = 11
_TABLE = np.array([math.pow(2.0, place / 2**_BITS) for place in range(2**_BITS)]).view(np.int64) & (2**52 - 1)
_SCALE = 2**_BITS / math.log(2.0)
_ROUNDING = float(3 << 51)  # adding it leaves an integer in the last bits
_EXPONENT = (1 << (_BITS + 10)) - (1 << _BITS)
_C2, _C3 = 0.16666666685227835064, 3.0000000027955394
_LEAST, _MOST = -708.39641853226408, 709.78271289338397

# exp of the Vector Class Library, which InterpretML contains: 2^k times a polynomial of the rest.
_TERMS = tuple(1 / math.factorial(power) for power in range(14))
_PER_LN2 = 1.44269504088896340736
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.42860682030941723212e-6
_END = 708.25


def _exp_of_c(values: Array) -> Array:
    """Compute the C library's `exp`, one by one."""
    try:
        return np.array([*map(math.exp, values.ravel().tolist())]).reshape(values.shape)
    except OverflowError:
        flat = np.minimum(values, _LARGEST).ravel().tolist()
        computed = np.array([*map(math.exp, flat)]).reshape(values.shape)
        return np.where(values > _LARGEST, np.inf, computed)


def _exp_single(values: Array) -> Array:
    """Compute the C library's `expf`: float32."""
    if values.size <= _FEW:
        flat = [_one_single(value) for value in values.ravel().tolist()]
        return np.array(flat, np.float32).reshape(values.shape)
    scaled = np.clip(values.astype(np.float64), -200.0, 200.0) * _LOG2_E  # float32 has no results beyond
    whole = np.rint(scaled)
    rest = scaled - whole
    count = np.nan_to_num(whole).astype(np.int64)
    power = np.ldexp(_POWERS[count % _PIECES], count // _PIECES)
    polynomial = (_CUBIC * rest + _SQUARE) * (rest * rest) + (_LINEAR * rest + 1)
    computed: Array = (polynomial * power).astype(np.float32)
    return computed


def _one_single(value: float) -> float:
    """Compute the same for one number, which takes a fraction of the time."""
    if value != value:  # noqa: PLR0124 - NaN
        return value
    scaled = min(max(value, -200.0), 200.0) * _LOG2_E
    whole = round(scaled)
    rest = scaled - whole
    polynomial = (_CUBIC * rest + _SQUARE) * (rest * rest) + (_LINEAR * rest + 1)
    return polynomial * math.ldexp(_LISTED[whole % _PIECES], whole // _PIECES)


def _exp_fmath(values: Array) -> Array:
    """Compute fmath's `expd`."""
    inside = np.clip(values, _LEAST, _MOST)
    shifted = inside * _SCALE + _ROUNDING
    bits = shifted.view(np.int64)
    rest = (shifted - _ROUNDING) * (1 / _SCALE) - inside
    power = (((bits + _EXPONENT) >> _BITS) << 52) | _TABLE[bits & (2**_BITS - 1)]
    computed = ((_C3 - rest) * (rest * rest) * _C2 - rest + 1.0) * power.view(np.float64)
    return np.where(values <= _LEAST, 0.0, np.where(values >= _MOST, np.inf, computed))


def _exp_vectorclass(values: Array) -> Array:
    """Compute the Vector Class Library's `exp`."""
    if values.size <= _FEW:
        return np.array([_one_vectorclass(value) for value in values.ravel().tolist()]).reshape(values.shape)
    whole = np.rint(np.clip(values, -_END, _END) * _PER_LN2)
    power = np.ldexp(_plus_one(values - whole * _LN2_HIGH - whole * _LN2_LOW), np.nan_to_num(whole).astype(np.int32))
    return np.where(values > _END, np.inf, np.where(values < -_END, 0.0, power))


def _one_vectorclass(value: float) -> float:
    """Compute the same for one number, which takes a fraction of the time."""
    if not -_END <= value <= _END:
        return math.inf if value > 0 else 0.0 if value < 0 else value
    whole = round(value * _PER_LN2)
    return math.ldexp(_plus_one(value - whole * _LN2_HIGH - whole * _LN2_LOW), whole)


def _plus_one(x: Any) -> Any:
    """Sum the terms of the exponential's series, in that library's order."""
    _, _, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13 = _TERMS
    x2 = x * x
    x4 = x2 * x2
    high = (c13 * x + c12) * x4 + ((c11 * x + c10) * x2 + (c9 * x + c8))
    low = ((c7 * x + c6) * x2 + (c5 * x + c4)) * x4 + ((c3 * x + c2) * x2 + x)
    return high * (x4 * x4) + low + 1.0


EXPONENTIALS: Mapping[str, Callable[[Array], Array]] = {
    "libm": _exp_of_c,
    "single": _exp_single,
    "fmath": _exp_fmath,
    "vectorclass": _exp_vectorclass,
}
