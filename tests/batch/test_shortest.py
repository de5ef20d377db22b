"""Narrow floats become the numbers that numpy writes of them."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from engine.batch.tensors.shortest import shortest_numbers


def written(cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return cells.astype(str).astype(np.float64)


def hold(cells: np.ndarray[Any, Any]) -> None:
    found = shortest_numbers(cells)
    np.testing.assert_array_equal(written(cells), found)
    with np.errstate(over="ignore"):
        assert cells.tobytes() == found.astype(cells.dtype).tobytes()


def test_every_float16_is_the_number_that_numpy_writes() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    hold(every[~np.isnan(every)])


@pytest.mark.parametrize("seed", range(4))
def test_float32_of_any_bits_is_the_number_that_numpy_writes(seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 2**32, 50_000, dtype=np.uint64).astype(np.uint32)
    cells = bits.view(np.float32)
    hold(cells[~np.isnan(cells)])


@pytest.mark.parametrize("places", range(9))
def test_a_decimal_number_is_itself_again(places: int) -> None:
    """As far as float32 tells it from others: 6 digits always do."""
    decimals = np.round(np.random.default_rng(places).random(20_000) * 10 ** (6 - places % 7), places % 7)
    few = np.array([float(f"{number:.6g}") for number in decimals.tolist()])
    np.testing.assert_array_equal(few, shortest_numbers(few.astype(np.float32)))
    hold(decimals.astype(np.float32))


def test_powers_of_ten_and_of_two_and_the_ends_are_right() -> None:
    with np.errstate(over="ignore"):
        tens = np.array([float(f"1e{exponent}") for exponent in range(-45, 39)]).astype(np.float32)
    twos = np.ldexp(np.float32(1), np.arange(-149, 128)).astype(np.float32)
    ends = np.array([0.0, -0.0, np.inf, -np.inf, np.finfo(np.float32).max, np.finfo(np.float32).tiny], np.float32)
    for cells in (tens, twos, np.nextafter(tens, np.float32(0)), np.nextafter(twos, np.float32(np.inf)), ends, -ends):
        hold(cells)


def test_what_has_no_number_and_what_is_wide_stays() -> None:
    assert np.isnan(shortest_numbers(np.array([np.nan], np.float32)))[0]
    wide = np.array([7.900000095367432, np.nan])
    np.testing.assert_array_equal(wide, shortest_numbers(wide))
    assert 7.9 == shortest_numbers(np.array([7.9], np.float32))[0]


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_the_least_numbers_take_no_more_memory_than_others(kind: type) -> None:
    """They are read from texts, which have 128 bytes each."""
    cells = np.full(1_000_000, np.finfo(kind).smallest_subnormal, kind)
    shortest_numbers(cells[:1])
    tracemalloc.start()
    shortest_numbers(cells)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80 * len(cells)
