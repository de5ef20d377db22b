"""Trees whose levels have one test each are not walked: symmetric_trees.c finds their leaves, those of numpy's walk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from catboost import CatBoostClassifier
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.models.lowering.boosters.catboost_json import read_model
from engine.models.lowering.trees.single import at_most
from engine.models.runtime.native_trees import NativeTrees, build_library
from engine.models.runtime.symmetric_trees import are_symmetric
from engine.models.runtime.tree_table import NODE, TreeTable

FLOATS = st.floats(allow_nan=False, width=32)


@st.composite
def tables(draw: st.DrawFn) -> TreeTable:
    """Make an ensemble of symmetric trees; thresholds are any numbers, or those of comparisons in float32."""
    width, outputs, in_float32 = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.booleans())
    nodes: list[tuple[float, int, int]] = []
    roots, missing, leaves, values = [], [], [], 0
    for levels in draw(st.lists(st.integers(0, 7), min_size=1, max_size=9)):
        root = len(nodes)
        roots.append(root)
        for level in range(levels):
            threshold = draw(FLOATS) if in_float32 else draw(st.floats(allow_nan=False))
            feature, to_right = draw(st.integers(0, width - 1)), draw(st.integers(0, 1))
            for place in range(2**level - 1, 2 ** (level + 1) - 1):
                nodes.append(
                    (
                        float(at_most(np.array([threshold]))[0]) if in_float32 else threshold,
                        feature,
                        root + 2 * place + 1,
                    )
                )
                missing.append(to_right)
                leaves.append(0)
        for _ in range(2**levels):
            nodes.append((np.inf, 0, len(nodes)))
            missing.append(0)
            leaves.append(values)
            values += 1
    numbers = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(values, outputs))
    return TreeTable(
        np.array(nodes, NODE), np.array(missing, np.uint8), np.array(roots, np.int32), np.array(leaves, np.int32),
        numbers, width, draw(st.booleans()),
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(tables(), st.data())
def test_leaves_are_those_that_numpy_walks_to(table: TreeTable, data: st.DataObject) -> None:
    thresholds = table.nodes["threshold"][~table.is_leaf]
    with np.errstate(over="ignore"):
        near = np.concatenate(
            [np.nextafter(thresholds, side) for side in (-np.inf, 0.0, np.inf)] + [thresholds, [np.nan]]
        )
    row = st.lists(st.one_of(FLOATS, st.sampled_from(near.tolist())), min_size=table.width, max_size=table.width)
    some = np.array(data.draw(st.lists(row, min_size=1, max_size=9)))
    trees = NativeTrees(table, build_library())
    assert are_symmetric(table) != trees.is_walked == (not len(thresholds))
    for rows in (some, np.tile(some, (23, 1))):  # with and without vectors, and more than a block
        assert table.sum_leaves(rows).tobytes() == trees(rows).tobytes()


@pytest.mark.parametrize("rows", [1, 7, 8, 64, 65, 1000])
def test_a_model_of_catboost_answers_as_catboost_does(rows: int) -> None:
    random = np.random.default_rng(3)
    cells = random.normal(size=(1000, 6))
    cells[random.random(cells.shape) < 0.1] = np.nan
    model = CatBoostClassifier(40, depth=7, verbose=0, thread_count=1, allow_writing_files=False)
    model.fit(cells, np.nan_to_num(cells[:, 0]) > 0)
    found = read_model(model)
    trees = NativeTrees(found.table(6), build_library())
    assert not trees.is_walked
    raw = trees(np.ascontiguousarray(cells[:rows]).astype(np.float32)).ravel() * found.scale + found.bias
    assert model.predict(cells[:rows], prediction_type="RawFormulaVal").tobytes() == raw.tobytes()


def test_one_other_test_in_a_level_makes_trees_that_are_walked() -> None:
    leaves = np.array([0, 0, 0, 0, 1, 2, 3], np.int32)
    nodes = [(0.5, 0, 1), (1.5, 1, 3), (1.5, 1, 5), *((np.inf, 0, place) for place in range(3, 7))]
    table = TreeTable(
        np.array(nodes, NODE), np.zeros(7, np.uint8), np.zeros(1, np.int32), leaves, np.arange(4.0)[:, None], 2
    )
    assert are_symmetric(table)
    for name, value in (("threshold", 1.25), ("feature", 0), ("left", 3)):
        changed = table.nodes.copy()
        changed[name][2] = value
        assert not are_symmetric(replace(table, nodes=changed))
    assert not are_symmetric(replace(table, missing_right=np.array([0, 0, 1, 0, 0, 0, 0], np.uint8)))
    lopsided = np.array([(0.5, 0, 1), (1.5, 1, 3), *((np.inf, 0, place) for place in range(2, 5))], NODE)
    assert not are_symmetric(replace(table, nodes=lopsided, missing_right=np.zeros(5, np.uint8), leaves=leaves[2:]))
