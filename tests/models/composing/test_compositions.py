"""Compositions answer what the estimators, combined by hand in numpy and pandas, answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from engine.errors import RefusedInstance, SpecError, UnknownKey
from engine.models import Facts, Predictor, compile_models
from engine.spec import load_spec

RNG = np.random.default_rng(7)
COUNT = 300
AGES = pd.DataFrame({"age": RNG.uniform(18, 90, COUNT), "spend": RNG.uniform(0, 100, COUNT)})
LEAVES = np.where(AGES.age + AGES.spend + RNG.normal(0, 20, COUNT) > 100, "yes", "no")
NUMBER = {"type": "number"}
Spec = Callable[..., Mapping[str, Predictor]]


def schema(*names: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*names, *more], "properties": {**dict.fromkeys(names, NUMBER), **more}}


AGE_AND_SPEND = schema("age", "spend")
CHANCES = {"output": {"probabilities": True}}


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Save estimators, name each in an entry with the same name, and compile them with the compositions."""

    def make(estimators: Mapping[str, Any], **entries: Any) -> Mapping[str, Predictor]:
        for name, estimator in estimators.items():
            joblib.dump(estimator, tmp_path / f"{name}.joblib")
            entries[name] = {"file": f"{name}.joblib", **entries[name]}
        (tmp_path / "routes.yaml").write_text(json.dumps({"routes": [{"path": "/", "response": "hi"}]}))
        (tmp_path / "models.yaml").write_text(json.dumps({"models": entries}))
        return compile_models(load_spec(tmp_path / "routes.yaml"))

    return make


