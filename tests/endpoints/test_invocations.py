"""`/invocations` as MLflow's and SageMaker's clients ask it: frames, rows and CSV, in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from apps import build_app
from flask.testing import FlaskClient
from modelling import NAMES
from wire_models import write_wire_service

from engine.spec import load_spec

ROWS = [[5.9, 3.0, 5.1, 1.8], [7.9, 2.8, 4.0, 1.3], [5.1, 3.5, 1.4, 0.2]]
FRAME = pd.DataFrame(ROWS, columns=list(NAMES))
MLFLOW, SAGEMAKER, BOTH = ("mlflow",), ("sagemaker",), ("mlflow", "sagemaker")
HEADER = ",".join(NAMES)
LINES = "".join(",".join(map(str, row)) + "\n" for row in ROWS)
MOST = "9 is greater than the maximum of 7.9"
KEYS = '"dataframe_split", "dataframe_records", "instances" or "inputs"'

Clients = dict[tuple[tuple[str, ...], str], FlaskClient]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wires")


@pytest.fixture(scope="module")
def clients(folder: Path) -> Clients:
    """An app for each choice of protocols, and for each model."""
    found = {}
    for names in (MLFLOW, SAGEMAKER, BOTH):
        for model in ("species", "people", "same", "line", "mood"):
            if names == BOTH or model == "species":
                write_wire_service(folder, {"protocols": {name: {"model": model} for name in names}})
                found[names, model] = build_app(load_spec(folder / "routes.yaml")).test_client()
    return found


@pytest.fixture(scope="module")
def expected(folder: Path, clients: Clients) -> list[int]:
    del clients  # which has trained the model
    return joblib.load(folder / "species.pkl").predict(FRAME).tolist()


def ask(client: FlaskClient, body: Any, path: str = "/invocations", **headers: str) -> tuple[int, Any]:
    answer = client.post(path, json=body, headers=headers)
    return answer.status_code, _said(answer)


def ask_csv(client: FlaskClient, body: str | bytes, kind: str = "text/csv", **headers: str) -> tuple[int, Any]:
    answer = client.post("/invocations", data=body, content_type=kind, headers=headers)
    return answer.status_code, _said(answer)


def _said(answer: Any) -> Any:
    if answer.status_code == 200:
        return answer.json if answer.is_json else answer.text
    assert "application/json" == answer.headers["Content-Type"]
    assert ["error_code", "message"] == sorted(answer.json)
    assert "BAD_REQUEST" == answer.json["error_code"]
    return answer.json["message"]


@pytest.mark.parametrize("names", [MLFLOW, SAGEMAKER, BOTH], ids="+".join)
def test_frames_and_tensors_are_answered_as_the_estimator_answers(
    clients: Clients, names: tuple[str, ...], expected: list[int]
) -> None:
    client = clients[names, "species"]
    split = json.loads(FRAME.to_json(orient="split"))
    records = FRAME.to_dict(orient="records")
    bodies: list[Any] = [
        {"dataframe_split": split},
        {"dataframe_split": {"data": ROWS}},
        {"dataframe_split": {"columns": ["id", *reversed(NAMES)], "data": [[7, *reversed(row)] for row in ROWS]}},
        {"dataframe_records": records},
        {"dataframe_records": [{"id": 7, **one} for one in records]},
        {"instances": records},
        {"instances": ROWS},
        {"inputs": FRAME.to_dict(orient="list")},
        {"inputs": ROWS, "params": {"temperature": 1}, "client_request_id": "a"},
        {"inputs": ROWS, "params": None},
    ]
    for body in bodies:
        assert (200, {"predictions": expected}) == ask(client, body), body
    assert (200, {"predictions": expected}) == ask_csv(client, f"{HEADER}\n{LINES}")
    lines = "".join("7;" + ";".join(map(str, row)) + "\n" for row in ROWS)
    assert (200, {"predictions": expected}) == ask_csv(client, f"id;{HEADER.replace(',', ';')}\n{lines}")
    assert (200, {"predictions": expected}) == ask_csv(client, FRAME.to_csv(index=False), "text/csv; charset=utf-8")


def test_where_clients_declare_no_type_a_body_is_json(clients: Clients, expected: list[int]) -> None:
    for kind in (
        "",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-8",
    ):
        assert (200, {"predictions": expected}) == ask_csv(clients[BOTH, "species"], json.dumps({"inputs": ROWS}), kind)
    said = 'Content-Type is "application/x-npy"; send application/json or text/csv'
    assert (415, said) == ask_csv(clients[BOTH, "species"], "x", "application/x-npy")


@pytest.mark.parametrize(
    ("names", "body", "accept", "answer"),
    [
        (MLFLOW, "csv", "text/csv", "object"),
        (MLFLOW, "json", "text/csv", "object"),
        (SAGEMAKER, "csv", "*/*", "object"),
        (SAGEMAKER, "csv", "text/csv", "csv"),
        (SAGEMAKER, "bare csv", "text/csv", "csv"),
        (SAGEMAKER, "bare csv", "application/json", "object"),
        (SAGEMAKER, "json", "text/csv", "csv"),
        (SAGEMAKER, "list", "*/*", "list"),
        (SAGEMAKER, "list", "text/csv", "csv"),
        (BOTH, "bare csv", "*/*", "object"),
        (BOTH, "json", "text/csv;q=0.5, application/json", "object"),
        (BOTH, "list", "application/json", "list"),
    ],
)
def test_the_answer_is_chosen_by_content_type_and_accept(
    clients: Clients,
    expected: list[int],
    names: tuple[str, ...],
    body: str,
    accept: str,
    answer: str,
) -> None:
    bodies = {
        "csv": f"{HEADER}\n{LINES}",
        "bare csv": LINES,
        "json": json.dumps({"instances": ROWS}),
        "list": json.dumps(ROWS),
    }
    kind = "text/csv" if "csv" in body else "application/json"
    answers = {"object": {"predictions": expected}, "list": expected, "csv": "".join(f"{one}\n" for one in expected)}
    asked = clients[names, "species"].post(
        "/invocations", data=bodies[body], content_type=kind, headers={"Accept": accept}
    )
    assert (200, answers[answer]) == (asked.status_code, _said(asked))
    assert ("text/csv; charset=utf-8" if answer == "csv" else "application/json") == asked.headers["Content-Type"]


def test_mlflow_alone_needs_the_names_of_columns_and_takes_no_bare_list(clients: Clients) -> None:
    client = clients[MLFLOW, "species"]
    said = '1 violation: line 1: the first line is a row of values ("5.9", "3.0", '
    said += '"5.1", "1.8"), and must name the columns; '
    assert (422, f"{said}send text/csv; header=absent if there is no such line") == ask_csv(client, LINES)
    assert (400, f"the body must be an object with {KEYS}") == ask(client, ROWS)


def test_a_first_line_is_a_header_if_it_has_all_required_names(clients: Clients) -> None:
    """The optional feature `score` may lack; and `header` in the Content-Type decides where it stands."""
    client = clients[BOTH, "people"]
    expected = ask(client, {"instances": [{"plan": "a", "age": 30, "member": True}] * 2})
    assert 200 == expected[0]
    for lines in (
        "member,plan,age\ntrue,a,30\ntrue,a,30\n",
        '"member","plan","age"\r\ntrue,a,30\r\ntrue,a,30\r\n',
        "\ufeffmember;plan;age\ntrue;a;30\ntrue;a;30\n",
        "a,30,,true\na,30,,true\n",
        "a,30,,true\na,30,,true",
    ):
        assert expected == ask_csv(client, lines), lines
    said = "line 1: the row has 3 cells, and the model's input has 4 features: plan, age, score, member"
    assert (422, f"1 violation: {said}") == ask_csv(client, "plan,age,score\na,30,1\n")
    assert 422 == ask_csv(client, "member,plan,age\ntrue,a,30\n", "text/csv; header=absent")[0]
    assert 422 == ask_csv(client, "a,30,,true\na,30,,true\n", "text/csv; header=present")[0]


def test_gaps_of_frames_leave_optional_features_out(clients: Clients) -> None:
    """The json module writes NaN for them, which is none of JSON's values."""
    client = clients[BOTH, "people"]
    complete = {"plan": "a", "age": 30, "member": True}
    _, lacking = ask(client, {"instances": [complete]})
    split = {"columns": ["plan", "age", "score", "member"], "data": [["a", 30, float("nan"), True]]}
    for body in (
        {"dataframe_split": split},
        {"dataframe_records": [complete | {"score": float("nan")}]},
        {"instances": [complete | {"score": None}]},
        {"inputs": {name: [value] for name, value in complete.items()} | {"score": [float("nan")]}},
        {"inputs": complete | {"score": None}},
    ):
        assert (200, lacking) == ask_csv(client, json.dumps(body), "application/json"), body
    assert (200, lacking["predictions"]) == ask(client, [["a", 30, None, True]])
    broken = '{"dataframe_records": [{"plan": "NaN \\" NaN", "age": NaN, x}]}'
    status, found = ask_csv(client, broken, "application/json")
    assert (400, True) == (status, found.endswith(f"(line 1, column {broken.index('x}') + 1})")), found


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"dataframe_split": {"columns": list(NAMES), "data": [ROWS[0], [1, 9, 1, 1]]}}, f"/data/1/1: {MOST}"),
        ({"dataframe_split": {"data": [[1, 9, 1, 1]]}}, f"/data/0/1: {MOST}"),
        ({"dataframe_split": {"columns": list(NAMES), "data": [[1]]}}, None),
        ({"dataframe_split": {"columns": list(NAMES), "data": [1]}}, "/data/0: expected a list of 4 values"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, '/columns: 2 columns are named "a"'),
        ({"dataframe_split": {"columns": [1], "data": []}}, "/columns: expected a list of names"),
        ({"dataframe_split": {"columns": []}}, ': expected an object with "columns" and "data"'),
        ({"dataframe_split": {"data": [], "x": 1}}, '/x: a frame has only "columns", "index" and "data"'),
        ({"dataframe_split": {"data": 3}}, "/data: expected a list of rows"),
        ({"dataframe_split": [1]}, ': expected an object with "columns" and "data"'),
        ({"dataframe_records": {"a": [1]}}, ": expected a list of records"),
        ({"dataframe_records": [3]}, "/0: expected an object, with the row's value in each column"),
        ({"dataframe_records": [dict.fromkeys(NAMES, 9)]}, None),
    ],
)
def test_frames_are_told_what_is_wrong_at_its_place(clients: Clients, body: Any, said: str | None) -> None:
    (key,) = body
    status, found = ask(clients[MLFLOW, "species"], body)
    assert 422 == status
    if said is not None:
        assert f"1 violation: #/{key}{said}" == found
    elif key == "dataframe_split":
        assert f"1 violation: #/{key}/data/0: expected 4 values, for {', '.join(NAMES)}; got 1" == found
    else:
        places = sorted(f"#/{key}/0/{name}: {MOST}" for name in NAMES)
        assert places == sorted(found.removeprefix("4 violations: ").split("; "))


