"""A check does all that can fail, in a process of its own where a model must be opened; a snapshot has all there is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import pytest
from modelling import ROW, X, y
from sklearn.ensemble import RandomForestClassifier

from engine.errors import SpecError
from engine.isolation import LostProcess, read_bounds
from engine.models import Snapshot, compile_models, lock_models, needs_sklearn
from engine.models.restoring.cache import VARIABLE
from engine.server import first_check
from engine.server.checking import SpecSource, check_isolated, check_spec, stamp_file
from engine.spec import load_spec

INSTANCE = X[0].tolist()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with a small forest, and no cache but its own."""
    monkeypatch.delenv(VARIABLE)
    monkeypatch.chdir(tmp_path)
    joblib.dump(RandomForestClassifier(3, random_state=0).fit(X, y), tmp_path / "m.pkl")
    (tmp_path / "hello.txt").write_text("hello")
    routes = [{"path": "/p", "model": "m"}, {"path": "/file", "response": {"file": "hello.txt"}}]
    (tmp_path / "routes.yaml").write_text(json.dumps({"routes": routes}))
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.pkl", "input": ROW}}}))
    return tmp_path


SOURCE = SpecSource("routes.yaml", None)


def test_a_check_apart_fills_the_cache_and_tells_what_it_does(folder: Path) -> None:
    told: list[str] = []
    assert needs_sklearn(load_spec(folder / "routes.yaml"))
    outcome = check_isolated(SOURCE, told.append)
    assert ((), ["m"]) == (outcome.mistakes, [facts.name for facts in outcome.facts])
    assert "m: proving trees in C" in told
    assert not needs_sklearn(load_spec(folder / "routes.yaml"))


def test_a_check_names_every_file_that_it_reads(folder: Path) -> None:
    outcome = check_spec(SOURCE)
    names = {"routes.yaml", "models.yaml", "models.lock", "m.pkl", "hello.txt"}
    assert {folder / name: stamp_file(folder / name) for name in names} == outcome.stamps
    (folder / "m.pkl").unlink()
    (folder / "hello.txt").unlink()
    refused = check_spec(SOURCE)
    assert names == {file.name for file in refused.stamps}
    assert (None, 2) == (refused.stamps[folder / "m.pkl"], len(refused.mistakes))


def test_a_snapshot_needs_no_file(folder: Path) -> None:
    """What a worker reads from it in another process: no scikit-learn, the file's bytes, the model's answer."""
    payload = check_spec(SOURCE).snapshot
    assert payload is not None
    (folder / "payload").write_bytes(payload)
    for name in ("m.pkl", "hello.txt", "routes.yaml", "models.yaml"):
        (folder / name).unlink()
    shutil.rmtree(folder / ".engine")
    done = subprocess.run(
        [sys.executable, "-c", WORKER.format(instance=INSTANCE)], capture_output=True, text=True, check=False
    )
    assert ('{"result":[0]}\nhello\n[]\n', "") == (done.stdout, done.stderr)


WORKER = """
import sys
from pathlib import Path
import engine.server.worker
from engine.models import Snapshot, restore_models
from engine.flask_app import App
from engine.handling import build_handler
snapshot = Snapshot.load(Path("payload").read_bytes())
client = App(build_handler(snapshot.spec, restore_models(snapshot.spec, snapshot.prepared))).test_client()
print(client.post("/p", json={instance}).text.strip())
print(client.get("/file").text)
print(sorted({{"sklearn", "scipy", "pandas", "joblib", "pickle5", "skops", "skl2onnx"}} & set(sys.modules)))
"""


def test_a_worker_imports_neither_flask_nor_a_library_that_compiles() -> None:
    absent = ["click", "flask", "joblib", "onnx", "onnxruntime", "pandas", "sklearn", "skl2onnx"]
    script = f"import sys, engine.server.worker; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout


def test_a_spec_as_deep_as_may_be_fits_into_a_snapshot(folder: Path) -> None:
    deep = "[" * 190 + "]" * 190
    (folder / "routes.yaml").write_text(f'{{"routes": [{{"path": "/", "response": {{"json": {deep}}}}}]}}')
    payload = check_spec(SOURCE).snapshot
    assert payload is not None
    assert load_spec(folder / "routes.yaml").routes[0].cases == Snapshot.load(payload).spec.routes[0].cases


def test_mistakes_are_told_at_their_places(folder: Path) -> None:
    (folder / "m.pkl").write_bytes(b"\x80no pickle")
    with pytest.raises(SpecError) as refused:
        first_check(SOURCE, lambda _: None)
    (found,) = refused.value.diagnostics
    assert ("models.yaml", True) == (Path(found.place.file).name, "damaged" in found.message)


def test_a_model_that_kills_its_process_is_told_at_its_place(folder: Path) -> None:
    (folder / "m.pkl").write_bytes(b"cos\n_exit\n(I9\ntR.")
    with pytest.raises(SpecError) as refused:
        first_check(SOURCE, lambda _: None)
    (found,) = refused.value.diagnostics
    expected = "stopped while loading: its process ended with exit status 9"
    assert ("models.yaml:1:27", expected) == (str(found.place), found.message)


def test_a_check_that_is_killed_is_no_mistake_of_the_spec(folder: Path) -> None:
    (folder / "m.pkl").write_bytes(b"cos\nkill\n(cos\ngetpid\n(tRI9\ntR.")
    with pytest.raises(LostProcess) as lost:
        check_isolated(SOURCE)
    said = f"its process was killed by signal 9 (SIGKILL); its memory is limited to {read_bounds().shown_memory}"
    assert (True, f"m: loading: {said}") == (lost.value.killed, str(lost.value))


def test_what_is_compiled_needs_no_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_models(load_spec(folder / "routes.yaml"))
    lock_models()
    monkeypatch.setattr(
        sys.modules["engine.server.service"], "check_isolated", lambda *_: pytest.fail("another process")
    )
    outcome, spec = first_check(SOURCE, lambda _: None)
    assert (["m"], ["m"]) == ([facts.name for facts in outcome.facts], [*spec.models])
