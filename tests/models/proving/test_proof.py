"""The proof lets nothing wrong through: planted errors are caught, and models made to break a naive conversion hold."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from modelling import ROW, TEXTS, Serve, X, y
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, RobustScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from engine.errors import RefusedInstance, SpecError
from engine.models.data.reference import reference_instances
from engine.models.estimators.inspection import inspect_estimator
from engine.models.estimators.margins import margin_of
from engine.models.estimators.sklearn_runtime import SklearnRuntime
from engine.models.lowering.skl2onnx_graph import estimator_program
from engine.models.proving import candidates
from engine.models.proving import choice as choosing
from engine.models.proving.candidates import CANDIDATES, Subject
from engine.models.proving.comparison import Judgement, examine_baseline, judge_candidate
from engine.models.proving.learnt_ranges import known_texts, learnt_ranges
from engine.models.proving.proof_rows import RowMaker
from engine.models.runtime import steps as s
from engine.models.runtime.native_trees import NativeTrees
from engine.models.runtime.program import Program
from engine.models.runtime.tree_table import TreeTable
from engine.spec import load_spec

random = np.random.default_rng(7)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
WIDE, CLASS = make_classification(800, 12, n_informative=8, n_classes=4, random_state=3)


class Tried:
    """A model with scikit-learn's answers to its proof rows."""

    def __init__(self, estimator: Any, folder: Path, **keys: Any) -> None:
        (folder / "m.pkl").write_bytes(b"")
        (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
        (folder / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.pkl", "input": ROW, **keys}}}))
        self.model = load_spec(folder / "routes.yaml").models["m"]
        self.subject = Subject(self.model, inspect_estimator(self.model, estimator))
        self.baseline = SklearnRuntime(estimator, self.model.response_method, probabilities=False)
        walk = candidates._walk(self.subject)
        maker = RowMaker(self.model, self.subject.inspected.columns, learnt_ranges(estimator, walk))
        with np.errstate(all="ignore"):
            rows = maker.rows(walk, known_texts(estimator))
            self.examination = examine_baseline(self.baseline, margin_of(self.subject.inspected), rows)

    def program(self, name: str) -> Program:
        return CANDIDATES[name][1](self.subject)

    def judge(self, program: Program) -> Judgement:
        with np.errstate(all="ignore"):
            return judge_candidate(self.examination, program)


def with_trees(program: Program, table: TreeTable) -> Program:
    def other(step: Any) -> Any:
        return NativeTrees(table, step.library, step.narrow, step.missing) if isinstance(step, NativeTrees) else step

    return replace(program, scores=tuple(map(other, program.scores)))


def trees_of(program: Program) -> TreeTable:
    (step,) = (step for step in program.scores if isinstance(step, NativeTrees))
    return step.table


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    estimator = RandomForestClassifier(12, random_state=0).fit(X, y)
    return Tried(estimator, tmp_path_factory.mktemp("forest"))


def test_what_is_right_is_exact(forest: Tried) -> None:
    for name in ("trees in C", "trees in onnxruntime"):
        outcome = forest.judge(forest.program(name))
        assert ("exact", 0.0, "") == (outcome.verdict, outcome.worst, outcome.reason)


@pytest.mark.parametrize("towards", [-np.inf, np.inf])
def test_every_threshold_moved_by_one_ulp_is_caught_by_its_bits(towards: float, forest: Tried) -> None:
    program = forest.program("trees in C")
    table = trees_of(program)
    for inner in np.flatnonzero(~table.is_leaf):
        nodes = table.nodes.copy()
        nodes["threshold"][inner] = np.nextafter(nodes["threshold"][inner], towards)
        planted = with_trees(program, replace(table, nodes=nodes))
        assert "its trees are not the model's: nodes differ" == candidates._changed_trees(
            planted, forest.subject.tables
        )


@pytest.mark.parametrize("before", [[], [StandardScaler()]], ids=["alone", "behind a scaler"])
def test_every_threshold_moved_by_one_float32_is_caught_by_rows(before: list[Any], tmp_path: Path) -> None:
    """Of a tree whose leaves all differ, so that no move is without effect."""
    tree = DecisionTreeRegressor(max_leaf_nodes=40, random_state=0)
    estimator = make_pipeline(*before, tree).fit(FRACTIONS, np.arange(600.0))
    tried = Tried(estimator, tmp_path, input=wide(6))
    program = tried.program("trees in C")
    table = trees_of(program)
    assert "exact" == tried.judge(program).verdict
    for inner in np.flatnonzero(~table.is_leaf):
        for towards in (-np.inf, np.inf):
            nodes = table.nodes.copy()
            threshold = np.float32(nodes["threshold"][inner])
            moved = np.nextafter(threshold, np.float32(towards))
            nodes["threshold"][inner] = np.nextafter(moved, np.float32(towards))
            outcome = tried.judge(with_trees(program, replace(table, nodes=nodes)))
            assert "wrong" == outcome.verdict, (inner, towards)


def test_two_swapped_leaves_are_caught_wherever_they_are(forest: Tried) -> None:
    program = forest.program("trees in C")
    table = trees_of(program)
    leaves = table.values
    for first in range(0, len(leaves) - 1, 5):
        second = next((n for n in range(first + 1, len(leaves)) if (leaves[n] != leaves[first]).any()), None)
        if second is None:
            continue
        values = leaves.copy()
        values[[first, second]] = values[[second, first]]
        planted = with_trees(program, replace(table, values=values))
        assert "values" in candidates._changed_trees(planted, forest.subject.tables)


def test_swapped_leaves_of_a_tree_are_caught_by_rows(tmp_path: Path) -> None:
    tried = Tried(DecisionTreeClassifier(random_state=0).fit(X, y), tmp_path)
    program = tried.program("trees in C")
    table = trees_of(program)
    for first in range(len(table.values) - 1):
        if (table.values[first] == table.values[first + 1]).all():
            continue
        values = table.values.copy()
        values[[first, first + 1]] = values[[first + 1, first]]
        outcome = tried.judge(with_trees(program, replace(table, values=values)))
        assert "wrong" == outcome.verdict
        assert " instead of " in outcome.reason


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1], [2, 1, 0]])
def test_a_permuted_class_is_caught(order: list[int], forest: Tried) -> None:
    program = forest.program("trees in C")
    planted = replace(program, result=(s.Choose(np.array(order)),))
    assert "wrong" == forest.judge(planted).verdict


