"""Instances become the columns that a model was trained on, or are refused by their row."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from modelling import NAMES, OBJECT, ROW, Serve, X, message, place, y
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from engine.errors import RefusedInstance, SpecError


def test_columns_come_in_the_order_of_features(serve: Serve) -> None:
    estimator = DecisionTreeClassifier(random_state=0).fit(X[:, ::-1], y)
    predictor = serve(estimator, input=OBJECT, features=list(NAMES[::-1]))
    assert y.tolist() == predictor([dict(zip(NAMES, row, strict=True)) for row in X.tolist()]).result
    assert NAMES[::-1] == predictor.facts.features


@pytest.mark.parametrize("features", [None, list(NAMES), sorted(NAMES)])
def test_a_models_own_names_decide_the_order(features: list[str] | None, serve: Serve) -> None:
    frame = pd.DataFrame(X, columns=NAMES)[list(NAMES[::-1])]
    estimator = DecisionTreeClassifier(random_state=0).fit(frame, y)
    predictor = serve(estimator, input=OBJECT, **({"features": features} if features else {}))
    assert y.tolist() == predictor([dict(zip(NAMES, row, strict=True)) for row in X.tolist()]).result
    assert NAMES[::-1] == predictor.facts.features


def test_a_property_that_is_no_feature_is_let_be(serve: Serve) -> None:
    frame = pd.DataFrame(X, columns=NAMES)
    properties = {"id": {"type": "string"}, **OBJECT["properties"]}
    predictor = serve(DecisionTreeClassifier().fit(frame, y), input=OBJECT | {"properties": properties})
    assert [0] == predictor([{"id": "x", **dict(zip(NAMES, X[0].tolist(), strict=True))}]).result


def test_an_absent_or_null_feature_is_its_default_or_missing(serve: Serve) -> None:
    properties = {
        "a": {"type": "number"},
        "b": {"type": ["number", "null"]},
        "c": {"type": "number", "default": 7},
        "d": {"type": ["integer", "null"], "default": 1},
    }
    schema = {"type": "object", "required": ["a"], "properties": properties}
    echo = make_pipeline(SimpleImputer(strategy="constant", fill_value=-1)).fit(np.zeros((2, 4)))
    predictor = serve(echo, input=schema, response_method="transform")
    instances = [{"a": 1}, {"a": 1, "b": None, "d": None}, {"a": 1, "b": 2, "c": 3, "d": 4}]
    assert [[1, -1, 7, 1], [1, -1, 7, 1], [1, 2, 3, 4]] == predictor(instances).result


def test_named_columns_arrive_as_a_frame(serve: Serve) -> None:
    frame = pd.DataFrame({"town": ["a", "b", "a", None], "age": [1.0, 2.0, np.nan, 4.0]})
    columns = ColumnTransformer(
        [
            ("town", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["town"]),
            ("age", SimpleImputer(strategy="median"), ["age"]),
        ]
    )
    estimator = make_pipeline(columns, LogisticRegression()).fit(frame, [0, 1, 0, 1])
    schema = {
        "type": "object",
        "properties": {"age": {"type": ["number", "null"]}, "town": {"enum": ["a", "b", None]}},
    }
    predictor = serve(estimator, input=schema, response_method="predict_proba")
    expected = estimator.predict_proba(frame).tolist()
    instances = [{"town": "a", "age": 1}, {"town": "b", "age": 2}, {"town": "a"}, {"town": None, "age": 4}]
    assert expected == predictor(instances).result


def test_without_pandas_a_frame_is_asked_for_by_name(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"town": ["a", "b"], "age": [1, 2]})
    columns = ColumnTransformer([("town", OneHotEncoder(), ["town"])], remainder="passthrough")
    estimator = make_pipeline(columns, LogisticRegression()).fit(frame, [0, 1])
    schema = {"type": "object", "properties": {"town": {"type": "string"}, "age": {"type": "number"}}}
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SpecError) as refused:
        serve(estimator, input=schema)
    expected = "the model selects its columns by name and needs pandas: pip install pandas"
    assert expected == message(refused)


def test_texts_among_numbers_need_no_frame_where_there_are_no_names(serve: Serve) -> None:
    rows = np.array([["a", 1], ["b", 2], ["a", 3]], dtype=object)
    estimator = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(rows, [0, 1, 0])
    schema = {"type": "object", "properties": {"town": {"type": "string"}, "size": {"type": "integer"}}}
    assert [0, 1] == serve(estimator, input=schema)([{"town": "a", "size": 1}, {"town": "b", "size": 2}]).result


@pytest.mark.parametrize(
    ("schema", "features", "expected"),
    [
        (
            {"type": "object", "properties": {"a": {"type": "number"}}},
            None,
            "the model takes 4 features, but these are 1: a",
        ),
        (OBJECT, list(NAMES[:3]), f"the model takes 4 features, but these are 3: {', '.join(NAMES[:3])}"),
        ({**ROW, "minItems": 1, "maxItems": 3}, None, "the model takes 4 features, but maxItems allows at most 3"),
        ({**ROW, "minItems": 5, "maxItems": 9}, None, "the model takes 4 features, but minItems requires at least 5"),
        ({"type": "number"}, None, "the model takes 4 features, but a number is only one"),
        ({"type": "string"}, None, "the model takes 4 features, not texts; its input must be an object or an array"),
        (
            {"type": ["number", "object"]},
            None,
            "the input must declare what an instance is: one of type: object, array, number or string",
        ),
        (
            {"minimum": 3},
            None,
            "the input must declare what an instance is: one of type: object, array, number or string",
        ),
        (
            {"type": "array", "items": {"type": "string"}},
            None,
            "an instance that is an array is a row of numbers; say items: {type: number}",
        ),
        (
            {"type": "object", "properties": {**OBJECT["properties"], "petal_width": True}},
            None,
            (
                'the feature "petal_width" may be an array or an object, which cannot be a column; '
                "give it a type: number, integer, boolean or string"
            ),
        ),
        ({"type": "object"}, None, "the input has no properties to use as columns"),
    ],
)
def test_an_input_that_does_not_fit_the_model_is_refused(
    schema: Any, features: list[str] | None, expected: str, serve: Serve
) -> None:
    with pytest.raises(SpecError) as refused:
        serve(RandomForestClassifier(2).fit(X, y), input=schema, **({"features": features} if features else {}))
    assert expected == message(refused)


def test_other_names_than_the_models_own_are_refused(serve: Serve) -> None:
    estimator = DecisionTreeClassifier().fit(pd.DataFrame(X, columns=NAMES), y)
    properties = {"petal_widht" if name == "petal_width" else name: {"type": "number"} for name in NAMES}
    with pytest.raises(SpecError) as refused:
        serve(estimator, input={"type": "object", "properties": properties})
    assert 'the model was trained without a feature "petal_widht" (did you mean "petal_width"?)' == message(refused)
    assert '"petal_widht"' == place(refused)
    with pytest.raises(SpecError) as refused:
        serve(estimator, input={"type": "object", "properties": {"colour": {"type": "number"}}})
    lack = 'the model was trained with a feature "sepal_length"; declare it under properties (declared: colour)'
    assert lack == message(refused)
    assert '"properties"' == place(refused)
    extra = {**OBJECT["properties"], "colour": {"type": "number"}}
    with pytest.raises(SpecError) as refused:
        serve(estimator, input={"type": "object", "properties": extra}, features=[*NAMES, "colour"])
    assert f'the model was trained without a feature "colour" (its features are: {", ".join(NAMES)})' == message(
        refused
    )
    assert '"colour"' == place(refused)


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({"$ref": "#/$defs/size"}, "number"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "number"),
        ({"enum": [1, 2.5]}, "number"),
        ({"const": 3}, "number"),
        ({"allOf": [{"type": ["number", "string"]}, {"type": "integer"}]}, "number"),
        ({"type": "boolean"}, "number"),
    ],
)
def test_a_features_type_is_found_wherever_the_schema_says_it(schema: Any, types: str, serve: Serve) -> None:
    document = {"type": "object", "$defs": {"size": {"type": "number"}}, "properties": {"a": schema}}
    estimator = make_pipeline(SimpleImputer(), DecisionTreeRegressor()).fit([[0.0], [3.0]], [0.0, 1.0])
    assert types == "number"
    assert [1.0] == serve(estimator, input=document)([{"a": 3}]).result


def test_what_scikit_learn_refuses_names_its_row(serve: Serve) -> None:
    predictor = serve(RandomForestClassifier(2).fit(X, y))
    rows = X.tolist()
    rows[77][2] = 1e300
    with pytest.raises(RefusedInstance) as refused:
        predictor(rows)
    assert 77 == refused.value.row
    assert "the model rejected this instance: Input X contains infinity or a value too large" in refused.value.reason


@pytest.mark.parametrize("runtime", ["sklearn", "auto"])
@pytest.mark.parametrize("bad", [[0], [3, 77, 78, 149], list(range(150))])
def test_every_row_that_is_refused_is_named(
    bad: list[int], runtime: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to 100 of them, given the time."""
    monkeypatch.setattr("engine.models.predictor.LOOKING_SECONDS", 60.0)
    predictor = serve(RandomForestClassifier(2).fit(X, y), runtime=runtime)
    rows = X.tolist()
    for row in bad:
        rows[row][2] = 1e300
    with pytest.raises(RefusedInstance) as refused:
        predictor(rows)
    assert bad[:100] == [one.row for one in (refused.value, *refused.value.others)]


