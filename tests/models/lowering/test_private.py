"""Private parts of libraries: docs/decisions.md lists them all, and one that is gone is reported and harms nobody."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from modelling import FRAME, Serve, X, y
from sklearn import linear_model
from sklearn.compose import ColumnTransformer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer
from werkzeug.routing import Rule

from engine.models.estimators.column_selections import column_selections
from engine.models.lowering import sklearn_private as private

NUMBERED = [[0, 2], [-1], [], 1, slice(1, 3), np.array([True, False, True, False]), [False, True, False, True]]
NAMED = [
    "petal_width",
    ["petal_width", "sepal_length"],
    slice("sepal_width", "petal_length"),
    slice("sepal_width", None),
    slice(None, "sepal_width"),
    lambda frame: [name for name in frame.columns if name.startswith("petal")],
]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(rows, columns) for columns in NUMBERED for rows in (X, FRAME)] + [(FRAME, columns) for columns in NAMED],
)
@pytest.mark.parametrize("remainder", ["drop", "passthrough"])
def test_the_columns_of_a_part_are_those_that_scikit_learn_gives_it(rows: Any, columns: Any, remainder: str) -> None:
    flat = FunctionTransformer(lambda chosen: np.reshape(np.asarray(chosen), (len(chosen), -1)))
    fitted = ColumnTransformer([("chosen", flat, columns)], remainder=remainder).fit(rows)
    found = [places.tolist() for _, places in column_selections(fitted)]
    assert [list(fitted._transformer_to_input_indices[name]) for name, *_ in fitted.transformers_] == found


def test_a_model_whose_private_part_is_gone_stays_on_scikit_learn(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report names the part, and the version to install."""
    monkeypatch.setattr(private.sklearn, "__version__", "9.1.0")
    monkeypatch.delattr(linear_model, "_base")
    predictor = serve(KNeighborsClassifier().fit(X, y), runtime="auto")
    (failed,) = {trial.reason for trial in predictor.facts.report.trials if trial.candidate == "arrays"}
    assert (
        "scikit-learn 9.1.0 no longer has a private part that engine uses (sklearn.linear_model._base); "
        'install "scikit-learn<9.1.0"'
    ) == failed
    assert [0] == predictor([X[0].tolist()]).result


def private_names() -> Iterator[str]:
    """The private names that the engine's code reads, other than of itself."""
    for file in sorted((ROOT / "engine").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id in OWN):
                yield node.attr
            elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("engine"):
                yield from (part for part in (node.module or "").split("."))
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("private_part", "getattr", "hasattr"):
                yield from (one.value for one in node.args if isinstance(one, ast.Constant))


OWN = ("self", "cls", "s")
IS_PRIVATE = re.compile(r"_[a-z]\w*")
NOT_A_LIBRARYS = {"_exit", "_replace"}  # of os and of named tuples, both documented


def test_the_page_of_decisions_lists_every_private_part_that_is_used() -> None:
    used = {name for name in private_names() if isinstance(name, str) and IS_PRIVATE.fullmatch(name)} - NOT_A_LIBRARYS
    text = (ROOT / "docs" / "decisions.md").read_text()
    table = text.partition("## Private parts of libraries\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")]
    listed = {name for row in rows for part in re.findall(r"`([^`]+)`", row) for name in part.split(".")}
    assert used == {name for name in listed if IS_PRIVATE.fullmatch(name)}


def test_werkzeug_still_compiles_a_rules_builder_where_it_is_overridden() -> None:
    """Without it nothing fails, but building 10,000 routes takes three times as long."""
    assert hasattr(Rule, "_compile_builder")
