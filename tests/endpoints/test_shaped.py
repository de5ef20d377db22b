"""Routes that shape a model's answer, held against the scikit-learn estimator asked directly."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from engine import create_app

PLANS = ["free", "pro", "team"]
MODELS = """
models:
  churn:
    file: churn.joblib
    input: &customer
      type: object
      required: [age, plan]
      properties:
        age: {type: number, minimum: 0, maximum: 120}
        plan: {type: string}
        visits: {type: [number, "null"]}
    output: {probabilities: true}
  price:
    file: price.joblib
    input: {type: object, required: [a], properties: {a: {type: number}, b: {type: number, default: 2}}}
  iris:
    file: build/model.pkl
    input:
      type: object
      required: [sepal_length, sepal_width, petal_length, petal_width]
      properties:
        sepal_length: {type: number}
        sepal_width: {type: number}
        petal_length: {type: number}
        petal_width: {type: number}
    output: {labels: [setosa, versicolor, virginica], probabilities: true}
  bold:
    file: churn.joblib
    input: *customer
    output: {probabilities: true}
    threshold: {"yes": 0.9}
  later:
    file: later.joblib
    stand_in: true
    input: *customer
    output: {probabilities: true}
    examples:
      - {input: {age: 20, plan: free}, result: "no", probabilities: {"no": 0.75, "yes": 0.25}}
      - {input: {age: 70, plan: pro}, result: "yes", probabilities: {"no": 0.5, "yes": 0.5}}
"""
ROUTES = """
service: {model_header: true}
routes:
  - path: /churn/<plan>
    model: churn
    instance: {age: "${body.customer.age}", plan: "${path.plan}", visits: "${body.customer.visits}"}
    input: &public
      type: object
      required: [customer, id]
      properties:
        id: {type: integer}
        customer:
          type: object
          required: [age]
          properties: {age: {type: number}, visits: {type: [number, "null"]}}
    cases:
      - when: {probability.yes: {minimum: 0.5}}
        response: {json: {decision: call, risk: "${probability.yes}", who: "${label}"}}
      - response: {json: {decision: leave, id: "${body.id}", all: "${probability}", plan: "${path.plan}"}}
  - path: /own
    model: churn
    methods: [GET, POST]
    query: {properties: {page: {type: integer, default: 1}}}
    response: {json: {answer: "${result}", age: "${body.age}", page: "${query.page}"}}
  - path: /own/<plan>
    model: churn
    response: {json: {answer: "${result}", p: "${probability.no}"}}
  - path: /looser/<plan>
    model: churn
    input: {type: object, required: [age], properties: {age: {type: number}}}
    response: {json: ["${label}", "${body.age}"]}
  - path: /asked/<plan>
    model: churn
    methods: [GET]
    query: {properties: {visits: {type: [number, "null"]}}}
    headers: {required: [X-Age], properties: {X-Age: {type: number}}}
    instance: {age: "${headers.X-Age}", plan: "${path.plan}", visits: "${query.visits}"}
    response: {json: {answer: "${result}", p: "${probability.yes}"}}
  - path: /alike
    model: churn
    instance: {age: "${body.years}", plan: "${query.tier}", visits: 3}
    query: {required: [tier], properties: {tier: {type: string}}}
    input: {type: object, required: [years], properties: {years: {type: number}}}
    response: {json: "${label}"}
    limits: {instances: 3}
  - path: /form
    model: churn
    accepts: [json, form]
    many: false
    instance: {age: "${body.age}", plan: "${body.begin}${body.end}"}
    input:
      type: object
      required: [age, begin, end]
      properties: {age: {type: number}, begin: {type: string}, end: {type: string}}
    cases:
      - when: {label: "yes"}
        response: {status: 201, headers: {X-Label: "${label}", X-Model: mine}, text: "yes for ${body.age}"}
      - response: {html: "<p>${body.begin}</p>"}
  - path: /one
    model: churn
    many: false
  - path: /price
    model: price
    instance: {a: "${body.x}", b: "${body.y}"}
    input: {type: object, required: [x], properties: {x: {type: number}, y: {type: number}}}
    cases:
      - when: {result: {maximum: 10}}
        response: {json: {cheap: "${result}"}}
      - response: {json: {dear: "${result}", text: "at ${result}"}}
  - path: /price/template
    model: price
    instance: {a: "${query.a:-3}", b: 2}
    methods: [GET]
    query: {properties: {a: {type: number}}}
    response: {json: "${result}"}
  - path: /iris
    model: iris
    cases:
      - when: {label: {enum: [setosa, versicolor]}, probability.versicolor: {exclusiveMaximum: 0.5}}
        response: {json: {is: "${label}", number: "${result}"}}
      - response: {json: {maybe: "${label}", p: "${probability.virginica}", file: "${model.sha256}"}}
  - path: /bold
    model: bold
    response: {json: {answer: "${result}", p: "${probability.yes}"}}
  - path: /later
    model: later
    response: {json: {answer: "${label}", p: "${probability.yes}", file: "${model.sha256}", of: "${model.name}"}}
