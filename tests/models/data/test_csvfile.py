"""A CSV is read cell by cell or, which must be the same, many cells at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.models.data.csv_file import read_cell, read_cells

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"[-+ ]?[0-9]{0,20}\.?[0-9]{0,20}([eE][-+]?[0-9]{1,3})?", fullmatch=True),
)
WORDS = st.sampled_from(
    ["", " ", "NA", "null", "true", "False", "NaN", "Infinity", "1,2", "[1", "2]", '"a', 'b"', "{}"]
)
TEXTS = st.one_of(NUMBERS, WORDS, st.text(alphabet='0123456789.,-+eE[]{}":nul tru\\', max_size=6))


def typed(values: list[object]) -> list[tuple[type, object]]:
    """Values with their types, by which 1 is neither 1.0 nor True."""
    return [(type(value), value) for value in values]


@given(st.lists(TEXTS, max_size=8))
def test_cells_are_read_together_as_they_are_read_one_by_one(texts: list[str]) -> None:
    assert typed([*map(read_cell, texts)]) == typed(read_cells(texts))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "2.5", "", "-0", "1e3"], [1, 2.5, None, 0, 1000.0]),
        (["1,2", "3"], ["1,2", 3]),
        (["[1", "2]"], ["[1", "2]"]),
        (['"a', 'b"', "1"], ['"a', 'b"', 1]),
        (["1]+[2", "3"], ["1]+[2", 3]),
        (["9007199254740993", "-9223372036854775808", "18446744073709551616"], [2**53 + 1, -(2**63), 2.0**64]),
        (["9007199254740991", "-9007199254740991"], [2**53 - 1, 1 - 2**53]),
        (["1e999", "1"], [None, 1]),
        (["true", "null", "NA"], [True, None, None]),
    ],
)
def test_cells_that_together_look_like_others_are_what_they_are(texts: list[str], expected: list[object]) -> None:
    assert typed(expected) == typed(read_cells(texts))
