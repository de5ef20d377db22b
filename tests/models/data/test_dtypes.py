"""Columns have the dtypes that a model was trained with, so that it answers as it does to a frame of its own."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from modelling import NAMES, OBJECT, Serve, X, message, place, y
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import BisectingKMeans, KMeans, MiniBatchKMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import NMF
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from engine import create_app
from engine.errors import RefusedInstance, SpecError
from engine.models.data.dtypes import NAN, float_rows
from engine.models.outlining.model_outline import outline_model
from engine.models.predictor import ResultForm

Y = [0, 1] * 50
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
TEXT = {"type": "string"}
BOOLEAN = {"type": "boolean"}


def instance_of(*optional: str, **properties: Any) -> dict[str, Any]:
    """The input of an object whose features are required, but for some."""
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


def as_text(frame: Any) -> Any:
    return frame.astype(str)


def hour(frame: Any) -> Any:
    return frame[["ts"]].assign(ts=frame["ts"].dt.hour)


def flip(frame: Any) -> Any:
    return ~frame[["b"]]


def low_bit(frame: Any) -> Any:
    return frame[["n"]] & 1


def only_whole(frame: Any) -> Any:
    return frame.select_dtypes("integer")


def looked_up(frame: Any) -> Any:
    return np.array([0.0, 5.0])[frame["n"].to_numpy()].reshape(-1, 1)


def codes(frame: Any) -> Any:
    return frame.apply(lambda column: column.cat.codes)


ZIPS = pd.DataFrame({"zip": [1001, 8004] * 50})
IDS = pd.DataFrame({"id": [9007199254740992, 9007199254740993] * 50})
BITS = pd.DataFrame({"n": [0, 1] * 50, "x": [0.5] * 100})
TIMES = pd.DataFrame({"ts": pd.to_datetime(["2024-01-01 03:00", "2024-01-01 15:00"] * 50)})
FLAGS = pd.DataFrame({"b": [True, False] * 50, "x": [0.0] * 100})
PLANS = pd.DataFrame({"plan": pd.Categorical(["free", "basic"] * 50, categories=["basic", "free", "pro"])})


def encoder() -> Any:
    return OneHotEncoder(handle_unknown="ignore")


CATEGORY = {"plan": "category"}
TRAINED = {
    "text": (make_pipeline(FunctionTransformer(as_text), encoder()), ZIPS, {"zip": {"enum": [1001, 8004]}}, {}),
    "text of a whole number": (make_pipeline(FunctionTransformer(as_text), encoder()), ZIPS, {"zip": INTEGER}, {}),
    "large ids": (make_column_transformer((encoder(), ["id"])), IDS, {"id": INTEGER}, {}),
    "large ids alone": (encoder(), IDS, {"id": INTEGER}, {}),
    "bits": (FunctionTransformer(low_bit), BITS, {"n": INTEGER, "x": NUMBER}, {}),
    "dtypes that select": (FunctionTransformer(only_whole), BITS, {"n": INTEGER, "x": NUMBER}, {}),
    "an index": (FunctionTransformer(looked_up), BITS, {"n": INTEGER, "x": NUMBER}, {}),
    "times": (FunctionTransformer(hour), TIMES, {"ts": TEXT}, {"ts": "datetime"}),
    "flags": (FunctionTransformer(flip), FLAGS, {"b": BOOLEAN, "x": NUMBER}, {}),
    "categories": (
        FunctionTransformer(codes),
        PLANS,
        {"plan": {"enum": ["pro", "free", "basic"]}},
        {"plan": "category"},
    ),
}


def as_sent(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as a client writes them."""
    texts = frame.assign(**{name: frame[name].astype(str) for name in frame.select_dtypes(["datetime", "category"])})
    return texts.to_dict("records")


@pytest.fixture
def uncompiled(serve: Serve) -> Serve:
    """Serve by the estimator itself, which is what most of these tests are about."""
    return partial(serve, runtime="sklearn")


