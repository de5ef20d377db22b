"""Categories are encoded without scikit-learn, and models that split on them are walked as other trees are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from modelling import NAMES, OBJECT, SPECIES, Serve, X, row, y
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from engine.errors import RefusedInstance
from engine.models.lowering.lower import lower_estimator
from engine.models.lowering.tree_walk import find_walk
from engine.models.proving.learnt_ranges import learnt_ranges


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Histogram boosting waits for its threads, which wait for other tests."""
    with threadpool_limits(1):
        yield


random = np.random.default_rng(0)
COUNT = 300
NUMBER = {"type": "number"}
PLANS = np.array(["free", "basic", "pro", "team"])
FRAME = pd.DataFrame(
    {
        "plan": random.choice(PLANS, COUNT),
        "town": random.choice([f"t{number:02d}" for number in range(40)], COUNT),
        "size": random.integers(0, 5, COUNT),
        "spent": np.where(random.random(COUNT) < 0.1, np.nan, random.uniform(0, 100, COUNT).round(2)),
    }
)
PAID = ((FRAME["plan"] != "free") ^ (FRAME["town"].str[1:].astype(int) % 3 == 0)).astype(int) + (FRAME["size"] > 2)
SPENT = PAID + FRAME["spent"].fillna(50) / 100
TEXT = {"type": ["string", "null"]}
INPUT = row(plan=TEXT, town=TEXT, size={"type": "integer"}, spent={"type": ["number", "null"]})
ASKED = [
    {"plan": plan, "town": town, "size": size, "spent": spent}
    for plan, town, size, spent in zip(
        random.choice([*PLANS, "other", None], 200),
        random.choice([*FRAME["town"].unique(), "", None], 200),
        random.integers(-1, 6, 200).tolist(),
        random.choice([*random.uniform(-10, 110, 20), np.nan], 200).tolist(),
        strict=True,
    )
]


def ordinal(**options: Any) -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, **options)


def encoded(encoder: Any, estimator: Any) -> Any:
    columns = make_column_transformer((encoder, ["plan", "town"]), remainder="passthrough")
    return make_pipeline(columns, estimator)


