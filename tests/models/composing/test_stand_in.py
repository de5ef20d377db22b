"""Stand-ins: as long as a model's file is not there, its examples answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import joblib
import pytest
from click.testing import CliRunner, Result
from sklearn.linear_model import LogisticRegression

from engine import create_app
from engine.commands import cli
from engine.errors import SpecError
from engine.spec import load_spec

INPUT = {"type": "object", "required": ["age"], "properties": {"age": {"type": "number"}, "vip": {"type": "boolean"}}}
STAYS = {"label": "stays", "probabilities": {"stays": 0.8, "leaves": 0.2}}
LEAVES = {"label": "leaves", "probabilities": {"leaves": 0.9, "stays": 0.1}}
EXAMPLES = [{"input": {"age": 20}, "result": 0, **STAYS}, {"input": {"age": 80, "vip": True}, "result": 1, **LEAVES}]
OUTPUT = {"labels": ["stays", "leaves"], "probabilities": True}
CHURN = {"file": "churn.joblib", "stand_in": True, "input": INPUT, "output": OUTPUT, "examples": EXAMPLES}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, service: dict[str, Any] | None = None, **models: Any) -> None:
    routes = [{"path": f"/{name}", "model": name} for name in models]
    (folder / "routes.yaml").write_text(json.dumps({"service": service or {}, "routes": routes}))
    (folder / "models.yaml").write_text(json.dumps({"models": models}))


def train(folder: Path) -> None:
    joblib.dump(LogisticRegression().fit([[0.0], [10.0], [70.0], [90.0]], [0, 0, 1, 1]), folder / "churn.joblib")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments])


def test_the_example_that_equals_the_instance_answers_and_the_first_one_all_others(folder: Path) -> None:
    write(folder, churn=CHURN)
    client = create_app("routes.yaml").test_client()
    asked = [{"age": 80.0, "vip": True}, {"age": 20}, {"age": 81, "vip": True}, {"vip": True, "age": 80}, {"age": 80}]
    answer = client.post("/churn", json={"instances": asked})
    assert [1, 0, 0, 1, 0] == answer.json["result"]
    assert ["leaves", "stays", "stays", "leaves", "stays"] == answer.json["labels"]
    assert [{"stays": 0.1, "leaves": 0.9}, {"stays": 0.8, "leaves": 0.2}] == answer.json["probabilities"][:2]
    assert "true" == answer.headers["X-Stand-In"]


def test_an_instance_is_validated_as_the_models_own(folder: Path) -> None:
    write(folder, churn=CHURN)
    answer = create_app("routes.yaml").test_client().post("/churn", json={"age": "old"})
    assert (422, "#/age") == (answer.status_code, answer.json["errors"][0]["pointer"])


def test_true_is_not_one(folder: Path) -> None:
    by = {"type": "object", "properties": {"x": {"type": ["boolean", "number"]}}}
    examples = [{"input": {}, "result": 5}, {"input": {"x": 1}, "result": 6}, {"input": {"x": True}, "result": 7}]
    write(folder, churn={"file": "x.pkl", "stand_in": True, "input": by, "examples": examples})
    answer = create_app("routes.yaml").test_client().post("/churn", json={"instances": [{"x": True}, {"x": 1.0}]})
    assert {"result": [7, 6]} == answer.json


@pytest.mark.parametrize(
    ("keys", "schema"),
    [
        ({}, {"type": "number"}),
        ({"result": 1.5}, {"type": "number"}),
        ({"result": "gold"}, {"type": "string", "enum": ["gold", "b"]}),
        ({"result": [1, 2]}, {}),
        ({"result": 1, "label": "yes"}, {"type": "integer", "description": "One of the classes 1, 0."}),
    ],
)
def test_the_document_says_as_much_as_the_examples_do(folder: Path, keys: Any, schema: Any) -> None:
    other = {str: "b", int: 0, float: 2, list: 3}[type(keys.get("result", 0))]
    examples = [{"input": {"age": 1}, "result": 5, **keys}, {"input": {"age": 2}, "result": other}]
    write(folder, churn={**CHURN, "output": {}, "examples": examples})
    document = create_app("routes.yaml").test_client().get("/openapi.json").json
    assert schema == document["components"]["schemas"]["ChurnPrediction"]["properties"]["result"]["items"]


def test_a_file_takes_precedence_without_a_word(folder: Path) -> None:
    write(folder, churn={**CHURN, "features": ["age"]})
    train(folder)
    assert () == load_spec("routes.yaml").warnings
    answer = create_app("routes.yaml").test_client().post("/churn", json={"age": 75})
    assert ([1], ["leaves"], None) == (
        answer.json["result"],
        answer.json["labels"],
        answer.headers.get("X-Stand-In"),
    )


def test_labels_of_examples_are_held_against_the_model(folder: Path) -> None:
    input_ = {"type": "object", "required": ["age"], "properties": {"age": {"type": "number"}}}
    examples = [
        {"input": {"age": 80}, "result": 1, "label": "leaves"},
        {"input": {"age": 5}, "result": 0, "label": "one"},
    ]
    churn = {"file": "churn.joblib", "input": input_, "output": {}, "examples": examples}
    write(folder, churn=churn)
    train(folder)
    with pytest.raises(SpecError, match=r'the label of the model\'s answer is "1", not "leaves"'):
        create_app("routes.yaml")


def test_a_composition_with_a_stand_in_says_so(folder: Path) -> None:
    churn, gold = CHURN, {**CHURN, "file": "gold.joblib", "examples": EXAMPLES[::-1]}
    write(folder, churn=churn, gold=gold, mean={"average": {"churn": 3, "gold": 1}, "input": INPUT, "output": OUTPUT})
    client = create_app("routes.yaml").test_client()
    answer = client.post("/mean", json={"age": 1})
    assert ([0], ["stays"], "true") == (answer.json["result"], answer.json["labels"], answer.headers["X-Stand-In"])
    assert [{"stays": pytest.approx(0.625), "leaves": pytest.approx(0.375)}] == answer.json["probabilities"]


def test_the_model_header_and_metrics_and_the_docs_page_say_so(folder: Path) -> None:
    write(folder, {"model_header": True, "built_in": {"status": {"from": ["127.0.0.1/32"]}}}, churn=CHURN)
    client = create_app("routes.yaml").test_client()
    assert "churn@stand-in" == client.post("/churn", json={"age": 1}).headers["X-Model"]
    metrics = client.get("/metrics").text
    assert 'engine_model_stand_in{model="churn"} 1.0' in metrics
    (model,) = client.get("/-/status").json["models"]
    assert {"name": "churn", "hash": "stand-in", "stand_in": True} == {
        key: model[key] for key in ("name", "hash", "stand_in")
    }
    assert "examples answer until the model" in client.get("/docs").text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lock", "churn"), 'the file of "churn" does not exist yet, and its examples answer; train it first'),
        (("predict", "churn", "rows.csv"), 'the file of "churn" does not exist yet'),
        (("diff", "churn", "rows.csv"), 'the file of "churn" does not exist yet'),
    ],
)
def test_commands_that_need_a_file_refuse(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    write(folder, churn=CHURN)
    (folder / "rows.csv").write_text("age\n1\n")
    done = run(*arguments)
    assert 2 == done.exit_code
    assert said in re.sub(r"\s+", " ", done.output)


def test_a_bundle_refuses(folder: Path) -> None:
    write(folder, churn=CHURN)
    done = run("bundle", "-o", "s.zip")
    assert '"churn" has no file yet, and a bundle has compiled models only; train it first' in str(done.exception)


def test_check_and_call_work_and_warn(folder: Path) -> None:
    write(folder, churn=CHURN)
    done = run("check")
    assert 0 == done.exit_code
    assert 'warning: file "churn.joblib" does not exist; its examples answer until it does' in done.stderr
    assert "its examples answer" in done.stdout
    assert '{"result":[0]' in run("call", "POST", "/churn", "-d", '{"age": 1}').stdout


def test_locked_refuses(folder: Path) -> None:
    write(folder, churn=CHURN)
    with pytest.raises(SpecError) as error:
        load_spec("routes.yaml", locked=True)
    (found,) = error.value.diagnostics
    assert (
        'file "churn.joblib" does not exist, and --locked serves no stand-in; train the model and pin it, or serve '
        "without --locked"
    ) == found.message
