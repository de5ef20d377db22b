"""Models of XGBoost, LightGBM and CatBoost are compiled, and answer as their libraries do, bit for bit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor, early_stopping
from lowering_trees import compiled
from modelling import Serve, row
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier, XGBRFRegressor

from engine.models.data.array import Array
from engine.models.data.dtypes import Dtype, Table, as_taken
from engine.models.lowering.result import NotLowered
from engine.models.runtime.native_trees import NativeTrees
from engine.models.runtime.program import Program
from engine.models.runtime.tree_table import TreeTable

random = np.random.default_rng(0)
COUNT = 400


def make_rows() -> Array:
    """Rows of every sort: gaps, whole numbers, numbers with ties, codes, many zeros."""
    rows = random.normal(size=(COUNT, 5))
    rows[:, 1] = random.integers(-3, 4, COUNT)
    rows[:, 2] = rows[:, 2].round(1)
    rows[:, 3] *= random.random(COUNT) < 0.5
    rows[random.random(rows.shape) < 0.1] = np.nan
    rows[:, 4] = random.integers(0, 12, COUNT)
    return rows


X = make_rows()
NUMBER = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1]) / 2 + X[:, 4] % 3 + random.normal(size=COUNT) * 0.3
POSITIVE = np.abs(NUMBER) + 0.1
BINARY = (NUMBER > 1).astype(int)
CLASSES = np.digitize(NUMBER, [0, 1, 2])
CODED = np.column_stack([X[:, 0], np.nan_to_num(X[:, 1]) + 3, X[:, 2:]])
GROUPS = np.arange(COUNT) // 50
Fitted = Callable[[], Any]


def lgbm(kind: Any, target: Any, **options: Any) -> Fitted:
    fit = {name: options.pop(name) for name in ("categorical_feature", "group") if name in options}
    usual = {"n_estimators": 12, "verbose": -1, "n_jobs": 1, "min_data_per_group": 2, "cat_smooth": 1, **options}
    return lambda: kind(**usual).fit(X, target, **fit)


def xgb(kind: Any, target: Any, rows: Array = X, **options: Any) -> Fitted:
    fit = {name: options.pop(name) for name in ("qid",) if name in options}
    return lambda: kind(**{"n_estimators": 12, "n_jobs": 1, **options}).fit(rows, target, **fit)


def cat(kind: Any, target: Any, rows: Array = X, **options: Any) -> Fitted:
    fit = {name: options.pop(name) for name in ("group_id",) if name in options}
    usual = {"iterations": 12, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
    return lambda: kind(**usual, **options).fit(rows, target, **fit)


def scaled(model: Any, scale: float, bias: float) -> Any:
    model.set_scale_and_bias(scale, bias)
    return model


LIGHTGBM: Mapping[str, Fitted] = {
    "two classes": lgbm(LGBMClassifier, np.where(BINARY, "yes", "no")),
    "a steep sigmoid": lgbm(LGBMClassifier, BINARY, sigmoid=2.5),
    "several classes": lgbm(LGBMClassifier, CLASSES),
    "one against all": lgbm(LGBMClassifier, CLASSES, objective="multiclassova"),
    "zero is missing": lgbm(LGBMClassifier, BINARY, zero_as_missing=True),
    "nothing is missing": lgbm(LGBMRegressor, NUMBER, use_missing=False),
    "trained without gaps": lambda: LGBMRegressor(n_estimators=12, verbose=-1, n_jobs=1).fit(CODED[:, 4:], NUMBER),
    **{name: lgbm(LGBMRegressor, NUMBER, objective=name) for name in ("regression", "l1", "huber", "fair", "quantile")},
    **{name: lgbm(LGBMRegressor, POSITIVE, objective=name) for name in ("mape", "poisson", "gamma", "tweedie")},
    "cross entropy": lgbm(LGBMRegressor, BINARY / 1.0, objective="cross_entropy"),
    "dart": lgbm(LGBMRegressor, NUMBER, boosting_type="dart", drop_rate=0.5),
    "random forest": lgbm(LGBMClassifier, BINARY, boosting_type="rf", bagging_freq=1, bagging_fraction=0.6),
    "random forest of a number": lgbm(LGBMRegressor, NUMBER, boosting_type="rf", bagging_freq=1, bagging_fraction=0.6),
    "codes are categories": lgbm(LGBMRegressor, NUMBER, categorical_feature=[1, 4], min_child_samples=3),
    "codes are categories, several classes": lgbm(LGBMClassifier, CLASSES, categorical_feature=[4]),
    "stopped early": lambda: LGBMRegressor(n_estimators=200, learning_rate=0.5, verbose=-1, n_jobs=1).fit(
        X[:200], NUMBER[:200], eval_set=[(X[200:], NUMBER[200:])], callbacks=[early_stopping(3, verbose=False)]
    ),
    "one leaf": lgbm(LGBMRegressor, NUMBER, min_child_samples=COUNT),
    "ranking": lgbm(LGBMRanker, CLASSES, group=[50] * 8),
}
XGBOOST: Mapping[str, Fitted] = {
    "two classes": xgb(XGBClassifier, BINARY),
    "a base score": xgb(XGBClassifier, BINARY, base_score=0.3),
    "several classes": xgb(XGBClassifier, CLASSES),
    "dart": xgb(XGBRegressor, NUMBER, booster="dart", rate_drop=0.5),
    "dart of several classes": xgb(XGBClassifier, CLASSES, booster="dart", rate_drop=0.5),
    "random forest": xgb(XGBRFClassifier, BINARY),
    "random forest of a number": xgb(XGBRFRegressor, NUMBER),
    "parallel trees": xgb(XGBRegressor, NUMBER, num_parallel_tree=3),
    "trained without gaps": xgb(XGBRegressor, NUMBER, CODED[:, 4:]),
    "two numbers": xgb(XGBRegressor, np.column_stack([NUMBER, -NUMBER])),
    **{
        name: xgb(XGBRegressor, NUMBER, objective=name)
        for name in ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror")
    },
    **{
        name: xgb(XGBRegressor, POSITIVE, objective=name)
        for name in ("count:poisson", "reg:gamma", "reg:tweedie", "reg:squaredlogerror", "survival:cox")
    },
    **{name: xgb(XGBRegressor, BINARY, objective=name) for name in ("reg:logistic", "binary:logitraw")},
    "quantiles": xgb(XGBRegressor, NUMBER, objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]),
    "codes are categories": xgb(
        XGBRegressor, NUMBER, CODED, feature_types=list("qcqqc"), enable_categorical=True, max_cat_to_onehot=1
    ),
    "single codes": xgb(
        XGBRegressor, NUMBER, CODED, feature_types=list("qcqqc"), enable_categorical=True, max_cat_to_onehot=99
    ),
    "stopped early": lambda: XGBClassifier(n_estimators=200, learning_rate=0.5, n_jobs=1, early_stopping_rounds=3).fit(
        X[:200], CLASSES[:200], eval_set=[(X[200:], CLASSES[200:])], verbose=False
    ),
    "ranking": xgb(XGBRanker, CLASSES, qid=GROUPS),
}
CATBOOST: Mapping[str, Fitted] = {
    "two classes": cat(CatBoostClassifier, np.where(BINARY, "yes", "no")),
    "several classes": cat(CatBoostClassifier, CLASSES),
    "one against all": cat(CatBoostClassifier, CLASSES, loss_function="MultiClassOneVsAll"),
    **{name: cat(CatBoostRegressor, NUMBER, loss_function=name) for name in ("RMSE", "MAE", "Quantile:alpha=0.2")},
    **{
        name: cat(CatBoostRegressor, POSITIVE, loss_function=name)
        for name in ("Poisson", "Tweedie:variance_power=1.5", "MAPE")
    },
    "large powers": lambda: scaled(cat(CatBoostRegressor, POSITIVE, loss_function="Poisson")(), 90.0, 3.25),
    "missing is most": cat(CatBoostRegressor, NUMBER, nan_mode="Max"),
    "trained without gaps": cat(CatBoostRegressor, NUMBER, CODED[:, 4:]),
    "two numbers": cat(CatBoostRegressor, np.column_stack([NUMBER, -NUMBER]), loss_function="MultiRMSE"),
    "by depth": cat(CatBoostRegressor, NUMBER, grow_policy="Depthwise"),
    "by loss": cat(CatBoostClassifier, CLASSES, grow_policy="Lossguide"),
    "stopped early": lambda: CatBoostRegressor(
        iterations=200, learning_rate=0.9, early_stopping_rounds=3, verbose=0, thread_count=1, allow_writing_files=False
    ).fit(X[:200], NUMBER[:200], eval_set=(X[200:], NUMBER[200:])),
    "ranking": cat(CatBoostRanker, CLASSES, group_id=GROUPS),
}
MODELS = {
    f"{library}, {name}": fitted
    for library, models in (("LightGBM", LIGHTGBM), ("XGBoost", XGBOOST), ("CatBoost", CATBOOST))
    for name, fitted in models.items()
}


@pytest.fixture(autouse=True)
def _no_names() -> Iterator[None]:
    """LightGBM names the columns of arrays itself, and is then warned of rows without names."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        warnings.filterwarnings("ignore", "The argument 'eval_set' is deprecated")
        yield


