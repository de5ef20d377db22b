"""A bundle has all that a service needs where it is made, and answers by itself where it is served."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from importlib.metadata import version
from pathlib import Path

import joblib
import pandas as pd
import pytest
from bundling import FEATURES, HOUR, INSTANCE, MODEL, bundle, checked, members_of, refused, rewrite, write_spec
from click.testing import CliRunner
from modelling import OBJECT, ROW, X, y
from serving import serving
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from engine.bundle import unpack_bundle
from engine.commands import cli
from engine.errors import SpecError
from engine.models import restore_models
from engine.models.runtime import native_trees as native
from engine.server.checking import SpecSource, check_spec


def test_a_bundle_is_made_of_the_spec_its_files_the_compiled_model_and_its_pin(home: Path) -> None:
    members = members_of(home / "service.zip")
    assert [
        "files/keys.sha256",
        "files/pages/hello.txt",
        "manifest.json",
        "models.lock",
        "models.yaml",
        "models/m/compiled",
        "routes.yaml",
    ] == sorted(members)
    for name in ("models.lock", "models.yaml", "routes.yaml"):
        assert (home / name).read_bytes() == members[name]


def test_it_prints_its_hash_and_is_the_same_bytes_when_it_is_made_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_TEST_TITLE", "another")
    data = (home / "service.zip").read_bytes()
    done = bundle(home, monkeypatch)
    sha256 = hashlib.sha256(data).hexdigest()
    assert f"service.zip: {len(data):,} bytes, sha256 {sha256}\n" == done.output
    assert data == (home / "service.zip").read_bytes()
    as_json = json.loads(bundle(home, monkeypatch, "--json").output)
    assert {"bundle": "service.zip", "bytes": len(data), "sha256": sha256, "needs": {"m": []}} == as_json


def test_a_model_that_has_no_pin_is_pinned_first(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joblib.dump(joblib.load(home / "model.pkl"), tmp_path / "model.pkl")
    write_spec(tmp_path, {"routes": [{"path": "/p", "model": "m"}]}, m=MODEL)
    done = bundle(tmp_path, monkeypatch)
    assert done.output.startswith("m: pinned in models.lock on first use, sha256 ")
    assert (tmp_path / "models.lock").read_bytes() == members_of(tmp_path / "service.zip")["models.lock"]


def test_a_bundle_answers_by_itself_with_this_environment(service: Path) -> None:
    spec, prepared = unpack_bundle(service)
    assert ["hello", "served there"] == [
        next(iter(body.files.values())).decode() if body.files else body.content
        for route in spec.routes
        for case in route.cases
        for body in case.response.bodies
    ]
    assert ((("ci", hashlib.sha256(HOUR.encode()).digest()),)) == spec.service.auth.keys
    assert not any(one.compiled.needs_estimator for one in prepared.values())
    assert [2] == restore_models(spec, prepared)["m"]([INSTANCE]).result
    outcome = checked(service, hashlib.sha256(service.read_bytes()).hexdigest())
    assert ((), ()) == (outcome.mistakes, outcome.notes)
    assert ["service.zip"] == [file.name for file in outcome.stamps]
    assert ["native"] == [facts.report.runtime for facts in outcome.facts]


def test_a_variable_that_is_not_set_is_told_at_its_place(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_TEST_TITLE")
    assert refused(service).startswith(
        'service.zip/routes.yaml:26:17: error: the environment variable "ENGINE_TEST_TITLE" is not set; '
    )


@pytest.mark.exhaustive
def test_a_bundle_is_served_where_there_is_no_scikit_learn_and_nothing_is_written(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    lacking = "joblib onnx onnxruntime pandas scipy skl2onnx sklearn skops".split()
    (site / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({lacking}))\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path / "cache"))
    sha256 = hashlib.sha256(service.read_bytes()).hexdigest()
    with serving(tmp_path, "-w", "1", "--locked", "service.zip", "--sha256", sha256) as server:
        answer = server.request("POST", "/p", body=json.dumps(INSTANCE))
        assert (200, b'{"result":[2]}\n') == answer[::2]
        assert (200, b"served there") == server.request("GET", "/title")[::2]
        assert "native" == server.status()["models"][0]["runtime"]
    assert {"service.zip", "site"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.exhaustive
def test_another_bundle_in_its_place_is_served_after_sighup_and_no_other_is(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path, "-w", "1", "service.zip") as server:
        monkeypatch.setenv("ENGINE_TEST_TITLE", "not seen by the server")
        routes = members_of(service)["routes.yaml"].replace(b"${env:ENGINE_TEST_TITLE}", b"another")
        rewrite(service, {"routes.yaml": routes})
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_generation(2)
        assert (200, b"another") == server.request("GET", "/title")[::2]
        service.write_bytes(b"?")
        server.process.send_signal(signal.SIGHUP)
        status = server.wait_until(lambda status: bool(status["degraded"]))
        assert ["service.zip: error: it is not a bundle: not a ZIP file, or one that is cut short"] == status[
            "degraded"
        ]
        assert (200, b"another") == server.request("GET", "/title")[::2]


SECRET = "d0-not-pack-me"


def test_no_value_of_the_environment_is_packed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / SECRET).mkdir()
    joblib.dump(joblib.load(home / "model.pkl"), tmp_path / SECRET / "model.pkl")
    (tmp_path / "keys").write_text("")
    monkeypatch.setenv("ENGINE_TEST_SECRET", SECRET)
    monkeypatch.setenv("ENGINE_TEST_KEYS", str(tmp_path / "keys"))
    value = "${env:ENGINE_TEST_SECRET}"
    keys = [{"name": "a", "env": "ENGINE_TEST_KEY"}, {"name": "b", "file": "${env:ENGINE_TEST_KEYS}"}]
    monkeypatch.setenv("ENGINE_TEST_KEY", SECRET * 2)
    routes = {
        "service": {"title": value, "description": value, "auth": {"api_keys": keys}},
        "routes": [{"path": "/p", "model": "m", "summary": value}, {"path": "/s", "response": {"json": {"a": value}}}],
    }
    model = {**MODEL, "file": f"{value}/model.pkl", "description": value}
    write_spec(tmp_path, routes, m=model)
    done = bundle(tmp_path, monkeypatch)
    assert 0 == done.exit_code, done.exception
    for name, data in members_of(tmp_path / "service.zip").items():
        assert SECRET.encode() not in data, name
        assert hashlib.sha256((SECRET * 2).encode()).hexdigest().encode() not in data, name
    monkeypatch.setenv("ENGINE_TEST_SECRET", "served-there")
    spec, _ = unpack_bundle(tmp_path / "service.zip")
    assert ("served-there", {"a": "served-there"}) == (
        spec.service.title,
        spec.routes[1].cases[0].response.bodies[0].content,
    )


def unpackable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done = bundle(folder, monkeypatch)
    assert isinstance(done.exception, SpecError)
    assert not (folder / "service.zip").exists()
    return [str(found) for found in done.exception.diagnostics]


def test_what_a_bundle_cannot_have_is_told_at_its_place(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joblib.dump(joblib.load(home / "model.pkl"), tmp_path / "model.pkl")
    folder = tmp_path / "service"
    folder.mkdir()
    (tmp_path / "keys").write_text("")
    (folder / "page.txt").write_text("")
    monkeypatch.setenv("ENGINE_TEST_NAME", "page.txt")
    monkeypatch.setenv("ENGINE_TEST_LABEL", "virginica")
    (folder / "routes.yaml").write_text(
        "service:\n  auth: {api_keys: [{name: a, file: ../keys}]}\n"
        "routes:\n  - path: /\n    response: {file: '${env:ENGINE_TEST_NAME}'}\n  - {path: /p, model: m}\n"
    )
    (folder / "models.yaml").write_text(
        "models:\n  m:\n    file: ../model.pkl\n    timeout: ${env:ENGINE_TEST_TIMEOUT:-5}\n"
        f"    input: {json.dumps(FEATURES)}\n    output:\n      labels: [a, b, '${{env:ENGINE_TEST_LABEL}}']\n"
    )
    assert [
        (
            "models.yaml:7:22: error: a bundle has no value of the environment, and output is part of what is "
            "compiled; write it here instead of '${env:ENGINE_TEST_LABEL}'"
        ),
        "routes.yaml:2:37: error: a bundle packs files below the folder of routes.yaml only; move it there",
        (
            "routes.yaml:5:22: error: a bundle has no value of the environment, so the name of a file that it packs "
            "cannot come from there; write the name itself, or, for a list of keys, an absolute one"
        ),
    ] == unpackable(folder, monkeypatch)


def test_where_no_code_can_be_loaded_another_runtime_serves_and_this_is_said(
    service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: bytes) -> None:
        raise OSError("no code here")

    monkeypatch.setattr(native, "load_library", load)
    outcome = checked(service)
    assert ("m: the trees in C cannot be loaded here (no code here); numpy computes the same, more slowly",) == (
        outcome.notes
    )
    assert ["numpy"] == [facts.report.runtime for facts in outcome.facts]


OWN = """
from sklearn.linear_model import LinearRegression

