"""What is pinned is served, and nothing else in its place; a file that differs from its pin is never opened."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from modelling import ROW, X, y
from serving import command, run, run_here
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from engine import create_app, lock_models
from engine.errors import SpecError
from engine.models import compile_models
from engine.server.checking import SpecSource, check_spec
from engine.spec import load_spec

pytestmark = pytest.mark.usefixtures("in_place")
INSTANCE = X[0].tolist()
HASH = "[0-9a-f]{64}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with a model that has two examples."""
    monkeypatch.chdir(tmp_path)
    train(tmp_path / "m.pkl")
    (tmp_path / "routes.yaml").write_text("routes: [{path: /p, model: m}]")
    examples = [{"input": X[place].tolist(), "result": int(y[place])} for place in (0, -1)]
    write_models(tmp_path, m={"file": "m.pkl", "input": ROW, "examples": examples})
    return tmp_path


def train(file: Path, seed: int = 0, depth: int | None = None) -> None:
    joblib.dump(DecisionTreeClassifier(random_state=seed, max_depth=depth).fit(X, y), file)


def write_models(folder: Path, **models: object) -> None:
    (folder / "models.yaml").write_text(json.dumps({"models": models}, indent=1))


def pins(folder: Path) -> dict[str, dict[str, object]]:
    return json.loads((folder / "models.lock").read_text())["models"]


def mistakes(read: Callable[[], object]) -> list[str]:
    with pytest.raises(SpecError) as refused:
        read()
    return [str(found) for found in refused.value.diagnostics]


def test_a_pin_has_hash_format_libraries_and_golden_answers(folder: Path) -> None:
    (pinned,) = lock_models()
    sha256 = hashlib.sha256((folder / "m.pkl").read_bytes()).hexdigest()
    assert ("m", sha256, None) == (pinned.name, pinned.sha256, pinned.was)
    pin = pins(folder)["m"]
    assert (sha256, "pickle", {"joblib", "numpy", "scikit-learn"}) == (
        pin["sha256"],
        pin["format"],
        {*pin["libraries"]},
    )
    assert [{"input": X[0].tolist(), "result": 0}, {"input": X[-1].tolist(), "result": 2}] == pin["golden"]


def test_reference_rows_give_golden_answers_too(folder: Path) -> None:
    np.savetxt(folder / "rows.csv", X[:20], "%g", ",", header="a,b,c,d", comments="")
    write_models(folder, m={"file": "m.pkl", "input": named("abcd"), "reference": "rows.csv"})
    lock_models()
    golden = pins(folder)["m"]["golden"]
    assert (10, {"input": dict(zip("abcd", X[0].tolist(), strict=True)), "result": 0}) == (len(golden), golden[0])


@pytest.mark.exhaustive
def test_features_by_other_names_are_one_mistake_of_all_golden_answers(folder: Path) -> None:
    np.savetxt(folder / "rows.csv", X[:20], "%g", ",", header="a,b,c,d", comments="")
    write_models(folder, m={"file": "m.pkl", "input": named("abcd"), "reference": "rows.csv"})
    lock_models()
    np.savetxt(folder / "rows.csv", X[:20], "%g", ",", header="a,b,e,d", comments="")
    write_models(folder, m={"file": "m.pkl", "input": named("abed"), "reference": "rows.csv"})
    expected = (
        'models.lock:12:17: error: 10 of the 10 pinned examples no longer match the input of "m" '
        '("e" is required); if that is right, accept it: python -m engine lock m'
    )
    assert [expected] == mistakes(create_app)
    assert run_here("lock").stdout.rstrip().endswith("golden answers and entry renewed")
    assert run_here("lock").stdout.rstrip().endswith("unchanged")
    create_app()


def named(names: str) -> dict[str, Any]:
    properties = {name: {"type": "number"} for name in names}
    return {"type": "object", "required": list(names), "properties": properties}


@pytest.mark.exhaustive
def test_a_file_whose_examples_fail_is_not_pinned(folder: Path) -> None:
    """Nor is any other; what was pinned stays as it is."""
    first = run_here("lock")
    before = (folder / "models.lock").read_bytes()
    train(folder / "n.pkl")
    joblib.dump(DecisionTreeClassifier(random_state=0).fit(X, (y + 1) % 3), folder / "m.pkl")
    examples = [{"input": X[place].tolist(), "result": int(y[place])} for place in (0, -1)]
    write_models(folder, m={"file": "m.pkl", "input": ROW, "examples": examples}, n={"file": "n.pkl", "input": ROW})
    refused = run_here("lock")
    assert (0, 1, "") == (first.returncode, refused.returncode, refused.stdout)
    assert 2 == refused.stderr.count("error: the model answers ")
    assert "models.yaml:" in refused.stderr
    assert "error: the model answers 1, not 0" in refused.stderr
    assert before == (folder / "models.lock").read_bytes()