def hard_rows(table: TreeTable, count: int = 300) -> Array:
    """Rows of thresholds, their neighbours in float64 and in float32, and numbers that are special to someone."""
    thresholds = table.nodes["threshold"][~table.is_leaf]
    narrow = thresholds.astype(np.float32)
    with np.errstate(over="ignore"):
        beside = [np.nextafter(narrow, np.float32(end)) for end in (-np.inf, np.inf)]
    small = float(np.float32(1e-35))
    special = [
        *(np.nan, np.inf, -np.inf, 0.0, -0.0, small, -small, 1e-36, -1e-40, 5e-324, -0.5, -1.0, 1e300),
        *(2.0**24 + 1, 2.0**53 + 2, 2.0**63, 1e39, -1e39, float(np.finfo(np.float32).max), 3.4028235677973366e38),
    ]
    values = np.concatenate(
        [
            *(thresholds, np.nextafter(thresholds, np.inf), np.nextafter(thresholds, -np.inf), narrow),
            *(*beside, special),
        ]
    )
    rows = random.choice(values, (count, table.width))
    rows[::3] = np.where(random.random(rows[::3].shape) < 0.5, rows[::3], random.normal(size=rows[::3].shape))
    for share, others in ((0.15, special), (0.15, [np.nan])):  # among thousands of thresholds, they would be rare
        rows = np.where(random.random(rows.shape) < share, random.choice(others, rows.shape), rows)
    return np.vstack([rows, random.choice(values, (count, table.width))])