@pytest.mark.parametrize(
    ("name", "runtime"), [*((name, "sklearn") for name in TRAINED), ("large ids", "auto"), ("large ids alone", "auto")]
)
def test_a_model_gets_the_dtypes_of_its_training(name: str, runtime: str, serve: Serve) -> None:
    before, frame, properties, dtypes = TRAINED[name]
    estimator = make_pipeline(before, LogisticRegression(C=1e6)).fit(frame, Y)
    keys = {"dtypes": dtypes} if dtypes else {}
    predictor = serve(estimator, input=instance_of("x", **properties), runtime=runtime, **keys)
    assert Y == predictor(as_sent(frame)).result
    assert [1] == predictor(as_sent(frame[1:2])).result


class Plain:
    """No estimator of scikit-learn's: it only predicts, and says what it was given."""

    def fit(self, frame: Any) -> Plain:
        self.feature_names_in_ = np.array(frame.columns, object)
        return self

    def predict(self, rows: Any) -> Any:
        kinds = rows.dtypes.astype(str).tolist() if hasattr(rows, "dtypes") else [str(rows.dtype)] * rows.shape[1]
        return np.array([" ".join(kinds)] * len(rows))


TEXT_DTYPE = str(pd.Series(["a"]).dtype)
TIME_DTYPE = str(pd.to_datetime(pd.Series(["2024-01-31T12:00:00"])).dtype)
DTYPES = {
    "a required integer": (INTEGER, {}, 1, "int64"),
    "integers of an enum": ({"enum": [1, 2]}, {}, 1, "int64"),
    "a whole number written as a fraction": (INTEGER, {}, 1.0, "int64"),
    "an integer with a default": ({"type": ["integer", "null"], "default": 0}, {}, None, "int64"),
    "an integer that may be null": ({"type": ["integer", "null"]}, {}, 1, "float64"),
    "an integer that is null": ({"type": ["integer", "null"]}, {}, None, "float64"),
    "a number": (NUMBER, {}, 1, "float64"),
    "numbers of an enum": ({"enum": [1, 2.5]}, {}, 1, "float64"),
    "a boolean": (BOOLEAN, {}, True, "bool"),
    "a boolean that may be null": ({"type": ["boolean", "null"]}, {}, True, "object"),
    "a boolean that is null": ({"type": ["boolean", "null"]}, {}, None, "object"),
    "a text": (TEXT, {}, "a", TEXT_DTYPE),
    "a text that is null": ({"type": ["string", "null"]}, {}, None, TEXT_DTYPE),
    "a text or a number": ({"type": ["string", "number"]}, {}, 1, "object"),
    "a declared float": (INTEGER, {"f": "float"}, 1, "float64"),
    "a declared int": (INTEGER, {"f": "int"}, 1, "int64"),
    "a declared category": ({"enum": ["a", "b"]}, {"f": "category"}, "a", "category"),
    "a category that is null": ({"enum": ["a", None]}, {"f": "category"}, None, "category"),
    "a declared time": (TEXT, {"f": "datetime"}, "2024-01-31", TIME_DTYPE),
    "a time in UTC": (TEXT, {"f": "datetime"}, "2024-01-31T12:00:00Z", TIME_DTYPE),
    "a time that is null": ({"type": ["string", "null"]}, {"f": "datetime"}, None, TIME_DTYPE),
    "a time in a zone": (
        TEXT,
        {"f": "datetime[Europe/Berlin]"},
        "2024-01-31T12:00:00Z",
        TIME_DTYPE.replace("]", ", Europe/Berlin]"),
    ),
}


@pytest.mark.parametrize("name", DTYPES)
def test_a_dtype_is_fixed_when_the_spec_is_read(name: str, uncompiled: Serve) -> None:
    """It is the same for every value, and for several rows."""
    schema, dtypes, value, expected = DTYPES[name]
    estimator = Plain().fit(pd.DataFrame({"f": [0]}))
    predictor = uncompiled(estimator, input=instance_of(f=schema), **({"dtypes": dtypes} if dtypes else {}))
    assert [expected] == predictor([{"f": value}]).result
    assert [expected] * 3 == predictor([{"f": value}] * 3).result


def test_an_optional_boolean_beside_numbers_leaves_the_others_alone(uncompiled: Serve) -> None:
    estimator = Plain().fit(pd.DataFrame({"a": [0], "b": [0], "n": [0]}))
    schema = instance_of("b", a=BOOLEAN, b=BOOLEAN, n=INTEGER)
    assert ["bool object int64"] == uncompiled(estimator, input=schema)([{"a": True, "n": 1}]).result


