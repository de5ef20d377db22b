"""The corpus: its recipes are whole, and its judge sees what differs. The models themselves are `make corpus`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from conftest import ROOT

HERE = ROOT / "tests" / "corpus"
RECIPES = yaml.safe_load((HERE / "recipes.yaml").read_text())


@pytest.fixture(autouse=True)
def _modules_of_the_corpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(HERE)
    yield
    for name in ("data", "judge"):
        sys.modules.pop(name, None)


def test_there_are_enough_models_each_with_a_name_of_its_own() -> None:
    names = Counter((library, one["name"]) for library, listed in RECIPES.items() for one in listed)
    assert names.total() >= 120
    assert 1 == max(names.values())


def test_every_recipe_has_rows_and_a_target() -> None:
    import data

    for rows, target in {(one["rows"], one["target"]) for listed in RECIPES.values() for one in listed}:
        found = [len(part) for part in data.load(rows, target)]
        assert (rows, [data.TRAINED + data.ASKED] * 2) == (rows, found)


@pytest.mark.parametrize(
    ("expected", "actual", "is_told"),
    [
        ([1, 2], [1, 2], False),
        ([0.1, 1e6], [0.1 + 1e-16, 1e6 + 1], False),
        ([1.0], [1.1], True),
        ([1], [1.0], True),
        ([1], [True], True),
        (["a"], ["b"], True),
        ([1, 2], [1], True),
        ([[1]], [1], True),
        ([1], [[1]], True),
    ],
)
def test_the_judge_sees_values_types_and_lengths(expected: Any, actual: Any, is_told: bool) -> None:
    import judge

    assert is_told == bool(judge._difference(expected, actual, 1e-9))
