"""Modules beside models.yaml: found however the engine is started, never elsewhere, and part of what a model is."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from modules import INSTANCE, save_model, stand_in, write_module, write_spec
from serving import command, hear
from sklearn.tree import DecisionTreeClassifier

from engine import create_app, lock_models
from engine.commands import cli
from engine.errors import SpecError
from engine.models import Snapshot, compile_models, needs_sklearn
from engine.models.compiling import prepare as compiling
from engine.models.restoring.cache import VARIABLE
from engine.server.checking import SpecSource, check_spec
from engine.server.http import Front
from engine.server.worker import Follower
from engine.spec import load_spec


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec whose model answers 3 times its first column by the module beside it; no cache but its own."""
    monkeypatch.delenv(VARIABLE)
    home = tmp_path / "spec"
    write_spec(home, 3)
    write_module(home, 3)
    save_model(home / "m.pkl")
    return home


def answer(folder: Path) -> list[float]:
    return compile_models(load_spec(folder / "routes.yaml"))["m"]([[1, 2]]).result


def refusal(folder: Path) -> str:
    with pytest.raises(SpecError) as refused:
        answer(folder)
    (found,) = refused.value.diagnostics
    return found.message


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which Python searches first, as for `-m`, with other modules of the same names."""
    for name in ("scale", "late"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong module')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_module_beside_the_spec_is_found_however_the_engine_is_started(folder: Path, elsewhere: Path) -> None:
    """Also one that is imported when the model is asked."""
    write_module(folder, "__import__('importlib').import_module('late').FACTOR")
    (folder / "late.py").write_text("FACTOR = 3")
    spec = str(folder.relative_to(elsewhere) / "routes.yaml")
    script = str(Path(sys.executable).parent / "engine")
    done = run(script, "call", "POST", "/m", "-d", INSTANCE, "-r", spec)
    assert ('{"result":[3.0]}\n', "") == (done.stdout, done.stderr)
    assert [3] == create_app(spec).test_client().post("/m", data=INSTANCE).json["result"]


def test_a_module_is_not_taken_from_where_the_engine_is_started(folder: Path, elsewhere: Path) -> None:
    (folder / "scale.py").rename(elsewhere / "scale.py")
    spec = str(folder / "routes.yaml")
    done = run(*command("check", "-r", spec))
    assert done.returncode == 1
    assert "the model needs the module scale" in done.stderr
    with pytest.raises(SpecError, match="the model needs the module scale"):
        create_app(spec)


@pytest.mark.usefixtures("in_place", "elsewhere")
def test_init_finds_modules_beside_the_spec_that_it_writes(folder: Path, tmp_path: Path) -> None:
    (folder / "models.yaml").unlink()
    (folder / "routes.yaml").unlink()
    (folder / "m.pkl").rename(tmp_path / "m.pkl")
    done = CliRunner().invoke(cli, ["init", str(tmp_path / "m.pkl"), "-r", str(folder / "routes.yaml")])
    assert 0 == done.exit_code, done.output
    assert (folder / "models.yaml").exists()


def test_services_of_one_process_do_not_share_a_module_of_the_same_name(folder: Path, tmp_path: Path) -> None:
    """Nor do they take one that the process itself has imported, now or when they import another one later."""
    other = tmp_path / "other"
    write_spec(other)
    save_model(other / "m.pkl")
    for home, factor in ((folder, 3), (other, 5)):
        write_module(home, "__import__('late').FACTOR if rows[0, 0] > 9 else FACTOR", "from factors.now import FACTOR")
        (home / "late.py").write_text(f"FACTOR = {factor}")
        (home / "factors").mkdir()
        (home / "factors" / "now.py").write_text(f"from .then import FACTOR\nassert FACTOR == {factor}")
        (home / "factors" / "then.py").write_text(f"FACTOR = {factor}")
    with stand_in("scale") as own, stand_in("late") as late:
        late.FACTOR = 0
        clients = [create_app(home / "routes.yaml").test_client() for home in (folder, other, folder)]
        for _ in range(2):
            for row, expected in (("[1, 2]", [3, 5, 3]), ("[10, 2]", [30, 50, 30])):
                assert expected == [client.post("/m", data=row).json["result"][0] for client in clients]
        assert (own, late) == (sys.modules["scale"], sys.modules["late"])


def test_a_service_without_a_module_does_not_take_that_of_another(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_spec(other)
    save_model(other / "m.pkl")
    assert [3] == answer(folder)
    assert "the model needs the module scale" in refusal(other)


def test_modules_do_not_take_the_place_of_python_s_own(folder: Path) -> None:
    (folder / "random.py").write_text("raise RuntimeError")
    (folder / "engine").mkdir()
    (folder / "engine" / "__init__.py").write_text("raise RuntimeError")
    write_module(folder, 3, "import random, engine; random.random()")
    assert [3] == answer(folder)


def test_a_changed_module_has_its_model_compiled_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is imported only when the model is asked."""
    write_module(folder, "__import__('late').FACTOR", "def never():\n    import late")
    (folder / "late.py").write_text("FACTOR = 3")
    spec = load_spec(folder / "routes.yaml")
    assert [1, 0] == [compile_and_count(spec, monkeypatch) for _ in range(2)]
    keys = {check_spec(SpecSource(str(folder / "routes.yaml"), None)).modules}
    (folder / "late.py").write_text("FACTOR = 6 / 2")
    assert needs_sklearn(spec)
    assert [1, 0] == [compile_and_count(spec, monkeypatch) for _ in range(2)]
    (folder / "models.lock").unlink()
    (folder / "late.py").write_text("FACTOR = 4")
    assert "the model answers 4.0, not 3" == refusal(folder)
    (folder / "late.py").write_text("FACTOR = 3.0")
    keys.add(check_spec(SpecSource(str(folder / "routes.yaml"), None)).modules)
    assert "" not in keys
    assert 2 == len(keys)