def test_values_that_do_not_fit_are_refused_and_not_cut(clients: Clients) -> None:
    client = clients[BOTH, "people"]
    said = "3.5 must be an integer"
    split = {"columns": ["plan", "age", "member"], "data": [["a", 3.5, True]]}
    assert (422, f"1 violation: #/dataframe_split/data/0/1: {said}") == ask(client, {"dataframe_split": split})
    assert (422, f"1 violation: line 2, age: {said}") == ask_csv(client, "plan,age,member\na,3.5,true\n")
    assert (422, f"1 violation: line 1, age: {said}") == ask_csv(client, "a,3.5,,true\n")
    assert (200, 200) == (ask(client, {"inputs": [["a", 3.0, None, True]]})[0], ask_csv(client, "a,3.0,,true\n")[0])


def test_a_body_has_exactly_one_of_the_keys(clients: Clients) -> None:
    client = clients[BOTH, "species"]
    assert (400, f"the body has no instances; send them as {KEYS}") == ask(client, {"data": ROWS})
    said = 'the body has "instances" and "inputs"; send only one of them'
    assert (400, said) == ask(client, {"inputs": ROWS, "instances": ROWS})
    assert (400, '"params" must be an object') == ask(client, {"inputs": ROWS, "params": [1]})
    assert (400, "there are no instances; send at least 1") == ask(client, {"inputs": []})
    assert (400, "the body is empty; send JSON") == ask_csv(client, "", "application/json")
    assert (400, "the body is empty; its first line must be a row") == ask_csv(client, "")
    assert (422, "1 violation: line 2: the row has 2 cells; the first line has 4 columns") == ask_csv(
        client, "1,2,3,4\n1,2\n"
    )


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{}] * 10_001},
        {"dataframe_split": {"columns": ["x"], "data": [[]] * 10_001}},
        {"dataframe_split": {"data": [[]] * 10_001}},
        {"inputs": {"x": [1] * 10_001}},
        [[]] * 10_001,
    ],
)
def test_too_many_instances_are_refused_before_they_are_looked_at(clients: Clients, body: Any) -> None:
    """Not one of them would fit."""
    said = "there are 10,001 instances; at most 10,000 are allowed"
    assert (422, said) == ask(clients[BOTH, "species"], body)