"""
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, iris_file: Path) -> Path:
    made = tmp_path_factory.mktemp("shaped")
    (made / "build").symlink_to(iris_file.parent)
    (made / "models.yaml").write_text(MODELS)
    (made / "routes.yaml").write_text(ROUTES)
    random = np.random.default_rng(0)
    count = 400
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, count).astype(float),
            "plan": random.choice(PLANS, count),
            "visits": np.where(random.random(count) < 0.2, np.nan, random.integers(0, 9, count)),
        }
    )
    leaves = np.where((frame.age + 2 * frame.visits.fillna(4) > 55) & (frame.plan != "team"), "yes", "no")
    columns = make_column_transformer((OneHotEncoder(), ["plan"]), (SimpleImputer(), ["age", "visits"]))
    forest = RandomForestClassifier(12, max_depth=5, random_state=0)
    joblib.dump(make_pipeline(columns, forest).fit(frame, leaves), made / "churn.joblib")
    numbers = pd.DataFrame(random.normal(size=(50, 2)), columns=["a", "b"])
    joblib.dump(LinearRegression().fit(numbers, 3 * numbers.a + numbers.b), made / "price.joblib")
    return made


@pytest.fixture(scope="module")
def app(folder: Path) -> flask.Flask:
    return create_app(folder / "routes.yaml")


@pytest.fixture(scope="module")
def ask(app: flask.Flask) -> Ask:
    def send(path: str, body: Any = None, **keys: Any) -> tuple[int, Any]:
        answer = open_(app, path, body, **keys)
        return answer.status_code, json.loads(answer.data)

    return send


def open_(app: flask.Flask, path: str, body: Any = None, **keys: Any) -> Any:
    sent = body if isinstance(body, str | bytes | None) else json.dumps(body)
    return app.test_client().open(path, method="GET" if body is None else "POST", data=sent, **keys)


@pytest.fixture(scope="module")
def churn(folder: Path) -> Callable[..., tuple[str, dict[str, float]]]:
    """The label and the probabilities that the estimator itself gives a customer."""
    estimator = joblib.load(folder / "churn.joblib")

    def predict(age: float, plan: str, visits: float = np.nan) -> tuple[str, dict[str, float]]:
        row = pd.DataFrame({"age": [float(age)], "plan": [plan], "visits": [visits]})
        chances = estimator.predict_proba(row)[0]
        return str(estimator.predict(row)[0]), dict(zip(estimator.classes_, map(float, chances), strict=True))

    return predict


CUSTOMERS = [
    (20, "free", np.nan),
    (35.5, "pro", 8),
    (60, "team", 1),
    (48, "free", 4),
    (89, "pro", np.nan),
    (53, "pro", 0),
]


def filled(churn: Any, number: int, age: float, plan: str, visits: float) -> dict[str, Any]:
    """The answer of /churn/<plan>, filled by hand."""
    label, chances = churn(age, plan, visits)
    if chances["yes"] >= 0.5:
        return {"decision": "call", "risk": pytest.approx(chances["yes"], abs=1e-12), "who": label}
    near = {name: pytest.approx(chance, abs=1e-12) for name, chance in chances.items()}
    return {"decision": "leave", "id": number, "all": near, "plan": plan}


def sent(number: int, age: float, visits: float) -> dict[str, Any]:
    return {"id": number, "customer": {"age": age, **({} if np.isnan(visits) else {"visits": visits})}}


def test_each_customer_is_answered_as_the_estimator_says(ask: Ask, churn: Any) -> None:
    for number, (age, plan, visits) in enumerate(CUSTOMERS):
        answer = ask(f"/churn/{plan}", sent(number, age, visits))
        assert (200, filled(churn, number, age, plan, visits)) == answer


def test_a_batch_has_an_answer_for_each_item_in_their_order(ask: Ask, churn: Any) -> None:
    items = [sent(number, age, visits) for number, (age, _, visits) in enumerate(CUSTOMERS)]
    wanted = [filled(churn, number, age, "pro", visits) for number, (age, _, visits) in enumerate(CUSTOMERS)]
    assert (200, {"predictions": wanted}) == ask("/churn/pro", {"instances": items})
    assert {"call", "leave"} == {one["decision"] for one in wanted}
    assert (200, {"predictions": wanted[:1]}) == ask("/churn/pro", {"instances": items[:1]})


def test_null_and_a_missing_feature_are_the_same_gap(ask: Ask, churn: Any) -> None:
    wanted = filled(churn, 7, 40, "free", np.nan)
    null = {"id": 7, "customer": {"age": 40, "visits": None}}
    assert [(200, wanted)] * 2 == [ask("/churn/free", null), ask("/churn/free", {"id": 7, "customer": {"age": 40}})]


def violations(answer: tuple[int, Any]) -> tuple[int, list[tuple[str, str, str]]]:
    status, problem = answer
    return status, [(one.get("in", ""), one["pointer"], one["detail"]) for one in problem["errors"]]


REFUSED = "the model rejected this instance: Found unknown categories ['gold'] in \"plan\" during transform"


def test_violations_of_the_model_are_placed_where_the_client_sent_the_value(ask: Ask) -> None:
    old, good = sent(1, 300, 1), sent(2, 30, 1)
    beyond = "300 is greater than the maximum of 120"
    assert (422, [("", "#/customer/age", beyond)]) == violations(ask("/churn/pro", old))
    batch = ask("/churn/pro", {"instances": [good, old, good, old]})
    assert (422, [("", f"#/instances/{row}/customer/age", beyond) for row in (1, 3)]) == violations(batch)
    assert (422, [("path", "#/plan", REFUSED)]) == violations(ask("/churn/gold", good))
    assert (422, [("path", "#/plan", REFUSED)]) == violations(ask("/churn/gold", {"instances": [good, good]}))
    header = ask("/asked/pro", headers={"X-Age": "300"})
    assert (422, [("header", "#/X-Age", beyond)]) == violations(header)
    gold = ask("/alike?tier=gold", {"instances": [{"years": 3}, {"years": 130}]})
    assert (422, [("", "#/instances/1/years", "130 is greater than the maximum of 120")]) == violations(gold)
    assert (422, [("query", "#/tier", REFUSED)]) == violations(ask("/alike?tier=gold", {"years": 3}))
    template = ask("/form", {"age": 3, "begin": "go", "end": "ld"})
    assert (422, [("", "#", f"in the feature plan: {REFUSED}")]) == violations(template)


def test_violations_of_all_parts_are_listed_together(ask: Ask) -> None:
    wrong = ask("/alike", {"instances": [{"years": "x"}, {}], "more": 1})
    assert 422 == wrong[0]
    assert [("query", "#"), ("", "#/more"), ("", "#/instances/0/years"), ("", "#/instances/1")] == [
        found[:2] for found in violations(wrong)[1]
    ]
    four = ask("/alike?tier=pro", {"instances": [{"years": 1}] * 4})
    assert (422, [("", "#/instances", "there are 4 instances; at most 3 are allowed")]) == violations(four)


def test_features_come_from_query_headers_and_path(ask: Ask, churn: Any) -> None:
    label, chances = churn(61, "pro", 2)
    wanted = {"answer": label, "p": pytest.approx(chances["yes"], abs=1e-12)}
    assert (200, wanted) == ask("/asked/pro?visits=2", headers={"X-Age": "61"})
    gap = churn(61, "pro")[0]
    assert [gap] * 2 == [ask(f"/asked/pro{query}", headers={"X-Age": "61"})[1]["answer"] for query in ("", "?visits=")]


def test_the_model_s_own_input_is_read_in_every_format(ask: Ask, churn: Any) -> None:
    wanted = [{"answer": churn(age, plan, visits)[0], "age": age, "page": 1} for age, plan, visits in CUSTOMERS]
    rows = [{"age": age, "plan": plan} | ({} if np.isnan(n) else {"visits": n}) for age, plan, n in CUSTOMERS]
    table = "age,plan,visits\n" + "".join(f"{a},{p},{'' if np.isnan(v) else v}\n" for a, p, v in CUSTOMERS)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for body, kind in ((table, "text/csv"), (lines, "application/x-ndjson")):
        assert (200, {"predictions": wanted}) == ask("/own", body, content_type=kind)
    assert (200, {"predictions": wanted}) == ask("/own", {"instances": rows})
    assert [(200, one) for one in wanted] == [ask("/own", row) for row in rows]
    assert (200, {**wanted[1], "page": 7}) == ask("/own?age=35.5&plan=pro&visits=8&page=7")
    gold = ask("/own", "age,plan\n3,pro\n4,gold\n", content_type="text/csv")
    assert (422, [("", "#/instances/1/plan", f"line 3: {REFUSED}")]) == violations(gold)


def test_features_in_the_path_need_no_instance(ask: Ask, churn: Any) -> None:
    label, chances = churn(30, "team", 2)
    wanted = {"answer": label, "p": pytest.approx(chances["no"], abs=1e-12)}
    assert (200, wanted) == ask("/own/team", {"age": 30, "visits": 2})
    assert (200, [churn(30, "team")[0], 30]) == ask("/looser/team", {"age": 30})
    assert (422, [("", "#/age", "121 is greater than the maximum of 120")]) == violations(
        ask("/looser/pro", {"age": 121})
    )
    other = ask("/looser/pro", {"instances": [{"age": 1}, {"age": 1, "plan": "team"}]})
    assert (422, [("", "#/instances/1/plan", '"plan" is "pro" in the path; leave it out here')]) == violations(other)


def test_constants_and_templates_are_features(app: flask.Flask, ask: Ask, churn: Any) -> None:
    assert (200, churn(44, "free", 3)[0]) == ask("/alike?tier=free", {"years": 44})
    form = {"content_type": "application/x-www-form-urlencoded"}
    young, old = (open_(app, "/form", f"age={age}&begin=p&end=ro", **form) for age in (20, 85))
    assert [("no", 200, "<p>p</p>"), ("yes", 201, "yes for 85")] == [
        (churn(age, "pro")[0], answer.status_code, answer.text) for age, answer in ((20, young), (85, old))
    ]
    assert ["yes", "mine"] == [old.headers["X-Label"], old.headers["X-Model"]]
    assert ["mine"] == old.headers.getlist("X-Model")
    assert young.headers["X-Model"].startswith("churn@")


ALONE = "this route takes one at a time; send it by itself"


def test_many_false_takes_one_at_a_time(ask: Ask, churn: Any) -> None:
    one = {"age": 30, "plan": "pro"}
    assert (200, [churn(30, "pro")[0]]) == (ask("/one", one)[0], ask("/one", one)[1]["result"])
    for path in ("/one", "/form"):
        assert (422, [("", "#/instances", ALONE)]) == violations(ask(path, {"instances": [one]}))
    status, problem = ask("/one", "age,plan\n30,pro\n", content_type="text/csv")
    says = 'the body is text/csv, but this route takes JSON; send application/json, such as {"age": 0, …}'
    assert (400, says) == (status, problem["detail"])


def test_a_regression_is_filled_exactly(ask: Ask, folder: Path) -> None:
    model = joblib.load(folder / "price.joblib")
    for x, y in ((1.5, 2), (2, None), (70.25, -3)):
        (price,) = model.predict(pd.DataFrame({"a": [float(x)], "b": [float(2 if y is None else y)]}))
        status, answer = ask("/price", {"x": x} if y is None else {"x": x, "y": y})
        shown = answer.get("cheap", answer.get("dear"))
        assert (200, price <= 10) == (status, "cheap" in answer)
        assert pytest.approx(price, rel=1e-12) == shown
        assert answer.get("text", f"at {json.dumps(shown)}") == f"at {json.dumps(shown)}"
    assert ask("/price/template?a=3") == ask("/price/template")


def test_an_answer_that_is_not_finite_is_the_client_s_problem(ask: Ask) -> None:
    says = "the model's answer to this instance is not a finite number"
    assert (422, [("", "#", says)]) == violations(ask("/price", {"x": 1.7e308, "y": 1.7e308}))
    batch = ask("/price", {"instances": [{"x": 1}, {"x": 1.7e308}]})
    assert (422, [("", "#/instances/1", says)]) == violations(batch)


def test_integers_of_any_size_are_read_by_a_model_s_rules(ask: Ask) -> None:
    assert 200 == ask("/price", '{"x": 1' + "0" * 30 + "}")[0]
    assert 422 == ask("/price", '{"x": 9' + "0" * 307 + "}")[0]


def test_labels_and_probabilities_of_the_forest(ask: Ask, folder: Path) -> None:
    forest = joblib.load(folder / "build" / "model.pkl")
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    species = ("setosa", "versicolor", "virginica")
    answered = set()
    for row in ([5.1, 3.5, 1.4, 0.2], [6.1, 2.8, 4.0, 1.3], [5.9, 3.0, 5.1, 1.8], [6.0, 2.7, 5.1, 1.6]):
        (number,), (chances,) = forest.predict([row]), forest.predict_proba([row])
        status, answer = ask("/iris", dict(zip(names, row, strict=True)))
        if number < 2 and chances[1] < 0.5:
            wanted = {"is": species[number], "number": int(number)}
        else:
            chance = pytest.approx(chances[2], abs=1e-12)
            wanted = {"maybe": species[number], "p": chance, "file": answer["file"]}
            assert 64 == len(answer["file"])
        answered.add(frozenset(answer))
        assert (200, wanted) == (status, answer)
    assert 2 == len(answered)


def test_a_threshold_decides_what_is_filled(ask: Ask, churn: Any) -> None:
    seen = set()
    for age, plan, visits in CUSTOMERS:
        chance = churn(age, plan, visits)[1]["yes"]
        body = {"age": age, "plan": plan, "visits": None if np.isnan(visits) else visits}
        answer = "yes" if chance >= 0.9 else "no"
        seen.add(answer)
        assert (200, {"answer": answer, "p": pytest.approx(chance, abs=1e-12)}) == ask("/bold", body)
    assert {"yes", "no"} == seen


def test_a_stand_in_is_shaped_as_the_model_will_be(app: flask.Flask) -> None:
    answer = open_(app, "/later", {"instances": [{"age": 70, "plan": "pro"}, {"age": 1, "plan": "free"}]})
    told = {"file": "stand-in", "of": "later"}
    wanted = [{"answer": "yes", "p": 0.5, **told}, {"answer": "no", "p": 0.25, **told}]
    assert (200, {"predictions": wanted}) == (answer.status_code, json.loads(answer.data))
    assert "true" == answer.headers["X-Stand-In"]


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The composed models of docs/composition.md, and a route that shapes the switch."""
    made = tmp_path_factory.mktemp("houses")
    for file in (ROOT / "examples" / "houses").iterdir():
        if file.is_file():
            (made / file.name).write_bytes(file.read_bytes())
    runpy.run_path(str(made / "train.py"), run_name="__main__")
    (made / "routes.yaml").write_text("""
routes:
  - {path: /linear, model: linear}
  - {path: /offer, model: offer}
  - path: /shaped/<kind>
    model: offer
    instance: {kind: "${path.kind}", rooms: "${body.size.rooms}", east: "${body.at.0}", north: "${body.at.1}"}
    input:
      type: object
      required: [size, at]
      properties:
        size: {type: object, required: [rooms], properties: {rooms: {type: integer}}}
        at: {type: array, items: {type: number}, minItems: 2, maxItems: 2}
    response: {json: {kind: "${path.kind}", price: "${result}"}}
  - path: /listed/<int:id>
    model: listed
    methods: [GET]
    response: {json: {id: "${path.id}", price: "${result}"}}
""")
    return made


def test_a_composed_model_is_shaped(houses: Path) -> None:
    app = create_app(houses / "routes.yaml")
    ask = app.test_client().post
    for kind in ("sale", "rent"):
        own = ask("/offer", json={"kind": kind, "rooms": 4, "east": 2.5, "north": 7}).json["result"][0]
        shaped = ask(f"/shaped/{kind}", json={"size": {"rooms": 4}, "at": [2.5, 7]})
        assert (200, {"kind": kind, "price": own}) == (shaped.status_code, shaped.json)
    wrong = ask("/shaped/sale", json={"size": {"rooms": 4}, "at": [2.5, 17]})
    assert [{"pointer": "#/at/1", "detail": "17 is greater than the maximum of 10"}] == wrong.json["errors"]
    assert 404 == app.test_client().get("/listed/999999").status_code
