"""A pin holds what an entry in models.yaml says of answers, not only the model's file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from modelling import X, y
from sklearn.ensemble import RandomForestClassifier

from engine import lock_models
from engine.errors import SpecError
from engine.models import compile_models
from engine.server.checking import SpecSource, check_spec
from engine.spec import load_spec

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another bar": (
        {"threshold": 0.3},
        {"threshold": 0.27},
        'the threshold is {"yes": 0.27} here and {"yes": 0.3} in models.lock',
    ),
    "another class": (
        {"threshold": 0.3},
        {"threshold": {"no": 0.9}},
        'the threshold is {"no": 0.9} here and {"yes": 0.3} in models.lock',
    ),
    "no threshold any more": (
        {"threshold": 0.3},
        {},
        'the threshold is none here and {"yes": 0.3} in models.lock',
    ),
    "a first threshold": (
        {},
        {"threshold": 0.3},
        'the threshold is {"yes": 0.3} here and none in models.lock',
    ),
    "labels": (
        {"output": {"labels": ["stays", "leaves"]}},
        {"output": {"labels": ["leaves", "stays"]}},
        'the labels are ["leaves", "stays"] here and ["stays", "leaves"] in models.lock',
    ),
    "another method": (
        {},
        {"response_method": "predict_proba"},
        'the response_method is "predict_proba" here and "predict" in models.lock',
    ),
    "another order of columns": (
        {"features": ["a", "b", "c", "d"]},
        {"features": ["b", "a", "c", "d"]},
        'the columns are ["b", "a", "c", "d"] here and ["a", "b", "c", "d"] in models.lock',
    ),
    "another order of properties": (
        {},
        {"names": "bacd"},
        'the columns are ["b", "a", "c", "d"] here and ["a", "b", "c", "d"] in models.lock',
    ),
}


@pytest.fixture
def binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classifier without names for its columns."""
    monkeypatch.chdir(tmp_path)
    forest = RandomForestClassifier(5, random_state=0).fit(X, np.array(["no", "yes"])[(y == 2).astype(int)])
    joblib.dump(forest, tmp_path / "m.pkl")
    (tmp_path / "routes.yaml").write_text("routes: [{path: /p, model: m}]")
    return tmp_path


def named(names: str) -> dict[str, Any]:
    return {"type": "object", "required": list(names), "properties": {name: {"type": "number"} for name in names}}


def write_entry(folder: Path, *, names: str = "abcd", **entry: Any) -> None:
    model = {"file": "m.pkl", "input": named(names), **entry}
    (folder / "models.yaml").write_text(json.dumps({"models": {"m": model}}, indent=1))


def pinned_model(folder: Path) -> dict[str, Any]:
    model: dict[str, Any] = json.loads((folder / "models.lock").read_text())["models"]["m"]
    return model


def mistakes(read: Callable[[], object]) -> list[str]:
    with pytest.raises(SpecError) as refused:
        read()
    return [str(found) for found in refused.value.diagnostics]


@pytest.mark.parametrize(("before", "now", "says"), CHANGES.values(), ids=CHANGES)
def test_what_the_entry_says_of_answers_is_pinned_too(
    before: dict[str, Any], now: dict[str, Any], says: str, binary: Path
) -> None:
    """No golden answer is needed to notice it, and none is here."""
    write_entry(binary, **before)
    lock_models()
    assert [] == pinned_model(binary)["golden"]
    compile_models(load_spec())
    write_entry(binary, **now)
    (told,) = mistakes(lambda: compile_models(load_spec()))
    assert told.endswith(f"{says}, which changes answers; if that is right, accept it: python -m engine lock m")
    assert told.startswith("models.yaml:")
    lock_models()
    compile_models(load_spec())


def test_a_default_is_pinned_since_it_answers_for_a_feature(binary: Path) -> None:
    entry = named("abcd")
    entry["required"].remove("d")
    for value in (1.0, 1.5):
        entry["properties"]["d"]["default"] = value
        write_entry(binary, input=entry)
        if value == 1:
            lock_models()
    (told,) = mistakes(lambda: compile_models(load_spec()))
    assert 'the defaults of features are {"d": 1.5} here and {"d": 1.0} in models.lock, which changes answers' in told


def test_the_same_threshold_in_other_words_is_the_same(binary: Path) -> None:
    write_entry(binary, threshold=0.3)
    lock_models()
    write_entry(binary, threshold={"yes": 0.3}, response_method="predict", rows="auto")
    compile_models(load_spec())


def test_a_lock_of_an_earlier_version_says_nothing_of_the_entry(binary: Path) -> None:
    """It is read as before; the next `lock` records the entry."""
    write_entry(binary, threshold=0.3)
    lock_models()
    document = json.loads((binary / "models.lock").read_text())
    del document["models"]["m"]["entry"]
    (binary / "models.lock").write_text(json.dumps(document))
    write_entry(binary, threshold=0.27)
    compile_models(load_spec())
    (pinned,) = lock_models(names=["m"])
    assert ("entry",) == pinned.changed
    assert {"yes": 0.27} == pinned_model(binary)["entry"]["threshold"]


def test_a_changed_threshold_is_refused_by_serve_locked_and_by_a_reload(binary: Path) -> None:
    write_entry(binary, threshold=0.3)
    assert check_spec(SpecSource("routes.yaml", None, locked=False)).snapshot is not None
    write_entry(binary, threshold=0.27)
    for locked in (False, True):
        outcome = check_spec(SpecSource("routes.yaml", None, locked=locked))
        assert (None, True) == (outcome.snapshot, 'and {"yes": 0.3} in models.lock' in str(outcome))