def instances(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dict("records")


@pytest.fixture(scope="module")
def two() -> dict[str, Any]:
    return {
        "a": LogisticRegression().fit(AGES, LEAVES),
        "b": RandomForestClassifier(5, random_state=0).fit(AGES, LEAVES),
    }


def entries_of_two(**more: Any) -> dict[str, Any]:
    return {name: {"input": AGE_AND_SPEND, **CHANCES, **more} for name in ("a", "b")}


def test_an_average_is_that_of_the_probabilities(spec: Spec, two: dict[str, Any]) -> None:
    mean = {"average": {"a": 2, "b": 1}, "input": AGE_AND_SPEND, **CHANCES}
    found = spec(two, **entries_of_two(), mean=mean)["mean"](instances(AGES))
    expected = (2 * two["a"].predict_proba(AGES) + two["b"].predict_proba(AGES)) / 3
    assert np.array(["no", "yes"])[expected.argmax(axis=1)].tolist() == found.result
    assert found.probabilities is not None
    np.testing.assert_allclose(expected, [[row["no"], row["yes"]] for row in found.probabilities], rtol=1e-12)


def test_an_average_is_what_a_voting_classifier_answers(spec: Spec, two: dict[str, Any]) -> None:
    voting = VotingClassifier([*two.items()], voting="soft", weights=[2, 1]).fit(AGES, LEAVES)
    fitted = dict(zip(two, voting.estimators_, strict=True))  # its classes are numbers
    made = spec(fitted, **entries_of_two(), mean={"average": {"a": 2, "b": 1}, "input": AGE_AND_SPEND})
    assert voting.predict(AGES).tolist() == [["no", "yes"][one] for one in made["mean"](instances(AGES)).result]
    assert made["mean"](instances(AGES)).probabilities is None


def test_weights_count_by_their_ratio(spec: Spec, two: dict[str, Any]) -> None:
    weights = {"once": {"a": 0.5, "b": 0.25}, "twice": {"a": 6, "b": 3}}
    means = {name: {"average": one, "input": AGE_AND_SPEND, **CHANCES} for name, one in weights.items()}
    made = spec(two, **entries_of_two(), **means)
    once, twice = (made[name](instances(AGES)) for name in weights)
    assert once.result == twice.result
    assert once.probabilities is not None
    assert twice.probabilities is not None
    assert [pytest.approx(one) for one in once.probabilities] == twice.probabilities


def test_the_threshold_of_an_average_chooses_by_its_own_means(spec: Spec, two: dict[str, Any]) -> None:
    mean = {"average": {"a": 1, "b": 3}, "input": AGE_AND_SPEND, "threshold": {"yes": 0.2}}
    made = spec(two, **entries_of_two(), mean=mean)["mean"]
    chances = (two["a"].predict_proba(AGES)[:, 1] + 3 * two["b"].predict_proba(AGES)[:, 1]) / 4
    assert np.where(chances >= 0.2, "yes", "no").tolist() == made(instances(AGES)).result
    assert {"yes": 0.2} == made.facts.threshold


def test_classes_of_an_average_may_have_another_order_in_each_model(spec: Spec) -> None:
    """As those of a pipeline whose last step has sorted them otherwise; each column goes to its class."""
    other = LogisticRegression().fit(AGES, LEAVES)
    other.classes_ = other.classes_[::-1]
    other.coef_, other.intercept_ = -other.coef_, -other.intercept_
    first = LogisticRegression(C=0.01).fit(AGES, LEAVES)
    mean = {"average": {"a": 1, "b": 1}, "input": AGE_AND_SPEND, **CHANCES}
    found = spec({"a": first, "b": other}, **entries_of_two(), mean=mean)["mean"](instances(AGES))
    expected = (first.predict_proba(AGES) + other.predict_proba(AGES)[:, ::-1]) / 2
    assert found.probabilities is not None
    np.testing.assert_allclose(expected, [[row["no"], row["yes"]] for row in found.probabilities], rtol=1e-9)


def test_an_average_of_regressors_is_that_of_their_numbers(spec: Spec) -> None:
    models = {
        "age": LinearRegression().fit(AGES[["age"]], AGES.spend),
        "spend": LinearRegression().fit(AGES[["spend"]], AGES.age * 3),
    }
    own = {name: {"input": schema(name)} for name in models}
    mean = {"average": {"age": 1, "spend": 4}, "input": AGE_AND_SPEND}
    made = spec(models, **own, mean=mean)["mean"]
    expected = (models["age"].predict(AGES[["age"]]) + 4 * models["spend"].predict(AGES[["spend"]])) / 5
    np.testing.assert_allclose(expected, made(instances(AGES)).result, rtol=1e-12)
    assert ("regressor", None, "number") == (made.facts.kind, made.facts.classes, result_type(made.facts))


def result_type(facts: Facts) -> str:
    return facts.result.type if facts.result is not None else ""


def test_a_mean_that_is_too_large_is_left_to_the_route_which_refuses_it(spec: Spec) -> None:
    """And nothing warns on the way."""
    huge = DummyRegressor(strategy="constant", constant=1e308).fit([[0.0]], [0.0])
    own = {name: {"input": schema("x")} for name in ("a", "b")}
    made = spec({"a": huge, "b": huge}, **own, mean={"average": {"a": 1, "b": 1}, "input": schema("x")})["mean"]
    assert [np.inf] == made([{"x": 1}]).result


HOUSES = pd.DataFrame(
    {"lat": RNG.uniform(46, 48, COUNT), "lon": RNG.uniform(7, 9, COUNT), "rooms": RNG.integers(1, 8, COUNT)}
)
NAMES = np.array(["north", "south", "east", "west"])
PLACES = ["lat", "lon"]


def houses() -> tuple[Any, pd.Series]:
    number = np.where(HOUSES.lat > 47, 2, 0) + (HOUSES.lon > 8)
    return RandomForestClassifier(5, random_state=0).fit(HOUSES[PLACES], number), number


@pytest.mark.parametrize("runtime", ["auto", "sklearn"])
def test_a_chain_predicts_from_the_label_of_another_model(spec: Spec, runtime: str) -> None:
    district, number = houses()
    known = HOUSES[["rooms"]].assign(district=NAMES[number])
    encoded = make_column_transformer((OneHotEncoder(), ["district"]), remainder="passthrough")
    price = make_pipeline(encoded, LinearRegression()).fit(known, HOUSES.rooms * 100.0 + number * 50)
    feature = {"model": "district", "take": "label", "as": "district"}
    made = spec(
        {"district": district, "price": price},
        district={"input": schema(*PLACES), "output": {"labels": NAMES.tolist()}, "runtime": runtime},
        price={"features": ["rooms", feature], "input": schema("rooms", *PLACES), "runtime": runtime},
    )["price"]
    asked = HOUSES[["rooms"]].assign(district=NAMES[district.predict(HOUSES[PLACES])])
    np.testing.assert_allclose(price.predict(asked), made(instances(HOUSES)).result, rtol=1e-9)
    assert ("rooms", *PLACES) == made.facts.features


def test_a_chain_takes_results_and_probabilities(spec: Spec, two: dict[str, Any]) -> None:
    """Of two models, one of them twice, and a feature that only the file's own model takes."""
    columns = AGES[["age"]].assign(
        leaves=two["a"].predict(AGES) == "yes",
        likely=two["b"].predict_proba(AGES)[:, 1],
        other=two["b"].predict_proba(AGES)[:, 0],
    )
    own = LinearRegression().fit(columns.assign(leaves=columns.leaves.astype(float)), AGES.spend)
    graded = RandomForestClassifier(3, random_state=1).fit(AGES, (LEAVES == "yes").astype(int))
    features = [
        "age",
        {"model": "grade", "take": "result", "as": "leaves"},
        {"model": "b", "take": "probability.yes", "as": "likely"},
        {"model": "b", "take": "probability.no", "as": "other"},
    ]
    made = spec(
        {"own": own, "grade": graded, "b": two["b"]},
        grade={"input": AGE_AND_SPEND},
        b={"input": AGE_AND_SPEND, **CHANCES},
        own={"features": features, "input": AGE_AND_SPEND},
    )["own"]
    chances = two["b"].predict_proba(AGES)
    asked = columns.assign(leaves=graded.predict(AGES), likely=chances[:, 1], other=chances[:, 0])
    np.testing.assert_allclose(own.predict(asked), made(instances(AGES)).result, rtol=1e-9)


TAXES = {name: LinearRegression().fit(AGES[["spend"]], AGES.spend * rate) for name, rate in (("ch", 1.0), ("eu", 3.0))}
BY_COUNTRY = schema("spend", country={"enum": ["CH", "DE", "FR", None]})


def test_a_switch_divides_a_batch_and_keeps_its_order(spec: Spec) -> None:
    own = {name: {"input": schema("spend")} for name in TAXES}
    tax = {"switch": "country", "to": {"CH": "ch"}, "otherwise": "eu", "input": BY_COUNTRY}
    made = spec(TAXES, **own, tax=tax)["tax"]
    countries = RNG.choice(["CH", "DE", "FR", None], 10_000)
    spent = RNG.uniform(0, 100, 10_000)
    frame = pd.DataFrame({"spend": spent})
    expected = np.where(countries == "CH", TAXES["ch"].predict(frame), TAXES["eu"].predict(frame))
    rows = [{"country": one, "spend": amount} for one, amount in zip(countries.tolist(), spent.tolist(), strict=True)]
    np.testing.assert_allclose(expected, made(rows).result, rtol=1e-9)


@pytest.mark.parametrize(
    ("values", "keys", "instance", "expected"),
    [
        ({"type": "integer"}, {"1": "ch"}, 1, "ch"),
        ({"type": "number"}, {"1": "ch"}, 1.0, "ch"),
        ({"type": "number"}, {"1.50": "ch"}, 1.5, "ch"),
        ({"type": ["boolean", "integer"]}, {"1": "ch"}, True, "eu"),
        ({"type": "boolean"}, {"true": "ch"}, True, "ch"),
        ({"type": "string"}, {"1": "ch"}, "1", "ch"),
        ({"type": "string", "default": "CH"}, {"CH": "ch"}, None, "ch"),
    ],
)
def test_a_switch_reads_its_keys_as_values_of_the_feature(
    spec: Spec, values: Any, keys: dict[str, str], instance: Any, expected: str
) -> None:
    own = {name: {"input": schema("spend")} for name in TAXES}
    declared = {**schema("spend"), "properties": {"spend": NUMBER, "by": values}}
    made = spec(TAXES, **own, tax={"switch": "by", "to": keys, "otherwise": "eu", "input": declared})["tax"]
    asked = {"spend": 50} | ({} if instance is None else {"by": instance})
    (result,) = made([asked]).result
    assert pytest.approx(TAXES[expected].predict(pd.DataFrame({"spend": [50]}))[0]) == result


def test_a_table_predicts_its_rows(spec: Spec, two: dict[str, Any], tmp_path: Path) -> None:
    AGES.assign(id=[f"0{number}" for number in range(COUNT)], note="a, b").to_csv(tmp_path / "t.csv", index=False)
    made = spec({"a": two["a"]}, a=entries_of_two()["a"], rows={"table": "t.csv", "key": "id", "model": "a"})["rows"]
    order = RNG.permutation(COUNT).tolist()
    found = made([{"id": f"0{number}"} for number in order])
    asked = pd.read_csv(tmp_path / "t.csv")[["age", "spend"]].iloc[order]
    assert two["a"].predict(asked).tolist() == found.result
    assert found.probabilities is not None
    np.testing.assert_allclose(two["a"].predict_proba(asked)[:, 1], [row["yes"] for row in found.probabilities])
    with pytest.raises(UnknownKey) as error:
        made([{"id": "00"}, {"id": "1"}, {"id": 'x"'}])
    assert [(1, 'there is no row with "id" "1"'), (2, 'there is no row with "id" "x\\""')] == [
        (one.row, one.reason) for one in (error.value, *error.value.others)
    ]


def test_compositions_nest(spec: Spec, two: dict[str, Any], tmp_path: Path) -> None:
    """A table of a switch between an average and a model, with defaults of the outer input."""
    AGES.assign(id=range(COUNT), kind=["mean", "one"] * (COUNT // 2)).to_csv(tmp_path / "t.csv", index=False)
    by_kind = schema("age", "spend", kind={"enum": ["mean", "one"]})
    made = spec(
        two,
        **entries_of_two(),
        rows={"table": "t.csv", "key": "id", "model": "choice"},
        choice={"switch": "kind", "to": {"mean": "mean", "one": "b"}, "input": by_kind, **CHANCES},
        mean={"average": {"a": 1, "b": 1}, "input": AGE_AND_SPEND, **CHANCES},
    )["rows"]
    chances = two["b"].predict_proba(AGES)
    means = (two["a"].predict_proba(AGES) + chances) / 2
    expected = np.where((np.arange(COUNT) % 2 == 0)[:, None], means, chances)
    found = made([{"id": number} for number in range(COUNT)])
    assert found.probabilities is not None
    np.testing.assert_allclose(expected[:, 1], [row["yes"] for row in found.probabilities], rtol=1e-9)


def test_defaults_of_the_outer_input_count(spec: Spec) -> None:
    own = {name: {"input": schema("spend")} for name in TAXES}
    spend = {"type": ["number", "null"], "default": 20}
    outer = {"type": "object", "properties": {"spend": spend}}
    mean = {"average": {"ch": 1, "eu": 1}, "input": outer}
    made = spec(TAXES, **own, mean=mean)["mean"]
    assert [pytest.approx(40), pytest.approx(40), pytest.approx(60)] == made(
        [{}, {"spend": None}, {"spend": 30}]
    ).result


def test_a_model_is_asked_once_for_a_whole_batch(spec: Spec) -> None:
    own = {name: {"input": schema("spend")} for name in TAXES}
    tax = {"switch": "country", "to": {"CH": "ch"}, "otherwise": "eu", "input": BY_COUNTRY}
    made = spec(TAXES, **own, tax=tax, mean={"average": {"tax": 1, "eu": 1}, "input": BY_COUNTRY})
    calls: dict[str, list[int]] = {"ch": [], "eu": [], "tax": [], "mean": []}
    for name, counted in calls.items():
        made[name].watch(counted.append)
    rows = [{"country": one, "spend": 1} for one in ("CH", "DE", "CH", None)]
    made["mean"](rows)
    assert {"ch": [2], "eu": [2, 4], "tax": [4], "mean": [4]} == calls


def test_a_refusal_names_the_row_the_model_and_the_feature(spec: Spec) -> None:
    """Rows that several models refuse are named once, in the order of the batch."""
    narrow = {**schema("spend"), "properties": {"spend": {"type": "number", "maximum": 50}}}
    own = {"ch": {"input": narrow}, "eu": {"input": schema("spend")}}
    tax = {"switch": "country", "to": {"CH": "ch"}, "otherwise": "eu", "input": BY_COUNTRY}
    made = spec(TAXES, **own, tax=tax, mean={"average": {"tax": 1, "ch": 1}, "input": BY_COUNTRY})["mean"]
    rows = [("DE", 10), ("CH", 60), ("DE", 70), ("CH", 20)]
    with pytest.raises(RefusedInstance) as error:
        made([{"country": country, "spend": spend} for country, spend in rows])
    assert [
        (1, "spend", "tax: ch: 60 is greater than the maximum of 50"),
        (2, "spend", "ch: 70 is greater than the maximum of 50"),
    ] == [(one.row, one.key, one.reason) for one in (error.value, *error.value.others)]


def test_a_missing_value_that_an_inner_model_refuses_is_told_at_its_feature(spec: Spec, two: dict[str, Any]) -> None:
    gaps = {"type": "object", "properties": {"age": {"type": ["number", "null"]}, "spend": NUMBER}}
    own = {name: {"input": gaps, **CHANCES} for name in ("a", "b")}
    made = spec(two, **own, mean={"average": {"a": 1, "b": 1}, "input": gaps})["mean"]
    with pytest.raises(RefusedInstance) as error:
        made([{"age": 1, "spend": 2}, {"age": None, "spend": 2}])
    assert (1, ()) == (error.value.row, error.value.others)
    assert error.value.reason.startswith("a: the model rejected this instance: Input X contains NaN")
    assert error.value.reason.endswith("(missing: age)")


def test_threads_share_the_models_of_a_composition(spec: Spec, two: dict[str, Any]) -> None:
    made = spec(two, **entries_of_two(runtime="sklearn"), mean={"average": {"a": 2, "b": 1}, "input": AGE_AND_SPEND})[
        "mean"
    ]
    expected = made(instances(AGES)).result
    found: dict[int, list[Any]] = {}

    def ask(number: int) -> None:
        found[number] = [made([one]).result[0] for one in instances(AGES.iloc[number * 20 : number * 20 + 20])]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert expected[:160] == [one for number in range(8) for one in found[number]]


def test_facts_of_a_composition_change_with_its_parts(spec: Spec, two: dict[str, Any]) -> None:
    mean = {"average": {"a": 2, "b": 1}, "input": AGE_AND_SPEND, "output": {"labels": ["stays", "leaves"]}}
    first = spec(two, **entries_of_two(), mean=mean)["mean"]
    again = spec(two, **entries_of_two(), mean={**mean, "description": "other words"})["mean"]
    other = spec({**two, "b": two["b"].fit(AGES[::-1], LEAVES[::-1])}, **entries_of_two(), mean=mean)["mean"]
    assert first.facts.sha256 == again.facts.sha256 != other.facts.sha256
    facts = first.facts
    assert (("no", "yes"), ("stays", "leaves"), True) == (facts.classes, facts.keys, facts.answers_classes)
    assert "average of a (2), b (1)" == facts.estimator


def test_classes_of_different_types_are_different(spec: Spec, two: dict[str, Any]) -> None:
    numbered = LogisticRegression().fit(AGES, (LEAVES == "yes").astype(int))
    with pytest.raises(SpecError, match=r'"a" has the classes "no", "yes", but "b" has the classes 0, 1'):
        spec(
            {"a": two["a"], "b": numbered},
            **entries_of_two(),
            mean={"average": {"a": 1, "b": 1}, "input": AGE_AND_SPEND},
        )


def test_a_feature_that_the_file_does_not_know_is_told_at_its_name(spec: Spec, two: dict[str, Any]) -> None:
    own = LinearRegression().fit(AGES.assign(leaves=1.0), AGES.spend)
    feature = {"model": "b", "take": "probability.yes", "as": "likely"}
    with pytest.raises(SpecError, match='the model was trained with a feature "leaves"; declare it under features'):
        spec(
            {"own": own, "b": two["b"]},
            b={"input": AGE_AND_SPEND, **CHANCES},
            own={"features": ["age", "spend", feature], "input": AGE_AND_SPEND},
        )


def test_values_of_several_alternatives_are_not_listed(spec: Spec) -> None:
    """The first alternative alone would make "b" a value without a model."""
    own = {name: {"input": schema("spend")} for name in TAXES}
    outer = schema("spend", by={"anyOf": [{"enum": ["a"]}, {"enum": ["b"]}]})
    with pytest.raises(SpecError, match='"by" may have other values than those of "to"'):
        spec(TAXES, **own, tax={"switch": "by", "to": {"a": "ch"}, "input": outer})
    made = spec(TAXES, **own, tax={"switch": "by", "to": {"a": "ch", "b": "eu"}, "otherwise": "eu", "input": outer})
    (result,) = made["tax"]([{"by": "b", "spend": 50}]).result
    assert pytest.approx(TAXES["eu"].predict(pd.DataFrame({"spend": [50]}))[0]) == result


def test_numbers_of_clusters_have_no_average(spec: Spec) -> None:
    models = {"a": KMeans(2, random_state=0).fit(AGES), "b": KMeans(3, random_state=0).fit(AGES)}
    own = {name: {"input": AGE_AND_SPEND} for name in models}
    with pytest.raises(SpecError) as error:
        spec(models, **own, mean={"average": {"a": 1, "b": 1}, "input": AGE_AND_SPEND})
    assert ['"a" does not return a single number, so it has no average'] == [
        found.message for found in error.value.diagnostics
    ]


def test_a_table_has_a_bound(spec: Spec, two: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.models.composing.table.MAX_ROWS", 299)
    AGES.assign(id=range(COUNT)).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(SpecError, match=r"t\.csv: it has more than 299 rows"):
        spec({"a": two["a"]}, a=entries_of_two()["a"], rows={"table": "t.csv", "key": "id", "model": "a"})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_outer_input_allows_is_answered_or_refused(nested: Predictor, data: st.DataObject) -> None:
    """With bounds, nulls and absences that only some of the models take; a refusal is the same alone and in a batch."""
    number = st.one_of(st.none(), st.integers(-200, 200), st.floats(-200, 200))
    one = st.fixed_dictionaries(
        {"country": st.sampled_from(["CH", "DE", None])}, optional={"spend": number, "age": number}
    )
    asked = data.draw(st.lists(one, min_size=1, max_size=12))
    alone: list[Any] = []
    for instance in asked:
        try:
            alone.append(nested([instance]).result[0])
        except RefusedInstance as refused:
            alone.append((refused.reason, refused.key))
    try:
        assert [pytest.approx(one) for one in alone] == nested(asked).result
    except RefusedInstance as refused:
        found = {one.row: (one.reason, one.key) for one in (refused, *refused.others)}
        assert {row: one for row, one in enumerate(alone) if isinstance(one, tuple)} == found


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("nested")
    for name, estimator in TAXES.items():
        joblib.dump(estimator, folder / f"{name}.joblib")
    gap = {"type": ["number", "null"], "default": 7}
    narrow = {**schema("spend"), "properties": {"spend": {"type": "number", "maximum": 50, "minimum": -50}}}
    outer = {
        "type": "object",
        "required": ["country"],
        "properties": {"country": {"enum": ["CH", "DE", None]}, "spend": gap, "age": {"type": ["number", "null"]}},
    }
    models = {
        "ch": {"file": "ch.joblib", "input": narrow},
        "eu": {"file": "eu.joblib", "input": schema("spend")},
        "tax": {"switch": "country", "to": {"CH": "ch"}, "otherwise": "eu", "input": outer},
        "mean": {"average": {"tax": 1, "twice": 2}, "input": outer},
        "twice": {"average": {"eu": 1, "tax": 1}, "input": outer},
    }
    (folder / "routes.yaml").write_text(json.dumps({"routes": [{"path": "/", "response": "hi"}]}))
    (folder / "models.yaml").write_text(json.dumps({"models": models}))
    return compile_models(load_spec(folder / "routes.yaml"))["mean"]
