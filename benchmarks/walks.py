"""How long trees take for many rows: masks of leaves beside walking, and scikit-learn, on twelve ensembles.

python benchmarks/walks.py: no server and no network; 1,024 rows, all in turn, the quickest of some rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor

from engine.models.lowering.tree_tables import forest_table, gradient_boosting_table
from engine.models.runtime.native_trees import NativeTrees, build_library

ROWS, ROUNDS = 1024, 7
HEADING = "## Walking trees"
Case = tuple[str, Any, Any]


def _data(random: Any, width: int, count: int) -> tuple[Any, Any]:
    rows = random.normal(size=(count, width)).astype(np.float32).astype(float)
    return rows, rows[:, 0] * rows[:, 1] + rows[:, 2] + random.normal(size=count) * 0.3


def cases() -> Iterator[Case]:
    """Train the ensembles: shallow and deep, 10 to 1,000 trees, 4 to 500 features."""
    random = np.random.default_rng(0)
    forest, boosting = RandomForestRegressor, GradientBoostingRegressor
    rows, classes = load_iris(return_X_y=True)
    yield "300 trees, iris", RandomForestClassifier(300, random_state=1234).fit(rows, classes), rows
    rows, y = _data(random, 4, 2000)
    yield "100 trees of depth 4, 4 features", forest(100, max_depth=4, random_state=0).fit(rows, y), rows
    rows, y = _data(random, 20, 2000)
    yield "10 trees of depth 5, 20 features", forest(10, max_depth=5, random_state=0).fit(rows, y), rows
    yield "300 boosted trees of depth 3, 20 features", boosting(n_estimators=300, random_state=0).fit(rows, y), rows
    deeper = boosting(n_estimators=300, max_depth=6, random_state=0).fit(rows, y)
    yield "300 boosted trees of depth 6, 20 features", deeper, rows
    shallow = forest(1000, max_depth=8, max_features=0.3, random_state=0).fit(rows, y)
    yield "1,000 trees of depth 8, 20 features", shallow, rows
    yield "100 deep trees, 20 features", forest(100, random_state=0).fit(rows, y), rows
    yield "300 deep trees of classes, 20 features", RandomForestClassifier(300, random_state=0).fit(rows, y > 0), rows
    rows, y = _data(random, 50, 6000)
    narrow = boosting(n_estimators=1000, max_depth=5, max_features=8, random_state=0).fit(rows, y)
    yield "1,000 boosted trees of depth 5, 50 features", narrow, rows
    yield "200 deep trees, 50 features", forest(200, max_features=8, random_state=0).fit(rows, y), rows
    rows, y = _data(random, 500, 1500)
    few = boosting(n_estimators=100, max_features=30, random_state=0).fit(rows, y)
    yield "100 boosted trees of depth 3, 500 features", few, rows
    wide = forest(100, max_depth=10, max_features=30, random_state=0).fit(rows, y)
    yield "100 trees of depth 10, 500 features", wide, rows


def _quickest(calls: list[Callable[[], Any]]) -> list[float]:
    """Return the microseconds for a row of each call, in turn."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            best[number] = min(best[number], time.perf_counter() - begin)
    return [seconds / ROWS * 1e6 for seconds in best]


def walks() -> Iterator[tuple[str, int, float, float, float | None]]:
    """Measure each ensemble: its name, its leaves in a tree, and the µs of scikit-learn, of walking, and of masks."""
    random, library = np.random.default_rng(0), build_library()
    for name, model, seen in cases():
        is_boosted = isinstance(model, GradientBoostingRegressor)
        table = gradient_boosting_table(model, np.zeros(1)) if is_boosted else forest_table(model.estimators_)
        rows = seen[random.integers(0, len(seen), ROWS)] + random.normal(size=(ROWS, table.width)) * 0.1
        masked, walked = (NativeTrees(table, library, narrow=True, missing=False) for _ in range(2))
        walked.walk_only()
        leaves = int(np.add.reduceat(table.is_leaf, table.roots).max())
        calls = [lambda: model.predict(rows), lambda: walked(rows)]  # noqa: B023 - called in this round
        calls += [lambda: masked(rows)] * (not masked.is_walked)  # noqa: B023
        own, walking, *masking = _quickest(calls)
        assert masked(rows).tobytes() == walked(rows).tobytes()
        yield name, leaves, own, walking, masking[0] if masking else None


def walk_lines() -> list[str]:
    """Write the table of docs/benchmarks.md."""
    return [
        "",
        HEADING,
        "",
        "1,024 rows in one call, in one thread, without a network (`python benchmarks/walks.py`). Trees of up to 32 "
        "leaves are not walked: [masks](compiled-models.md#runtimes) find their leaves.",
        "",
        "| ensemble | leaves in a tree | scikit-learn, µs per row | walked | by masks | faster than walked |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {name} | {leaves} | {own:.1f} | {walking:.2f} | "
            + ("| |" if masking is None else f"{masking:.2f} | {walking / masking:.1f} |")
            for name, leaves, own, walking, masking in walks()
        ),
    ]


if __name__ == "__main__":
    print("\n".join(walk_lines()[4:]))
