"""The short way from objects to columns makes what the long one makes, or leaves it to that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RefusedInstance
from engine.models.data.dtypes import Dtype, column_makers
from engine.models.data.plain_tables import plain_columns

DTYPES = {"f": Dtype("float"), "i": Dtype("int"), "b": Dtype("bool"), "s": Dtype("string"), "g": Dtype("float")}
EDGES = [0, 1, -1, 2**53, 2**53 + 1, -(2**53), -(2**53) - 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400]
INTEGERS = st.sampled_from(EDGES) | st.integers(-(2**70), 2**70)
NUMBERS = INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 1e308, 5e-324, 2.0**53])
INSTANCES = st.fixed_dictionaries(
    {
        "f": NUMBERS,
        "i": INTEGERS | st.sampled_from([3.0, 2.5]),
        "b": st.booleans(),
        "s": st.text(max_size=3),
        "g": NUMBERS,
    }
)


def the_long_way(instances: list[dict[str, Any]]) -> dict[str, Any] | str:
    made: dict[str, Any] = {}
    try:
        for names, make in column_makers(DTYPES):
            made.update(zip(names, make([[one[name] for name in names] for one in instances]), strict=True))
    except (RefusedInstance, OverflowError) as error:
        return type(error).__name__
    return made


@given(st.lists(INSTANCES, min_size=1, max_size=4))
def test_columns_are_those_of_the_long_way(instances: list[dict[str, Any]]) -> None:
    make = plain_columns(DTYPES)
    assert make is not None
    found, expected = make(instances), the_long_way(instances)
    if found is None:
        return
    assert isinstance(expected, dict)
    for name, column in found.items():
        assert expected[name].dtype == column.dtype
        assert (
            expected[name].tobytes() == column.tobytes() if column.dtype != object else [*expected[name]] == [*column]
        )


@pytest.mark.parametrize("count", [1, 3])
def test_usual_instances_take_the_short_way(count: int) -> None:
    """Numbers that are whole too, and however many rows."""
    make = plain_columns(DTYPES)
    assert make is not None
    made = make([{"f": 1.5, "i": 7, "b": True, "s": "é", "g": 2, "other": None}] * count)
    assert made is not None
    assert {"f": 1.5, "i": 7, "b": True, "s": "é", "g": 2.0} == {name: cells[-1] for name, cells in made.items()}
    assert [np.float64, np.int64, np.bool_, object, np.float64] == [cells.dtype for cells in made.values()]


GOOD = {"f": 1.5, "i": 7, "b": True, "s": "x", "g": 2}


@pytest.mark.parametrize(
    "changed",
    [{"f": None}, {"f": True}, {"i": 2.5}, {"i": True}, {"i": 2**63}, {"b": 1}, {"s": None}, {"g": 2**53}, {"g": "1"}],
)
def test_a_value_that_is_to_be_judged_is_left_to_the_long_way(changed: dict[str, Any]) -> None:
    make = plain_columns(DTYPES)
    assert make is not None
    assert make([{**GOOD, **changed}]) is None
    assert make([GOOD, {**GOOD, **changed}]) is None
    lacking = {name: value for name, value in GOOD.items() if name not in changed}
    assert (make([lacking]), make([GOOD, lacking])) == (None, None)


@pytest.mark.parametrize("dtypes", [{"a": Dtype("float")}, {"a": Dtype("float"), "t": Dtype("datetime")}])
def test_other_columns_have_no_short_way(dtypes: dict[str, Dtype]) -> None:
    assert plain_columns(dtypes) is None