def require_same_bits(estimator: Any, program: Program, rows: Any) -> None:
    taken = as_taken(rows)
    result, chances = program.arrays(rows)
    expected = np.asarray(estimator.predict(taken))
    if hasattr(estimator, "predict_proba"):
        expected = expected.reshape(-1)  # CatBoost makes a column of several classes
        wanted = np.asarray(estimator.predict_proba(taken))
        assert chances is not None
        assert (wanted.dtype, wanted.tobytes()) == (chances.dtype, np.ascontiguousarray(chances).tobytes())
    assert (expected.shape, expected.tolist()) == (result.shape, result.tolist())


@pytest.mark.parametrize("name", MODELS)
def test_a_booster_is_compiled_to_the_same_bits(name: str) -> None:
    """Also where rows lie on thresholds, beside them in float32, beyond float32, and where cells are missing."""
    estimator = MODELS[name]()
    program, table = compiled(estimator)
    rows = hard_rows(table)
    require_same_bits(estimator, program, rows)
    require_same_bits(estimator, program, rows[:1])
    require_same_bits(estimator, program, np.ones((20, table.width), np.int64) * (2**24 + 1))


@pytest.mark.parametrize("name", MODELS)
def test_numpy_walks_a_booster_to_the_same_bits(name: str) -> None:
    """A process that may not load code does so."""
    program, table = compiled(MODELS[name]())
    rows = hard_rows(table, 60)
    (walk,) = (step for step in program.scores if isinstance(step, NativeTrees))
    with np.errstate(invalid="ignore"):
        assert walk(rows).tobytes() == table.sum_leaves(rows).tobytes()


@pytest.mark.parametrize("name", ["two classes", "several classes"])
def test_the_raw_scores_of_lightgbm_are_the_same_bits(name: str) -> None:
    estimator = LIGHTGBM[name]()
    program, table = compiled(estimator, method="decision_function")
    rows = hard_rows(table)
    assert estimator.decision_function(rows).tolist() == program.arrays(rows)[0].tolist()