class Own(LinearRegression):
    def predict(self, X):
        from own_parts import plus
        return plus(super().predict(X))
"""


def test_a_model_that_scikit_learn_serves_says_so_and_has_its_file_and_modules_in_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "own.py").write_text(OWN)
    (folder / "own_parts.py").write_text("def plus(values):\n    return values + 1000\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        import own

        joblib.dump(own.Own().fit(X, y), folder / "m.pkl")
    write_spec(folder, {"routes": [{"path": "/p", "model": "m"}]}, m={"file": "m.pkl", "input": ROW})
    done = bundle(folder, monkeypatch)
    assert 0 == done.exit_code, done.exception
    said = done.output.splitlines()[-2]
    assert said.startswith("m: where it is served, this must be installed: pip install scikit-learn==1.")
    file = (folder / "service.zip").rename(tmp_path / "service.zip")
    assert {"models/m/file", "models/m/modules/own.py", "models/m/modules/own_parts.py"} <= members_of(file).keys()
    shutil.rmtree(folder)
    spec, prepared = unpack_bundle(file)
    assert prepared["m"].compiled.needs_estimator
    (result,) = restore_models(spec, prepared)["m"]([X[0].tolist()]).result
    assert 999 < result < 1001
    monkeypatch.setattr("engine.models.restoring.needed_libraries.find_spec", lambda _: None)
    (mistake,) = check_spec(SpecSource("", None, bundle=file)).mistakes
    assert mistake.message.startswith("scikit-learn is needed to serve this model, and not installed: pip install sci")


def test_a_model_that_gets_a_frame_needs_pandas_in_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "framing.py").write_text("def first(frame):\n    return frame.iloc[:, :1]\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        import framing

        own = make_column_transformer((FunctionTransformer(framing.first), ["sepal_length"]))
        model = make_pipeline(own, LinearRegression()).fit(pd.DataFrame(X, columns=list(OBJECT["properties"])), y)
        joblib.dump(model, tmp_path / "m.pkl")
    write_spec(tmp_path, {"routes": [{"path": "/p", "model": "m"}]}, m={"file": "m.pkl", "input": OBJECT})
    said = bundle(tmp_path, monkeypatch).output.splitlines()[-2]
    assert said.endswith(f"pip install scikit-learn=={version('scikit-learn')} pandas=={version('pandas')}")


def test_trees_that_were_compiled_without_a_c_compiler_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joblib.dump(DecisionTreeClassifier(max_depth=2).fit(X, y), tmp_path / "trees.pkl")
    joblib.dump(LogisticRegression(max_iter=1000).fit(X, y), tmp_path / "line.pkl")
    models = {name: {"file": f"{name}.pkl", "input": ROW} for name in ("trees", "line")}
    write_spec(tmp_path, {"routes": [{"path": f"/{name}", "model": name} for name in models]}, **models)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path / "cache"))
    said = [line for line in bundle(tmp_path, monkeypatch).output.splitlines() if "C compiler" in line]
    assert ["trees: compiled without a C compiler; with one, its trees are served faster"] == said


def test_what_was_compiled_answers_batches_where_scikit_learn_is_only_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joblib.dump(LogisticRegression(max_iter=1000).fit(X, y), tmp_path / "m.pkl")
    write_spec(tmp_path, {"routes": [{"path": "/p", "model": "m"}]}, m={"file": "m.pkl", "input": ROW})
    monkeypatch.setattr("engine.models.proving.choice.BATCHES_MUST_BE_FASTER", 1e-6)
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path / "cache"))
    done = bundle(tmp_path, monkeypatch)
    assert "m: large batches run on the compiled model too; scikit-learn would be faster" in done.output
    _, prepared = unpack_bundle(tmp_path / "service.zip")
    report = prepared["m"].compiled.report
    assert (None, 0, False) == (report.batch_runtime, report.batch_from, prepared["m"].compiled.needs_estimator)
    assert report.speed_up_many != 1.0


WRONG_USE = {
    ("--sha256", "0" * 64): "--sha256 is for bundles only: python -m engine serve service.zip --sha256 HASH",
    ("service.zip", "-r", "routes.yaml"): "-r cannot be used with a bundle, which contains its own; remove one of them",
    ("service.zip", "-m", "models.yaml"): "-m cannot be used with a bundle, which contains its own; remove one of them",
    ("--locked", "service.zip"): (
        "--locked requires --sha256 with a bundle; add the hash that `python -m engine bundle` printed"
    ),
    ("service.zip", "--sha256", "abc"): ('Invalid value for --sha256: "abc" is not a SHA-256 of 64 hexadecimal digits'),
}


@pytest.mark.parametrize("arguments", WRONG_USE)
def test_options_that_do_not_go_with_a_bundle_are_told(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, ["serve", *arguments])
    assert (2, f"Error: {WRONG_USE[arguments]}\n") == (done.exit_code, done.stderr.partition("\n\n")[2])


def test_a_bundle_that_cannot_be_written_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TEST_TITLE", "")
    done = bundle(home, monkeypatch, "-o", "nowhere/service.zip")
    assert "nowhere/service.zip cannot be written: No such file or directory" == str(done.exception)


def test_a_model_that_is_a_graph_needs_onnxruntime_and_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joblib.dump(joblib.load(home / "model.pkl"), tmp_path / "model.pkl")
    write_spec(tmp_path, {"routes": [{"path": "/p", "model": "m"}]}, m={**MODEL, "runtime": "onnx"})
    done = bundle(tmp_path, monkeypatch)
    assert "m: where it is served, this must be installed: pip install onnxruntime" in done.output.splitlines()
    with monkeypatch.context() as patch:
        patch.setattr("engine.models.restoring.needed_libraries.find_spec", lambda _: None)
        (mistake,) = checked(tmp_path / "service.zip").mistakes
    said = "onnxruntime is needed to serve this model, and not installed: pip install onnxruntime"
    assert (said, "models.yaml") == (mistake.message, Path(mistake.place.file).name)
    assert ["onnx"] == [facts.report.runtime for facts in checked(tmp_path / "service.zip").facts]