def test_a_file_that_differs_from_its_pin_is_not_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_models()
    pinned = pins(folder)["m"]["sha256"]
    train(folder / "m.pkl", depth=1)
    found = hashlib.sha256((folder / "m.pkl").read_bytes()).hexdigest()
    monkeypatch.setattr("joblib.load", lambda _: pytest.fail("opened"))
    expected = (
        f"models.yaml:4:12: error: the file differs from its pin: its sha256 is {found}, "
        f"models.lock has {pinned}; if you trust it, accept it: python -m engine lock m"
    )
    assert [expected] == mistakes(create_app)


@pytest.mark.exhaustive
def test_the_command_that_is_named_accepts_it(folder: Path) -> None:
    (folder / "models.yaml").rename(folder / "my models.yaml")
    first = run_here("lock", "-m", "my models.yaml")
    assert (0, True) == (first.returncode, first.stdout.rstrip().endswith("pinned"))
    assert (folder / "my models.lock").exists()
    train(folder / "m.pkl", seed=1, depth=3)
    refused = run_here("check", "-m", "my models.yaml")
    assert 1 == refused.returncode
    named = re.search(r"accept it: python -m engine (lock m -m 'my models.yaml')$", refused.stderr, re.MULTILINE)
    assert named
    accepted = subprocess.run(
        f"{command()[0]} -m engine {named[1]}", shell=True, capture_output=True, text=True, check=False
    )
    assert re.search(rf"^m +{HASH} +accepted$", accepted.stdout.rstrip(), re.MULTILINE)
    assert 0 == run_here("check", "-m", "my models.yaml").returncode
    assert run_here("lock", "-m", "my models.yaml").stdout.rstrip().endswith("unchanged")


def test_pinning_one_model_keeps_the_pins_of_the_others(folder: Path) -> None:
    models = json.loads((folder / "models.yaml").read_text())["models"]
    write_models(folder, **models, other={"file": "other.pkl", "input": ROW})
    train(folder / "other.pkl", depth=2)
    lock_models()
    before = pins(folder)
    train(folder / "m.pkl", depth=1)
    train(folder / "other.pkl", depth=1)
    write_models(folder, **models | {"m": {**models["m"], "examples": []}}, other={"file": "other.pkl", "input": ROW})
    assert ["other"] == [one.name for one in lock_models(names=["other"])]
    after = pins(folder)
    assert (before["m"], True) == (after["m"], before["other"] != after["other"])


@pytest.mark.exhaustive
def test_a_pin_without_a_model_is_a_warning_and_is_dropped(folder: Path) -> None:
    models = json.loads((folder / "models.yaml").read_text())["models"]
    write_models(folder, **models, old={"file": "m.pkl", "input": ROW})
    lock_models()
    write_models(folder, **models)
    (warning,) = load_spec().warnings
    expected = (
        '"old" is pinned here but is no longer a model of the spec; delete it here, or pin all models again: '
        "python -m engine lock"
    )
    assert ("warning", "models.lock", expected) == (warning.severity, warning.place.file, warning.message)
    assert 0 == run_here("lock", "m").returncode
    assert {"m", "old"} == {*pins(folder)}
    assert 0 == run_here("lock").returncode
    assert {"m"} == {*pins(folder)}
    assert () == load_spec().warnings


def test_a_model_that_answers_otherwise_than_when_it_was_pinned_is_told(folder: Path) -> None:
    lock_models()
    text = (folder / "models.lock").read_text()
    (folder / "models.lock").write_text(text.replace('"result": 2', '"result": 1'))
    (mistake,) = mistakes(lambda: compile_models(load_spec()))
    assert "models.lock:" in mistake
    assert mistake.endswith(": error: the model answers 2, not 1; if that is right, accept it: python -m engine lock m")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "models.lock:1:2: error: not YAML"),
        ('{"version": 2, "models": {}}', "models.lock:1:13: error: version: 2 must be 1"),
        ('{"version": 1, "models": {"m": {}}}', 'models.lock:1:32: error: "format" is missing in a pin'),
        ('{"version": 1}', 'models.lock:1:1: error: "models" is missing in models.lock'),
    ],
)
def test_a_damaged_lock_is_told_at_its_place(text: str, message: str, folder: Path) -> None:
    (folder / "models.lock").write_text(text)
    assert any(found.startswith(message) for found in mistakes(load_spec)), mistakes(load_spec)


def test_only_what_is_pinned_is_served_with_locked(folder: Path) -> None:
    expected = (
        'models.yaml:3:3: error: model "m" is not pinned in models.lock, and --locked serves only pinned models; '
        "if you trust its file, pin it: python -m engine lock m"
    )
    done = run("serve", "--locked", "-p", "0")
    assert (1, expected) == (done.returncode, done.stderr.splitlines()[1])
    assert not (folder / "models.lock").exists()


