"""Model files of every format load once; what is broken is told at its key."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
import skops.io
from modelling import ROW, Serve, X, message, place, y
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from engine.errors import SpecError
from engine.models import compile_models
from engine.models.files import model_file as modelfile
from engine.spec import load_spec


@pytest.mark.parametrize(
    ("file", "save"),
    [
        ("m.pkl", lambda model, path: path.write_bytes(pickle.dumps(model))),
        ("m.pickle", lambda model, path: path.write_bytes(pickle.dumps(model, protocol=2))),
        ("m.joblib", joblib.dump),
        ("m.PKL", lambda model, path: joblib.dump(model, path, compress=3)),
        ("m.skops", skops.io.dump),
    ],
)
def test_every_format_loads(file: str, save: Callable[..., Any], serve: Serve) -> None:
    estimator = LogisticRegression(max_iter=1000).fit(X, y)
    assert estimator.predict(X).tolist() == serve(estimator, file=file, save=save)(X.tolist()).result


class Shift(TransformerMixin, BaseEstimator):
    """A type that skops does not know."""

    def fit(self, X: Any, y: Any = None) -> Shift:  # noqa: ARG002, N803
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        return X + 1


def test_skops_reads_only_trusted_types(serve: Serve) -> None:
    estimator = make_pipeline(Shift(), LogisticRegression(max_iter=1000)).fit(X, y)
    with pytest.raises(SpecError) as refused:
        serve(estimator, file="m.skops", save=skops.io.dump)
    trusted = f"{__name__}.Shift"
    expected = f"the file contains types that are not trusted; if you know them to be safe, set trusted: [{trusted}]"
    assert expected == message(refused)
    predictor = serve(None, file="m.skops", trusted=[trusted])
    assert estimator.predict(X).tolist() == predictor(X.tolist()).result


def test_without_skops_its_files_ask_for_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    skops.io.dump(DecisionTreeClassifier().fit(X, y), "/dev/null")
    monkeypatch.setitem(sys.modules, "skops.io", None)
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(SpecError) as refused:
        serve(b"", file="m.skops", save=lambda data, path: path.write_bytes(data))
    assert "a .skops file needs skops: pip install skops" == message(refused)


def test_another_version_of_scikit_learn_is_said_and_can_be_accepted(serve: Serve, tmp_path: Path) -> None:
    data = pickle.dumps(DecisionTreeClassifier(random_state=0).fit(X, y))
    version = sys.modules["sklearn"].__version__.encode()
    older = b"1.0.1".ljust(len(version), b"0")
    (tmp_path / "model.pkl").write_bytes(data.replace(version, older))
    with pytest.raises(SpecError) as refused:
        serve(None)
    expected = (
        f"the model was saved by scikit-learn {older.decode()}, and this is {version.decode()}; train it again, "
        "install that version, or accept the risk with allow_version_mismatch: true"
    )
    assert expected == message(refused)
    predictor = serve(None, allow_version_mismatch=True)
    assert older.decode() == predictor.facts.trained_with
    assert y.tolist() == predictor(X.tolist()).result


@pytest.mark.parametrize("length", [0, 1, 10, 100, 1_000, -1])
@pytest.mark.parametrize("file", ["m.pkl", "m.joblib", "m.skops"])
def test_a_truncated_file_is_told_at_its_key(length: int, file: str, serve: Serve, tmp_path: Path) -> None:
    estimator = RandomForestClassifier(3).fit(X, y)
    (skops.io.dump if file.endswith("skops") else joblib.dump)(estimator, tmp_path / file)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[:length])
    with pytest.raises(SpecError) as refused:
        serve(None, file=file)
    assert f'"{file}"' == place(refused)
    assert message(refused).endswith(" again")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"a": 1}, "the file contains a dict, not a trained estimator (an object with predict)"),
        (
            DecisionTreeClassifier,
            "the file contains the class DecisionTreeClassifier, not a trained estimator (an object with predict)",
        ),
        (X, "the file contains a ndarray, not a trained estimator (an object with predict)"),
        (
            DecisionTreeClassifier(),
            "the DecisionTreeClassifier in the file is not trained; call fit before you save it",
        ),
    ],
    ids=["dict", "class", "array", "untrained"],
)
def test_a_file_of_something_else_is_told(content: Any, expected: str, serve: Serve) -> None:
    with pytest.raises(SpecError) as refused:
        serve(content)
    assert expected == message(refused)


def test_a_model_from_a_script_says_where_its_code_must_go(serve: Serve) -> None:
    data = pickle.dumps(Shift()).replace(__name__.encode(), b"__main__".ljust(len(__name__), b"_"))
    data = b"\x80\x04c__main__\nShift\n)\x81."
    with pytest.raises(SpecError) as refused:
        serve(data, save=lambda content, path: path.write_bytes(content))
    expected = (
        'the model needs "Shift", which was in the script that trained it; move it into a module beside models.yaml'
    )
    assert message(refused).startswith(expected)
    with pytest.raises(SpecError) as refused:
        serve(b"\x80\x04cno_such_module\nShift\n)\x81.", save=lambda content, path: path.write_bytes(content))
    assert (
        "the model needs the module no_such_module, which cannot be imported here; if it is yours, put it beside "
        "models.yaml, else install the library that the model was trained with" == message(refused)
    )


def test_a_file_under_several_names_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joblib.dump(DecisionTreeClassifier().fit(X, y), tmp_path / "m.pkl")
    (tmp_path / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "a"}]}')
    model = {"file": "m.pkl", "input": ROW}
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"a": model, "b": model | {"file": "./x/../m.pkl"}}}))
    (tmp_path / "x").mkdir()
    read: list[Path] = []
    original = modelfile.read_regular
    monkeypatch.setattr(modelfile, "read_regular", lambda path, *most: read.append(path) or original(path, *most))
    assert {"a", "b"} == set(compile_models(load_spec(tmp_path / "routes.yaml")))
    assert 1 == len([path for path in read if path.name == "m.pkl"])