def test_answering_what_is_refused_is_caught(forest: Tried) -> None:
    program = forest.program("trees in C")
    table = trees_of(program)
    library = program.scores[0].library
    lenient = replace(program, scores=(NativeTrees(table, library), *program.scores[1:]))
    outcome = forest.judge(lenient)
    assert "wrong" == outcome.verdict
    strict = replace(program, scores=(s.Check(), s.Arithmetic("multiply", np.array(1e30)), *program.scores))
    outcome = forest.judge(strict)
    assert "it rejects input that scikit-learn accepts" in outcome.reason


def test_other_types_of_the_same_value_are_caught(forest: Tried) -> None:
    program = forest.program("trees in C")
    planted = replace(program, result=(s.Choose(np.array([0.0, 1.0, 2.0])),))
    assert "it gives another shape or type" in forest.judge(planted).reason


def test_a_float32_graph_of_a_deep_tree_behind_a_scaler_is_caught(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0))
    estimator.fit(np.round(X * 1e6 + random.normal(size=X.shape), 3), random.integers(0, 3, len(X)))
    tried = Tried(estimator, tmp_path)
    naive = estimator_program(estimator, "predict", "float32", (s.Check(dtype="float32"),), probabilities=False)
    outcome = tried.judge(naive)
    assert "wrong" == outcome.verdict
    assert "exact" == tried.judge(tried.program("trees in C")).verdict


