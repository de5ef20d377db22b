"""`diff` says what a new file for a model would change, held against the estimators themselves."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from modelling import NAMES, OBJECT, ROW, SPECIES, X, y
from modelling import row as input_of
from modules import INPUT, save_model, write_module
from serving import command
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from engine import create_app, lock_models
from engine.commands import cli
from engine.errors import SpecError
from engine.isolation import LostProcess, Step
from engine.schema import Validator

OLD = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, SPECIES[y])
NEW = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, SPECIES[y])
BOUNDED = {**OBJECT, "properties": {name: {"type": "number", "minimum": 0, "maximum": 8} for name in NAMES}}

DATES = pd.DataFrame({"day": ["2025-06-03", "2024-02-29", "2023-12-31"]})

Write = Callable[..., None]


def as_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(float)


def day_of_month(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"day": pd.to_datetime(frame["day"]).dt.day})


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Write:
    """Write two files and an entry for the first of them."""
    request.getfixturevalue("in_place")
    monkeypatch.setattr("engine.models.comparing.compare.ROUNDS", 1)
    monkeypatch.setattr("engine.models.proving.comparison.TIMING_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)

    def make(old: Any, new: Any, **keys: Any) -> None:
        joblib.dump(old, "m-1.pkl")
        if new is not None:
            joblib.dump(new, "m-2.pkl", compress=3)
        entry = {"file": "m-1.pkl", "input": ROW, **keys}
        Path("models.yaml").write_text(json.dumps({"models": {"m": entry}}, indent=1))
        Path("routes.yaml").write_text("routes: [{path: /p, model: m}]")

    return make


def diff(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["diff", *(arguments or ("m", "m-2.pkl"))])


def told(*arguments: str) -> dict[str, Any]:
    done = diff("m", "m-2.pkl", "--json", *arguments)
    assert done.exit_code in (0, 1), done.stdout
    return json.loads(done.stdout)


def reference(rows: Any = X) -> None:
    np.savetxt("rows.csv", rows, "%g", ",", header=",".join(NAMES), comments="")


def test_the_same_model_in_another_file_changes_nothing(write: Write) -> None:
    write(OLD, OLD, output={"probabilities": True})
    done = diff()
    assert (0, "") == (done.exit_code, done.stderr)
    assert done.stdout.splitlines()[-1].startswith("the same answers to ")
    assert (0, []) == (told()["differ"], told()["rows"])


def test_rows_that_differ_are_those_on_which_the_estimators_differ(write: Write) -> None:
    write(
        OLD,
        NEW,
        input=BOUNDED,
        reference="rows.csv",
        examples=[{"input": dict(zip(NAMES, X[0].tolist(), strict=True)), "result": "setosa"}],
    )
    reference()
    done, found = diff(), told("--rows", "10000")
    sources = {one["source"]: one for one in found["sources"]}
    expected = int((OLD.predict(X) != NEW.predict(X)).sum())
    assert expected > 0
    assert (1, 150, expected) == (done.exit_code, sources["reference"]["asked"], sources["reference"]["differ"])
    assert (1, 0) == (sources["examples"]["asked"], sources["examples"]["differ"])
    assert sources["made up"]["asked"] > 500
    answered = found["asked"] - sum(one["refused_by_both"] for one in found["sources"])
    assert f"{found['differ']:,} of {answered:,} rows differ" == done.stdout.splitlines()[-1]
    for row in found["rows"]:
        cells = [[row["input"][name] for name in NAMES]]
        assert (OLD.predict(cells)[0], NEW.predict(cells)[0]) == (row["current"]["result"], row["new"]["result"])
        assert row["current"] != row["new"]
        assert Validator(BOUNDED).is_valid(row["input"])


def test_rows_that_both_models_refuse_are_no_proof_that_they_agree(write: Write) -> None:
    """Both models take numbers as text, and no text that is made up is a number."""
    frame = pd.DataFrame({"a": ["1", "2"]})
    texts = make_pipeline(FunctionTransformer(as_numbers), LinearRegression()).fit(frame, [1, 2])
    examples = [{"input": {"a": "1"}, "result": 1.0}]
    write(texts, texts, input=input_of(a={"type": "string"}), examples=examples)
    done = diff()
    assert (0, "the same answers to 1 row") == (done.exit_code, done.stdout.splitlines()[-1])
    made_up = next(one for one in told()["sources"] if one["source"] == "made up")
    assert made_up["asked"] == made_up["refused_by_both"] > 0
    assert re.search(r"^made up +([\d,]+) +\1 +0 +0 *$", done.stdout, re.MULTILINE)


def test_without_a_row_to_compare_nothing_is_the_same(write: Write) -> None:
    """No text matches the pattern, so that `check` only warns, and `diff` must not say that the models agree."""
    frame = pd.DataFrame({"a": ["1", "2"]})
    texts = make_pipeline(FunctionTransformer(as_numbers), LinearRegression()).fit(frame, [1, 2])
    write(texts, texts, input=input_of(a={"type": "string", "pattern": "^[^\\s\\S]$"}))
    done = diff()
    assert 2 == done.exit_code
    assert "no rows could be made up that the input's schema allows" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("neither model answers any of these rows, so nothing was compared")


def test_dates_are_made_up(write: Write) -> None:
    first, second = (
        make_pipeline(FunctionTransformer(day_of_month), LinearRegression()).fit(DATES, target)
        for target in ([1, 2, 3], [3, 2, 1])
    )
    write(first, second, input=input_of(day={"type": "string", "format": "date"}))
    made_up = next(one for one in told()["sources"] if one["source"] == "made up")
    assert made_up["asked"] * 0.9 < made_up["differ"] > 100  # on one day of a month, both answer the same


def test_a_row_of_the_reference_is_named_by_its_line(write: Write) -> None:
    write(OLD, NEW, input=OBJECT, reference="rows.csv")
    place = int(np.flatnonzero(OLD.predict(X) != NEW.predict(X))[0])
    reference(X[[0, place, 1]])
    row = next(one for one in told("--rows", "10000")["rows"] if one["source"] == "reference")
    assert (3, X[place].tolist()) == (row["place"], [*row["input"].values()])
    assert "reference, line 3" in diff("m", "m-2.pkl", "--rows", "10000").stdout


def test_rows_for_a_table_are_made_up_of_what_the_served_model_has_learnt(write: Write) -> None:
    """They are of categories that it knows, and its trees tell where the numbers lie."""
    frame = pd.DataFrame({"plan": ["free", "pro"] * 75, "size": X[:, 2] * 1000})
    old, new = (
        make_pipeline(
            make_column_transformer((OrdinalEncoder(), ["plan"]), remainder="passthrough"),
            DecisionTreeClassifier(max_depth=depth, random_state=0),
        ).fit(frame, SPECIES[y])
        for depth in (1, 2)
    )
    properties = {"plan": {"enum": ["free", "pro"]}, "size": {"type": "number"}}
    write(old, new, input={"type": "object", "required": ["plan", "size"], "properties": properties})
    found = told("--rows", "10000")
    assert 0 < found["differ"] == len(found["rows"]) < found["asked"]
    for differing in found["rows"]:
        asked = pd.DataFrame([differing["input"]])
        results = differing["current"]["result"], differing["new"]["result"]
        assert (old.predict(asked)[0], new.predict(asked)[0]) == results


def test_the_largest_difference_is_that_of_the_probabilities(write: Write) -> None:
    old, new = (LogisticRegression(C=C, max_iter=900).fit(X, y) for C in (1.0, 0.5))
    write(old, new, input=OBJECT, reference="rows.csv", output={"probabilities": True})
    reference()
    found = {one["source"]: one for one in told()["sources"]}["reference"]
    apart = np.abs(old.predict_proba(X) - new.predict_proba(X))
    assert pytest.approx(apart.max()) == found["largest_difference"]
    others = int((old.predict(X) != new.predict(X)).sum())
    assert (int((apart.max(axis=1) > 1e-6).sum()), others) == (found["differ"], found["other_results"])
    wide = {one["source"]: one for one in told("--tolerance", "0.1")["sources"]}["reference"]
    assert int(((apart.max(axis=1) > 0.1) | (old.predict(X) != new.predict(X))).sum()) == wide["differ"]


def test_numbers_differ_by_their_share(write: Write) -> None:
    old, new = (LinearRegression().fit(X, y * factor + 10) for factor in (1.0, 1.01))
    write(old, new, input=OBJECT, reference="rows.csv")
    reference()
    found = {one["source"]: one for one in told("--tolerance", "0.0005")["sources"]}["reference"]
    one, other = old.predict(X), new.predict(X)
    apart = np.abs(one - other)
    differ = apart > 0.0005 * np.maximum(np.abs(one), np.abs(other))
    assert 0 < differ.sum() < len(X)
    assert (int(differ.sum()), pytest.approx(apart[differ].max())) == (found["differ"], found["largest_difference"])
    assert 0 == told("--tolerance", "1")["differ"]


def test_a_row_that_only_one_of_them_takes_differs(write: Write) -> None:
    gaps = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 4, "maxItems": 4}
    examples = [{"input": [None, 1, 1, 1], "result": 0}]
    new = LinearRegression().fit(X, y)
    old = make_pipeline(SimpleImputer(), LinearRegression()).fit(X, y)
    examples[0]["result"] = float(old.predict([[np.nan, 1, 1, 1]])[0])
    write(old, new, input=gaps, examples=examples)
    row = next(one for one in told("--rows", "10000")["rows"] if one["source"] == "examples")
    assert (1, None) == (row["place"], row["difference"])
    assert "NaN" in row["new"]["refused"]
    assert ["result"] == [*row["current"]]


def test_both_runtimes_and_speeds_stand_side_by_side(write: Write) -> None:
    write(OLD, LogisticRegression(max_iter=500).fit(X, SPECIES[y]))
    done, found = diff(), told()
    cells = [re.split(" {2,}", line.strip()) for line in done.stdout.splitlines()[:10]]
    sides = {fact: (one, other) for fact, one, other in (cells[0], *cells[2:])}
    assert ("current", "new") == sides["m"]
    assert ("m-1.pkl", "m-2.pkl") == sides["file"]
    assert ("DecisionTreeClassifier", "LogisticRegression") == sides["estimator"]
    assert {"features", "classes", "runtime", "µs for 1 row", "µs for 1,000"} < {*sides}
    assert {"native", "onnx"} >= {found["current"]["runtime"]}
    assert "numpy" == found["new"]["runtime"]
    for side in (found["current"], found["new"]):
        assert 0 < side["seconds_for_1"] < side["seconds_for_1000"]


def test_examples_are_not_held_against_the_new_file_and_check_holds_them_all_the_same(write: Write) -> None:
    """What diff has compiled does not pass for what has passed its examples."""
    place = int(np.flatnonzero(OLD.predict(X) != NEW.predict(X))[0])
    examples = [{"input": X[place].tolist(), "result": OLD.predict(X[[place]])[0]}]
    write(OLD, NEW, examples=examples)
    assert 1 == diff().exit_code
    assert 1 == {one["source"]: one for one in told()["sources"]}["examples"]["differ"]
    Path("models.yaml").write_text(Path("models.yaml").read_text().replace("m-1.pkl", "m-2.pkl"))
    with pytest.raises(SpecError, match="the model answers"):
        create_app()


def test_nothing_is_pinned_or_changed(write: Write) -> None:
    write(OLD, NEW)
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    diff()
    assert before == {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}


def test_a_file_that_is_pinned_is_compared_and_another_in_its_place_is_not_opened(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(OLD, NEW)
    lock_models()
    assert 1 == diff().exit_code
    joblib.dump(NEW, "m-1.pkl")
    monkeypatch.setattr("joblib.load", lambda _: pytest.fail("opened"))
    done = diff()
    assert 2 == done.exit_code
    assert "the file differs from its pin" in done.stderr


WRONG: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "no such model": (NEW, ("n", "m-2.pkl"), 'there is no model "n"'),
    "no such file": (None, (), "m-2.pkl: error: the model's file cannot be read: No such file or directory"),
    "its own file": (None, ("m", "./m-1.pkl"), 'is the file of "m" itself; name its successor'),
    "no model": ({"a": 1}, (), "m-2.pkl: error: "),
    "other columns": (
        DecisionTreeClassifier().fit(X[:, :3], y),
        (),
        "(with m-2.pkl)",
    ),
    "another ending": (NEW, ("m", "m-2.bin"), 'm-2.bin: error: unknown model format ".bin"'),
    "no such option": (NEW, ("m", "m-2.pkl", "--tolerance", "2"), "--tolerance"),
    "no number": (NEW, ("m", "m-2.pkl", "--tolerance", "nan"), '"nan" is not a number from 0 to 1'),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_told_with_status_2(name: str, write: Write) -> None:
    new, arguments, expected = WRONG[name]
    write(OLD, new, output={"probabilities": True})
    Path("m-2.bin").write_bytes(b"x")
    done = diff(*arguments)
    assert (2, "") == (done.exit_code, done.stdout)
    assert expected in done.stderr


def test_mistakes_are_told_as_json_too(write: Write) -> None:
    write(OLD, {"a": 1})
    done = diff("m", "m-2.pkl", "--json")
    found = json.loads(done.stdout)
    assert (2, False, "m-2.pkl") == (done.exit_code, found["ok"], found["diagnostics"][0]["file"])


def lose(*_: object, **__: object) -> None:
    raise LostProcess(Step("loading", "m-2.pkl"), "it took more than 300 seconds; ENGINE_CHECK_SECONDS allows more")


def test_a_process_that_is_lost_is_told_at_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(OLD, NEW)
    monkeypatch.setattr("engine.isolation.run_isolated", lose)
    done = diff()
    assert 2 == done.exit_code
    assert "m-2.pkl: error: stopped while loading: it took more than 300 seconds; " in done.stderr


class Endless:
    """Never finishes loading."""

    def __reduce__(self) -> Any:
        return exec, ("while True: pass",)


@pytest.mark.soak
def test_a_file_that_never_finishes_loading_is_stopped(write: Write) -> None:
    """In the process of its own that loads it."""
    write(OLD, None)
    Path("m-2.pkl").write_bytes(pickle.dumps(Endless()))
    done = subprocess.run(
        command("diff", "m", "m-2.pkl"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "ENGINE_CHECK_SECONDS": "5"},
    )
    assert 2 == done.returncode
    assert "m-2.pkl: error: stopped while loading: it took more than 5 seconds" in done.stderr


def test_a_file_finds_the_modules_beside_models_yaml(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(LinearRegression().fit(X[:, :2], X[:, 0]), None, input=INPUT)
    write_module(tmp_path, "1 + 1")
    save_model(tmp_path / "m-2.pkl")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = diff("m", str(tmp_path / "m-2.pkl"), "-r", str(tmp_path / "routes.yaml"), "--json")
    found = json.loads(done.stdout)
    assert (1, "Scale") == (done.exit_code, found["new"]["estimator"])
    for row in found["rows"]:
        assert (row["input"][0], 2 * row["input"][0]) == pytest.approx((row["current"]["result"], row["new"]["result"]))


class Centred(RegressorMixin, BaseEstimator):
    """Answers with the distance from the mean of the batch, as no model should."""

    def fit(self, rows: Any, targets: Any) -> Centred:  # noqa: ARG002
        self.n_features_in_ = np.shape(rows)[1]
        return self

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows)[:, 0] - np.mean(rows)


def test_a_warning_of_the_new_file_names_it(write: Write) -> None:
    write(LinearRegression().fit(X, y), Centred().fit(X, y))
    warned = "m-2.pkl: warning: the model's answer to a row depends on the other rows of the batch"
    assert diff().stderr.startswith(warned)
    (found,) = told()["diagnostics"]
    assert ("warning", "m-2.pkl", 0) == (found["severity"], found["file"], found["line"])