@pytest.mark.parametrize(
    ("model", "bodies"),
    [
        (
            "same",
            [
                {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[1, 2, 3], [4, 5, 6]]}},
                {"dataframe_records": [{"a": 1, "b": 2, "c": 3}, {"c": 6, "a": 4, "b": 5}]},
                [[1, 2, 3], [4, 5, 6]],
                "1,2,3\n4,5,6\n",
            ],
        ),
        (
            "line",
            [{"dataframe_split": {"data": [[1], [2]]}}, {"dataframe_records": [{"x": 1}, {"x": 2}]}, [1, 2], "1\n2\n"],
        ),
        ("mood", [{"dataframe_records": [{"x": "good"}, {"x": "bad"}]}, ["good", "bad"], '"good"\nbad\n']),
    ],
)
def test_models_without_features_take_columns_by_their_order(clients: Clients, model: str, bodies: list[Any]) -> None:
    client = clients[BOTH, model]
    answers = [
        client.post("/invocations", data=body, content_type="text/csv", headers={"Accept": "text/csv"})
        if isinstance(body, str)
        else client.post("/invocations", json=body, headers={"Accept": "text/csv"})
        for body in bodies
    ]
    assert [200] * len(bodies) == [answer.status_code for answer in answers], answers[-1].text
    assert 1 == len({answer.text for answer in answers}), [answer.text for answer in answers]
    if model == "same":
        assert "1.0,2.0,3.0\n4.0,5.0,6.0\n" == answers[0].text
        wrong = {"dataframe_records": [{"a": 1, "b": 2, "c": "x"}]}
        assert (422, '1 violation: #/dataframe_records/0/c: "x" must be a number') == ask(client, wrong)
        other = {"dataframe_records": [{"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2, "d": 3}]}
        said = "1 violation: #/dataframe_records/1: expected the columns of the first row: a, b, c"
        assert (422, said) == ask(client, other)


def test_paths_of_clients_lead_to_the_same_answers(clients: Clients, expected: list[int]) -> None:
    client = clients[BOTH, "species"]
    for path in ("/invocations", "/endpoints/species/invocations", "/serving-endpoints/species/invocations"):
        assert (200, {"predictions": expected}) == ask(client, {"inputs": ROWS}, path)
    assert ["\n", "\n", "3.17.2"] == [client.get(path).text for path in ("/ping", "/health", "/version")]
    assert 404 == clients[SAGEMAKER, "species"].get("/version").status_code