@pytest.mark.parametrize(
    ("values", "expected"),
    [("1\n2\n", "int64"), ("1\n\n2\n", "int64"), ("1.0\n2.0\n", "float64"), ("1,\n,x\n", "float64")],
    ids=repr,
)
def test_a_reference_tells_the_dtype_as_pandas_reads_it(
    values: str, expected: str, uncompiled: Serve, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("f,other\n" + values)
    estimator = Plain().fit(pd.DataFrame({"f": [0]}))
    predictor = uncompiled(estimator, input=instance_of(f=INTEGER), reference="rows.csv")
    assert [expected] == predictor([{"f": 1}]).result


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier().fit(X, y),
        DecisionTreeClassifier().fit(pd.DataFrame(X, columns=NAMES), y),
        make_pipeline(make_column_transformer((StandardScaler(), list(NAMES))), LogisticRegression()).fit(
            pd.DataFrame(X, columns=NAMES), y
        ),
    ],
    ids=["an array", "names", "a table"],
)
@pytest.mark.parametrize("bad", [9007199254740993, -9007199254740993, 2**63 + 1])
def test_an_integer_that_no_float_is_is_refused(bad: int, estimator: Any, serve: Serve) -> None:
    predictor = serve(estimator, input=OBJECT)
    good = dict(zip(NAMES, X[0].tolist(), strict=True))
    predictor([good | {"sepal_width": 9007199254740994}])
    predictor([good | {"sepal_width": 9007199254740993.0}])
    for instances in ([good | {"sepal_width": bad}], [good, good | {"sepal_width": bad}]):
        with pytest.raises(RefusedInstance) as refused:
            predictor(instances)
        assert len(instances) - 1 == refused.value.row
        assert f"sepal_width is a float for the model, and no float is exactly {bad}" == refused.value.reason


@pytest.mark.parametrize(
    ("bad", "shown"),
    [
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (1e300, "a number as large as 1e+300"),
        (-9.007199254740994e19, "a number as large as -9.007199254740994e+19"),
    ],
)
def test_an_integer_beyond_64_bits_is_refused(bad: Any, shown: str, uncompiled: Serve) -> None:
    predictor = uncompiled(Plain().fit(IDS), input=instance_of(id=INTEGER))
    with pytest.raises(RefusedInstance) as refused:
        predictor([{"id": 1}, {"id": bad}])
    assert 1 == refused.value.row
    assert f"id is a 64-bit integer for the model, which cannot hold {shown}" == refused.value.reason


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (
            "datetime",
            "2024-01-31T12:00:00.0000001",
            'ts is a time in microseconds for the model, and "2024-01-31T12:00:00.0000001" is more exact',
        ),
        ("datetime", "noon", 'ts must be a date or time such as 2024-01-31 or 2024-01-31T12:00:00, not "noon"'),
        (
            "datetime",
            "2024-01-31T12:00:00+02:00",
            "ts must be in UTC or have no time zone: the model was trained on times without one",
        ),
        (
            "datetime[UTC]",
            "2024-01-31T12:00:00",
            "ts must have a time zone, as in 2024-01-31T12:00:00Z: the model was trained on times with one",
        ),
    ],
)
def test_a_text_that_is_no_such_time_is_refused(dtype: str, value: str, expected: str, uncompiled: Serve) -> None:
    predictor = uncompiled(Plain().fit(TIMES), input=instance_of(ts=TEXT), dtypes={"ts": dtype})
    with pytest.raises(RefusedInstance) as refused:
        predictor([{"ts": value}])
    assert expected == refused.value.reason


def test_what_is_made_up_for_a_column_of_times_shows_the_form_of_results(serve: Serve) -> None:
    estimator = make_pipeline(FunctionTransformer(hour), LogisticRegression()).fit(TIMES, Y)
    schema = instance_of(ts={"type": "string", "format": "date-time"})
    assert ResultForm((), "integer") == serve(estimator, input=schema, dtypes={"ts": "datetime"}).facts.result


