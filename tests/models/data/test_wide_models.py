"""Models of thousands of columns: what is done for each column and for each row of a proof has a bound."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from click.testing import CliRunner
from modelling import Serve
from sklearn.linear_model import LinearRegression

from engine.commands import cli
from engine.models.data import csv_file as csvfile
from engine.models.data.dtypes import Dtype
from engine.models.data.instances import TrainedInput, fit_columns
from engine.models.data.reference import reference_instances
from engine.models.outlining.interview import MAX_ASKED, refused_gaps
from engine.models.proving import proof_rows as proofrows
from engine.schema import Validator
from engine.spec import Outline, OutlinedFeature, bare_model

COUNT = 1_000


class Asked:
    """A model that answers unless one of some features is null, and counts how often it is asked."""

    def __init__(self, needed: Sequence[str]) -> None:
        self.needed = set(needed)
        self.times = 0

    def __call__(self, instances: Sequence[Mapping[str, Any]]) -> Any:
        self.times += 1
        if any(instance[name] is None for instance in instances for name in self.needed):
            raise ValueError("missing")
        return type("Prediction", (), {"result": [0]})


NAMES = [f"c{place}" for place in range(COUNT)]


@pytest.mark.parametrize(
    ("needed", "most"),
    [([], 1), (["c7"], 2 * int(np.ceil(np.log2(COUNT))) + 1), (NAMES, MAX_ASKED)],
    ids=["none", "one", "all"],
)
def test_which_gaps_a_model_refuses_is_found_by_halves(needed: list[str], most: int) -> None:
    outline = Outline(title="", features=tuple(OutlinedFeature(name=name, gaps=True) for name in NAMES))
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


def wide(count: int, kind: str = "number") -> Outline:
    return Outline(title="", features=tuple(OutlinedFeature(name=f"c{place}", kind=kind) for place in range(count)))


def test_rows_of_numbers_are_read_and_judged_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("c0,c1,c2\n1,2.5,-3\n4,5,6e2\n")
    model = bare_model(tmp_path / "m.pkl", (), wide(3), file)
    monkeypatch.setattr(csvfile, "read_cell", None)
    monkeypatch.setattr(Validator, "of_part", None)
    expected = [{"c0": 1, "c1": 2.5, "c2": -3}, {"c0": 4, "c1": 5, "c2": 600.0}]
    assert expected == [*reference_instances(model)]


def test_the_proof_asks_a_bounded_part_of_a_reference(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 2))
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{one},{other}\n" for one, other in rows.tolist()))
    schema = {
        "type": "object",
        "required": ["a", "b"],
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
    }
    asked = []
    for most in (500_000, 20):
        monkeypatch.setattr(proofrows, "MAX_CELLS", most)
        model = LinearRegression().fit(rows, rows[:, 0] + most)
        asked.append(serve(model, input=schema, reference="rows.csv").facts.report.rows)
    assert 40 - 11 == asked[0] - asked[1]


@pytest.mark.usefixtures("in_place")
def test_init_loads_a_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    joblib.dump(LinearRegression().fit([[0.0, 1.0], [1.0, 3.0]], [0, 1]), "model.pkl")
    loaded, load = [], joblib.load
    monkeypatch.setattr(joblib, "load", lambda file: loaded.append(file) or load(file))
    assert 0 == CliRunner().invoke(cli, ["init", "model.pkl"]).exit_code
    assert 1 == len(loaded)


def fastest(work: Callable[[], object]) -> float:
    """The CPU time of a call, the best of several."""
    found = []
    for _ in range(7):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


def fitted(count: int) -> Callable[[], object]:
    """Fitting an input to a model that knows its names."""
    outline = wide(count)
    names = tuple(feature.name for feature in outline.features)
    model = bare_model(Path("m.pkl"), (), outline)
    return lambda: fit_columns(model, TrainedInput(count, names))


class Words(list[str]):
    """Words that can be looked up by their numbers, and not copied."""

    def __iter__(self) -> Any:
        raise AssertionError


def test_a_text_is_made_up_without_copying_all_words() -> None:
    outline = wide(1, "string")
    model = bare_model(Path("m.pkl"), (), outline)
    fitting = fit_columns(model, TrainedInput(1, ("c0",), dtypes={"c0": Dtype("string", ("a", "b"))}))
    maker = proofrows.RowMaker(model, fitting, {})
    words = Words(["c", "d", "e"])
    assert {*"abcde", "zzz"} == {maker._text(0, words, is_tame=False) for _ in range(200)}


@pytest.mark.alone
def test_an_input_of_eight_times_the_columns_fits_in_about_eight_times_as_long() -> None:
    """Where each column is held against all others, it is 64 times."""
    assert fastest(fitted(4000)) < 24 * fastest(fitted(500))
