"""CSV and JSON Lines by HTTP: the rows of a file as a request, and predictions as the rows of one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from handler_door import Door
from modelling import NAMES, OBJECT, SPECIES, X, y
from sklearn.tree import DecisionTreeClassifier
from werkzeug.test import Client

from engine import create_app
from engine.endpoints import Request
from engine.endpoints.row_bodies import format_of_answer

HEADER = ",".join(NAMES)
ROWS = f"{HEADER},note\n5.9,3.0,5.1,1.8,a\n5.1,3.5,1.4,.2,b\n"
LINES = "".join(
    json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in ([5.9, 3, 5.1, 1.8], [5.1, 3.5, 1.4, 0.2])
)
CSV, NDJSON, JSON = "text/csv", "application/x-ndjson", "application/json"
OUTPUT = {"labels": SPECIES.tolist(), "probabilities": True}

Post = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    joblib.dump(DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y), folder / "model.pkl")
    routes = [
        {
            "path": "/",
            "model": "m",
            "methods": ["GET", "POST"],
            "limits": {"instances": 3},
            "strict_content_type": True,
        },
        {"path": "/<float:petal_width>", "model": "m"},
    ]
    (folder / "routes.yaml").write_text(json.dumps({"routes": routes}))
    models = {"m": {"file": "model.pkl", "input": OBJECT, "output": OUTPUT}}
    (folder / "models.yaml").write_text(json.dumps({"models": models}))
    return folder


@pytest.fixture(params=["app", "worker"])
def post(folder: Path, request: pytest.FixtureRequest) -> Post:
    """Post a body, to the app alone or with the short way in front of it."""
    app = create_app(folder / "routes.yaml")
    client = app.test_client() if request.param == "app" else Client(Door(app), app.response_class)

    def send(body: str | bytes, content_type: str = CSV, accept: str = "", path: str = "/") -> Any:
        headers = {"Accept": accept} if accept else {}
        return client.post(path, data=body, content_type=content_type, headers=headers)

    return send


def wanted() -> dict[str, Any]:
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
    rows = [[5.9, 3.0, 5.1, 1.8], [5.1, 3.5, 1.4, 0.2]]
    chances = [
        dict(zip(("setosa", "versicolor", "virginica"), row, strict=True)) for row in model.predict_proba(rows).tolist()
    ]
    result = model.predict(rows).tolist()
    return {"result": result, "labels": [SPECIES[one] for one in result], "probabilities": chances}


@pytest.mark.parametrize(
    ("body", "content_type"), [(ROWS, CSV), (LINES, NDJSON), ("\ufeff" + ROWS.replace(",", ";"), CSV)]
)
def test_rows_are_instances(body: str, content_type: str, post: Post) -> None:
    answer = post(body.encode(), content_type, JSON)
    assert (200, JSON, wanted()) == (answer.status_code, answer.content_type, answer.json)


def test_the_answer_has_the_format_of_the_request_or_of_accept(post: Post) -> None:
    answer = post(ROWS)
    assert "text/csv; charset=utf-8" == answer.content_type
    frame = pd.read_csv(io.StringIO(answer.text))
    assert ["prediction", "label", *(f"probability_{name}" for name in SPECIES)] == [*frame.columns]
    assert (wanted()["result"], wanted()["labels"]) == (frame["prediction"].tolist(), frame["label"].tolist())
    lines = post(ROWS, accept=NDJSON)
    assert NDJSON == lines.content_type
    assert wanted()["labels"] == [json.loads(line)["label"] for line in lines.text.splitlines()]
    assert answer.text == post(LINES, NDJSON, CSV).text
    assert lines.text == post(LINES, NDJSON).text
    one = post(LINES.splitlines()[0], JSON, CSV)
    assert answer.text.splitlines()[:2] == one.text.splitlines()


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "csv"),
        ("*/*", "csv"),
        ("text/html,*/*;q=0.8", "csv"),
        ("application/json", "json"),
        ("application/json;q=0.5, application/x-ndjson", "jsonl"),
        ("application/json; q=0", "csv"),
        ("application/json;q=x,application/json", "json"),
        (",;=,application/JSON", "json"),
    ],
)
def test_accept_chooses_by_its_weights(accept: str, chosen: str) -> None:
    assert chosen == format_of_answer(Request("POST", accept=accept), "csv")


BAD = f"{HEADER}\n5.9,3.0,5.1,1.8\n5.1,wide,1.4,\n"


def errors(answer: Any) -> list[tuple[str, str]]:
    assert 422 == answer.status_code
    return [(one["pointer"], one["detail"]) for one in answer.json["errors"]]


def test_one_bad_row_refuses_the_request(post: Post) -> None:
    assert [
        ("#/instances/1", 'line 3: "petal_width" is required'),
        ("#/instances/1/sepal_width", 'line 3: "wide" must be a number'),
    ] == errors(post(BAD))
    assert [("#/instances/0", "line 2: the row has 2 cells; the first line has 4 columns")] == errors(
        post(f"{HEADER}\n1,2\n")
    )
    assert [("#/instances/1/sepal_length", 'line 3: "x" must be a number')] == errors(
        post(LINES.splitlines()[0] + "\n\n" + LINES.splitlines()[1].replace("5.1", '"x"'), NDJSON)
    )
    assert [
        (
            "#/instances/0",
            (
                "line 2: the model rejected this instance: Input X contains infinity or a value too "
                "large for dtype('float32')."
            ),
        )
    ] == errors(post(f"{HEADER}\n1,2,3,1e300\n"))


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (
            "a,b\n1,2\n",
            (
                'line 1: no column is a feature of the model; the columns are "a", "b", and the features are '
                "sepal_length, sepal_width, petal_length, petal_width"
            ),
        ),
        (
            "5.9,3.0,5.1,1.8\n",
            (
                'line 1: the first line is a row of values ("5.9", "3.0", "5.1", "1.8"), and must name the '
                "columns; send text/csv; header=absent if there is no such line"
            ),
        ),
        (
            "sepal_length,sepal_width,petal_length,petal_width5.9,3.0,5.1,1.8",
            (
                'line 1: there is no column "petal_width", which the model requires '
                '("petal_width5.9" may be it, misspelt); '
                "the body is a single line; with curl use --data-binary @FILE, because -d removes line breaks"
            ),
        ),
        (HEADER + "\n", "there are no instances; send at least 1"),
        (HEADER + "\n" + "1,2,3,4\n" * 4, "there are 4 instances; at most 3 are allowed"),
    ],
)
def test_rows_that_do_not_fit_the_model_are_told(body: str, detail: str, post: Post) -> None:
    assert [("#", detail)] == errors(post(body))


MANY = {
    "rows of a CSV": (CSV, HEADER + "\n" + "1\n" * 50, "there are 50 instances; at most 3 are allowed"),
    "rows without a header": (f"{CSV}; header=absent", "1\n" * 50, "there are 50 instances; at most 3 are allowed"),
    "lines of JSON": (NDJSON, "1\n\n" * 5, "there are 5 instances; at most 3 are allowed"),
    "lines": (CSV, HEADER + "\n" + "\n" * 99, "there are 100 lines; at most 61 are allowed for 3 instances"),
    "blank lines of JSON": (NDJSON, "\n" * 99, "there are 99 lines; at most 61 are allowed for 3 instances"),
}


@pytest.mark.parametrize("kind", MANY)
def test_too_many_rows_are_refused_before_they_are_read(kind: str, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a body of a megabyte of short lines would hold a worker for ten seconds."""
    monkeypatch.setattr("engine.endpoints.row_bodies.RowReader._open", lambda *_: pytest.fail("read"))
    media_type, body, detail = MANY[kind]
    assert [("#", detail)] == errors(post(body, media_type))