def test_a_missing_value_that_the_model_does_not_take_is_refused(serve: Serve) -> None:
    schema = {"type": "array", "items": {"type": ["number", "null"]}}
    predictor = serve(LogisticRegression(max_iter=1000).fit(X, y), input=schema)
    with pytest.raises(RefusedInstance) as refused:
        predictor([X[0].tolist(), [1, 2, None, 4]])
    assert (1, "the model rejected this instance: Input X contains NaN.") == (
        refused.value.row,
        refused.value.reason,
    )


def test_a_row_of_another_length_is_refused(serve: Serve) -> None:
    predictor = serve(RandomForestClassifier(2).fit(X, y), input={"type": "array", "items": {"type": "number"}})
    with pytest.raises(RefusedInstance) as refused:
        predictor([[1, 2, 3, 4], [1, 2, 3]])
    assert (1, "3 features, but the model takes 4") == (refused.value.row, refused.value.reason)


def test_an_unknown_category_is_refused(serve: Serve) -> None:
    estimator = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(np.array([["a"], ["b"]], object), [0, 1])
    predictor = serve(estimator, input={"type": "object", "properties": {"town": {"type": "string"}}})
    with pytest.raises(RefusedInstance) as refused:
        predictor([{"town": "a"}, {"town": "c"}])
    assert 1 == refused.value.row
    assert "Found unknown categories ['c'] in \"town\"" in refused.value.reason