def test_a_declared_time_needs_no_offset(tmp_path: Path) -> None:
    """RFC 3339 wants one, and so `format: date-time`; a column of times without a zone has none."""
    joblib.dump(make_pipeline(FunctionTransformer(hour), LogisticRegression()).fit(TIMES, Y), tmp_path / "m.pkl")
    hours = [f"2024-01-01T{number:02}:00:00" for number in (3, 15)]
    expected = joblib.load(tmp_path / "m.pkl").predict(pd.DataFrame({"ts": pd.to_datetime(hours)})).tolist()
    schema = instance_of(ts={"type": "string", "format": "date-time"})
    example = {"input": {"ts": hours[0]}, "result": expected[0]}
    model = {"file": "m.pkl", "input": schema, "dtypes": {"ts": "datetime"}, "examples": [example]}
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": model}}))
    (tmp_path / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    client = create_app(tmp_path / "routes.yaml").test_client()
    for offset in ("", "Z", "+00:00"):
        answers = [client.post("/", json={"ts": time + offset}).json for time in hours]
        assert [{"result": [one]} for one in expected] == answers
    refused = client.post("/", json={"ts": "noon"})
    assert 422 == refused.status_code
    assert '"noon" is not a date and time; write it like 2026-11-26T09:30:00' in refused.text.replace("\\", "")


class Booster:
    """Looks like LightGBM's: the text of the model tells which columns are categories."""

    pandas_categorical = (["a", "b"], [3, 5])

    def model_to_string(self, num_iteration: int) -> str:
        return f"tree\nnum_trees={num_iteration}\nfeature_infos=[0:9] 0:1 none 0:1\nend"


class Boosted(BaseEstimator):
    """Refuses other categories than those of its training, as LightGBM does."""

    def fit(self, frame: Any, y: Any) -> Boosted:  # noqa: ARG002
        self.n_features_in_ = frame.shape[1]
        self.feature_names_in_ = frame.columns.to_numpy()
        self.booster_ = Booster()
        return self

    def predict(self, frame: Any) -> Any:
        found = [list(frame[name].cat.categories) for name in frame.select_dtypes("category")]
        if found != [["a", "b"], [3, 5]]:
            raise ValueError("train and valid dataset categorical_feature do not match.")
        return frame["c"].cat.codes + 10 * frame["d"].cat.codes


def test_categories_are_those_that_a_booster_has_recorded(uncompiled: Serve) -> None:
    frame = pd.DataFrame({"x": [0.5], "c": ["a"], "none": [0.0], "d": [3]})
    schema = instance_of(x=NUMBER, c={"enum": ["b", "a"]}, none=NUMBER, d=INTEGER)
    predictor = uncompiled(Boosted().fit(frame, None), input=schema)
    rest = {"x": 1, "none": 0}
    assert [10, 1] == predictor([{"c": "a", "d": 5, **rest}, {"c": "b", "d": 3, **rest}]).result


class Xgb(BaseEstimator):
    """Looks like XGBoost's: the booster names the type of each feature."""

    feature_types = ("c", "int", "float", "i")
    feature_names = ("c", "n", "x", "b")

    def fit(self, frame: Any, y: Any) -> Xgb:  # noqa: ARG002
        self.n_features_in_ = frame.shape[1]
        self.feature_names_in_ = frame.columns.to_numpy()
        return self

    def get_booster(self) -> Xgb:
        return self

    def predict(self, frame: Any) -> Any:
        return np.array([" ".join(frame.dtypes.astype(str))] * len(frame))


def test_feature_types_of_a_booster_are_dtypes(uncompiled: Serve) -> None:
    frame = pd.DataFrame({"c": ["a"], "n": [1], "x": [0.5], "b": [True]})
    schema = instance_of(c={"enum": ["b", "a"]}, n=INTEGER, x=INTEGER, b=BOOLEAN)
    predictor = uncompiled(Xgb().fit(frame, None), input=schema)
    assert ["category int64 float64 bool"] == predictor([{"c": "a", "n": 1, "x": 1, "b": True}]).result


def test_categories_that_nobody_names_are_asked_for(uncompiled: Serve, tmp_path: Path) -> None:
    frame = pd.DataFrame({"c": ["a"], "n": [1], "x": [0.5], "b": [True]})
    estimator, schema = Xgb().fit(frame, None), instance_of(c=TEXT, n=INTEGER, x=INTEGER, b=BOOLEAN)
    with pytest.raises(SpecError) as refused:
        uncompiled(estimator, input=schema)
    expected = 'the categories of "c" are not known; list them in its enum, or name a reference'
    assert expected == message(refused)
    (tmp_path / "rows.csv").write_text("c,n,x,b\nz,1,2,True\na,3,4,False\n")
    predictor = uncompiled(estimator, input=schema, reference="rows.csv")
    assert ("a", "z") == predictor.columns.dtypes["c"].values
    assert ["category int64 float64 bool"] == predictor([{"c": "a", "n": 1, "x": 1, "b": True}]).result


def test_a_dtype_that_only_the_user_knows_is_asked_for(uncompiled: Serve) -> None:
    estimator = make_pipeline(FunctionTransformer(hour), LogisticRegression()).fit(TIMES, Y)
    with pytest.raises(SpecError) as refused:
        uncompiled(estimator, input=instance_of(ts={"type": "string", "format": "date-time"}))
    expected = (
        "the model fails on every row that was tried (AttributeError: Can only use .dt accessor with datetimelike "
        'values), and answers with another dtype of "ts"; if it was trained with that, declare dtypes: {ts: datetime}'
    )
    assert expected == message(refused)
    assert "{" == place(refused)


def test_what_a_reference_and_the_input_say_differently_is_asked_for(uncompiled: Serve, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("zip\n1001\n8004\n")
    estimator = make_pipeline(FunctionTransformer(as_text), encoder(), LogisticRegression(C=1e6)).fit(ZIPS, Y)
    with pytest.raises(SpecError) as refused:
        uncompiled(estimator, input=instance_of(zip=NUMBER), reference="rows.csv")
    expected = (
        'the model\'s answers depend on the dtype of "zip": to row 2 of rows.csv it answers 1 with {zip: int}, as '
        "pandas reads it, and answers 0 with {zip: float}, as the input has it; declare what it was trained with, "
        "such as dtypes: {zip: int}"
    )
    assert expected == message(refused)
    declared = uncompiled(estimator, input=instance_of(zip=INTEGER), dtypes={"zip": "int"}, reference="rows.csv")
    assert [0, 1] == declared([{"zip": 1001}, {"zip": 8004}]).result
    floats = pd.DataFrame({"zip": [1001.0, 8004.0] * 50})
    estimator.fit(floats, Y)
    declared = uncompiled(estimator, input=instance_of(zip=NUMBER), dtypes={"zip": "float"}, reference="rows.csv")
    assert [0, 1] == declared([{"zip": 1001}, {"zip": 8004}]).result


def test_an_example_is_held_against_a_frame_of_its_own(uncompiled: Serve) -> None:
    """Were it held against what is served alone, a wrong answer would pass as an example."""
    estimator = make_pipeline(FunctionTransformer(as_text), encoder(), LogisticRegression(C=1e6)).fit(ZIPS, Y)
    with pytest.raises(SpecError) as refused:
        uncompiled(estimator, input=instance_of(zip=NUMBER), examples=[{"input": {"zip": 8004}, "result": 0}])
    assert "to row 1 of the examples it answers 1 with {zip: int}" in message(refused)


class WithColumn(TransformerMixin, BaseEstimator):
    """Wants a DataFrame, and keeps no names."""

    def fit(self, frame: Any, y: Any = None) -> WithColumn:  # noqa: ARG002
        self.fitted_ = True
        return self

    def transform(self, frame: Any) -> Any:
        return frame.assign(both=frame["a"] * frame["b"])


AB = pd.DataFrame({"a": [1, 2] * 50, "b": [3, 5] * 50})


def test_a_table_is_tried_where_an_array_fails(uncompiled: Serve) -> None:
    estimator = make_pipeline(WithColumn(), LogisticRegression(C=1e6)).fit(AB, Y)
    for keys in ({}, {"rows": "table"}):
        predictor = uncompiled(estimator, input=instance_of(a=INTEGER, b=INTEGER), **keys)
        assert Y == predictor(AB.to_dict("records")).result
        assert "table" == predictor.columns.form


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"rows": "array"}, "the model selects its columns by name, which an array does not have"),
        (
            {"rows": "table", "input": {"type": "array", "items": {"type": "number"}}},
            "rows: table is for instances that are objects",
        ),
    ],
)
def test_rows_in_a_form_that_cannot_be_are_refused(keys: dict[str, Any], expected: str, uncompiled: Serve) -> None:
    estimator = make_pipeline(FunctionTransformer(low_bit), LogisticRegression()).fit(BITS, Y)
    with pytest.raises(SpecError) as refused:
        uncompiled(estimator, **{"input": instance_of(n=INTEGER, x=NUMBER), **keys})
    assert expected == message(refused)