def test_rows_that_are_broken_and_rows_that_violate_the_input_are_told_together(post: Post) -> None:
    """In the order of the rows; what a broken row has in its cells is not judged."""
    rows = f"{HEADER}\n5.9,x\n5.9,y,5.1,1.8\n5.9,3.0,5.1,1.8,9\n"
    assert [
        ("#/instances/0", "line 2: the row has 2 cells; the first line has 4 columns"),
        ("#/instances/1/sepal_width", 'line 3: "y" must be a number'),
        ("#/instances/2", "line 4: the row has 5 cells; the first line has 4 columns"),
    ] == errors(post(rows))
    broken, wrong = '{"sepal_length": 1', '{"sepal_length": "x", "sepal_width": 1, "petal_length": 1, "petal_width": 1}'
    (first, second) = errors(post(f"{broken}\n{wrong}\n", NDJSON))
    assert ("#/instances/0", True) == (first[0], first[1].startswith("line 1: "))
    assert ("#/instances/1/sepal_length", 'line 2: "x" must be a number') == second


def test_what_stands_beside_instances_and_what_is_wrong_in_them_are_told_together(post: Post) -> None:
    body = json.dumps({"x": 1, "instances": [dict.fromkeys(NAMES[1:], 1)], "y": 2})
    assert [
        ("#/x", 'a batch has only the key "instances"'),
        ("#/y", 'a batch has only the key "instances"'),
        ("#/instances/0", '"sepal_length" is required'),
    ] == errors(post(body, JSON))
    assert [
        ("#/x", 'a batch has only the key "instances"'),
        ("#/instances", "there are no instances; send at least 1"),
    ] == errors(post('{"x": 1, "instances": []}', JSON))


def test_blank_lines_and_line_breaks_in_cells_count_as_no_rows(post: Post) -> None:
    lines = f'{HEADER},note\n\n5.9,3.0,5.1,1.8,"a\n\n\nb"\n\n5.9,3.0,5.1,1.8,"c\nd"\n\n\n'
    assert 200 == post(lines).status_code


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "the body is empty; its first line must name the columns"),
        (
            ROWS.replace("a\n", "\xff\n").encode("latin-1"),
            "line 2: this is not UTF-8; convert the file, or save it as UTF-8",
        ),
        (
            ROWS.replace("5.9", '"5.9').encode(),
            "line 2: this is not a CSV: unexpected end of data; is a quote missing?",
        ),
    ],
)
def test_a_body_that_is_no_csv_is_told(body: bytes, detail: str, post: Post) -> None:
    answer = post(body)
    assert (400, detail) == (answer.status_code, answer.json["detail"])


def test_parameters_of_the_media_type(post: Post) -> None:
    assert wanted()["labels"] == post(ROWS, "text/csv; charset=UTF-8", JSON).json["labels"]
    assert 415 == post(ROWS, "text/csv; charset=latin1").status_code
    headless = ROWS.partition("\n")[2].replace(",a", "").replace(",b", "")
    assert wanted()["labels"] == post(headless, "text/csv; header=absent", JSON).json["labels"]


def test_features_in_the_path_are_in_every_row(post: Post) -> None:
    body = "sepal_length,sepal_width,petal_length\n5.9,3.0,5.1\n5.1,3.5,1.4\n"
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
    wanted = model.predict([[5.9, 3.0, 5.1, 0.5], [5.1, 3.5, 1.4, 0.5]]).tolist()
    assert wanted == post(body, accept=JSON, path="/0.5").json["result"]