def nested(last: Any) -> Any:
    """A model whose encoder is deep inside, after a selection that puts the columns in another order."""
    table = pd.DataFrame({"age": [30.0, np.nan], "spend": [1.0, 2.0], "town": ["a", "b"], "plan": ["x", "y"]})
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    columns = make_column_transformer((SimpleImputer(), ["spend", "age"]), (texts, ["plan", "town"]))
    return make_pipeline(columns, last).fit(table, [0, 1])


@pytest.mark.parametrize("runtime", ["sklearn", "numpy"])
@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        ({"town": "c", "plan": "x"}, '"town"'),
        ({"town": "a", "plan": "c", "age": None}, '"plan"'),
    ],
)
def test_an_unknown_category_is_refused_by_its_features_name(
    instance: Any, reason: str, runtime: str, serve: Serve
) -> None:
    """What is missing is not blamed for it."""
    properties = {"town": {"type": "string"}, "plan": {"type": "string"}}
    properties |= {name: {"type": ["number", "null"]} for name in ("age", "spend")}
    schema = {"type": "object", "required": ["town", "plan"], "properties": properties}
    predictor = serve(nested(LogisticRegression()), input=schema, runtime=runtime)
    with pytest.raises(RefusedInstance) as refused:
        predictor([instance])
    said = refused.value.reason.replace("categories ['c'] in", "categories in")
    assert f"the model rejected this instance: Found unknown categories in {reason} during transform" == said