def as_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with texts as categories, those of the training; others are missing."""
    known = {name: pd.CategoricalDtype(sorted(FRAME[name].unique())) for name in ("plan", "town")}
    texts = {name: frame[name].where(frame[name].isin(dtype.categories)) for name, dtype in known.items()}
    return frame.assign(**texts).astype(known)


def asked() -> list[dict[str, Any]]:
    return [{name: None if cell != cell else cell for name, cell in one.items()} for one in ASKED]  # noqa: PLR0124


TREE = DecisionTreeClassifier(max_depth=6, random_state=0)
BOOSTING = HistGradientBoostingClassifier(max_iter=9, random_state=0)
MODELS = {
    "unknown ones have a number": (encoded(ordinal(), TREE), PAID),
    "whole numbers": (encoded(ordinal(encoded_missing_value=-2, dtype=np.int32), TREE), PAID),
    "split on by boosting": (
        encoded(ordinal(), HistGradientBoostingClassifier(max_iter=9, categorical_features=[0, 1], random_state=0)),
        PAID,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_encoded_categories_are_compiled_and_right(name: str, serve: Serve) -> None:
    estimator, target = MODELS[name]
    frame = FRAME.assign(plan=FRAME["plan"].where(FRAME["spent"] < 95, None))
    predictor = serve(estimator.fit(frame, target), input=INPUT)
    expected = estimator.predict(pd.DataFrame(ASKED)).tolist()
    assert expected == predictor(asked()).result
    assert predictor.facts.report.runtime != "sklearn", predictor.facts.report.trials


def test_a_threshold_decides_over_encoded_categories_too(serve: Serve) -> None:
    estimator = encoded(ordinal(), DecisionTreeClassifier(max_depth=3, random_state=0)).fit(FRAME, PAID > 1)
    chances = estimator.predict_proba(pd.DataFrame(ASKED))[:, 1]
    bar = float(np.unique(chances)[1])
    predictor = serve(estimator, input=INPUT, threshold=bar)
    expected = chances >= bar
    assert expected.tolist() == predictor(asked()).result
    assert expected.tolist() != estimator.predict(pd.DataFrame(ASKED)).tolist()
    assert predictor.facts.report.runtime != "sklearn", predictor.facts.report.trials


@pytest.mark.parametrize("kind", [HistGradientBoostingClassifier, HistGradientBoostingRegressor])
def test_boosting_that_splits_on_categories_of_a_table_is_compiled_and_right(kind: Any, serve: Serve) -> None:
    target = SPENT if kind is HistGradientBoostingRegressor else SPECIES[PAID]
    estimator = kind(max_iter=20, categorical_features="from_dtype", random_state=0).fit(as_categories(FRAME), target)
    predictor = serve(estimator, input=INPUT, dtypes={"plan": "category", "town": "category"})
    expected = estimator.predict(as_categories(pd.DataFrame(ASKED))).tolist()
    assert expected == predictor(asked()).result
    assert ("native", "exact") == (predictor.facts.report.runtime, predictor.facts.report.verdict)


def test_boosting_that_splits_on_numbers_as_categories_is_compiled_and_right(serve: Serve) -> None:
    codes = np.c_[random.uniform(-1, 1, 2000), random.choice([-3, 0, 2, 5, 7, *range(10, 240)], 2000)]
    codes[::50, 1] = np.nan
    target = np.sin(codes[:, 1] * 7) + codes[:, 0]
    target[::50] = 5.0
    estimator = HistGradientBoostingRegressor(max_iter=30, categorical_features=[1], random_state=0).fit(codes, target)
    items = {"type": ["number", "null"]}
    schema = {"type": "array", "items": items, "minItems": 2, "maxItems": 2}
    known = np.unique(codes[:, 1])
    rows = np.c_[np.tile(np.linspace(-1.5, 1.5, 7), len(known)), np.repeat([*known[:-1], np.nan], 7)]
    rows = np.vstack([rows, [[0.5, value] for value in (-4, 1, 2.5, 1e9, -0.0)]])
    predictor = serve(estimator, input=schema)
    answered = predictor([[None if cell != cell else cell for cell in one] for one in rows.tolist()]).result  # noqa: PLR0124
    assert estimator.predict(rows).tolist() == answered
    assert ("native", "exact") == (predictor.facts.report.runtime, predictor.facts.report.verdict)


def test_ranges_are_learnt_from_trees_behind_encoders() -> None:
    estimator = encoded(ordinal(), TREE).fit(FRAME, SPENT.round())
    _, walk = find_walk(partial(lower_estimator, estimator, "predict", probabilities=False))
    ranges = learnt_ranges(estimator, walk)
    assert {2, 3} == {*ranges}
    low, high = ranges[3]
    assert -50 < low < 30
    assert 60 < high < 150


def test_an_unknown_category_is_refused_with_its_feature(serve: Serve) -> None:
    estimator = encoded(OrdinalEncoder(), TREE).fit(FRAME, PAID)
    predictor = serve(estimator, input=INPUT)
    good = {"plan": "free", "town": "t01", "size": 1, "spent": None}
    assert estimator.predict(pd.DataFrame([good])).tolist() == predictor([good]).result
    with pytest.raises(RefusedInstance, match=r"Found unknown categories \['elsewhere'\] in \"town\"") as refused:
        predictor([good, {**good, "town": "elsewhere"}])
    assert 1 == refused.value.row
    assert predictor.facts.report.runtime != "sklearn", predictor.facts.report.trials


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_a_category_that_is_none_stays_apart_from_nan(encoder: Any, serve: Serve) -> None:
    frame = pd.DataFrame({"plan": np.array(["free", None, "pro"] * 20, object)}, dtype=object)
    target = [0, 1, 0] * 20
    estimator = make_pipeline(encoder, LogisticRegression()).fit(frame, target)
    predictor = serve(estimator, input=row(plan=TEXT))
    assert estimator.predict(frame[:3]).tolist() == predictor(frame[:3].to_dict("records")).result
    assert predictor.facts.report.runtime != "sklearn", predictor.facts.report.trials


def test_numpy_functions_of_a_table_are_compiled_and_right(serve: Serve) -> None:
    columns = ["size", "spent"]
    frame = FRAME[columns].fillna(1.0)
    estimator = make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), Ridge()).fit(frame, SPENT)
    predictor = serve(
        estimator, input=row(size={"type": "integer", "minimum": 0}, spent={"type": "number", "minimum": 0})
    )
    answered = predictor(frame.to_dict("records")).result
    np.testing.assert_allclose(answered, estimator.predict(frame), rtol=1e-12)
    assert predictor.facts.report.runtime != "sklearn", predictor.facts.report.trials


class Sampler(BaseEstimator):
    """What imblearn's samplers are to a pipeline: they choose rows to train on, and transform nothing."""

    def fit_resample(self, rows: Any, target: Any) -> Any:
        self.n_features_in_ = rows.shape[1]
        if hasattr(rows, "columns"):
            self.feature_names_in_ = np.array(rows.columns, object)
        return rows[::2], target[::2]


