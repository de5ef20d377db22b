"""What people use most in published pipelines of scikit-learn is compiled, and answers as scikit-learn does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from modelling import Serve, row
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge, TweedieRegressor
from sklearn.naive_bayes import ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from engine.errors import RefusedInstance
from engine.models.lowering.frames import columns
from engine.models.lowering.lower import lower_estimator
from engine.models.lowering.result import NotLowered
from engine.models.lowering.tree_graph import trees_graph

random = np.random.default_rng(0)
COUNT = 300
X = np.column_stack([random.normal(size=COUNT), random.integers(0, 5, COUNT), random.random(COUNT) * 4 + 0.1])
GAPPED = np.where(random.random(X.shape) < 0.1, np.nan, X)
NUMBER = X[:, 0] + X[:, 1] / 2 + random.normal(size=COUNT) / 3
YES = np.where(NUMBER > 1, "yes", "no")
CLASSES = np.digitize(NUMBER, [0.5, 1.5])
FRAME = pd.DataFrame(
    {
        "plan": random.choice(["free", "basic", "pro", "rare"], COUNT, p=[0.4, 0.35, 0.23, 0.02]),
        "zip": random.choice([1201, 3011, 8001], COUNT),
        "spent": X[:, 2],
        "said": [" ".join(random.choice(["good", "bad", "day", "night", "slow"], 3)) for _ in range(COUNT)],
    }
)
NAMES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # networks that are trained for a moment do not converge
        yield


def tree() -> Any:
    return DecisionTreeClassifier(max_depth=4, random_state=0)


def network(kind: Any = MLPClassifier, **options: Any) -> Any:
    return kind(hidden_layer_sizes=(8, 5), max_iter=30, random_state=0, **options)


OF_NUMBERS: Mapping[str, tuple[Any, Any, Any]] = {
    "Yeo-Johnson": (make_pipeline(PowerTransformer(), LogisticRegression()), X, YES),
    "Yeo-Johnson with gaps": (make_pipeline(PowerTransformer(standardize=False), tree()), GAPPED, YES),
    "Box-Cox": (make_pipeline(PowerTransformer("box-cox"), Ridge()), np.abs(X) + 0.1, NUMBER),
    "whitened": (make_pipeline(PCA(2, whiten=True), LogisticRegression()), X, YES),
    "binarized": (make_pipeline(Binarizer(threshold=0.5), LogisticRegression()), X, YES),
    **{f"norm {norm}": (make_pipeline(Normalizer(norm), LogisticRegression()), X, YES) for norm in ("l1", "l2", "max")},
    "gaps indicated": (make_pipeline(make_union(SimpleImputer(), MissingIndicator()), tree()), GAPPED, YES),
    "all indicated": (
        make_pipeline(make_union(SimpleImputer(), MissingIndicator(features="all")), tree()),
        GAPPED,
        YES,
    ),
    "splines of gaps": (make_pipeline(SplineTransformer(handle_missing="zeros"), Ridge()), GAPPED, NUMBER),
    "normal columns": (GaussianNB(), X, CLASSES),
    "discriminants": (LinearDiscriminantAnalysis(), X, YES),
    "several discriminants": (LinearDiscriminantAnalysis(), X, CLASSES),
    "Poisson": (make_pipeline(StandardScaler(), PoissonRegressor()), X, np.abs(NUMBER)),
    "gamma": (make_pipeline(StandardScaler(), GammaRegressor()), X, np.abs(NUMBER) + 0.1),
    "Tweedie": (make_pipeline(StandardScaler(), TweedieRegressor(power=1.5)), X, np.abs(NUMBER)),
    "Tweedie of any number": (TweedieRegressor(power=0), X, NUMBER),
    "a network": (make_pipeline(StandardScaler(), network()), X, YES),
    "a network of three": (make_pipeline(StandardScaler(), network(activation="tanh")), X, CLASSES),
    "a logistic network": (make_pipeline(StandardScaler(), network(activation="logistic")), X, CLASSES),
    "a network of a number": (make_pipeline(StandardScaler(), network(MLPRegressor)), X, NUMBER),
    "boosting": (GradientBoostingClassifier(n_estimators=5), X, YES),
    "histogram boosting": (HistGradientBoostingClassifier(max_iter=5), GAPPED, YES),
}
EXACT = (
    "boosting",
    "histogram boosting",
    "a network",
    "a network of three",
    "a network of a number",
    "gamma",
    "Poisson",
)


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_a_model_of_numbers_is_compiled_and_right(name: str, serve: Serve) -> None:
    model, rows, target = OF_NUMBERS[name]
    estimator, has_gaps = model.fit(rows, target), np.isnan(rows).any()
    kind: Any = {"type": ["number", "null"] if has_gaps else "number"}
    if rows.min() > 0:
        kind["exclusiveMinimum"] = 0
    has_chances = hasattr(estimator, "predict_proba")
    predictor = serve(estimator, input=row(**dict.fromkeys(NAMES, kind)), output={"probabilities": has_chances})
    asked = rows[:60]
    cells = np.where(np.isnan(asked), None, asked.astype(object)).tolist()
    answer = predictor([dict(zip(NAMES, one, strict=True)) for one in cells])
    expected = estimator.predict(asked)
    if expected.dtype.kind == "f":
        assert expected.tolist() == pytest.approx(answer.result, rel=1e-9)
    else:
        assert expected.tolist() == answer.result
    if has_chances:
        found = [[*one.values()] for one in answer.probabilities or ()]
        assert estimator.predict_proba(asked).ravel().tolist() == pytest.approx(np.ravel(found).tolist(), rel=1e-9)
    report = predictor.facts.report
    assert report.runtime != "sklearn", report.trials
    assert report.verdict == "exact" or name not in EXACT


TEXT = {"type": ["string", "null"]}
INPUT = row(plan=TEXT, zip={"type": "integer"}, spent={"type": "number"}, said={"type": "string"})
INPUT["required"] = ["zip", "spent", "said"]


def beside(encoder: Any, names: Any, last: Any) -> Any:
    return make_pipeline(make_column_transformer((encoder, names), ("passthrough", ["spent"])), last)


OF_TABLES: Mapping[str, tuple[Any, Any]] = {
    "means of the target": (beside(TargetEncoder(random_state=0), ["plan", "zip"], tree()), YES),
    "means of a number": (
        beside(TargetEncoder(random_state=0), ["plan"], DecisionTreeRegressor(max_depth=4, random_state=0)),
        NUMBER,
    ),
    "means of three classes": (beside(TargetEncoder(random_state=0), ["plan", "zip"], tree()), CLASSES),
    "rare ones together": (
        beside(OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist"), ["plan", "zip"], tree()),
        YES,
    ),
    "at most two": (beside(OneHotEncoder(max_categories=2, handle_unknown="ignore"), ["zip"], tree()), YES),
    "rare codes together": (
        beside(
            OrdinalEncoder(min_frequency=20, handle_unknown="use_encoded_value", unknown_value=-1), ["plan"], tree()
        ),
        YES,
    ),
    "words beside numbers": (beside(TfidfVectorizer(), "said", LogisticRegression()), YES),
    "words before trees": (beside(CountVectorizer(), "said", RandomForestClassifier(5, random_state=0)), YES),
}


@pytest.mark.parametrize("name", OF_TABLES)
def test_a_model_of_a_table_is_compiled_and_right(name: str, serve: Serve) -> None:
    """Unknown and missing categories too."""
    model, target = OF_TABLES[name]
    estimator = model.fit(FRAME, target)
    predictor = serve(estimator, input=INPUT)
    asked = FRAME[:40].to_dict("records")
    asked += [
        {**asked[0], "plan": "gold"},
        {**asked[1], "plan": None},
        {**asked[2], "zip": 1},
        {**asked[3], "said": ""},
    ]
    assert estimator.predict(pd.DataFrame(asked)).tolist() == pytest.approx(predictor(asked).result)
    assert predictor.facts.report.runtime in ("native", "numpy"), predictor.facts.report.trials


def test_an_unknown_category_beside_rare_ones_is_refused(serve: Serve) -> None:
    estimator = beside(OneHotEncoder(min_frequency=20, handle_unknown="error"), ["plan"], tree()).fit(FRAME, YES)
    predictor = serve(estimator, input=INPUT)
    assert predictor.facts.report.runtime == "native"
    with pytest.raises(RefusedInstance, match="Found unknown categories"):
        predictor([{"plan": "gold", "zip": 1201, "spent": 1.0, "said": ""}])


def test_a_number_beyond_the_knots_is_refused(serve: Serve) -> None:
    estimator = make_pipeline(SplineTransformer(extrapolation="error"), Ridge()).fit(X, NUMBER)
    predictor = serve(estimator, input=row(**{name: {"type": "number"} for name in NAMES}))
    assert predictor.facts.report.runtime == "numpy"
    inside = dict(zip(NAMES, X[0].tolist(), strict=True))
    assert estimator.predict(X[:1]).tolist() == pytest.approx(predictor([inside]).result)
    with pytest.raises(RefusedInstance, match="X contains values beyond the limits of the knots"):
        predictor([{**inside, "a": 99.0}])


@pytest.mark.parametrize("last", [MultinomialNB(), ComplementNB(), RandomForestClassifier(5, random_state=0)])
@pytest.mark.parametrize("first", [CountVectorizer(), TfidfVectorizer()])
def test_texts_before_bayes_and_trees_are_compiled_and_right(first: Any, last: Any, serve: Serve) -> None:
    texts = FRAME["said"].tolist()
    estimator = make_pipeline(first, last).fit(texts, CLASSES)
    predictor = serve(estimator, input={"type": "string"}, output={"probabilities": True})
    asked = [*texts[:50], "", "unknown", "good good bad"]
    answer = predictor(asked)
    assert estimator.predict(asked).tolist() == answer.result
    found = np.ravel([[*one.values()] for one in answer.probabilities or ()])
    assert estimator.predict_proba(asked).ravel().tolist() == pytest.approx(found.tolist(), rel=1e-9)
    assert predictor.facts.report.runtime in ("native", "numpy"), predictor.facts.report.trials


def test_words_are_made_full_only_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = make_pipeline(CountVectorizer(), tree()).fit(FRAME["said"], YES)
    monkeypatch.setattr(columns, "MOST_DENSE", 4)
    with pytest.raises(NotLowered, match=r"^more than 4 words beside other columns, or before a model that is not"):
        lower_estimator(estimator, "predict", trees_graph, probabilities=False)