def test_whole_numbers_are_rounded_to_float32_as_lightgbm_does() -> None:
    whole = np.arange(2**24 - 40, 2**24 + 40).reshape(-1, 1)
    options = {"min_child_samples": 1, "min_data_in_bin": 1, "max_bin": 500}
    estimator = LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1, **options).fit(whole / 1.0, np.arange(80) % 2)
    program, _ = compiled(estimator)
    require_same_bits(estimator, program, whole)
    require_same_bits(estimator, program, whole / 1.0)
    assert estimator.predict(whole).tolist() != estimator.predict(whole / 1.0).tolist()


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("library", ["LightGBM", "XGBoost", "CatBoost"])
def test_random_boosters_are_compiled_to_the_same_bits(library: str, seed: int) -> None:
    some = np.random.default_rng(seed)
    width, count = int(some.integers(1, 9)), int(some.integers(60, 400))
    scale = 10.0 ** some.uniform(-38, 38, width) if seed % 4 == 0 else 10.0 ** some.uniform(-3, 3, width)
    rows = some.normal(size=(count, width)) * scale
    rows[some.random(rows.shape) < some.choice([0, 0.2])] = np.nan
    rows[some.random(rows.shape) < some.choice([0, 0.3])] = 0.0
    target = np.nan_to_num(rows / scale).sum(axis=1) + some.normal(size=count)
    kinds = int(some.integers(2, 6))
    classes = np.digitize(target, np.quantile(target, np.arange(1, kinds) / kinds))
    trees, depth = int(some.integers(1, 60)), int(some.integers(1, 8))
    is_classifier = bool(some.random() < 0.5)
    options: dict[str, Any]
    if library == "LightGBM":
        options = {"n_estimators": trees, "max_depth": depth, "verbose": -1, "n_jobs": 1, "min_child_samples": 2}
        options["zero_as_missing"] = bool(some.random() < 0.3)
        kind: Any = LGBMClassifier if is_classifier else LGBMRegressor
    elif library == "XGBoost":
        options = {"n_estimators": trees, "max_depth": depth, "n_jobs": 1}
        kind = XGBClassifier if is_classifier else XGBRegressor
    else:
        options = {"iterations": trees, "depth": depth, "verbose": 0, "thread_count": 1, "allow_writing_files": False}
        kind = CatBoostClassifier if is_classifier else CatBoostRegressor
    estimator = kind(**options).fit(rows.astype(np.float32), classes if is_classifier else target)
    program, table = compiled(estimator)
    require_same_bits(estimator, program, hard_rows(table))


TOWNS = np.array(["Bonn", "Lima", "Oslo", "Rome", "York"])
FRAME = pd.DataFrame(
    {
        "town": pd.Categorical(random.choice(TOWNS, COUNT)),
        "spent": random.normal(size=COUNT),
        "plan": pd.Categorical(random.choice([30, 1, 2, 7], COUNT)),
        "size": random.integers(0, 5, COUNT),
    }
)
WORTH = FRAME["town"].isin(["Lima", "York"]) + FRAME["spent"] + FRAME["plan"].astype(int).isin([1, 7])


@pytest.mark.parametrize(
    "estimator",
    [
        LGBMRegressor(n_estimators=12, n_jobs=1, verbose=-1, min_data_per_group=2, cat_smooth=1),
        XGBRegressor(n_estimators=12, n_jobs=1, enable_categorical=True, max_cat_to_onehot=1),
    ],
    ids=["LightGBM", "XGBoost"],
)
def test_categories_of_a_table_become_the_codes_of_the_training(estimator: Any) -> None:
    """Unknown ones are missing values."""
    estimator.fit(FRAME, WORTH)
    dtypes = {
        **{name: Dtype("category", tuple(FRAME[name].cat.categories.tolist())) for name in ("town", "plan")},
        "spent": Dtype("float"),
        "size": Dtype("int"),
    }
    cells = {
        "town": np.array([*FRAME["town"][:200], "Lima", None, "Paris", np.nan], object),
        "spent": np.append(FRAME["spent"][:200], [0, np.nan, 1, 2]),
        "plan": np.array([*FRAME["plan"][:200], 1, 2, 99, None], object),
        "size": np.append(FRAME["size"][:200], [1, 2, 3, 2**40]),
    }
    program, _ = compiled(estimator, columns=4)
    require_same_bits(estimator, program, Table({name: cells[name] for name in FRAME}, {n: dtypes[n] for n in FRAME}))