def test_ties_are_left_out_and_counted(tmp_path: Path) -> None:
    estimator = LogisticRegression(max_iter=1000).fit(X, y)
    estimator.coef_[1] = estimator.coef_[0]
    estimator.intercept_[1] = estimator.intercept_[0]
    tried = Tried(estimator, tmp_path)
    program = tried.program("arrays")
    assert "exact" == tried.judge(program).verdict
    (dot,) = (step for step in program.scores if isinstance(step, s.Dot))
    favoured = dot.matrix.copy()
    favoured[1] = np.nextafter(favoured[1], np.inf)
    outcome = tried.judge(replace(program, scores=(program.scores[0], s.Dot(favoured, True), *program.scores[2:])))
    assert ("close", True) == (outcome.verdict, outcome.ties > 0)


def equal(estimator: Any, serve: Serve, rows: Any, **keys: Any) -> Any:
    """Serve a model; what it answers is what scikit-learn says, by the rule. Gives its report."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictor = serve(estimator, **keys)
        expected = np.asarray(estimator.predict(rows))
        instances = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else list(map(as_json, rows))
        actual = np.asarray(predictor(instances).result)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * np.ptp(expected))
    elif hasattr(estimator, "predict_proba"):
        best = np.sort(np.c_[-np.ones(len(rows)), estimator.predict_proba(rows)], axis=1)
        clear = best[:, -1] - best[:, -2] > 1e-6
        assert expected[clear].tolist() == actual[clear].tolist()
    else:
        assert expected.tolist() == actual.tolist()
    return predictor.facts.report


def as_json(row: Any) -> Any:
    return row if isinstance(row, str) else [None if np.isnan(cell) else cell for cell in row.tolist()]


def wide(count: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": ["number", "null"]}, "minItems": count, "maxItems": count}


FRACTIONS = np.round(random.normal(size=(600, 6)), 2)
BREAKERS = {
    "a scaler before a deep tree": make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(
        FRACTIONS * 1e5, random.integers(0, 5, 600)
    ),
    "thresholds that are not float32 numbers": HistGradientBoostingClassifier(max_iter=30).fit(
        FRACTIONS + 1e-9, random.integers(0, 2, 600)
    ),
    "features of 1e12": RandomForestClassifier(20, random_state=0).fit(FRACTIONS * 1e12, FRACTIONS[:, 0] > 0),
    "ties": RandomForestClassifier(2, random_state=0, bootstrap=False, max_features=1).fit(
        FRACTIONS, random.integers(0, 2, 600)
    ),
    "200 classes": RandomForestClassifier(3, random_state=0).fit(FRACTIONS, np.arange(600) % 200),
    "string labels": GradientBoostingClassifier(n_estimators=10).fit(
        FRACTIONS, np.array(["low", "middle", "high"])[np.digitize(FRACTIONS[:, 0], [-0.5, 0.5])]
    ),
    "several outputs": RandomForestRegressor(10, random_state=0).fit(FRACTIONS, FRACTIONS[:, :3] * 7),
    "one class": RandomForestClassifier(3, random_state=0).fit(FRACTIONS, np.zeros(600, int)),
    "missing values": RandomForestClassifier(10, random_state=0).fit(
        np.where(random.random(FRACTIONS.shape) < 0.2, np.nan, FRACTIONS), FRACTIONS[:, 1] > 0
    ),
    "whole numbers": ExtraTreesRegressor(10, random_state=0).fit(np.round(FRACTIONS * 10), FRACTIONS[:, 1]),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", BREAKERS)
def test_a_model_that_breaks_a_naive_conversion_is_served_compiled_and_right(name: str, serve: Serve) -> None:
    estimator = BREAKERS[name]
    scale = 1e12 if "1e12" in name else 1e5 if "scaler" in name else 1.0
    rows = np.vstack([FRACTIONS * scale, random.normal(size=(3000, 6)) * scale])
    if name == "missing values":
        rows = np.where(random.random(rows.shape) < 0.2, np.nan, rows)
    report = equal(estimator, serve, rows, input=wide(6))
    assert "sklearn" != report.runtime, report.why  # which of the exact ones is faster is the clock's to say
    assert "exact" == report.verdict
    assert report.nodes_reached > 0.9


PREPROCESSING = {
    "nothing": list,
    "StandardScaler": lambda: [StandardScaler()],
    "MinMaxScaler": lambda: [MinMaxScaler(clip=True)],
    "RobustScaler": lambda: [RobustScaler()],
    "SimpleImputer": lambda: [SimpleImputer(), StandardScaler()],
    "PolynomialFeatures": lambda: [PolynomialFeatures(2)],
    "PCA": lambda: [StandardScaler(), PCA(5)],
}
LAST = {
    "forest": lambda: RandomForestClassifier(15, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=8, random_state=0),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=15, random_state=0),
    "logistic": lambda: LogisticRegression(max_iter=500),
    "linear SVM": LinearSVC,
    "SVM": SVC,
    "SGD": lambda: SGDClassifier(random_state=0),
}


def pairs() -> Iterator[Any]:
    """Every preprocessing before trees and before numbers, every last step with and without; the rest is for soak."""
    for last, before in product(LAST, PREPROCESSING):
        short = last in ("forest", "logistic") or before in ("nothing", "PCA")
        yield pytest.param(before, last, marks=() if short else pytest.mark.soak, id=f"{last}-{before}")


@pytest.mark.exhaustive
@pytest.mark.parametrize(("before", "last"), [*pairs()])
def test_a_pipeline_answers_as_scikit_learn(before: str, last: str, serve: Serve) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = make_pipeline(*PREPROCESSING[before](), LAST[last]()).fit(WIDE, CLASS)
    report = equal(estimator, serve, WIDE, input={**wide(12), "items": {"type": "number"}})
    assert "sklearn" != report.runtime, report.why


@pytest.mark.filterwarnings("ignore:Skipping features")
@pytest.mark.parametrize("last", ["forest", "logistic"])
def test_gaps_that_are_columns_of_their_own_are_compiled_too(last: str, serve: Serve) -> None:
    """One column has no gaps and another nothing else, so the columns of an imputer are not those of its indicator."""
    rows = WIDE.copy()
    rows[::3, 1], rows[::5, 4], rows[:, 7] = np.nan, np.nan, np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = make_pipeline(SimpleImputer(add_indicator=True), LAST[last]()).fit(rows, CLASS)
    report = equal(estimator, serve, rows, input={**wide(12), "items": {"type": ["number", "null"]}})
    assert "sklearn" != report.runtime, report.why


REGRESSIONS = {
    "boosting": GradientBoostingRegressor(n_estimators=20, random_state=0),
    "histogram boosting": HistGradientBoostingRegressor(max_iter=20, loss="poisson"),
    "tree": DecisionTreeRegressor(max_depth=6),
    "linear": LinearRegression(),
    "ridge behind a scaler": make_pipeline(StandardScaler(), Ridge()),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_answers_as_scikit_learn(name: str, serve: Serve) -> None:
    estimator = REGRESSIONS[name].fit(DIABETES, PROGRESSION)
    report = equal(estimator, serve, DIABETES, input={**wide(10), "items": {"type": "number"}})
    assert "sklearn" != report.runtime, report.why


@pytest.mark.parametrize("last", [LogisticRegression(), RandomForestClassifier(10, random_state=0), SVC()], ids=str)
def test_a_table_with_categories_and_gaps_answers_as_scikit_learn(last: Any, serve: Serve) -> None:
    frame = pd.DataFrame({"n": random.normal(size=300), "c": random.choice(["a", "b", "c"], 300)})
    frame.loc[::7, "n"] = np.nan
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["n"]), (OneHotEncoder(handle_unknown="ignore"), ["c"])
    )
    estimator = make_pipeline(columns, last).fit(frame, random.integers(0, 2, 300))
    schema = {
        "type": "object",
        "required": ["c"],
        "properties": {"n": {"type": ["number", "null"]}, "c": {"type": "string"}},
    }
    served = frame.assign(n=frame["n"].astype(object).where(frame["n"].notna(), None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictor = serve(estimator, input=schema)
    assert estimator.predict(frame).tolist() == predictor(served.to_dict("records")).result
    assert predictor.facts.report.runtime != "sklearn"


@pytest.mark.parametrize("vectorizer", [CountVectorizer(), TfidfVectorizer(ngram_range=(1, 2))], ids=str)
@pytest.mark.parametrize("last", [LogisticRegression(), SVC(kernel="linear")], ids=str)
def test_a_text_pipeline_answers_as_scikit_learn(vectorizer: Any, last: Any, serve: Serve) -> None:
    estimator = make_pipeline(vectorizer, last).fit(TEXTS, ["good", "bad"] * 3)
    equal(estimator, serve, [*TEXTS, "GOOD  Day!", "unknown words", "é bad-bad"], input={"type": "string"})


def test_an_estimator_of_somebody_elses_is_served_by_scikit_learn_and_says_why(serve: Serve) -> None:
    report = equal(Threshold().fit(X, y), serve, X)
    assert "sklearn" == report.runtime
    assert "Threshold" in report.why


class Threshold(ClassifierMixin, BaseEstimator):
    def fit(self, rows: Any, classes: Any) -> Threshold:
        self.classes_ = np.unique(classes)
        self.n_features_in_ = rows.shape[1]
        return self

    def predict(self, rows: Any) -> Any:
        return self.classes_[(np.asarray(rows)[:, 0] > 5).astype(int)]


def test_a_runtime_that_is_named_is_taken_or_refused(serve: Serve) -> None:
    estimator = RandomForestClassifier(5, random_state=0).fit(X, y)
    for runtime in ("native", "onnx", "sklearn"):
        assert runtime == serve(estimator, runtime=runtime).facts.report.runtime
    with pytest.raises(SpecError, match='the runtime "numpy" cannot serve this model: arrays: the model has trees'):
        serve(estimator, runtime="numpy")
    with pytest.raises(SpecError, match='"native" cannot serve this model: trees in C: the model has no trees'):
        serve(LinearRegression().fit(X, y), runtime="native")


def test_without_a_c_compiler_onnxruntime_serves_trees(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path / "cache"))  # another test may have compiled the same forest
    monkeypatch.setenv("CC", "no-such-compiler")
    report = serve(RandomForestClassifier(5, random_state=0).fit(X, y)).facts.report
    assert ("onnx", "exact") == (report.runtime, report.verdict)
    assert "no-such-compiler does not work" in report.trials[0].reason


def test_compiled_models_refuse_what_scikit_learn_refuses(serve: Serve) -> None:
    for estimator in (RandomForestClassifier(5).fit(X, y), LinearRegression().fit(X, y)):
        predictor = serve(estimator, input={"type": "array", "items": {"type": ["number", "null"]}})
        assert predictor.facts.report.runtime != "sklearn"
        for value in (1e39, 1e308, None):
            rows = [X[0].tolist(), [5.0, value, 1.0, 1.0]]
            try:
                with np.errstate(over="ignore"):
                    expected: Any = estimator.predict(np.array(rows, dtype=float)).tolist()
            except ValueError as error:
                with pytest.raises(RefusedInstance) as refused:
                    predictor(rows)
                assert (1, True) == (refused.value.row, str(error).partition("\n")[0] in refused.value.reason)
            else:
                assert expected == pytest.approx(predictor(rows).result)


def test_a_close_candidate_that_is_named_need_not_be_much_faster() -> None:
    close = candidates.Trial("graph", "onnx", "close", worst=1e-9, one_row=0.5, many_rows=0.5)
    program = Program((), ())
    report = candidates.Report("sklearn", one_row=1.0, many_rows=1.0)
    for wanted, runtime in ((True, "onnx"), (False, "sklearn")):
        chosen = choosing.choose_best(report, [(close, program)], np.zeros((1, 1)), wanted=wanted)
        assert runtime == chosen.report.runtime


def test_cells_of_a_reference_are_read_as_their_schemas_want_them(tmp_path: Path) -> None:
    """A category that looks like a number stays a text; a boolean is one; what no schema takes is read as it looks.

    What pandas takes for a gap is one, but where it is a category; a column that is no feature is left out.
    """
    zips = {"$ref": "#/$defs/zip"}
    schema = {
        "type": "object",
        "properties": {"size": {"type": "integer"}, "new": {"type": "boolean"}, "zip": zips, "no": {}},
        "$defs": {"zip": {"enum": ["01", "true", "NA"]}},
    }
    (tmp_path / "rows.csv").write_text(
        "\ufeffsize,new,zip,other\n3,True,01,7\n4,FALSE,true,\nx,,2,a\n1_000,n/a,NA\nNaN,None,null\n-inf,1,+5e-1\n",
        "utf-8",
    )
    (tmp_path / "m.pkl").touch()
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, model: m}]")
    entry = {"file": "m.pkl", "input": schema, "reference": "rows.csv"}
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": entry}}))
    model = load_spec(tmp_path / "routes.yaml").models["m"]
    assert [
        {"size": 3, "new": True, "zip": "01"},
        {"size": 4, "new": False, "zip": "true"},
        {"size": "x", "zip": 2},
        {"size": "1_000", "zip": "NA"},
        {},
        {"new": 1, "zip": 0.5},
    ] == list(reference_instances(model))


def test_batches_that_scikit_learn_computes_faster_are_left_to_it(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the size where it is faster; from the file and from the cache; requests still share no more than theirs."""
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path / "cache"))

    def seconds(runtime: Any, rows: Any) -> float:
        is_program = isinstance(runtime, Program)
        return len(rows) * 1e-4 if is_program else 2e-3

    for module in (candidates, choosing):
        monkeypatch.setattr(module, "seconds_for", seconds)
    estimator = LogisticRegression(max_iter=500).fit(X, y)
    asked: list[int] = []
    ask = SklearnRuntime.__call__
    for _ in range(2):
        served = serve(estimator)
        report = served.facts.report
        assert ("numpy", "sklearn", 64) == (report.runtime, report.batch_runtime, report.batch_from)
        assert report.seconds is None  # a thread that waits for scikit-learn is not the server's own
        with monkeypatch.context() as patch:
            patch.setattr(SklearnRuntime, "__call__", lambda self, rows: asked.append(len(rows)) or ask(self, rows))
            for count in (1, 63, 64, 150):
                assert estimator.predict(X[:count]).tolist() == served(X[:count].tolist()).result
    assert [64, 150] * 2 == asked