def test_serving_pins_at_first_sight_and_says_so(folder: Path) -> None:
    outcome = check_spec(SpecSource("routes.yaml", None))
    sha256 = pins(folder)["m"]["sha256"]
    assert (f"m: pinned in models.lock on first use, sha256 {sha256}",) == outcome.notes
    assert () == check_spec(SpecSource("routes.yaml", None)).notes


def test_checking_and_predicting_pin_nothing(folder: Path) -> None:
    create_app()
    assert 0 == run_here("check").returncode
    assert not (folder / "models.lock").exists()


def test_a_lock_that_cannot_be_written_is_said_and_harms_nothing(folder: Path) -> None:
    (folder / "models.lock").mkdir()
    assert ["models.lock: error: this is a folder; name the file in it"] == mistakes(load_spec)


@pytest.mark.usefixtures("folder")
def test_a_folder_that_takes_no_lock_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.models.compiling.pinning.write_pins", full)
    outcome = check_spec(SpecSource("routes.yaml", None))
    expected = "m: not pinned, since models.lock cannot be written (No space left on device)"
    assert ((expected,), True) == (outcome.notes, outcome.snapshot is not None)


def test_a_disk_that_fills_up_leaves_the_old_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_models()
    before = (folder / "models.lock").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        lock_models()
    assert before == (folder / "models.lock").read_bytes()
    assert [] == [file.name for file in folder.iterdir() if file.name.startswith(".models.lock")]


@pytest.mark.usefixtures("folder")
def test_a_name_that_is_no_models_is_told() -> None:
    done = run_here("lock", "mm")
    assert (2, True) == (done.returncode, 'there is no model "mm" (did you mean "m"?)' in done.stderr)


@pytest.mark.usefixtures("folder")
def test_a_list_of_pins_as_json() -> None:
    done = run_here("lock", "--json")
    shown = json.loads(done.stdout)
    assert ("models.lock", [("m", "pinned", None)]) == (
        shown["lock"],
        [(one["name"], one["change"], one["was"]) for one in shown["models"]],
    )


def test_a_pin_of_a_model_that_is_away_for_a_while_is_kept(folder: Path) -> None:
    """By serving and by pinning another; the command without names drops it."""
    lock_models()
    write_models(folder, other={"file": "m.pkl", "input": ROW})
    (folder / "routes.yaml").write_text("routes: [{path: /p, model: other}]")
    check_spec(SpecSource("routes.yaml", None))
    assert {"m", "other"} == {*pins(folder)}
    lock_models(names=["other"])
    assert {"m", "other"} == {*pins(folder)}
    lock_models()
    assert {"other"} == {*pins(folder)}


def test_a_lock_that_changes_during_a_check_is_left_alone(folder: Path) -> None:
    def change(_: object) -> None:
        (folder / "models.yaml").touch()

    assert () == check_spec(SpecSource("routes.yaml", None), stamped=change).notes
    assert not (folder / "models.lock").exists()


def test_the_same_bytes_under_another_format_are_not_opened(folder: Path) -> None:
    lock_models()
    (folder / "m.pkl").rename(folder / "m.onnx")
    write_models(folder, m={"file": "m.onnx", "input": ROW})
    expected = (
        "models.yaml:4:12: error: this file is pinned as pickle, but its name says onnx; "
        "if you trust it, accept it: python -m engine lock m"
    )
    assert [expected] == mistakes(create_app)


def test_what_json_cannot_hold_is_no_golden_answer(folder: Path) -> None:
    """A model that answers -inf for some rows can be pinned and served."""
    joblib.dump(LogOfFirst().fit(X, y), folder / "m.pkl")
    (folder / "rows.csv").write_text("a,b,c,d\n0,0,0,0\n1,0,0,0\n")
    write_models(folder, m={"file": "m.pkl", "input": ROW, "reference": "rows.csv"})
    lock_models()
    assert [{"input": [1, 0, 0, 0], "result": 0.0}] == pins(folder)["m"]["golden"]


class LogOfFirst(RegressorMixin, BaseEstimator):
    def fit(self, *_: object) -> LogOfFirst:
        self.n_features_in_ = 4
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(np.asarray(rows)[:, 0])


RECORDED = """\
models:
  m:
    file: m.pkl  # the first
    input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}
    examples:
      - {input: [6.0, 2.7, 5.1, 1.6], result: 0, recorded: true}  # wrong on purpose
      # one that somebody knows
      - input: [5.1, 3.5, 1.4, 0.2]
        result: 0
      - recorded: true
        result: 1  # what it said
        input: [5.1, 3.5, 1.4, 0.2]
"""
ODD = X[83].tolist()