def compile_and_count(spec: object, monkeypatch: pytest.MonkeyPatch) -> int:
    compiled: list[str] = []
    original = compiling._compile
    with monkeypatch.context() as patch:
        patch.setattr(compiling, "_compile", lambda model, *rest: compiled.append(model.name) or original(model, *rest))
        assert [3] == compile_models(spec)["m"]([[1, 2]]).result
    return len(compiled)


def test_a_check_names_the_modules_that_it_reads_and_those_that_it_lacks(folder: Path) -> None:
    write_module(folder, 3, "def never():\n    import late")
    (folder / "late.py").write_text("")
    (folder / "other.py").write_text("")
    source = SpecSource(str(folder / "routes.yaml"), None)
    for _ in ("compiled", "from the cache"):
        names = {file.name for file in check_spec(source).stamps}
        assert {"routes.yaml", "models.yaml", "models.lock", "m.pkl", "scale.py", "late.py"} == names
    (folder / "models.lock").unlink()
    (folder / "scale.py").unlink()
    told: list[set[str]] = []
    refused = check_spec(source, stamped=lambda stamps: told.append({file.name for file in stamps}))
    assert refused.stamps[folder / "scale.py"] is None
    assert "scale.py" in told[-1]


def test_a_module_is_pinned_with_its_model(folder: Path) -> None:
    spec = str(folder / "routes.yaml")
    (first,) = lock_models(spec)
    assert (None, ()) == (first.was, first.changed)
    assert ["scale.py"] == [*json.loads((folder / "models.lock").read_text())["models"]["m"]["modules"]]
    assert [3] == answer(folder)
    mark = folder / "mark"
    write_module(folder, 3, f"open({str(mark)!r}, 'w')")
    for _ in ("in the cache", "nowhere"):
        said = refusal(folder)
        assert said.startswith("the module scale.py differs from its pin: its sha256 is ")
        assert said.endswith(f"if you trust it, accept it: python -m engine lock m -r {spec}")
    assert not mark.exists()
    (again,) = lock_models(spec)
    assert ("modules",) == again.changed
    assert mark.exists()
    assert [3] == answer(folder)
    (folder / "late.py").write_text("")
    write_module(folder, 3, f"open({str(mark)!r}, 'w')\ndef never():\n    import late")
    assert "the module scale.py differs from its pin" in refusal(folder)