DICTS = [{"c": "a", "n": 1}, {"c": "b", "n": 2}] * 50
C = {"enum": ["a", "b"]}


def test_what_takes_mappings_gets_the_objects_as_they_are(uncompiled: Serve) -> None:
    estimator = make_pipeline(DictVectorizer(), LogisticRegression(C=1e6)).fit(DICTS, Y)
    predictor = uncompiled(estimator, input=instance_of("n", c=C, n=NUMBER))
    assert Y == predictor(DICTS).result
    expected = estimator.predict_proba([{"c": "b"}]).tolist()
    chances = uncompiled(estimator, input=instance_of("n", c=C, n=NUMBER), response_method="predict_proba")
    assert expected == chances([{"c": "b"}]).result


class ReadsMappings:
    """Of nobody's library: each row is a dict."""

    def predict(self, rows: Any) -> Any:
        return [row["n"] + len(row) for row in rows]


def test_mappings_are_tried_last_and_can_be_declared(uncompiled: Serve) -> None:
    for keys in ({}, {"rows": "mappings"}):
        predictor = uncompiled(ReadsMappings(), input=instance_of("m", n=INTEGER, m=INTEGER), **keys)
        assert [5, 4] == predictor([{"n": 3, "m": 1}, {"n": 3}]).result


class OnlyPredicts:
    """A class of somebody's own with predict, and nothing else."""

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows).sum(axis=1)


