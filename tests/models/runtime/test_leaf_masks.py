"""Small trees are not walked: leaf_masks.c finds their leaves. Held against numpy, and against scikit-learn itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestClassifier

from engine.models.lowering.tree_tables import forest_table, histogram_table
from engine.models.runtime.leaf_masks import GROUP, MOST_LEAVES, suits
from engine.models.runtime.native_trees import NativeTrees, build_library
from engine.models.runtime.tree_table import NODE, TreeTable

FLOATS = st.floats(allow_nan=False, width=32)


@st.composite
def tables(draw: st.DrawFn) -> TreeTable:
    """Make an ensemble of random small trees, some of which are a leaf alone."""
    width, outputs = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    nodes: list[tuple[float, int, int]] = []
    roots, leaves, count = [], [], 0
    for _ in range(draw(st.integers(1, 12))):
        begin = len(nodes)
        roots.append(begin)
        nodes.append((np.inf, 0, begin))
        open_leaves = [begin]
        for _ in range(draw(st.integers(0, MOST_LEAVES - 1))):
            at = open_leaves.pop(draw(st.integers(0, len(open_leaves) - 1)))
            left = len(nodes)
            nodes[at] = (draw(FLOATS), draw(st.integers(0, width - 1)), left)
            nodes += [(np.inf, 0, left), (np.inf, 0, left + 1)]
            open_leaves += [left, left + 1]
    for at, (_, _, left) in enumerate(nodes):
        leaves.append(count if left == at else 0)
        count += left == at
    values = np.array(
        draw(st.lists(st.lists(FLOATS, min_size=outputs, max_size=outputs), min_size=count, max_size=count))
    )
    arrays = np.array(nodes, NODE), np.zeros(len(nodes), np.uint8), np.array(roots, np.int32)
    return TreeTable(
        *arrays, np.array(leaves, np.int32), np.ascontiguousarray(values, np.float64), width, draw(st.booleans())
    )


@settings(max_examples=300, deadline=None)
@given(tables(), st.data())
def test_leaves_are_those_that_numpy_walks_to(table: TreeTable, data: st.DataObject) -> None:
    thresholds = table.nodes["threshold"][~table.is_leaf]
    cells = st.one_of(FLOATS, st.sampled_from(thresholds.tolist()) if len(thresholds) else FLOATS)
    row = st.lists(cells, min_size=table.width, max_size=table.width)
    rows = np.array(data.draw(st.lists(row, min_size=8, max_size=21)))
    with np.errstate(over="ignore", invalid="ignore"):
        expected = table.sum_leaves(rows)
    for narrow in (False, True):
        if narrow and not np.isfinite(rows).all():
            continue
        trees = NativeTrees(table, build_library(), narrow, missing=True)
        assert suits(table) != trees.is_walked == (not len(thresholds))
        assert expected.tobytes() == trees(rows).tobytes()


@pytest.mark.parametrize("count", [1, GROUP, GROUP + 1, 3 * GROUP - 1])
@pytest.mark.parametrize("rows", [8, 9, 1000])
def test_a_forest_of_any_size_answers_as_scikit_learn_does(count: int, rows: int) -> None:
    """Its groups of trees are summed in the order of the trees."""
    random = np.random.default_rng(count)
    cells = random.normal(size=(500, 3))
    forest = RandomForestClassifier(count, max_leaf_nodes=20, random_state=0).fit(cells, cells[:, 0] > cells[:, 1])
    asked = np.concatenate([cells, random.normal(size=(500, 3))])[:rows]
    table = forest_table(forest.estimators_)
    assert suits(table)
    sums = NativeTrees(table, build_library(), narrow=True, missing=False)(asked)
    assert forest.predict_proba(asked).tobytes() == (sums / count).tobytes()


def test_trees_that_share_branches_are_walked() -> None:
    """A set of categories is a few nodes with the same branches below."""
    random = np.random.default_rng(0)
    cells = random.integers(0, 12, size=(400, 2)).astype(float)
    y = np.isin(cells[:, 0], (1, 4, 5, 9)) * 2.0 + cells[:, 1] / 7
    boosting = HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=4, categorical_features=[0]).fit(cells, y)
    table = histogram_table(boosting)
    assert not suits(table)
    assert suits(histogram_table(HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=4).fit(cells, y)))


def test_larger_trees_and_gaps_are_walked() -> None:
    cells = np.random.default_rng(0).normal(size=(300, 3))
    gaps = np.where(cells < -1, np.nan, cells)
    small = RandomForestClassifier(5, max_leaf_nodes=MOST_LEAVES, random_state=0).fit(gaps, cells[:, 0] > 0)
    large = GradientBoostingRegressor(n_estimators=2, max_depth=None).fit(cells, cells[:, 0])
    assert not suits(forest_table(large.estimators_[:, 0]))
    table = forest_table(small.estimators_)
    assert suits(table)
    trees: Any = NativeTrees(table, build_library(), narrow=True, missing=True)
    assert small.predict_proba(gaps).tobytes() == (trees(gaps) / 5).tobytes()