class SamplingPipeline(Pipeline):
    """What imblearn's Pipeline is: scikit-learn's, but samplers only see the training."""

    def fit(self, rows: Any, target: Any) -> Any:
        for _, step in self.steps[:-1]:
            is_sampler = hasattr(step, "fit_resample")
            rows, target = step.fit_resample(rows, target) if is_sampler else (step.fit_transform(rows), target)
        self.steps[-1][1].fit(rows, target)
        return self

    def _iter(self, *arguments: Any, **options: Any) -> Any:
        return (found for found in super()._iter(*arguments, **options) if not hasattr(found[2], "fit_resample"))


@pytest.fixture
def imblearn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the classes above be those of a library, as a pickle names them."""
    module = ModuleType("imblearn.pipeline")
    for kind in (Sampler, SamplingPipeline):
        monkeypatch.setattr(kind, "__module__", module.__name__)
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "imblearn", ModuleType("imblearn"))
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.usefixtures("imblearn")
@pytest.mark.parametrize("steps", [(Sampler(), StandardScaler()), (StandardScaler(), Sampler())])
def test_a_sampler_does_nothing_to_rows_that_are_asked(steps: tuple[Any, ...], serve: Serve) -> None:
    estimator = SamplingPipeline([*((type(step).__name__, step) for step in steps), ("tree", TREE)])
    table = pd.DataFrame(X, columns=list(NAMES))
    for fitted_on, schema in ((X, None), (table, OBJECT)):
        estimator.fit(fitted_on, y)
        predictor = serve(estimator, **({"input": schema} if schema else {}))
        instances = X.tolist() if schema is None else table.to_dict("records")
        assert estimator.predict(fitted_on).tolist() == predictor(instances).result
        assert ("native", "exact") == (predictor.facts.report.runtime, predictor.facts.report.verdict)


@pytest.mark.usefixtures("imblearn")
def test_a_sampler_behind_prepared_columns_hides_no_categories(serve: Serve) -> None:
    columns = make_column_transformer((ordinal(), ["plan", "town"]), remainder="passthrough")
    estimator = SamplingPipeline([("columns", columns), ("sampler", Sampler()), ("tree", BOOSTING)]).fit(FRAME, PAID)
    predictor = serve(estimator, input=INPUT)
    assert estimator.predict(pd.DataFrame(ASKED)).tolist() == predictor(asked()).result
    assert predictor.facts.report.runtime != "sklearn", predictor.facts.report.trials