def test_a_plain_class_with_predict_is_served(uncompiled: Serve) -> None:
    predictor = uncompiled(OnlyPredicts(), input=instance_of(a=NUMBER, b=NUMBER))
    assert [3.5] == predictor([{"a": 1, "b": 2.5}]).result
    assert "estimator" == predictor.facts.kind
    assert [6.0] == uncompiled(OnlyPredicts(), input={"type": "array", "items": NUMBER})([[1, 2, 3]]).result


class OneColumn(BaseEstimator):
    """Answers in one column and forgets how many features it has, as CatBoost does."""

    def fit(self, frame: Any, y: Any) -> OneColumn:  # noqa: ARG002
        self.classes_ = np.array(["no", "yes"])
        self.n_features_in_ = 0
        self.feature_names_ = [str(place) for place in range(frame.shape[1])]
        return self

    def predict(self, rows: Any) -> Any:
        return self.classes_[(np.asarray(rows)[:, :1] > 0).astype(int)]

    def predict_proba(self, rows: Any) -> Any:
        chance = (np.asarray(rows)[:, 0] > 0).astype(float)
        return np.column_stack([1 - chance, chance])


def test_an_answer_of_one_column_is_a_label(uncompiled: Serve) -> None:
    estimator = OneColumn().fit(AB, None)
    output = {"labels": ["nope", "yep"], "probabilities": True}
    predictor = uncompiled(estimator, input=instance_of(a=NUMBER, b=NUMBER), output=output)
    prediction = predictor([{"a": 1, "b": 2}, {"a": -1, "b": 2}])
    assert (["yes", "no"], ["yep", "nope"]) == (prediction.result, prediction.labels)
    assert {"nope": 0.0, "yep": 1.0} == prediction.probabilities[0]


class Wrong(OneColumn):
    """Says that it takes three columns, and takes two."""

    def fit(self, frame: Any, y: Any) -> Wrong:
        super().fit(frame, y)
        self.n_features_in_ = 3
        return self

    def predict(self, rows: Any) -> Any:
        if np.shape(rows)[1] != 2:
            raise ValueError("two columns, please")
        return super().predict(rows)


def test_what_an_estimator_says_of_itself_is_held_against_asking_it(uncompiled: Serve) -> None:
    predictor = uncompiled(Wrong().fit(AB, None), input=instance_of(a=NUMBER, b=NUMBER))
    assert ["yes"] == predictor([{"a": 1, "b": 2}]).result