@pytest.fixture
def recorded(folder: Path) -> Path:
    """A model that answers two recorded examples otherwise: 1 instead of 0, and 0 instead of 1."""
    assert ([6.0, 2.7, 5.1, 1.6], 1) == (ODD, y[83])
    (folder / "models.yaml").write_text(RECORDED)
    return folder / "models.yaml"


def test_a_recorded_example_that_fails_names_the_command_that_records_it(recorded: Path) -> None:
    hint = "if the model is right, record its answer: python -m engine lock m --accept"
    expected = [
        f"models.yaml:6:47: error: the recorded result is 0, but the model answers 1; {hint}",
        f"models.yaml:11:17: error: the recorded result is 1, but the model answers 0; {hint}",
    ]
    assert expected == mistakes(create_app)
    assert expected == mistakes(lock_models)
    assert not recorded.with_suffix(".lock").exists()


@pytest.mark.exhaustive
def test_accepting_renews_the_recorded_results_and_nothing_else(recorded: Path) -> None:
    done = run_here("lock", "m", "--accept")
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.rstrip().endswith("pinned, 2 recorded examples renewed")
    expected = RECORDED.replace("result: 0, recorded", "result: 1, recorded").replace("result: 1  #", "result: 0  #")
    assert expected == recorded.read_text()
    assert [1, 0, 0] == [one["result"] for one in pins(recorded.parent)["m"]["golden"]]
    assert 0 == run_here("check").returncode
    assert run_here("lock", "--accept").stdout.rstrip().endswith("unchanged")


def test_an_example_that_somebody_wrote_is_never_renewed(recorded: Path) -> None:
    text = RECORDED.replace("        result: 0", "        result: 2")
    recorded.write_text(text)
    expected = ["models.yaml:9:17: error: the model answers 0, not 2"]
    assert expected == mistakes(lambda: lock_models(accept=True))
    assert (text, False) == (recorded.read_text(), recorded.with_suffix(".lock").exists())


def test_a_recorded_example_that_the_new_file_does_not_take_is_told(folder: Path) -> None:
    examples = [{"input": INSTANCE, "result": 0, "recorded": True}]
    write_models(folder, m={"file": "m.pkl", "input": ROW, "response_method": "predict", "examples": examples})
    joblib.dump(Refusing().fit(X, y), folder / "m.pkl")
    (told,) = mistakes(lambda: lock_models(accept=True))
    assert "the model fails on this example: RuntimeError: not that one" in told


class Refusing(RegressorMixin, BaseEstimator):
    """Answers everything but one row."""

    def fit(self, rows: Any, target: Any) -> Refusing:  # noqa: ARG002
        self.n_features_in_ = np.shape(rows)[1]
        return self

    def predict(self, rows: Any) -> Any:
        if (np.asarray(rows) == INSTANCE).all(axis=1).any():
            raise RuntimeError("not that one")
        return np.zeros(len(rows))


def test_fractions_are_recorded_with_the_digits_that_count(folder: Path) -> None:
    joblib.dump(DecisionTreeRegressor(random_state=0).fit(X, X[:, 0] / 3), folder / "m.pkl")
    examples = [{"input": INSTANCE, "result": 0, "recorded": True}]
    write_models(folder, m={"file": "m.pkl", "input": ROW, "examples": examples})
    (pinned,) = lock_models(accept=True)
    assert 1 == pinned.renewed
    (example,) = json.loads((folder / "models.yaml").read_text())["models"]["m"]["examples"]
    assert float(f"{X[0, 0] / 3:.9g}") == example["result"]
    create_app()


def test_a_result_that_has_no_end_in_the_text_is_left_to_its_author(folder: Path) -> None:
    joblib.dump(DecisionTreeClassifier(random_state=0).fit(X, np.c_[y, y]), folder / "m.pkl")
    text = f"""\
models:
  m:
    file: m.pkl
    input: {{type: array, items: {{type: number}}, minItems: 4, maxItems: 4}}
    examples:
      - input: {INSTANCE}
        recorded: true
        result:
          - 1
          - 1
"""
    (folder / "models.yaml").write_text(text)
    done = run_here("lock", "--accept")
    assert (1, text) == (done.returncode, (folder / "models.yaml").read_text())
    assert (
        "recorded results cannot be replaced automatically; write them yourself: models.yaml:9:11: result: [0, 0]"
    ) in done.stderr
    assert not (folder / "models.lock").exists()


@pytest.mark.exhaustive
def test_a_new_file_is_accepted_by_the_command_that_the_error_names(recorded: Path) -> None:
    lock_models(accept=True)
    train(recorded.parent / "m.pkl", depth=1)
    (told,) = mistakes(create_app)
    named = re.search(r"accept it: python -m engine (lock .*)$", told)
    assert named
    assert "lock m --accept" == named[1]
    assert 0 == run_here(*named[1].split()).returncode
    create_app()
