"""The example of a shop: every route and case of it by requests with exact answers, models by scikit-learn's own."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import joblib
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from exact_answers import read_requests, require_answer
from openapi_spec_validator import validate
from serving import run_here, serving
from werkzeug.test import TestResponse

from engine import create_app

CASES = read_requests(ROOT / "tests" / "shop")
STAND_IN = 'file "build/delivery_days.joblib" does not exist; its examples answer until it does'
CUSTOMERS = [
    {"plan": "basic", "months": 2, "orders": 0, "spend": 12.5},
    {"plan": "basic", "months": 20, "orders": 6, "spend": None},
    {"plan": "plus", "months": 40, "orders": 9, "spend": 80.0},
    {"plan": "club", "months": 1, "orders": 1, "spend": None},
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, trained, in a folder of its own."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(ROOT / "examples" / "shop", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build"))
    runpy.run_path(str(folder / "train.py"))["main"]()
    return folder


@pytest.fixture(scope="module")
def app(shop: Path) -> flask.Flask:
    return create_app(shop / "routes.yaml")


@pytest.fixture(scope="module")
def estimators(shop: Path) -> dict[str, Any]:
    return {file.stem: joblib.load(file) for file in (shop / "build").glob("*.joblib")}


@pytest.fixture
def ask(app: flask.Flask) -> Callable[..., TestResponse]:
    def send(path: str, body: Any = None) -> TestResponse:
        return app.test_client().open(path, method="GET" if body is None else "POST", json=body)

    return send


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_request_to_the_shop_gets_its_answer(app: flask.Flask, case: dict[str, Any]) -> None:
    require_answer(app, case)


def test_the_shop_has_40_routes_and_check_warns_of_the_stand_in_alone(shop: Path) -> None:
    done = run_here("check", "-r", "routes.yaml", cwd=shop)
    warned = f"models.yaml:59:15: warning: {STAND_IN}, with the header X-Stand-In\n"
    assert (0, warned) == (done.returncode, done.stderr.split("   59 |")[0])
    assert done.stderr.endswith("\n1 warning\n")
    assert "\n40 routes, 8 models: ok\n" in done.stdout


def test_the_openapi_document_is_valid_and_has_every_route(app: flask.Flask, shop: Path) -> None:
    document = json.loads(app.test_client().get("/openapi.json").data)
    validate(document)
    operations = [one for path in document["paths"].values() for one in path.values() if isinstance(one, dict)]
    assert 40 == sum(one["tags"] != ["Built in"] for one in operations)
    sku = yaml.safe_load((shop / "schemas" / "order.yaml").read_text())["Sku"]
    (stock,) = document["paths"]["/v2/stock/{sku}"]["get"]["parameters"]
    (*_, filtered) = document["paths"]["/v2/products"]["get"]["parameters"]
    named = [stock["schema"]["$ref"], filtered["schema"]["$ref"]]
    assert [sku, sku] == [document["components"]["schemas"][one.rpartition("/")[2]] for one in named]


def test_stock_is_sold_with_every_second_request_for_each_product(ask: Callable[..., TestResponse]) -> None:
    left = [[ask(f"/v2/stock/{sku}").json["left"] for _ in range(3)] for sku in ("LA-001", "SH-104")]
    assert [[1, 0, 1], [1, 0, 1]] == left
    assert 422 == ask("/v2/stock/lamp").status_code


def test_an_order_goes_its_way(ask: Callable[..., TestResponse]) -> None:
    states = [ask("/v2/orders/1005/state").json["state"] for _ in range(5)]
    assert ["paid", "packed", "packed", "shipped", "shipped"] == states
    assert {"number": 1006, "state": "paid"} == ask("/v2/orders/1006/state").json


def test_a_tenth_of_the_payments_fails_the_same_ones_in_every_run(shop: Path) -> None:
    runs = []
    for _ in range(2):
        client = create_app(shop / "routes.yaml").test_client()
        answers = [client.post("/v2/orders/1001/payment", json={"amount": 5, "card.last4": "4242"}) for _ in range(60)]
        runs.append(
            [(answer.status_code, json.dumps(answer.json), answer.headers.get("Retry-After")) for answer in answers]
        )
    assert runs[0] == runs[1]
    paid = (200, '{"number": 1001, "paid": 5, "card": "4242"}', None)
    failed = (503, '{"code": 503, "message": "The bank does not answer."}', "1")
    assert {paid, failed} == {*runs[0]}
    assert 1 <= runs[0].count(failed) <= 15


def test_a_message_gets_a_ticket_and_a_time(ask: Callable[..., TestResponse]) -> None:
    first, second = (ask("/v2/orders/1001/messages", {"message": "hello"}) for _ in range(2))
    assert (202, "POST /v2/orders/1001/messages") == (first.status_code, first.json["by"])
    assert first.json["ticket"] != second.json["ticket"]
    assert 1 == len({len(answer.json["ticket"]) for answer in (first, second)})
    assert first.json["received"] <= second.json["received"]


def test_the_churn_model_answers_as_scikit_learn_does(
    ask: Callable[..., TestResponse], estimators: dict[str, Any]
) -> None:
    answer = ask("/v2/customers/churn", {"instances": CUSTOMERS}).json
    result, risks = asked_of(estimators["churn"])
    assert result == answer["result"]
    assert risks == [row["leaves"] for row in answer["probabilities"]]


def test_what_is_to_be_done_about_customers_one_by_one_and_together(
    ask: Callable[..., TestResponse], estimators: dict[str, Any]
) -> None:
    for plan in ("basic", "plus", "club"):
        known = [{**customer, "plan": plan} for customer in CUSTOMERS]
        labels, risks = asked_of(estimators["churn"], known)
        expected = [
            {"id": row + 1, "decision": decision(label, risk, eager=False), "risk": risk}
            for row, (label, risk) in enumerate(zip(labels, risks, strict=True))
        ]
        profiles = [profile(row + 1, customer) for row, customer in enumerate(known)]
        assert expected == [ask(f"/v2/customers/{plan}/churn", one).json for one in profiles]
        assert {"predictions": expected} == ask(f"/v2/customers/{plan}/churn", {"instances": profiles}).json
        eager = [
            {**one, "decision": decision(label, one["risk"], eager=True)}
            for one, label in zip(expected, labels, strict=True)
        ]
        assert eager == [ask(f"/v2/customers/{plan}/churn?eager=true", one).json for one in profiles]


def test_all_decisions_are_taken(ask: Callable[..., TestResponse]) -> None:
    """The models answer such that the tests above have met every case."""
    profiles = [{"id": 1, "since": {"months": m}, "history": {"orders": n}} for m in range(0, 60, 6) for n in range(9)]
    answers = ask("/v2/customers/basic/churn", {"instances": profiles}).json["predictions"]
    assert {"call", "write", "leave alone"} == {answer["decision"] for answer in answers}


def test_a_wrong_profile_is_refused_at_its_place(ask: Callable[..., TestResponse]) -> None:
    answer = ask("/v2/customers/basic/churn", {"instances": [{"id": 1, "since": {"months": -1}, "history": {}}]})
    fields = [
        {"pointer": "#/instances/0/since/months", "detail": "-1 is less than the minimum of 0"},
        {"pointer": "#/instances/0/history", "detail": '"orders" is required'},
    ]
    assert (422, {"code": "invalid", "fields": fields}) == (answer.status_code, answer.json)


def test_known_customers_are_looked_up(
    shop: Path, ask: Callable[..., TestResponse], estimators: dict[str, Any]
) -> None:
    rows = pd.read_csv(shop / "customers.csv")
    labels, risks = asked_of(estimators["churn"], rows.to_dict("records"))
    assert {"leaves", "stays"} == {*labels}
    for number, label, risk in zip(rows.id, labels, risks, strict=True):
        answer = ask(f"/v2/customers/{number}/churn")
        chances = answer.json.pop("probabilities", {"leaves": risk})
        assert ("known_customer", risk) == (answer.headers["X-Model"], chances["leaves"])
        assert {"id": number, "label": label} == {key: answer.json[key] for key in ("id", "label")}
        assert ("probabilities" in json.loads(answer.data)) == (label == "leaves")
    assert 404 == ask("/v2/customers/9/churn").status_code


def test_an_offer_goes_to_who_might_leave(ask: Callable[..., TestResponse], estimators: dict[str, Any]) -> None:
    labels, _ = asked_of(estimators["churn"])
    answers = [ask("/v2/customers/offer", customer) for customer in CUSTOMERS]
    assert [201 if label == "leaves" else 204 for label in labels] == [answer.status_code for answer in answers]
    assert {201, 204} == {answer.status_code for answer in answers}
    assert [{"percent": 20}] == [answer.json for answer in answers if answer.status_code == 201][:1]


def test_the_next_basket_is_an_average_of_a_chain_or_of_the_store(
    ask: Callable[..., TestResponse], estimators: dict[str, Any]
) -> None:
    rows = pd.DataFrame(CUSTOMERS)
    _, risks = asked_of(estimators["churn"])
    history = rows[["months", "orders"]]
    web = estimators["web_basket"].predict(history.assign(risk=risks))
    online = (2 * web + estimators["usual_basket"].predict(history)) / 3
    store = estimators["store_basket"].predict(rows[["orders"]])
    for channel, expected in (("web", online), ("store", store)):
        sent = [{**customer, "channel": channel} for customer in CUSTOMERS]
        answers = [ask("/v2/customers/basket", one).json for one in sent]
        assert [channel] * 4 == [answer["channel"] for answer in answers]
        assert pytest.approx(list(expected), rel=1e-12) == [answer["basket"] for answer in answers]
        assert {"predictions": answers} == ask("/v2/customers/basket", {"instances": sent}).json


def test_a_stand_in_answers_until_there_is_a_model(ask: Callable[..., TestResponse]) -> None:
    answers = [ask("/v2/delivery/days", {"weight": weight, "country": "DE"}) for weight in (2.5, 9)]
    assert [{"days": 3, "model": "stand-in"}, {"days": 1, "model": "stand-in"}] == [one.json for one in answers]
    assert ["true", "true"] == [answer.headers["X-Stand-In"] for answer in answers]


def test_carriers_that_hang_up_or_never_answer(shop: Path) -> None:
    with serving(shop, "-w", "1") as server:
        assert 200 == server.request("GET", "/v2/delivery/carriers/post")[0]
        for carrier, error in (("brittle", ConnectionResetError), ("silent", ConnectionError)):
            with pytest.raises(error):
                server.request("GET", f"/v2/delivery/carriers/{carrier}")


def asked_of(estimator: Any, customers: list[dict[str, Any]] | None = None) -> tuple[list[str], list[float]]:
    """What scikit-learn answers itself: the outcomes, and the probabilities of leaving."""
    rows = pd.DataFrame(customers or CUSTOMERS)[["plan", "months", "orders", "spend"]]
    place = list(estimator.classes_).index("leaves")
    return estimator.predict(rows).tolist(), estimator.predict_proba(rows)[:, place].tolist()


def decision(label: str, risk: float, *, eager: bool) -> str:
    if risk >= 0.8 or (eager and label == "leaves"):
        return "call"
    return "write" if label == "leaves" else "leave alone"


def profile(number: int, customer: dict[str, Any]) -> dict[str, Any]:
    history = {key: customer[key] for key in ("orders", "spend")}
    return {"id": number, "since": {"months": customer["months"]}, "history": history}
