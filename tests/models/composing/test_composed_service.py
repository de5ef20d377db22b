"""Compositions in service: pins, the cache, bundles, files of rows, and a table that changes while it is served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from serving import replace_file, serving
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from engine.bundle import unpack_bundle
from engine.commands import cli
from engine.errors import SpecError
from engine.models import compile_models, lock_models, needs_sklearn, restore_models
from engine.server.checking import SpecSource, check_spec
from engine.spec import load_spec

RNG = np.random.default_rng(3)
PLACES = pd.DataFrame({"x": RNG.uniform(0, 10, 200).round(3)})
KINDS = np.where(PLACES.x > 5, "far", "near")
KNOWN = pd.DataFrame({"size": RNG.uniform(1, 9, 200).round(3), "kind": KINDS})
PRICES = KNOWN["size"] * 10 + (KINDS == "far") * 5
NUMBER = {"type": "number"}
MODELS: dict[str, Any] = {
    "kind": {"file": "kind.joblib", "input": {"type": "object", "required": ["x"], "properties": {"x": NUMBER}}},
    "price": {
        "file": "price.joblib",
        "features": ["size", {"model": "kind", "take": "label", "as": "kind"}],
        "input": {"type": "object", "required": ["x", "size"], "properties": {"x": NUMBER, "size": NUMBER}},
        "examples": [{"input": {"x": 9, "size": 2}, "result": 25.0}, {"input": {"x": 1, "size": 2}, "result": 20.0}],
    },
    "row": {"table": "rows.csv", "key": "id", "model": "price", "examples": [{"input": {"id": 2}, "result": 30.0}]},
}
ROUTES = [{"path": f"/{name}", "model": name} for name in MODELS]


@pytest.fixture(scope="module")
def estimators() -> dict[str, Any]:
    encoded = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    return {
        "kind": DecisionTreeClassifier(random_state=0).fit(PLACES, KINDS),
        "price": make_pipeline(encoded, LinearRegression()).fit(KNOWN, PRICES),
    }


@pytest.fixture
def folder(tmp_path: Path, estimators: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, estimator in estimators.items():
        joblib.dump(estimator, tmp_path / f"{name}.joblib")
    (tmp_path / "rows.csv").write_text("id,x,size,note\n1,1,2,a\n2,1,3,b\n")
    write(tmp_path, MODELS)
    return tmp_path


def write(folder: Path, models: dict[str, Any], **service: Any) -> None:
    (folder / "routes.yaml").write_text(json.dumps({"service": service, "routes": ROUTES}))
    (folder / "models.yaml").write_text(json.dumps({"models": models}))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments])


def messages(error: pytest.ExceptionInfo[SpecError]) -> list[str]:
    return [found.message for found in error.value.diagnostics]


def test_a_second_start_needs_no_scikit_learn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(folder / "cache"))
    assert needs_sklearn(load_spec("routes.yaml"))
    compile_models(load_spec("routes.yaml"))
    assert not needs_sklearn(load_spec("routes.yaml"))


def test_only_files_are_pinned_and_a_chain_with_what_its_file_gets(folder: Path) -> None:
    lock_models("routes.yaml")
    pins = json.loads((folder / "models.lock").read_text())["models"]
    assert ["kind", "price"] == list(pins)
    assert [{"size": 2, "kind": "far"}, {"size": 2, "kind": "near"}] == [
        {name: one["input"][name] for name in ("size", "kind")} for one in pins["price"]["golden"]
    ]
    assert check_spec(SpecSource("routes.yaml", None, locked=True)).snapshot is not None


def test_a_chain_is_held_to_its_pin_whatever_its_part_becomes(folder: Path) -> None:
    """Another model of the kind is pinned alone; the chain's own golden answers are not about that."""
    lock_models("routes.yaml")
    joblib.dump(DecisionTreeClassifier(max_depth=1, random_state=5).fit(PLACES, KINDS), folder / "kind.joblib")
    with pytest.raises(SpecError) as error:
        compile_models(load_spec("routes.yaml"))
    assert ["the file differs from its pin"] == [said.partition(":")[0] for said in messages(error)]
    with pytest.raises(SpecError, match="the file differs from its pin"):
        lock_models("routes.yaml", names=["price"])  # which opens no other file than the pinned one
    lock_models("routes.yaml", names=["kind"])
    compile_models(load_spec("routes.yaml"))


def test_a_part_that_answers_otherwise_is_found_by_the_examples_of_the_chain(folder: Path) -> None:
    joblib.dump(DecisionTreeClassifier().fit(PLACES, np.where(PLACES.x > 0.5, "far", "near")), folder / "kind.joblib")
    with pytest.raises(SpecError) as error:
        compile_models(load_spec("routes.yaml"))
    (said,) = messages(error)
    assert said.startswith("the model answers 25.0")
    assert said.endswith(", not 20.0")


