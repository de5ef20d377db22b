"""Transformers of DataFrames, those of Feature-engine, category_encoders and skrub, are compiled column by column."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from modelling import Serve, row
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from engine.errors import RefusedInstance
from engine.models.data.dtypes import Dtype, Table, as_taken
from engine.models.data.rows import slice_rows
from engine.models.lowering.lower import lower_estimator
from engine.models.lowering.result import NotLowered
from engine.models.proving.moments import moments
from engine.models.runtime.answer import Refusal
from engine.models.runtime.native_trees import NativeTrees, build_library
from engine.models.runtime.program import Program, dump_program, load_program

pytest.importorskip("feature_engine", reason="Feature-engine is not installed")
ce = pytest.importorskip("category_encoders", reason="category_encoders is not installed")
skrub = pytest.importorskip("skrub", reason="skrub is not installed")

from feature_engine import creation, discretisation, encoding, imputation, outliers, selection, transformation  # noqa: E402
from feature_engine.datetime import DatetimeFeatures  # noqa: E402

random = np.random.default_rng(0)
COUNT = 400
MOMENTS = np.array(moments(np.random.default_rng(1), "%Y-%m-%dT%H:%M:%S.%f"), "datetime64[us]")


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    """These libraries warn of pandas, of each other and of unknown categories; and threads wait for other tests."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield


def make_frame(seed: int) -> pd.DataFrame:
    some = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "plan": some.choice(["free", "basic", "pro", "rare"], COUNT, p=[0.4, 0.3, 0.28, 0.02]),
            "city": some.choice(["Bern", "Chur", "Genf"], COUNT),
            "age": some.integers(18, 80, COUNT) / 2,
            "income": some.lognormal(8, 1, COUNT).round(2),
            "zip": some.choice([1201, 3011, 8001], COUNT),
            "hour": some.integers(0, 24, COUNT),
            "seen": some.choice(MOMENTS, COUNT),
        }
    )
    for name, gap in (("age", np.nan), ("city", None), ("seen", None)):
        frame.loc[some.random(COUNT) < 0.1, name] = gap
    return frame


GAPS = make_frame(0)
FULL = GAPS.fillna({"age": 40.0, "city": "Bern", "seen": pd.Timestamp("2024-02-29")})
NUMBER = (GAPS["plan"] == "pro") + (FULL["age"] > 20) + FULL["income"] / 9_000 + FULL["seen"].dt.month / 6
YES = (NUMBER > NUMBER.median()).astype(int)
KINDS = ("string", "string", "float", "float", "int", "int", "datetime")
DTYPES = {name: Dtype(kind) for name, kind in zip(GAPS, KINDS, strict=True)}  # type: ignore[arg-type]


def asked(*, gaps: bool = True) -> Table:
    """Rows of other numbers and times than those of the training, and of unknown categories."""
    frame = make_frame(2) if gaps else make_frame(2).fillna({"age": 1.0, "city": "Bern", "seen": MOMENTS[0]})
    cells = {
        name: np.array(column, object if DTYPES[name].kind == "string" else None) for name, column in frame.items()
    }
    cells["plan"][::7], cells["plan"][3::19], cells["city"][::11] = "gold", "N/A", "Lugano"
    if gaps:
        cells["plan"][::13], cells["city"][5::17] = None, np.nan
    cells["zip"][::9], cells["hour"][::10] = 99, 99
    cells["seen"] = cells["seen"].astype("datetime64[us]")
    return Table(cells, DTYPES)


def tree() -> Any:
    return DecisionTreeRegressor(max_depth=6, random_state=0)


def boosting(**options: Any) -> Any:
    return HistGradientBoostingRegressor(max_iter=5, random_state=0, **options)