@pytest.mark.parametrize("runtime", ["sklearn", "numpy"])
@pytest.mark.parametrize("town", ["in column 99", "in column 0", "in column 1 during transform", f"in column {10**9}"])
def test_a_text_that_speaks_of_columns_is_a_text(town: str, runtime: str, serve: Serve) -> None:
    properties = {"town": {"type": "string"}, "plan": {"type": "string"}}
    properties |= {name: {"type": ["number", "null"]} for name in ("age", "spend")}
    predictor = serve(nested(LogisticRegression()), input={"type": "object", "properties": properties}, runtime=runtime)
    with pytest.raises(RefusedInstance) as refused:
        predictor([{"town": town, "plan": "x"}])
    assert refused.value.reason.endswith(f"Found unknown categories ['{town}'] in \"town\" during transform")


def test_a_column_that_cannot_be_followed_stays_a_number(serve: Serve) -> None:
    """Each of these estimators sees the columns in an order of its own."""
    table = np.array([["a", "x", "p"], ["b", "y", "q"]] * 5, object)
    inner = make_pipeline(OneHotEncoder(), LogisticRegression())
    estimator = BaggingClassifier(inner, 3, bootstrap=False, bootstrap_features=True, random_state=0)
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in ("f", "g", "h")}}
    predictor = serve(estimator.fit(table, [0, 1] * 5), input=schema, runtime="sklearn")
    with pytest.raises(RefusedInstance) as refused:
        predictor([{"f": "a", "g": "x", "h": "p", name: "new"} for name in ("f", "g", "h")])
    told = [one.reason for one in (refused.value, *refused.value.others)]
    assert told == [one for one in told if re.search(r"categories \['new'\] in column \d during transform$", one)]


def test_a_search_that_was_cut_short_says_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = serve(RandomForestClassifier(2).fit(X, y))
    for seconds, bad, are_all in ((60, 100, True), (60, 101, False), (-1, 2, False)):
        monkeypatch.setattr("engine.models.predictor.LOOKING_SECONDS", seconds)
        with pytest.raises(RefusedInstance) as refused:
            predictor([[1e300] * 4] * bad + [X[0].tolist()])
        assert are_all == refused.value.are_all


def test_a_refused_instance_names_what_it_lacks(serve: Serve) -> None:
    schema = {**OBJECT, "required": ["sepal_length"]}
    predictor = serve(LogisticRegression(max_iter=1000).fit(X, y), input=schema)
    with pytest.raises(RefusedInstance) as refused:
        predictor([{"sepal_length": 5.0, "sepal_width": 3.0, "petal_width": None}])
    expected = "the model rejected this instance: Input X contains NaN. (missing: petal_length, petal_width)"
    assert expected == refused.value.reason


def test_a_default_may_stand_behind_a_reference(serve: Serve) -> None:
    document = {"type": "object", "$defs": {"n": {"type": "number", "default": 3}}}
    document["properties"] = {"a": {"$ref": "#/$defs/n"}}
    estimator = DecisionTreeRegressor().fit([[0.0], [3.0]], [0.0, 1.0])
    assert [1.0] == serve(estimator, input=document)([{}]).result
