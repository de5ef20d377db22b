"""The oldest Python that the README promises is the one that all tests run on."""

from __future__ import annotations

import os
import re
import sys
import tomllib

import numpy as np
import pytest
from conftest import ROOT
from modelling import Serve
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def oldest() -> str:
    return re.search(r"needs\s+Python (\d+\.\d+) or newer", (ROOT / "README.md").read_text())[1]


def test_everything_names_the_same_oldest_python() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = (
        settings["project"]["requires-python"],
        settings["tool"]["mypy"]["python_version"],
        settings["tool"]["ruff"]["target-version"],
    )
    assert (f">={oldest()}", oldest(), f"py{oldest().replace('.', '')}") == named
    assert f"export PYTHON=python{oldest()} " in (ROOT / ".ci" / "run").read_text()
    assert f"--python-version {oldest()} " in (ROOT / "Makefile").read_text()


@pytest.mark.skipif("CI" not in os.environ, reason="people test with the Python that they have")
def test_ci_runs_on_it() -> None:
    assert oldest() == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_whole_numbers_beside_texts_in_an_array_are_proof_rows(serve: Serve) -> None:
    """Cells of an array of objects are Python's own numbers, and an `int` has no `is_integer` before Python 3.12."""
    rows = np.array([["a", 1], ["b", 2], ["a", 3], ["b", 1]], dtype=object)
    estimator = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(rows, [0, 1, 0, 1])
    properties = {"letter": {"type": "string"}, "number": {"type": "integer"}}
    schema = {"type": "object", "required": ["letter", "number"], "properties": properties}
    predictor = serve(estimator, input=schema, examples=[{"input": {"letter": "a", "number": 1}, "result": 0}])
    assert [1, 0] == predictor([{"letter": "b", "number": 3}, {"letter": "a", "number": 2}]).result