DROPPED = selection.DropFeatures(["plan", "city", "seen"])
ALL = ("month quarter semester year week day_of_week day_of_month day_of_year weekend month_start month_end").split()
ALL += "quarter_start quarter_end year_start year_end leap_year days_in_month hour minute second".split()
OF_GAPS = [name for name in ALL if name not in ("week", "days_in_month")]
Make = Callable[[], Any]
WITH_GAPS: Mapping[str, Make] = {
    "imputed, rare, ordinal": lambda: make_pipeline(
        imputation.MeanMedianImputer(variables=["age"]),
        imputation.CategoricalImputer(variables=["plan", "city"]),
        encoding.RareLabelEncoder(tol=0.05, n_categories=2, variables=["plan"]),
        encoding.OrdinalEncoder(encoding_method="arbitrary", variables=["plan", "city"], unseen="encode"),
        selection.DropFeatures(["seen"]),
        tree(),
    ),
    "gaps are kept": lambda: make_pipeline(
        encoding.RareLabelEncoder(variables=["city"], n_categories=2, missing_values="ignore"),
        encoding.MeanEncoder(variables=["plan", "city"], missing_values="ignore"),
        selection.DropFeatures(["seen"]),
        boosting(),
    ),
    "indicated": lambda: make_pipeline(
        imputation.AddMissingIndicator(variables=["age", "city"]),
        imputation.ArbitraryNumberImputer(arbitrary_number=-1, variables=["age"]),
        DROPPED,
        StandardScaler(),
        Ridge(),
    ),
    "end of the tail": lambda: make_pipeline(imputation.EndTailImputer(variables=["age"]), DROPPED, tree()),
    "parts of no time": lambda: make_pipeline(
        DatetimeFeatures(variables=["seen"], features_to_extract=OF_GAPS, missing_values="ignore"),
        selection.DropFeatures(["plan", "city"]),
        boosting(),
    ),
    "in a column transformer": lambda: make_pipeline(
        make_column_transformer(
            (
                make_pipeline(imputation.CategoricalImputer(), encoding.OrdinalEncoder(unseen="encode")),
                ["plan", "city"],
            ),
            (imputation.MeanMedianImputer(), ["age"]),
            (DatetimeFeatures(missing_values="ignore"), ["seen"]),
            remainder="passthrough",
        ),
        boosting(),
    ),
    **{
        f"{name} of category_encoders": lambda name=name: make_pipeline(
            getattr(ce, name)(cols=["plan", "city"]), selection.DropFeatures(["seen"]), boosting()
        )
        for name in (
            *(
                "BaseNEncoder",
                "BinaryEncoder",
                "CatBoostEncoder",
                "CountEncoder",
                "HelmertEncoder",
                "JamesSteinEncoder",
            ),
            *("LeaveOneOutEncoder", "MEstimateEncoder", "OneHotEncoder", "OrdinalEncoder", "SumEncoder"),
            "TargetEncoder",
        )
    },
    "ids of category_encoders": lambda: make_pipeline(
        ce.TargetEncoder(cols=["zip", "plan"]), selection.DropFeatures(["seen", "city"]), boosting()
    ),
    "category_encoders in a column transformer": lambda: make_pipeline(
        make_column_transformer((ce.TargetEncoder(), ["plan", "city"]), ("passthrough", ["age", "income"])), boosting()
    ),
    "a table of skrub's": lambda: make_pipeline(skrub.TableVectorizer(), boosting()),
    "scaled float32": lambda: make_pipeline(
        skrub.TableVectorizer(
            datetime=skrub.DatetimeEncoder(resolution="microsecond", add_weekday=True, add_day_of_year=True)
        ),
        StandardScaler(),
        boosting(),
    ),
    "times on a circle": lambda: make_pipeline(
        skrub.ApplyToCols(skrub.DatetimeEncoder(add_weekday=True, periodic_encoding="circular"), cols=["seen"]),
        selection.DropFeatures(["plan", "city"]),
        boosting(),
    ),
}
WITHOUT_GAPS: Mapping[str, Make] = {
    "parts of times": lambda: make_pipeline(
        DatetimeFeatures(variables=["seen"], features_to_extract="all"),
        selection.DropFeatures(["plan", "city"]),
        tree(),
    ),
    "times are kept": lambda: make_pipeline(DatetimeFeatures(variables=["seen"], drop_original=False), DROPPED, tree()),
    "one hot": lambda: make_pipeline(
        encoding.OneHotEncoder(variables=["plan", "city"]), selection.DropFeatures(["seen"]), StandardScaler(), Ridge()
    ),
    "counts that refuse": lambda: make_pipeline(
        encoding.CountFrequencyEncoder(variables=["plan", "city"], unseen="raise"),
        selection.DropFeatures(["seen"]),
        tree(),
    ),
    "codes of codes": lambda: make_pipeline(
        encoding.MeanEncoder(variables=["plan", "city", "zip"], ignore_format=True, unseen="encode"),
        selection.DropFeatures(["seen"]),
        Ridge(),
    ),
    "on a circle": lambda: make_pipeline(
        DROPPED, creation.CyclicalFeatures(variables=["hour"], drop_original=True), Ridge()
    ),
    "powers and logarithms": lambda: make_pipeline(
        DROPPED,
        transformation.LogTransformer(variables=["income"], base="10"),
        transformation.LogCpTransformer(variables=["hour"], C=1),
        transformation.PowerTransformer(variables=["age"]),
        Ridge(),
    ),
    "bins": lambda: make_pipeline(
        DROPPED,
        outliers.Winsorizer(variables=["income"]),
        discretisation.EqualFrequencyDiscretiser(q=5, variables=["income"]),
        discretisation.EqualWidthDiscretiser(bins=4, variables=["hour", "age"]),
        tree(),
    ),
    "unknown categories are refused": lambda: make_pipeline(
        ce.TargetEncoder(cols=["plan", "city"], handle_unknown="error"), selection.DropFeatures(["seen"]), tree()
    ),
}
CLOSE = ("powers and logarithms", "on a circle", "one hot", "codes of codes", "indicated")


