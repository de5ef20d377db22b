"""Compiled models are kept, verified when read, and made in a process of their own; workers need no scikit-learn."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
from modelling import ROW, X, y
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

import engine
from engine.models import compile_models, writable_cache
from engine.models.compiling import prepare as compiling
from engine.models.data.dtypes import Table
from engine.models.data.instances import TrainedInput
from engine.models.files.model_file import read_file
from engine.models.restoring import cache as module
from engine.models.restoring.cache import VARIABLE, Cache
from engine.models.restoring.choose_runtime import open_runtime
from engine.models.restoring.compiled_model import CompiledModel
from engine.models.runtime.class_names import Wording
from engine.models.runtime.report import Report
from engine.spec import Spec, load_spec, write_whole

COMPILED = CompiledModel(1, "Ridge", "regressor", "1.8", TrainedInput(), Wording(None, None, ()), Report("sklearn"))

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
    return load_spec(folder / "routes.yaml")


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


def test_the_key_changes_with_every_source_file_that_decides_answers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In all folders below too, C included; otherwise an old program would pass for one of the new code."""
    code = tmp_path / "code"
    shutil.copytree(Path(engine.__file__).parent, code, ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    folders = [code / name for name in ("models", "schema", "spec")]
    model = load_spec(folder / "routes.yaml").models["m"]
    before = Cache(folder).key(model, "")
    for name in ("hash_code", "describe_surroundings"):
        monkeypatch.setattr(module, name, getattr(module, name).__wrapped__)
    monkeypatch.setattr(module, "_CODE", folders)
    assert before == Cache(folder).key(model, "")
    sources = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert {"trees.c", "cache.py", "columns.py", "predictor.py", "records.py", "samples.py", "subschema.py"} <= {
        path.name for path in sources
    }
    for source in sources:
        unchanged = source.read_bytes()
        source.write_bytes(unchanged + b"\n")
        assert before != Cache(folder).key(model, ""), source
        source.write_bytes(unchanged)


def test_a_model_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec(folder / "routes.yaml")
    assert [1, 0, 0] == [compile_and_count(spec, monkeypatch) for _ in range(3)]


@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0o600), (0o666, 0o644), (0o640, 0o640)])
def test_only_its_owner_may_write_an_entry_and_who_may_read_the_model_may_read_it(
    folder: Path, mode: int, expected: int
) -> None:
    (folder / "m.pkl").chmod(mode)
    compile_models(load_spec(folder / "routes.yaml"))
    (entry,) = entries(folder)
    assert (0o755, expected) == (entry.parent.stat().st_mode & 0o777, entry.stat().st_mode & 0o777)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_can_write_to_stays_as_it_is_and_one_below_it_is_used(
    folder: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever made it, a cache or /tmp: its mode is not the engine's to change, and nothing in it is read."""
    spec = load_spec(folder / "routes.yaml")
    assert 1 == compile_and_count(spec, monkeypatch)
    (entry,) = entries(folder)
    entry.parent.chmod(mode)
    assert 1 == compile_and_count(spec, monkeypatch)
    assert 0 == compile_and_count(spec, monkeypatch)
    own = entry.parent / f"engine-cache-{os.geteuid()}"
    assert (mode, 0o700) == (entry.parent.stat().st_mode & 0o7777, own.stat().st_mode & 0o7777)
    assert [entry.name] == [file.name for file in own.iterdir()]


@pytest.mark.parametrize("planted", ["a folder that others can write to", "a link to a folder of this user", "a file"])
def test_what_others_have_put_in_the_place_of_the_folder_is_not_used(
    folder: Path, planted: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, private = tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("private")
    shared.chmod(0o1777)
    private.chmod(0o700)
    monkeypatch.setenv(VARIABLE, str(shared))
    own = shared / f"engine-cache-{os.geteuid()}"
    if planted == "a file":
        own.write_text("")
    elif planted == "a link to a folder of this user":
        own.symlink_to(private)
    else:
        own.mkdir()
        own.chmod(0o777)
    cache = Cache(folder)
    assert (False, False) == (cache.is_writable(), cache.write("key", COMPILED))
    assert cache.read("key") is None
    assert ([], []) == ([*private.iterdir()], [*own.iterdir()] if own.is_dir() else [])


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "another's"])
def test_a_damaged_entry_is_made_anew(folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec(folder / "routes.yaml")
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
    assert cache.write("key", replace(COMPILED, good={"a": 1}, program=bytes(20_000)))
    assert {"a": 1} == cache.read("key").good
    path = folder / ".engine" / "cache" / "key.model"
    data = bytearray(path.read_bytes())
    data[damage] ^= 0x10
    path.write_bytes(data)
    assert cache.read("key") is None


def test_what_a_model_depends_on_is_in_its_key(folder: Path) -> None:
    def key(**keys: object) -> str:
        model = write_models(folder, **keys).models["m"]
        return Cache(folder).key(model, read_file(model).sha256)

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
    compile_models(load_spec(folder / "routes.yaml"))
    assert 1 == len(list(elsewhere.iterdir()))
    assert not (folder / ".engine").exists()


def test_a_folder_that_cannot_be_written_to_costs_only_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".engine").write_text("a file where a folder should be")
    spec = load_spec(folder / "routes.yaml")
    assert [1, 1] == [compile_and_count(spec, monkeypatch) for _ in range(2)]
    monkeypatch.setenv(VARIABLE, str(folder / ".engine" / "cache"))
    with writable_cache(folder):
        assert [1, 0] == [compile_and_count(spec, monkeypatch) for _ in range(2)]
        assert Path(os.environ["ENGINE_SPARE_CACHE_DIR"]).is_dir()
    assert "ENGINE_SPARE_CACHE_DIR" not in os.environ