@pytest.mark.parametrize("value", ["K-17", 17, None, True, {"any": ["thing"]}, [1, 2]], ids=repr)
def test_a_column_that_the_model_drops_may_be_anything(value: Any, serve: Serve) -> None:
    frame = pd.DataFrame({"customer": [1.0, 2.0] * 50, "size": [0.5, 2.5] * 50})
    columns = make_column_transformer(("drop", ["customer"]), (StandardScaler(), ["size"]))
    estimator = make_pipeline(columns, LogisticRegression(C=1e6)).fit(frame, Y)
    runtime = "auto" if value == "K-17" else "sklearn"
    predictor = serve(estimator, input=instance_of("customer", customer={}, size=NUMBER), runtime=runtime)
    assert Y == predictor([{"customer": value, "size": size} for size in frame["size"].tolist()]).result


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (KMeans(2, n_init=1), "predict"),
        (MiniBatchKMeans(2, n_init=1), "predict"),
        (BisectingKMeans(2), "predict"),
        (NMF(2, max_iter=2000), "transform"),
        (make_pipeline(StandardScaler(), KMeans(2, n_init=1)), "predict"),
    ],
    ids=str,
)
def test_a_model_of_float32_gets_float32(estimator: Any, method: str, serve: Serve) -> None:
    rows = X.astype(np.float32)
    estimator.fit(rows)
    predictor = serve(estimator, input={"type": "array", "items": NUMBER}, response_method=method)
    alone = [getattr(estimator, method)(row[None])[0] for row in rows]  # NMF's answer depends on the batch
    np.testing.assert_allclose(predictor(X.tolist()).result, alone, rtol=1e-5)


def test_what_surely_casts_goes_on_with_an_array(serve: Serve) -> None:
    """A frame would cost most of the time of a request."""
    schema = instance_of(**dict.fromkeys(NAMES, INTEGER))
    predictor = serve(DecisionTreeClassifier().fit(pd.DataFrame(X, columns=NAMES), y), input=schema)
    assert "array" == predictor.columns.form
    assert np.float64 == predictor.columns.convert([dict.fromkeys(NAMES, 1)]).dtype


def test_categories_of_integers_among_fractions_stay_exact(serve: Serve) -> None:
    frame = IDS.assign(x=0.5)
    columns = make_column_transformer((OrdinalEncoder(), ["id"]), (encoder(), ["id", "x"]))
    estimator = make_pipeline(columns, LogisticRegression(C=1e6)).fit(frame, Y)
    for runtime in ("sklearn", "auto"):
        predictor = serve(estimator, input=instance_of(id=INTEGER, x=NUMBER), runtime=runtime)
        assert Y == predictor(frame.to_dict("records")).result


def test_init_declares_what_the_model_needs(uncompiled: Serve, tmp_path: Path) -> None:
    estimator = make_pipeline(FunctionTransformer(hour), LogisticRegression(C=1e6)).fit(TIMES, Y)
    uncompiled(estimator, input=instance_of(ts=TEXT), dtypes={"ts": "datetime"})
    (tmp_path / "rows.csv").write_text("ts\n2024-01-01 03:00:00\n2024-01-01 15:00:00\n")
    outline = outline_model(tmp_path / "model.pkl", tmp_path / "rows.csv")
    assert {"ts": "datetime"} == outline.dtypes
    assert ({"ts": "2024-01-01 03:00:00"}, 0) == outline.example


def test_init_reads_the_keys_of_mappings(uncompiled: Serve, tmp_path: Path) -> None:
    estimator = make_pipeline(DictVectorizer(), LogisticRegression(C=1e6)).fit(DICTS, Y)
    uncompiled(estimator, input=instance_of("n", c=C, n=NUMBER))
    outline = outline_model(tmp_path / "model.pkl")
    assert {"c": {"enum": ["a", "b", None]}, "n": {"type": "number"}} == outline.schema["properties"]


@pytest.mark.parametrize("row", [[2**53 + 1, 0.5], [NAN, -(2**53) - 1], [NAN, 10**400], [1, -(10**400)]])
def test_an_integer_that_no_float_is_is_found_in_one_row_as_in_many(row: list[Any]) -> None:
    make = float_rows(["a", "b"], None)
    for rows in ([row], [[1, 2], row]):
        with pytest.raises(RefusedInstance, match="no float is exactly"):
            make(rows)
    assert np.array_equal([[2**53, NAN]], make([[2**53, NAN]]), equal_nan=True)
    assert [[-(2.0**53), 1e300]] == make([[-(2**53), 1e300]]).tolist()