FAR = {
    "as far as floats go": {"minimum": -1.7976931348623157e308, "maximum": 1.7976931348623157e308},
    "one side": {"minimum": 1e308},
    "whole numbers": {"type": "integer", "minimum": -(10**400), "maximum": 10**400},
    "a choice": {"enum": [0, 10**30, -(10**400)]},
    "the other way round": {"minimum": 1e308, "maximum": -1e308},
}


@pytest.mark.parametrize("form", ["object", "table"])
@pytest.mark.parametrize("bounds", FAR)
def test_bounds_may_lie_as_far_apart_as_json_can_say(bounds: str, form: str, serve: Serve) -> None:
    """What no float holds is cut; the schema is held against requests as it is."""
    frame = pd.DataFrame({"a": range(10), "b": range(10)})
    selected = make_column_transformer((StandardScaler(), ["a"]), remainder="passthrough")
    last = LinearRegression()
    model = (make_pipeline(selected, last) if form == "table" else last).fit(frame, range(10))
    properties = {"a": {"type": "number", **FAR[bounds]}, "b": {"type": "number"}}
    schema = {"type": "object", "required": ["a", "b"], "properties": properties}
    assert [pytest.approx(3)] == serve(model, input=schema)([{"a": 3, "b": 3}]).result


BOUNDED = {
    "numbers": {"type": "number", "minimum": -2, "exclusiveMaximum": 3.5},
    "whole numbers": {"type": "integer", "minimum": 0, "maximum": 9},
    "whole numbers or none": {"type": ["integer", "null"], "minimum": 1, "maximum": 5},
    "multiples": {"type": "number", "minimum": 0, "maximum": 10, "multipleOf": 0.5},
    "booleans": {"type": "boolean"},
    "choices": {"enum": [1, 2.5, 7]},
    "a constant": {"const": 4},
    "somewhere else": {"$ref": "#/$defs/part"},
    "in a branch": {"anyOf": [{"type": "null"}, {"type": "number", "minimum": 5, "maximum": 6}]},
    "together": {"allOf": [{"type": "number"}, {"minimum": 5}, {"maximum": 6}]},
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", ["object", "array"])
@pytest.mark.parametrize(
    "last", [RandomForestRegressor(10, random_state=0), LinearRegression()], ids=["trees", "linear"]
)
def test_every_row_of_the_proof_is_allowed(form: str, last: Any, tmp_path: Path) -> None:
    """Rows of every kind, with the bounds themselves among them."""
    schema: dict[str, Any] = {"type": "object", "required": [*BOUNDED], "properties": BOUNDED}
    if form == "array":
        schema = {"type": "array", "prefixItems": [*BOUNDED.values()], "items": False, "minItems": 10, "maxItems": 10}
    schema["$defs"] = {"part": {"type": "number", "minimum": 0.25, "maximum": 0.5}}
    valid = jsonschema.Draft202012Validator(schema).is_valid
    rows = random.normal(size=(300, 10)) * 5
    tried = Tried(last.fit(rows, rows.sum(axis=1)), tmp_path, input=schema)
    walk = candidates._walk(tried.subject)
    made = RowMaker(tried.model, tried.subject.inspected.columns, {}).rows(walk, ())
    assert all(map(valid, made.instances))
    assert len(made.instances) > (4_000 if walk is None else 8_000)
    assert len(made.hard) > 20
    cells = np.vstack([made.plain, *made.hard])
    assert [-2, np.nextafter(3.5, 0)] == [cells[:, 0].min(), cells[:, 0].max()]
    assert [*range(10)] == np.unique(cells[:, 1]).tolist()
    assert np.isnan(cells).any(axis=0).tolist() == ["or none" in name or "branch" in name for name in BOUNDED]
    assert [[0, 1], [1, 2.5, 7], [4]] == [np.unique(cells[:, place]).tolist() for place in (4, 5, 6)]


def test_bounds_do_not_keep_a_model_on_scikit_learn(serve: Serve) -> None:
    """Rows of 1e300, which the schema forbids, prove nothing, also where a boolean makes most drawn rows forbidden."""
    features = [f"x{place}" for place in range(6)]
    bounded = {name: {"type": "number", "minimum": -4, "maximum": 4} for name in features}
    schema = {"type": "object", "required": features, "properties": {**bounded, "x0": {"type": "boolean"}}}
    model = make_pipeline(StandardScaler(), PCA(4), LinearSVC()).fit(FRACTIONS, random.integers(0, 3, 600))
    report = serve(model, input=schema).facts.report
    assert ("numpy", 0) == (report.runtime, report.refused), report.why


def test_rows_of_a_reference_that_the_schema_refuses_prove_nothing(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("word,number\ngood,1\nunheard of,2\nbad,\n")
    frame = pd.DataFrame({"word": ["good", "bad"] * 5, "number": range(10)})
    columns = make_column_transformer((OneHotEncoder(), ["word"]), remainder="passthrough")
    model = make_pipeline(columns, LogisticRegression()).fit(frame, [0, 1] * 5)
    properties = {"word": {"enum": ["bad", "good"]}, "number": {"type": "number"}}
    schema = {"type": "object", "required": ["word", "number"], "properties": properties}
    alone = serve(model, input=schema).facts.report
    report = serve(model, input=schema, reference="rows.csv").facts.report
    # A tie depends on the last bits of the coefficients.
    assert (alone.rows + alone.ties + 1, 0) == (report.rows + report.ties, report.refused)