def test_a_module_that_the_pin_does_not_have_is_not_run(folder: Path) -> None:
    """It may have come later, in the place of an installed one, or be imported by one that is pinned."""
    write_module(folder, 3, "try:\n    import late\nexcept ImportError:\n    pass")
    lock_models(folder / "routes.yaml")
    mark = folder / "mark"
    (folder / "late.py").write_text(f"open({str(mark)!r}, 'w')")
    write_spec(folder, 3, batch={"max_size": 7})  # the cache has no entry for this
    said = refusal(folder)
    assert "the module late.py differs from its pin" in said
    assert "models.lock does not have it" in said
    assert not mark.exists()


def test_a_pinned_module_that_is_gone_is_not_replaced_by_another(folder: Path, tmp_path: Path) -> None:
    lock_models(folder / "routes.yaml")
    (folder / "scale.py").unlink()
    with stand_in("scale") as other:
        other.Scale = list
        assert "the module scale.py beside models.yaml cannot be read: No such file or directory" == refusal(folder)
    assert tmp_path.exists()


@pytest.fixture
def follower(folder: Path) -> Callable[[], tuple[str, object]]:
    """Have a worker's follower take what a check gives, and tell what it says then."""
    ours, theirs = multiprocessing.Pipe()
    follows = Follower(theirs, Front(), lambda: None)
    follows._leave = lambda: None
    numbers = iter(range(1, 9))
    assert folder.exists()

    def take(payload: bytes) -> tuple[str, object]:
        ours.send(("generation", (number := next(numbers), payload)))
        ours.send(("status", {"generation": number}))
        if number == 1:
            follows.begin()
        assert ("loads", None) == hear(ours)
        return hear(ours)

    return take


def test_a_worker_runs_examples_and_golden_answers_before_it_serves(
    folder: Path, follower: Callable[[bytes], tuple[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a module does may depend on the process that it is in."""
    write_module(folder, "float(__import__('os').environ.get('FACTOR', 3))")
    source = SpecSource(str(folder / "routes.yaml"), None)
    assert ("serves", 1) == follower(check_spec(source).snapshot)
    write_spec(folder, 3, batch={"max_size": 7})
    second = check_spec(source)
    write_spec(folder, batch={"max_size": 8})
    third = check_spec(source)
    monkeypatch.setenv("FACTOR", "7")
    for outcome in (second, third):  # by the example, and by the golden answer of its pin
        word, (_, why) = follower(outcome.snapshot)
        assert ("failed", True) == (word, "the model answers 7.0, not 3" in why), why


def test_a_worker_runs_the_bytes_that_were_checked(
    folder: Path, follower: Callable[[bytes], tuple[str, object]]
) -> None:
    """Whatever the files say by now, also those that are imported late."""
    write_module(folder, "__import__('late').FACTOR", "def never():\n    import late")
    (folder / "late.py").write_text("FACTOR = 3")
    outcome = check_spec(SpecSource(str(folder / "routes.yaml"), None))
    for file in (folder / "late.py", folder / "scale.py"):
        file.write_text("raise RuntimeError")
    assert ("serves", 1) == follower(outcome.snapshot)


def test_a_compiled_model_needs_no_module_in_a_worker(tmp_path: Path) -> None:
    """Its file refers to one, which is followed and pinned all the same."""
    write_spec(tmp_path)
    (tmp_path / "notes.py").write_text("class Note:\n    pass")
    tree = DecisionTreeClassifier().fit([[1, 2], [3, 4]], [0, 1])
    with stand_in("notes") as module:
        exec("class Note:\n    pass", vars(module))
        tree.note = module.Note()
        (tmp_path / "m.pkl").write_bytes(pickle.dumps(tree))
    outcome = check_spec(SpecSource(str(tmp_path / "routes.yaml"), None))
    assert tmp_path / "notes.py" in outcome.stamps
    assert ("", {}) == (outcome.modules, Snapshot.load(outcome.snapshot).prepared["m"].modules)
