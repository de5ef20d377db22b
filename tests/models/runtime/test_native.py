"""Trees in C, and the same trees walked by numpy where a process may load no code: the same bits, the same refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modelling import X, y
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingClassifier, RandomForestClassifier

from engine.models.lowering.lower import lower_estimator
from engine.models.lowering.trees import tree as plain_trees
from engine.models.runtime import native_trees as native
from engine.models.runtime.answer import Refusal
from engine.models.runtime.native_trees import NativeTrees, build_library, load_library
from engine.models.runtime.tree_table import TreeTable

GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
ESTIMATORS = {
    "a forest of classes": RandomForestClassifier(20, random_state=0).fit(X, y),
    "a forest of several numbers": ExtraTreesRegressor(7, random_state=0).fit(X, X[:, :2] / 3),
    "boosting over gaps": HistGradientBoostingClassifier(max_iter=5).fit(GAPS, y),
}


def table_of(estimator: Any) -> TreeTable:
    found: list[TreeTable] = []

    def record(table: TreeTable) -> Callable[[Any], Any]:
        found.append(table)
        return lambda rows: rows

    lower_estimator(estimator, "predict", record, probabilities=False)
    return found[0]


@pytest.fixture
def no_loading(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A system on which code can be loaded neither from memory nor from a disk."""

    def forbid() -> None:
        def refuse(*_: object) -> None:
            raise OSError("failed to map segment from shared object")

        load_library.cache_clear()
        monkeypatch.setattr(native, "_walks", refuse)

    yield forbid
    load_library.cache_clear()


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(("narrow", "missing"), [(False, True), (False, False), (True, True), (True, False)])
def test_numpy_walks_the_same_trees_to_the_same_bits(
    name: str, narrow: bool, missing: bool, no_loading: Callable[[], None]
) -> None:
    table, library = table_of(ESTIMATORS[name]), build_library()
    in_c = NativeTrees(table, library, narrow, missing)
    assert "" == in_c.unloaded
    no_loading()
    by_numpy = NativeTrees(table, library, narrow, missing)
    assert "failed to map segment from shared object" == by_numpy.unloaded
    inner = table.nodes[~table.is_leaf]
    on_threshold = np.tile(X[:1], (len(inner), 1))
    on_threshold[np.arange(len(inner)), inner["feature"]] = inner["threshold"]
    wild = np.array([[1e38, -1e38, 0.0, -0.0], [np.inf, -np.inf, 1.0, 1.0], [1e39, 1.0, 1.0, 1.0]])
    for rows in (X, X[:1], GAPS, on_threshold, np.nextafter(on_threshold, np.inf), *np.split(wild, 3)):
        assert answer(in_c, rows) == answer(by_numpy, rows)


def answer(trees: NativeTrees, rows: Any) -> Any:
    try:
        return trees(rows).tobytes()
    except Refusal as refusal:
        return str(refusal)


def test_rows_that_may_not_be_written_are_walked_alike() -> None:
    trees = NativeTrees(table_of(ESTIMATORS["a forest of classes"]), build_library())
    for count in (0, 1, 2, len(X)):
        rows = X[:count].copy()
        expected = trees(rows).tobytes()
        rows.flags.writeable = False
        assert expected == trees(rows).tobytes()


def test_leaves_of_the_same_value_share_it() -> None:
    """Pure leaves are most of a forest's; their values would push everything else out of a processor's cache."""
    table = table_of(ESTIMATORS["a forest of classes"])
    assert len(table.values) < 40 < table.is_leaf.sum()
    assert len(table.values) == len({row.tobytes() for row in table.values})
    with_zeros = np.array([[0.0], [-0.0], [0.0]])
    distinct, row = plain_trees._distinct(with_zeros)
    assert with_zeros.tobytes() == distinct[row].tobytes()


def test_rows_beyond_what_is_walked_at_a_time_are_summed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(ESTIMATORS["a forest of classes"])
    whole = table.sum_leaves(X)
    monkeypatch.setattr("engine.models.runtime.tree_table._WALKS", 45)  # two rows of twenty trees
    assert whole.tobytes() == table.sum_leaves(X).tobytes()


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_one_library_is_loaded_once_and_leaves_one_file_open() -> None:
    library, table = build_library(), table_of(ESTIMATORS["a forest of classes"])
    NativeTrees(table, library)
    before = open_files()
    for _ in range(20):
        NativeTrees(table, library)
    assert before == open_files()


def test_what_cannot_be_loaded_leaves_no_file_open(no_loading: Callable[[], None]) -> None:
    library, table = build_library(), table_of(ESTIMATORS["a forest of classes"])
    no_loading()
    before = open_files()
    for _ in range(20):
        NativeTrees(table, library)
    assert before == open_files()


def test_another_library_is_not_taken_for_the_first() -> None:
    """The system's loader knows a library by its file's name, and both are of the same kind of file."""
    first = build_library()
    other = np.append(first, np.zeros(1, np.uint8))
    walks = [load_library(library.tobytes())[0] for library in (first, other)]
    addresses = {native.ctypes.cast(walk, native.ctypes.c_void_p).value for walk in walks}
    assert 2 == len(addresses)