def compiled(estimator: Any, method: str = "predict", columns: int = len(DTYPES)) -> Program:
    library = build_library()
    program = lower_estimator(
        estimator, method, lambda table: NativeTrees(table, library), probabilities=False, columns=columns
    )
    return load_program(dump_program(program))


def answers(ask: Callable[[Any], Any], rows: Table, refusal: type[Exception]) -> list[float | None]:
    """The answer to each row alone, None where it is refused."""
    found: list[float | None] = []
    for place in range(28):  # pandas takes milliseconds for each
        try:
            found.append(float(ask(slice_rows(rows, place, place + 1))[0]))
        except refusal:
            found.append(None)
    return found


def require_same(name: str, estimator: Any, program: Program, rows: Table) -> None:
    expected = answers(lambda some: estimator.predict(as_taken(some)), rows, ValueError)
    found = answers(lambda some: program.arrays(some)[0], rows, Refusal)
    assert [one is None for one in expected] == [one is None for one in found]
    kept = [one for one in expected if one is not None]
    assert len(kept) > 5
    if name in CLOSE:
        assert kept == pytest.approx([one for one in found if one is not None], rel=1e-12)
    else:
        assert expected == found


@pytest.mark.parametrize("name", WITH_GAPS)
def test_a_pipeline_of_frames_is_compiled_to_the_same_answers(name: str) -> None:
    estimator = WITH_GAPS[name]().fit(GAPS, NUMBER)
    program, rows = compiled(estimator), asked()
    require_same(name, estimator, program, rows)
    together = estimator.predict(as_taken(rows))
    assert together.tolist() == pytest.approx(program.arrays(rows)[0].tolist(), rel=1e-12)


@pytest.mark.parametrize("name", WITHOUT_GAPS)
def test_so_is_one_that_refuses_gaps(name: str) -> None:
    """Rows with a gap, or an unknown category, are refused where the library raises."""
    estimator = WITHOUT_GAPS[name]().fit(FULL, NUMBER)
    program = compiled(estimator)
    require_same(name, estimator, program, asked(gaps=False))
    require_same(name, estimator, program, asked())


def test_what_such_a_pipeline_transforms_is_the_same_too() -> None:
    estimator = make_pipeline(
        imputation.CategoricalImputer(variables=["plan", "city"]),
        encoding.OrdinalEncoder(variables=["plan", "city"], unseen="encode"),
        selection.DropFeatures(["seen"]),
    ).fit(GAPS, NUMBER)
    expected = estimator.transform(as_taken(asked())).to_numpy(np.float64)
    assert expected.tobytes() == compiled(estimator, "transform").arrays(asked())[0].astype(np.float64).tobytes()