def test_beside_a_cache_that_cannot_be_written_to_entries_are_read_from_it_and_kept_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_spec(folder / "routes.yaml")
    assert 1 == compile_and_count(spec, monkeypatch)
    monkeypatch.setattr(Cache, "is_writable", lambda _: False)
    monkeypatch.setattr("engine.models.restoring.cache.write_whole", refusing(folder / ".engine", write_whole))
    with writable_cache(folder):
        assert 0 == compile_and_count(spec, monkeypatch)
        changed = write_models(folder, description="", batch={"max_size": 7})
        assert [1, 0] == [compile_and_count(changed, monkeypatch) for _ in range(2)]
    assert 1 == len(entries(folder))


def refusing(read_only: Path, write: Callable[..., None]) -> Callable[..., None]:
    def write_elsewhere(path: Path, *rest: object) -> None:
        if path.is_relative_to(read_only):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        write(path, *rest)

    return write_elsewhere


def test_a_worker_never_opens_the_file_of_a_compiled_model_as_a_pickle(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_spec(folder / "routes.yaml")
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
    programs = (lambda _: asked.append("one"), lambda _: asked.append("batch"))
    report = Report("numpy", batch_runtime="native", batch_from=3)
    runtime = open_runtime(None, compiling.PreparedModel("key", COMPILED, None, ""), programs, report, None)
    wide, long = Table({name: np.zeros(2) for name in "abcd"}, {}), Table({"a": np.zeros(3)}, {})
    for rows in (np.zeros((2, 9)), np.zeros((3, 9)), wide, long):
        runtime(rows)
    assert ["one", "batch", "one", "batch"] == asked


def test_a_compiled_model_is_read_as_it_was_written(folder: Path) -> None:
    spec = load_spec(folder / "routes.yaml")
    predictors = compile_models(spec)
    (entry,) = entries(folder)
    found = Cache(folder).read(entry.stem)
    assert found is not None
    assert found == CompiledModel.load(found.dump())
    assert predictors["m"].facts.report == found.report
    assert found.program is not None
    assert found.result is not None
