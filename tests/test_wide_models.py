"""Models of thousands of columns: what is done for each column and for each row of a proof has a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from modelling import Serve
from sklearn.linear_model import LinearRegression

from engine.models.interview import MAX_ASKED, refused_gaps
from engine.spec import Feature, Outline

COUNT = 1_000


class Asked:
    """A model that answers unless one of some features is missing, and counts how often it is asked."""

    def __init__(self, needed: Sequence[str]) -> None:
        self.needed = set(needed)
        self.times = 0

    def __call__(self, instances: Sequence[Mapping[str, Any]]) -> Any:
        self.times += 1
        if not all(self.needed <= set(instance) for instance in instances):
            raise ValueError("missing")
        return type("Prediction", (), {"result": [0]})


NAMES = [f"c{place}" for place in range(COUNT)]


@pytest.mark.parametrize(
    ("needed", "most"),
    [([], 1), (["c7"], 2 * int(np.ceil(np.log2(COUNT))) + 1), (NAMES, MAX_ASKED)],
    ids=["none", "one", "all"],
)
def test_which_gaps_a_model_refuses_is_found_by_halves(needed: list[str], most: int) -> None:
    outline = Outline(title="", features=tuple(Feature(name=name, gaps=True) for name in NAMES))
    asked = Asked(needed)
    assert set(needed) == refused_gaps(asked, outline, dict.fromkeys(NAMES, 1))
    assert asked.times <= most


def test_a_wide_model_is_proven_on_fewer_rows(serve: Serve) -> None:
    """What is done for each cell of its proof has a bound."""
    rows = np.random.default_rng(0).normal(size=(10, COUNT))
    schema = {"type": "array", "items": {"type": "number"}, "minItems": COUNT, "maxItems": COUNT}
    report = serve(LinearRegression().fit(rows, rows[:, 0]), input=schema).facts.report
    assert "exact" == report.verdict
    assert 50 <= report.rows <= 500