TEXT, GAP = {"type": ["string", "null"]}, {"type": ["number", "null"]}
INPUT = row(
    plan=TEXT,
    city=TEXT,
    age=GAP,
    income={"type": "number"},
    zip={"type": "integer"},
    hour={"type": "integer"},
    seen=TEXT,
)
ONE = {"plan": "pro", "city": None, "age": 20.5, "income": 1e4, "zip": 8001, "hour": 3, "seen": "2024-02-29T23:59:59.5"}


def serve_frames(serve: Serve, estimator: Any, folder: Path, seen: Any = TEXT, **keys: Any) -> Any:
    GAPS.to_csv(folder / "rows.csv", index=False)
    properties = {**INPUT["properties"], "seen": seen}
    return serve(estimator, input={**INPUT, "properties": properties}, reference="rows.csv", **keys)


@pytest.mark.parametrize("library", ["Feature-engine", "skrub"])
def test_dates_are_served_compiled_and_right(library: str, serve: Serve, tmp_path: Path) -> None:
    """They are texts in JSON, and may be missing; what is no date is refused."""
    options = {"variables": ["seen"], "features_to_extract": OF_GAPS, "missing_values": "ignore"}
    first = skrub.TableVectorizer() if library == "skrub" else DatetimeFeatures(**options)
    before = [first] if library == "skrub" else [first, selection.DropFeatures(["plan", "city"])]
    estimator = make_pipeline(*before, HistGradientBoostingClassifier(max_iter=5)).fit(GAPS, YES)
    predictor = serve_frames(serve, estimator, tmp_path, dtypes={"seen": "datetime"}, output={"probabilities": True})
    rows = [ONE, {**ONE, "seen": None}, {**ONE, "seen": "1901-01-01", "plan": "gold"}]
    frame = pd.DataFrame(rows).assign(seen=lambda table: pd.to_datetime(table["seen"], format="ISO8601"))
    answer = predictor(rows)
    assert estimator.predict(frame).tolist() == answer.result
    assert estimator.predict_proba(frame).tolist() == [[*one.values()] for one in answer.probabilities]
    assert ("native", "exact") == (predictor.facts.report.runtime, predictor.facts.report.verdict)
    with pytest.raises(RefusedInstance, match="seen must be a date or time such as 2024-01-31"):
        predictor([{**ONE, "seen": "soon"}])
    with pytest.raises(RefusedInstance, match="seen must be in UTC or have no time zone"):
        predictor([{**ONE, "seen": "2024-01-31T12:00:00+02:00"}])


def test_dates_that_are_texts_for_the_model_are_compiled_too(serve: Serve) -> None:
    texts = FULL.assign(seen=FULL["seen"].dt.strftime("%Y-%m-%d"))
    estimator = make_pipeline(
        DatetimeFeatures(variables=["seen"]), selection.DropFeatures(["plan", "city"]), tree()
    ).fit(texts[["plan", "city", "age", "seen"]], NUMBER)
    date = {"type": "string", "format": "date"}
    predictor = serve(estimator, input=row(plan=TEXT, city=TEXT, age=GAP, seen=date))
    rows = [{"plan": "pro", "city": "Bern", "age": 20.5, "seen": seen} for seen in ("2024-02-29", "1900-12-31")]
    assert estimator.predict(pd.DataFrame(rows)).tolist() == predictor(rows).result
    assert ("native", "exact") == (predictor.facts.report.runtime, predictor.facts.report.verdict)


