"""A mistake in a module beside models.yaml is told with its line, and mended there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from modules import save_model, write_module, write_spec
from serving import command

from engine.errors import SpecError
from engine.models import compile_models
from engine.models.restoring.cache import VARIABLE
from engine.spec import load_spec


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE)
    write_spec(tmp_path, 3)
    write_module(tmp_path, 3)
    save_model(tmp_path / "m.pkl")
    return tmp_path


def told(folder: Path) -> list[str]:
    with pytest.raises(SpecError) as refused:
        compile_models(load_spec(folder / "routes.yaml"))
    return [found.message for found in refused.value.diagnostics]


def line_of(folder: Path, text: str) -> int:
    lines = (folder / "scale.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_module_that_is_no_python(folder: Path) -> None:
    write_module(folder, 3, "def broken()\n    pass")
    (said,) = told(folder)
    begin = f"the model cannot be loaded: scale.py:{line_of(folder, 'broken')} raised SyntaxError: expected ':'"
    assert said.startswith(begin)
    assert said.endswith("; correct that module")


def test_a_module_that_raises_when_it_is_imported(folder: Path) -> None:
    write_module(folder, 3, "answer = 1 / 0")
    expected = (
        f"the model cannot be loaded: scale.py:{line_of(folder, '1 / 0')} raised ZeroDivisionError: division by zero; "
        "correct that module"
    )
    assert [expected] == told(folder)


def test_a_name_that_the_model_refers_to_and_the_module_lacks(folder: Path) -> None:
    text = (folder / "scale.py").read_text()
    (folder / "scale.py").write_text(text.replace("class Scale(", "class Scaler("))
    expected = (
        'the model cannot be loaded: "Scale" is not in the module scale.py (did you mean "Scaler"?); '
        "put it back, or train the model again with that module"
    )
    assert [expected] == told(folder)


def test_a_module_that_imports_what_is_nowhere(folder: Path) -> None:
    write_module(folder, 3, "import pandsa")
    (said,) = told(folder)
    place = f"scale.py:{line_of(folder, 'pandsa')}"
    assert said.startswith(f"the model needs the module pandsa (for {place}), which cannot be imported here; ")


@pytest.mark.parametrize("recorded", [True, False])
def test_a_module_that_raises_on_an_example(folder: Path, recorded: bool) -> None:
    """There is no other result that could be recorded."""
    write_spec(folder, 3, examples=[{"input": [1, 2], "result": 3, "recorded": recorded}])
    write_module(folder, "{}['signupdate']")
    place = f"scale.py:{line_of(folder, 'signupdate')}"
    expected = f"the model fails on this example: KeyError: 'signupdate', raised at {place}; correct that module"
    assert [expected] == told(folder)


def test_a_module_that_raises_on_every_row(folder: Path) -> None:
    write_spec(folder, None)
    write_module(folder, "{}['signupdate']")
    (said,) = told(folder)
    assert f"raised KeyError: 'signupdate' (at scale.py:{line_of(folder, 'signupdate')})" in said


def test_a_module_that_a_golden_answer_finds_broken(folder: Path) -> None:
    """No command is named that would accept that."""
    write_spec(folder)
    write_module(folder, "{2.0: 1}[float(rows[0, 1])]")
    said = folder / "models.lock"
    subprocess.run(command("lock", "-r", str(folder / "routes.yaml")), check=True, capture_output=True)
    document = json.loads(said.read_text())
    document["models"]["m"]["golden"] = [{"input": [1, 3], "result": 1}]
    said.write_text(json.dumps(document))
    (found,) = told(folder)
    assert found.endswith(f"KeyError: 3.0, raised at scale.py:{line_of(folder, '2.0')}; correct that module")


SCRIPT = "from sklearn.tree import DecisionTreeClassifier\nclass Own(DecisionTreeClassifier): pass\n"


def test_a_model_of_a_script_is_told_alike_by_both_names_of_the_command(tmp_path: Path) -> None:
    write_spec(tmp_path)
    save = "import pickle; pickle.dump(Own().fit([[0, 0], [1, 1]], [0, 1]), open('m.pkl', 'wb'))"
    subprocess.run([sys.executable, "-c", SCRIPT + save], check=True, cwd=tmp_path)
    expected = (
        'the model needs "Own", which was in the script that trained it; move it into a module beside models.yaml, '
        "and train the model again with that"
    )
    for start in ([str(Path(sys.executable).parent / "engine")], command()):
        done = subprocess.run([*start, "check"], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (1, True) == (done.returncode, expected in done.stderr), done.stderr
