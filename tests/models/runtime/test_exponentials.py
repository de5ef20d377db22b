"""The exponentials of boosters have the bits of the C library's, which is asked for each number."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest
from scipy.special import expit

from engine.models.runtime import steps
from engine.models.runtime.steps.exponentials import EXPONENTIALS

random = np.random.default_rng(0)
NUMBERS = np.concatenate(
    [
        *(random.normal(size=20_000) * scale for scale in (0.01, 1, 10, 100)),
        [0.0, -0.0, 88.7, 88.72283, -87.33654, -103.97208, -1e30, -np.inf, 1e-45],
    ]
)


def test_single_is_expf() -> None:
    expf = ctypes.CDLL(None).expf
    expf.restype, expf.argtypes = ctypes.c_float, [ctypes.c_float]
    numbers = NUMBERS.astype(np.float32)
    numbers = numbers[numbers < 88.7]  # beyond which no booster asks
    expected = np.array([expf(number) for number in numbers.tolist()], np.float32)
    assert expected.tobytes() == EXPONENTIALS["single"](numbers).tobytes()


def test_libm_is_exp_and_overflows_to_infinity() -> None:
    numbers = np.append(NUMBERS, [709.782712893384, 709.7827128933841, np.inf])
    expected = [math.exp(number) if number <= 709.782712893384 else np.inf for number in numbers.tolist()]
    assert expected == EXPONENTIALS["libm"](numbers).tolist()


@pytest.mark.parametrize("name", EXPONENTIALS)
def test_one_number_has_the_bits_that_it_has_among_many(name: str) -> None:
    dtype = np.float32 if name == "single" else np.float64
    numbers = NUMBERS[::40].astype(dtype)
    with np.errstate(over="ignore"):
        alone = [EXPONENTIALS[name](numbers[place : place + 1])[0] for place in range(len(numbers))]
        assert np.array(alone, dtype).tobytes() == EXPONENTIALS[name](numbers).tobytes()


def test_fmath_is_nearly_exp() -> None:
    """Its bits are held against CatBoost's in lowering/test_boosters."""
    numbers = NUMBERS[np.abs(NUMBERS) < 700]
    expected = np.array([*map(math.exp, numbers.tolist())])
    np.testing.assert_allclose(EXPONENTIALS["fmath"](numbers), expected, rtol=1e-13)
    assert [0.0, np.inf] == EXPONENTIALS["fmath"](np.array([-800.0, 800.0])).tolist()


def test_probabilities_of_scores_are_those_that_scikit_learn_computes() -> None:
    """In the last bit too, in which numpy's exponential differs for one number in fifty."""
    numbers = np.append(NUMBERS, [np.inf, 710.0, -710.0, 1e308])
    np.testing.assert_array_equal(expit(numbers), steps.Logistic()(numbers))