NAMES = ["a", "b", "c", "d", "e"]
INPUT = row(**{name: {"type": ["number", "null"]} for name in NAMES})
KINDS = {
    "LightGBM": (
        lambda: LGBMClassifier(n_estimators=8, n_jobs=1, verbose=-1),
        LGBMRegressor(n_estimators=8, n_jobs=1, verbose=-1),
    ),
    "XGBoost": (lambda: XGBClassifier(n_estimators=8, n_jobs=1), XGBRegressor(n_estimators=8, n_jobs=1)),
    "CatBoost": (
        lambda: CatBoostClassifier(iterations=8, verbose=0, thread_count=1, allow_writing_files=False),
        CatBoostRegressor(iterations=8, verbose=0, thread_count=1, allow_writing_files=False),
    ),
}
AROUND: Mapping[str, Callable[[Callable[[], Any]], Any]] = {
    "alone": lambda make: make(),
    "pipeline": lambda make: make_pipeline(StandardScaler(), make()),
    "search": lambda make: GridSearchCV(make_pipeline(StandardScaler(), make()), {}, cv=2),
    "calibrated": lambda make: CalibratedClassifierCV(make(), cv=2),
    "voting": lambda make: VotingClassifier([("a", make()), ("b", LogisticRegression())], voting="soft"),
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("library", KINDS)
def test_a_served_booster_is_compiled_and_right(library: str, around: str, serve: Serve) -> None:
    rows = np.nan_to_num(X)
    estimator = AROUND[around](KINDS[library][0]).fit(rows, CLASSES)
    predictor = serve(estimator, input=INPUT, output={"probabilities": True})
    answer = predictor([dict(zip(NAMES, one, strict=True)) for one in rows[:50].tolist()])
    assert estimator.predict(rows[:50]).reshape(-1).tolist() == answer.result
    chances = [[*one.values()] for one in answer.probabilities or ()]
    assert estimator.predict_proba(rows[:50]).tolist() == chances
    report = predictor.facts.report
    assert ("exact", True) == (report.verdict, report.runtime in ("native", "onnx"))  # which is faster here


@pytest.mark.parametrize("library", KINDS)
def test_a_booster_of_a_table_is_compiled_and_right(library: str, serve: Serve) -> None:
    """Its columns have names and dtypes, and stand in another order than in the spec."""
    frame = pd.DataFrame(np.nan_to_num(X), columns=NAMES).astype({"e": int})
    estimator = KINDS[library][1].fit(frame, NUMBER)
    properties = {name: {"type": "integer" if name == "e" else "number"} for name in NAMES[::-1]}
    predictor = serve(estimator, input={"type": "object", "required": NAMES, "properties": properties})
    answer = predictor(frame[:50].to_dict("records"))
    assert estimator.predict(frame[:50]).tolist() == answer.result
    assert ("native", "exact") == (predictor.facts.report.runtime, predictor.facts.report.verdict)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: XGBRegressor(booster="gblinear", n_jobs=1).fit(CODED, NUMBER), "XGBoost with booster=gblinear"),
        (lambda: XGBRegressor(missing=0.0, n_estimators=2, n_jobs=1).fit(CODED, NUMBER), "XGBoost with missing=0.0"),
        (xgb(XGBRegressor, BINARY, objective="binary:hinge"), "XGBoost with the objective binary:hinge"),
        (
            lambda: LGBMRegressor(linear_tree=True, n_estimators=2, n_jobs=1, verbose=-1).fit(CODED, NUMBER),
            "LightGBM with linear_tree",
        ),
        (lgbm(LGBMRegressor, NUMBER, pred_early_stop=True), "LightGBM with options of its predictions"),
        (lgbm(LGBMRegressor, POSITIVE, reg_sqrt=True), "LightGBM with the objective regression sqrt"),
        (
            cat(CatBoostRegressor, NUMBER, loss_function="RMSEWithUncertainty"),
            "CatBoostRegressor with the loss RMSEWithUncertainty",
        ),
        (
            lambda: CatBoostRegressor(
                iterations=2, cat_features=["town"], verbose=0, thread_count=1, allow_writing_files=False
            ).fit(FRAME.assign(town=FRAME["town"].astype(str))[["town", "spent"]], WORTH),
            "CatBoost with features that are not numbers",
        ),
    ],
)
def test_an_option_that_is_not_covered_is_named(make: Fitted, why: str) -> None:
    with pytest.raises(NotLowered) as refused:
        compiled(make())
    assert why == str(refused.value)