def test_a_time_zone_that_moves_is_left_to_the_library(serve: Serve) -> None:
    """Its hours depend on the rules of the zone, which the proof finds out."""
    local = FULL[["age", "seen"]].assign(seen=FULL["seen"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"))
    estimator = make_pipeline(DatetimeFeatures(variables=["seen"]), tree()).fit(local, NUMBER)
    instant = {"type": "string", "format": "date-time"}
    predictor = serve(estimator, input=row(age=GAP, seen=instant), dtypes={"seen": "datetime[Europe/Berlin]"})
    asked_for = pd.DataFrame({"age": [20.0], "seen": pd.to_datetime(["2024-01-31T23:30:00Z"])})
    expected = estimator.predict(asked_for.assign(seen=asked_for["seen"].dt.tz_convert("Europe/Berlin")))
    assert expected.tolist() == predictor([{"age": 20.0, "seen": "2024-01-31T23:30:00Z"}]).result
    assert predictor.facts.report.runtime == "sklearn"


def test_encoded_texts_are_served_compiled_and_refused_as_the_library_does(serve: Serve, tmp_path: Path) -> None:
    estimator = make_pipeline(
        ce.TargetEncoder(cols=["plan", "city"], handle_unknown="error"),
        selection.DropFeatures(["seen"]),
        RandomForestClassifier(5, random_state=0),
    ).fit(GAPS.fillna({"age": 1.0}), YES)
    predictor = serve_frames(serve, estimator, tmp_path, dtypes={"seen": "datetime"})
    assert estimator.predict(pd.DataFrame([ONE])).tolist() == predictor([ONE]).result
    assert ("native", "exact") == (predictor.facts.report.runtime, predictor.facts.report.verdict)
    with pytest.raises(RefusedInstance, match="Unexpected categories found in dataframe"):
        predictor([{**ONE, "plan": "gold"}])


def test_linear_models_behind_encoders_are_compiled(serve: Serve, tmp_path: Path) -> None:
    estimator = make_pipeline(
        imputation.MeanMedianImputer(variables=["age"]),
        imputation.CategoricalImputer(variables=["plan", "city"]),
        encoding.OneHotEncoder(variables=["plan", "city"]),
        selection.DropFeatures(["seen"]),
        StandardScaler(),
        LogisticRegression(),
    ).fit(GAPS, YES)
    predictor = serve_frames(serve, estimator, tmp_path, dtypes={"seen": "datetime"})
    assert estimator.predict(pd.DataFrame([ONE])).tolist() == predictor([ONE]).result
    assert predictor.facts.report.runtime == "numpy"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: imputation.RandomSampleImputer(variables=["age"]), "Feature-engine's RandomSampleImputer"),
        (lambda: outliers.Winsorizer(variables=["income"], add_indicators=True), "Winsorizer with add_indicators"),
        (lambda: DatetimeFeatures(variables=["seen"], dayfirst=True), "DatetimeFeatures with dayfirst"),
        (
            lambda: discretisation.EqualWidthDiscretiser(variables=["hour"], return_boundaries=True),
            "EqualWidthDiscretiser with return_boundaries",
        ),
        (lambda: ce.HashingEncoder(cols=["plan"], max_process=1), "category_encoders' HashingEncoder"),
        (lambda: skrub.TableVectorizer(cardinality_threshold=2), "skrub with StringEncoder"),
        (
            lambda: skrub.ApplyToCols(skrub.DatetimeEncoder(periodic_encoding="spline"), cols=["seen"]),
            "skrub's DatetimeEncoder with splines",
        ),
    ],
)
def test_what_is_not_covered_is_named(make: Make, why: str) -> None:
    estimator = make_pipeline(make(), DecisionTreeClassifier()).named_steps
    (first, _) = estimator.values()
    first.fit(FULL, YES)
    with pytest.raises(NotLowered) as refused:
        compiled(first, "transform")
    assert why == str(refused.value)


def test_a_worker_needs_none_of_these_libraries(tmp_path: Path) -> None:
    estimator = WITH_GAPS["a table of skrub's"]().fit(GAPS, NUMBER)
    (tmp_path / "program.npz").write_bytes(dump_program(compiled(estimator)))
    script = f"""
import sys
sys.modules.update(dict.fromkeys(("skrub", "pandas", "scipy", "sklearn")))
import numpy as np
from engine.models.data.dtypes import Table
from engine.models.runtime.program import load_program
cells = [np.array(["pro"], object), np.array([None]), *(np.array([one]) for one in (20.5, 1e4, 8001, 3))]
rows = Table(dict(enumerate([*cells, np.array(["2024-02-29T23:59:59.5"], "datetime64[us]")])), {{}})
print(load_program(open({str(tmp_path / "program.npz")!r}, "rb").read()).arrays(rows)[0].tolist())
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    asked_for = pd.DataFrame([ONE]).assign(seen=pd.to_datetime([ONE["seen"]]))
    assert f"{estimator.predict(asked_for).tolist()}\n" == said
