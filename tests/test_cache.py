"""Compiled models are kept, verified when read, and made in a process of their own; workers need no scikit-learn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from modelling import ROW, X, y
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

from engine.errors import SpecError
from engine.models import apart, compile_apart, compile_models, writable_cache
from engine.models import compile as compiling
from engine.models.cache import VARIABLE, Cache, Entry
from engine.models.report import Report
from engine.spec import Spec, load

INSTANCE = X[0].tolist()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with a small forest, and no cache but its own."""
    monkeypatch.delenv(VARIABLE)
    joblib.dump(RandomForestClassifier(3, random_state=0).fit(X, y), tmp_path / "m.pkl")
    (tmp_path / "routes.yaml").write_text('{"routes": [{"path": "/p", "model": "m"}]}')
    write_models(tmp_path)
    return tmp_path


def write_models(folder: Path, **keys: object) -> Spec:
    (folder / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.pkl", "input": ROW, **keys}}}))
    return load(folder / "routes.yaml")


def entries(folder: Path) -> list[Path]:
    return sorted((folder / ".engine" / "cache").glob("*"))


def compile_and_count(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> int:
    """Compile, and tell how many models were not in the cache."""
    compiled: list[str] = []
    original = compiling._compile
    with monkeypatch.context() as patch:
        patch.setattr(compiling, "_compile", lambda model, *rest: compiled.append(model.name) or original(model, *rest))
        assert compile_models(spec)["m"]([INSTANCE]).result in ([0], [1], [2])
    return len(compiled)


def test_a_model_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load(folder / "routes.yaml")
    assert [1, 0, 0] == [compile_and_count(spec, monkeypatch) for _ in range(3)]


def test_the_cache_is_its_owners_alone(folder: Path) -> None:
    compile_models(load(folder / "routes.yaml"))
    (entry,) = entries(folder)
    assert (0o700, 0o600) == (entry.parent.stat().st_mode & 0o777, entry.stat().st_mode & 0o777)


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_cache_that_others_could_write_to_is_not_read(
    folder: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load(folder / "routes.yaml")
    assert 1 == compile_and_count(spec, monkeypatch)
    entries(folder)[0].parent.chmod(mode)
    assert 1 == compile_and_count(spec, monkeypatch)
    assert 0 == compile_and_count(spec, monkeypatch)


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "another's"])
def test_a_damaged_entry_is_made_anew(folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load(folder / "routes.yaml")
    compile_models(spec)
    (entry,) = entries(folder)
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 1
    entry.write_bytes(
        {"cut": data[:-100], "flipped": data, "emptied": b"", "another's": b"x" * 64 + b"\n" + data}[damage]
    )
    assert [1, 0] == [compile_and_count(spec, monkeypatch) for _ in range(2)]


@pytest.mark.parametrize("damage", range(64, 20_000, 1_777))
def test_no_damage_of_a_single_byte_is_read(folder: Path, damage: int) -> None:
    cache = Cache(folder)
    assert cache.write("key", Entry({"a": 1}, {"one": bytes(20_000)}))
    assert {"a": 1} == cache.read("key").facts
    path = folder / ".engine" / "cache" / "key.model"
    data = bytearray(path.read_bytes())
    data[damage] ^= 0x10
    path.write_bytes(data)
    assert cache.read("key") is None


def test_what_a_model_depends_on_is_in_its_key(folder: Path) -> None:
    def key(**keys: object) -> str:
        model = write_models(folder, **keys).models["m"]
        return Cache(folder).key(model, model.file.read_bytes())

    (folder / "rows.csv").write_text("a\n1\n")
    keys = [key(), key(runtime="onnx"), key(output={"probabilities": True}), key(reference="rows.csv")]
    (folder / "rows.csv").write_text("a\n2\n")
    keys.append(key(reference="rows.csv"))
    joblib.dump(RandomForestClassifier(3, random_state=1).fit(X, y), folder / "m.pkl")
    keys.append(key())
    assert len(keys) == len(set(keys))
    assert key() == key(description="Other words for the same model.")


def test_the_cache_may_lie_elsewhere(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "new"
    monkeypatch.setenv(VARIABLE, str(elsewhere))
    compile_models(load(folder / "routes.yaml"))
    assert 1 == len(list(elsewhere.iterdir()))
    assert not (folder / ".engine").exists()


def test_a_folder_that_cannot_be_written_to_costs_only_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".engine").write_text("a file where a folder should be")
    spec = load(folder / "routes.yaml")
    assert [1, 1] == [compile_and_count(spec, monkeypatch) for _ in range(2)]
    monkeypatch.setenv(VARIABLE, str(folder / ".engine" / "cache"))
    with writable_cache(spec):
        assert [1, 0] == [compile_and_count(spec, monkeypatch) for _ in range(2)]
        assert str(folder) not in os.environ[VARIABLE]


def test_compiling_apart_fills_the_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load(folder / "routes.yaml")
    told: list[str] = []
    compile_apart(spec, str(folder / "routes.yaml"), None, told.append)
    assert "m: proving trees in C" in told
    assert 0 == compile_and_count(spec, monkeypatch)


def test_a_mistake_found_apart_is_told_at_its_place(folder: Path) -> None:
    (folder / "m.pkl").write_bytes(b"no pickle")
    with pytest.raises(SpecError) as refused:
        compile_apart(load(folder / "routes.yaml"), str(folder / "routes.yaml"), None, lambda _: None)
    (found,) = refused.value.diagnostics
    assert ("models.yaml", True) == (Path(found.place.file).name, "damaged" in found.message)


def test_a_model_that_kills_its_process_is_told_at_its_place(folder: Path) -> None:
    (folder / "m.pkl").write_bytes(b"cos\n_exit\n(I9\ntR.")
    with pytest.raises(SpecError) as refused:
        compile_apart(load(folder / "routes.yaml"), str(folder / "routes.yaml"), None, lambda _: None)
    assert "compiling the model ended with exit status 9" in str(refused.value)
    assert "runtime: sklearn serves it uncompiled" in str(refused.value)


def test_a_model_that_never_ends_is_told_at_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS_FOR_EACH", 8.0)
    (folder / "m.pkl").write_bytes(b"ctime\nsleep\n(I600\ntR.")
    with pytest.raises(SpecError) as refused:
        compile_apart(load(folder / "routes.yaml"), str(folder / "routes.yaml"), None, lambda _: None)
    assert "compiling the model took more than 8 seconds over one step" in str(refused.value)


WORKER = """
import sys
from engine.server.serve import load_app
app = load_app("routes.yaml", None)
import io, json
body = json.dumps({instance}).encode()
environ = {{"REQUEST_METHOD": "POST", "PATH_INFO": "/p", "CONTENT_LENGTH": str(len(body))}}
environ["wsgi.input"] = io.BytesIO(body)
print(b"".join(app(environ, lambda status, headers: None)).decode().strip())
print(sorted({{"sklearn", "scipy", "pandas", "joblib", "pickle5", "skops", "skl2onnx"}} & set(sys.modules)))
"""


def test_a_worker_of_compiled_models_imports_no_scikit_learn(folder: Path) -> None:
    compile_models(load(folder / "routes.yaml"))
    code = WORKER.format(instance=INSTANCE)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert ('{"result":[0]}\n[]\n', "") == (done.stdout, done.stderr)


def test_a_worker_never_opens_the_file_of_a_compiled_model_as_a_pickle(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load(folder / "routes.yaml")
    compile_models(spec)
    monkeypatch.setattr("joblib.load", lambda _: pytest.fail("unpickled"))
    assert [0] == compile_models(spec)["m"]([INSTANCE]).result


def test_a_model_that_stays_with_scikit_learn_is_kept_as_such(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joblib.dump(SVC(kernel="sigmoid").fit(X, np.asarray(y)), folder / "m.pkl")
    spec = write_models(folder, runtime="sklearn")
    assert [1, 0] == [compile_and_count(spec, monkeypatch) for _ in range(2)]


def test_a_reference_gives_rows_to_the_proof(folder: Path) -> None:
    names = ["a", "b", "c", "d"]
    (folder / "rows.csv").write_text(",".join(names) + "\n" + "\n".join(",".join(map(str, row)) for row in X))
    schema = {"type": "object", "required": names, "properties": {name: {"type": "number"} for name in names}}
    plain = compile_models(write_models(folder, input=schema))["m"].facts.report.rows
    more = compile_models(write_models(folder, input=schema, reference="rows.csv"))["m"].facts.report.rows
    assert more == plain + len(X)


def test_the_size_of_a_batch_is_its_rows_whatever_their_form() -> None:
    """A table of many columns and one row is no batch."""
    asked: list[str] = []
    programs = {"one": lambda _: asked.append("one"), "batch": lambda _: asked.append("batch")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "load", programs.get)
        entry = Entry({}, {"one": "one", "batch": "batch"})
        runtime = compiling._runtime(None, entry, Report("native", batch_from=3), None)
    for rows in (np.zeros((2, 9)), np.zeros((3, 9)), {name: np.zeros(2) for name in "abcd"}, {"a": np.zeros(3)}):
        runtime(rows)
    assert ["one", "batch", "one", "batch"] == asked
