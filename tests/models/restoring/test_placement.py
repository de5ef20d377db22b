"""Which models a cluster computes in deployments of their own, and what `check` says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from modelling import X
from serving import run_here

from engine.models import Placement, compile_models, place_model
from engine.models.data.instances import TrainedInput
from engine.models.restoring.cache import Cache
from engine.models.restoring.compiled_model import CompiledModel
from engine.models.runtime.class_names import Wording
from engine.models.runtime.report import Report, Trial
from engine.spec import FileModel, StandIn, load_spec

MIB = 1024 * 1024
INPUT = "input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}"
ROWS = "{type: object, required: [a, b, c, d], properties: {a: {type: number}, b: {type: number}, c: {type: number}, \
d: {type: number}}}"
OF_LIBRARY = CompiledModel(
    300 * MIB, "SVC", "classifier", "1.8", TrainedInput(), Wording(None, None, ()), Report("sklearn", one_row=0.00125)
)
TIMED = Trial("native", "native", "exact", one_row=0.00002)
COMPILED = replace(OF_LIBRARY, program=b"small", report=Report("native", candidate="native", trials=(TIMED,)))
TAKEN = "{model: plain, take: result, as: e}"
STAYS = "stays in the replicas that take the requests"


@pytest.fixture
def folder(tmp_path: Path, iris_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model.pkl").write_bytes(iris_file.read_bytes())
    (tmp_path / "routes.yaml").write_text("routes: [{path: /p, model: iris}]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_models(folder: Path, *keys: str, **others: str) -> None:
    lines = [f"  iris: {{file: model.pkl, {', '.join((INPUT, *keys))}}}"]
    lines += [f"  {name}: {entry}" for name, entry in others.items()]
    (folder / "models.yaml").write_text("\n".join(["models:", *lines, ""]))


@pytest.fixture
def model(folder: Path) -> FileModel:
    write_models(folder, "scale: {max: 4}")
    return load_spec().file_models["iris"]


@pytest.mark.parametrize(
    ("compiled", "is_apart", "why"),
    [
        (OF_LIBRARY, True, "scikit-learn serves it, in 1.25 ms for one row"),
        (replace(OF_LIBRARY, report=Report("sklearn", library="XGBoost")), True, "XGBoost serves it"),
        (
            COMPILED,
            False,
            "it is compiled (native) and takes 0.02 ms for one row; a call to another process costs more",
        ),
        (
            replace(COMPILED, report=Report("onnx")),
            False,
            "it is compiled (onnx); a call to another process costs more",
        ),
        (
            replace(COMPILED, program=bytes(200 * MIB), batch_program=bytes(56 * MIB)),
            True,
            "it is compiled (native) to 256 MiB, and from 256 MiB on, not every replica gets a copy",
        ),
        (
            replace(COMPILED, report=replace(COMPILED.report, trials=(replace(TIMED, one_row=0.005),))),
            True,
            "it is compiled (native), but takes 5 ms for one row",
        ),
        (
            replace(COMPILED, report=replace(COMPILED.report, trials=(replace(TIMED, one_row=0.0049),))),
            False,
            "it is compiled (native) and takes 4.9 ms for one row; a call to another process is worth it from 5 ms on",
        ),
        (
            replace(COMPILED, report=replace(COMPILED.report, batch_runtime="sklearn", batch_from=100)),
            True,  # the file is opened in every process that computes the model
            "it is compiled (native) to 300 MiB, and from 256 MiB on, not every replica gets a copy",
        ),
        (
            replace(COMPILED, size=MIB, report=replace(COMPILED.report, batch_runtime="sklearn", batch_from=100)),
            False,
            "it is compiled (native); a call to another process costs more",
        ),
    ],
)
def test_a_model_has_a_deployment_where_a_call_to_it_is_worth_it(
    compiled: CompiledModel, is_apart: bool, why: str, model: FileModel
) -> None:
    assert Placement(is_apart, why) == place_model(model, compiled)


def test_a_model_without_a_scale_stays(model: FileModel) -> None:
    assert Placement(is_apart=False, why="it has no scale") == place_model(replace(model, scale=None), OF_LIBRARY)


def test_check_says_where_each_model_with_a_scale_is_and_why(folder: Path) -> None:
    """Of a chain, that is where its file's model is; models without a scale are not mentioned."""
    write_models(
        folder,
        "runtime: sklearn",
        "scale: {max: 4}",
        later=f"{{file: a.pkl, {INPUT}, stand_in: true, examples: [{{input: [1, 2, 3, 4], result: 1}}], scale: {{}}}}",
        plain=f"{{file: model.pkl, input: {ROWS}}}",
        chain=f"{{file: model.pkl, input: {ROWS}, features: [a, b, c, {TAKEN}], scale: {{max: 2}}}}",
    )
    done = run_here("check")
    assert 0 == done.returncode, done.stderr
    said = [line for line in done.stdout.splitlines() if "engine ray" in line]
    assert [
        "iris: under engine ray, it has a deployment of its own: scikit-learn serves it",
        f"later: under engine ray, it {STAYS}: its examples answer until its file exists",
    ] == said[:2]
    assert said[2].startswith(f"chain: under engine ray, it {STAYS}: it is compiled (")
    assert said[2].endswith(" ms for one row; a call to another process costs more")
    assert 3 == len(said)
    models = {one["name"]: one for one in json.loads(run_here("check", "--json").stdout)["models"]}
    assert {"is_apart": True, "why": "scikit-learn serves it"} == models["iris"]["placement"]
    assert "placement" not in models["plain"]


def test_a_scale_changes_neither_what_is_compiled_nor_what_a_chain_is_called(folder: Path) -> None:
    chain = f"{{file: model.pkl, input: {ROWS}, features: [b, c, d, {TAKEN}]%s}}"
    found = []
    for scale in ("", "scale: {max: 4}"):
        more = f", {scale}" if scale else ""
        write_models(folder, *filter(None, [scale]), plain=f"{{file: model.pkl, input: {ROWS}}}", chain=chain % more)
        spec = load_spec()
        predictors = compile_models(spec)
        facts = predictors["chain"].facts
        found.append((Cache(folder).key(spec.file_models["iris"], "0" * 64), facts.sha256))
        assert [0] == predictors["iris"](X[:1].tolist()).result
    assert found[0] == found[1]


def test_a_stand_in_has_its_scale(folder: Path) -> None:
    write_models(folder, "scale: {max: 4}", "stand_in: true", "examples: [{input: [1, 2, 3, 4], result: 1}]")
    (folder / "model.pkl").unlink()
    model = load_spec().models["iris"]
    assert isinstance(model, StandIn)
    assert Placement(is_apart=False, why="its examples answer until its file exists") == place_model(model, None)