def test_recorded_examples_of_a_chain_are_renewed(folder: Path) -> None:
    examples = [{"input": {"x": 9, "size": 2}, "result": 1.0, "recorded": True}]
    write(folder, {**MODELS, "price": {**MODELS["price"], "examples": examples}})
    lock_models("routes.yaml", accept=True)
    (renewed,) = json.loads((folder / "models.yaml").read_text())["models"]["price"]["examples"]
    assert {"input": {"x": 9, "size": 2}, "result": 25.0, "recorded": True} == renewed


@pytest.mark.parametrize("runtime", ["auto", "sklearn"])
def test_a_bundle_has_the_table_and_every_part(folder: Path, runtime: str) -> None:
    models = {name: {**entry, "runtime": runtime} if "file" in entry else entry for name, entry in MODELS.items()}
    write(folder, models)
    done = run("bundle", "-o", "service.zip")
    assert 0 == done.exit_code, done.output
    for name in ("kind.joblib", "price.joblib", "rows.csv", "models.yaml", "routes.yaml"):
        (folder / name).unlink()
    outcome = check_spec(SpecSource("", None, bundle=folder / "service.zip"))
    assert () == tuple(found for found in outcome.mistakes if found.severity == "error")
    spec, prepared = unpack_bundle(folder / "service.zip")
    predictors = restore_models(spec, prepared)
    assert [pytest.approx(30)] == predictors["row"]([{"id": 2}]).result
    assert [pytest.approx(25)] == predictors["price"]([{"x": 9, "size": 2}]).result


@pytest.mark.parametrize("runtime", ["auto", "sklearn"])
def test_files_of_rows_are_scored_as_requests_are(folder: Path, runtime: str, estimators: dict[str, Any]) -> None:
    models = {name: {**entry, "runtime": runtime} if "file" in entry else entry for name, entry in MODELS.items()}
    write(folder, models)
    frame = PLACES.assign(size=KNOWN["size"])
    frame.to_csv("in.csv", index=False)
    done = run("predict", "price", "in.csv", "-o", "out.csv", "-j", "1")
    assert 0 == done.exit_code, done.output
    asked = KNOWN.assign(kind=estimators["kind"].predict(PLACES))
    np.testing.assert_allclose(estimators["price"].predict(asked), pd.read_csv("out.csv").prediction, rtol=1e-9)
    (folder / "ids.csv").write_text("id\n1\n7\n2\n")
    done = run("predict", "row", "ids.csv", "--errors", "bad.jsonl", "-o", "rows-out.csv", "-j", "1")
    assert 0 == done.exit_code, done.output
    assert [20, None, 30] == [None if np.isnan(one) else round(one) for one in pd.read_csv("rows-out.csv").prediction]
    report = json.loads((folder / "bad.jsonl").read_text())
    assert {"line": 3, "column": "id", "value": "7", "reason": 'there is no row with "id" 7'} == report


@pytest.mark.usefixtures("folder")
def test_a_chains_file_is_compared_with_its_successor(estimators: dict[str, Any]) -> None:
    shutil.copy("price.joblib", "same.joblib")
    same = run("diff", "price", "same.joblib")
    assert 0 == same.exit_code, same.output
    joblib.dump(make_pipeline(estimators["price"][0], LinearRegression()).fit(KNOWN, PRICES * 2), "other.joblib")
    other = run("diff", "price", "other.joblib")
    assert 1 == other.exit_code, other.output
    assert 2 == run("diff", "row", "other.joblib").exit_code


@pytest.mark.usefixtures("folder")
def test_compile_shows_the_file_of_a_chain_and_its_parts() -> None:
    shown = json.loads(run("compile", "row", "--json").stdout)["models"]
    assert ["price", "kind"] == [one["name"] for one in shown]
    assert all(one["report"]["trials"] for one in shown)


def test_a_table_is_followed(folder: Path) -> None:
    """A row that comes is served; a table that has become wrong changes nothing, and the status says why."""
    write(folder, {name: MODELS[name] for name in MODELS}, built_in={"status": {"from": ["127.0.0.1/32"]}})
    compile_models(load_spec("routes.yaml"))
    with serving(folder, "-w", "2") as server:

        def ask(number: int) -> tuple[int, bytes]:
            return server.request("POST", "/row", body=json.dumps({"id": number}))[::2]

        assert 404 == ask(3)[0]
        table = (folder / "rows.csv").read_bytes()
        replace_file(folder / "rows.csv", table + b"3,9,4,c\n")
        server.wait_for_generation(2)
        assert (200, pytest.approx(45)) == (ask(3)[0], json.loads(ask(3)[1])["result"][0])
        replace_file(folder / "rows.csv", table + b"3,9,4,c\n3,9,5,c\n")
        said = 'rows.csv: line 5: column "id": 3 is in line 4 too; keys must be unique'
        server.wait_until(lambda status: any(said in one for one in status["degraded"]))
        assert 200 == ask(3)[0]
        replace_file(folder / "rows.csv", table)
        server.wait_until(lambda status: not status["degraded"])
        server.wait_until(lambda _: ask(3)[0] == 404)
