"""Files that hold no model to serve, or cannot be read: messages say what to do, and name no stranger's package."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import re
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from modelling import ROW, Serve, X, message, y
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from engine.errors import SpecError
from engine.spec import load_spec

TREE = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)


def written(data: bytes) -> dict[str, Any]:
    """Arguments of `serve` that save these bytes."""
    return {"estimator": b"", "save": lambda _, path: path.write_bytes(data)}


def told(serve: Serve, estimator: Any, **keys: Any) -> str:
    with pytest.raises(SpecError) as refused:
        serve(estimator, **keys)
    return message(refused)


@pytest.mark.parametrize(
    ("file", "save"),
    [
        ("m.pkl.gz", lambda model, path: path.write_bytes(gzip.compress(pickle.dumps(model)))),
        ("m.pickle.bz2", lambda model, path: path.write_bytes(bz2.compress(pickle.dumps(model)))),
        ("m.pkl.xz", lambda model, path: path.write_bytes(lzma.compress(pickle.dumps(model)))),
        ("m.joblib.gz", joblib.dump),
        ("m.joblib.z", joblib.dump),
        ("m.JOBLIB.GZ", joblib.dump),
    ],
)
def test_compressed_files_are_read(file: str, save: Callable[..., Any], serve: Serve) -> None:
    assert TREE.predict(X).tolist() == serve(TREE, file=file, save=save)(X.tolist()).result


@pytest.mark.parametrize(
    ("file", "found", "renamed"),
    [
        ("m.sav", 'unknown model format ".sav"', "m.pkl"),
        ("iris-1.2.p", 'unknown model format ".p"', "iris-1.2.pkl"),
        ("m.pk", 'unknown model format ".pk"', "m.pkl"),
        ("m.jl", 'unknown model format ".jl"', "m.pkl"),
        ("m.model", 'unknown model format ".model"', "m.pkl"),
        ("model", "the file's name has no ending", "model.pkl"),
    ],
)
def test_other_endings_say_how_to_rename_the_file(file: str, found: str, renamed: str, serve: Serve) -> None:
    assert f'{found}; the file is a pickle: rename it to "{renamed}"' == told(serve, TREE, file=file)


def test_a_compressed_file_without_another_ending_may_be_a_pickle(serve: Serve) -> None:
    known = "(known: .pkl, .pickle, .joblib, .skops, .ubj, .json, .txt, .cbm, .onnx)"
    expected = f'unknown model format ".gz" {known}; rename it to "m.pkl.gz" if pickle or joblib wrote it'
    assert expected == told(serve, TREE, file="m.gz")


def test_only_pickles_are_read_compressed(serve: Serve) -> None:
    expected = 'only pickles are read compressed; decompress the file, and name "m.skops"'
    assert expected == told(serve, TREE, file="m.skops.gz")


@pytest.mark.parametrize("text", ["plan,age\nbasic,3\n", "import joblib\n", "<!DOCTYPE html>\n", "ж\n" * 700])
@pytest.mark.parametrize("file", ["m.pkl", "m.joblib", "m.skops"])
def test_a_text_is_called_so_without_the_words_of_python(text: str, file: str, serve: Serve) -> None:
    expected = "the model's file is a text, and contains no model; save the model again"
    assert expected == told(serve, file=file, **written(text.encode()))


def test_a_pickle_that_is_text_is_not_called_so(serve: Serve) -> None:
    assert "needs the module nowhere," in told(serve, **written(b"cnowhere\nModel\n."))


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        (
            {"model": TREE, "columns": list("abcd")},
            'save its member "model" (DecisionTreeClassifier) alone',
        ),
        (
            (StandardScaler().fit(X), TREE, 0.97),
            (
                "of its members 0 (StandardScaler) and 1 (DecisionTreeClassifier), save one alone, or several as one "
                "Pipeline"
            ),
        ),
        (["a"], "save only the estimator"),
    ],
    ids=["dict", "tuple", "list"],
)
def test_a_bundle_names_its_estimators(bundle: Any, said: str, serve: Serve) -> None:
    holds = f"the file contains a {type(bundle).__name__}, not a trained estimator (an object with predict)"
    assert f"{holds}; {said}" == told(serve, bundle)


@pytest.mark.parametrize(
    ("data", "by"),
    [
        (b"\x80\x04cdill._dill\n_load_type\n.", "dill"),
        (b"\x80\x04c__builtin__\nobject\n.", "dill, or by Python 2"),
    ],
)
def test_a_file_by_dill_says_so(data: bytes, by: str, serve: Serve) -> None:
    expected = f"the model was written by {by}, and not as a plain pickle; save it with pickle, joblib or cloudpickle"
    assert expected == told(serve, **written(data))


@contextmanager
def module(name: str, **attributes: Any) -> Iterator[types.ModuleType]:
    """A module that is here while a model is saved, or while one is loaded."""
    made = types.ModuleType(name)
    for attribute, value in attributes.items():
        value.__module__ = name
        setattr(made, attribute, value)
    with pytest.MonkeyPatch.context() as patch:  # a library of this name may be in use
        patch.setitem(sys.modules, name, made)
        yield made


class Booster:
    """As xgboost's and lightgbm's: a predict that takes something else than rows."""

    def predict(self, matrix: Any) -> Any:
        return matrix.values


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("xgboost.core", "save the XGBClassifier or XGBRegressor, not its booster"),
        ("lightgbm.basic", "save the LGBMClassifier or LGBMRegressor, not its booster"),
    ],
)
def test_a_booster_says_which_estimator_to_save(name: str, instead: str, serve: Serve) -> None:
    library = name.partition(".")[0]
    with module(library), module(name, Booster=type("Booster", (Booster,), {})) as here:
        said = told(serve, here.Booster())
    assert f"the file contains a Booster of {library}, which is not an estimator; {instead}" == said


class Plain:
    """No BaseEstimator: it has no tags, and no parameters."""

    def predict(self, rows: Any) -> Any:
        return np.asarray(rows).sum(axis=1)


class Trainable(Plain):
    """As pygam's: with fit and its own get_params."""

    def fit(self, rows: Any, target: Any = None) -> Trainable:  # noqa: ARG002
        self.coef_ = [1.0]
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        return {}


@pytest.mark.parametrize("estimator", [Plain(), Trainable().fit(X)], ids=["plain", "trainable"])
def test_an_object_with_predict_that_is_no_estimator_is_inspected_without_a_traceback(
    estimator: Any, serve: Serve
) -> None:
    predictor = serve(estimator)
    assert pytest.approx(X[:3].sum(axis=1).tolist()) == predictor(X[:3].tolist()).result
    assert type(estimator).__name__ == predictor.facts.estimator


def score(actual: Any, predicted: Any) -> float:
    return float((actual == predicted).mean())


def test_a_search_with_a_scorer_of_its_script_says_what_to_save(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "__module__", "__main__")
    monkeypatch.setattr(score, "__qualname__", "score")
    with monkeypatch.context() as here:
        here.setattr(sys.modules["__main__"], "score", score, raising=False)
        search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, scoring=make_scorer(score)).fit(X, y)
        data = pickle.dumps(search)
    said = told(serve, **written(data))
    assert (
        'the model needs "score", which was in the script that trained it; save search.best_estimator_ if only the '
        "search needs it, or move it into a module beside models.yaml, and train the model again with that"
    ) == said


class Other:
    """Something in a model's file that is not here any more, or does not fit."""

    def __init__(self, make: Any, *arguments: Any) -> None:
        self.made = make, arguments

    def __reduce__(self) -> Any:
        return self.made


def saved_with_version(version: str, part: Any) -> bytes:
    data = pickle.dumps((TREE, part))
    return data.replace(sklearn.__version__.encode(), version.ljust(len(sklearn.__version__), "0").encode())


def test_a_file_of_another_version_that_cannot_be_loaded_blames_the_version(serve: Serve) -> None:
    with module("_loss", CyHalfBinomialLoss=type("CyHalfBinomialLoss", (), {})) as here:
        lost = saved_with_version("1.0.2", Other(here.CyHalfBinomialLoss))
    blame = f"the model was saved by scikit-learn 1.0.2, and this is {sklearn.__version__}, which cannot load it "
    remedy = "; train it again, or install that version"
    for data, reason in (
        (lost, "(this one has no module _loss)"),
        (
            saved_with_version("1.0.2", Other(int, "x")),
            "(ValueError: invalid literal for int() with base 10: 'x')",
        ),
    ):
        assert blame + reason + remedy == told(serve, **written(data), allow_version_mismatch=True)
        assert blame + reason + remedy == told(serve, **written(data))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pygam.terms", "the model needs pygam, which is not installed here: pip install pygam"),
        ("imblearn.pipeline", "the model needs imblearn, which is not installed here: pip install imbalanced-learn"),
        (
            "sklearn._gone",
            "another version of scikit-learn saved the model (this one has no sklearn._gone); train the model again",
        ),
        (
            "numpy._gone",
            "another version of numpy saved the model (this one has no numpy._gone); train the model again",
        ),
        (
            "_loss",
            "another version of a library saved the model (there is no module _loss here); train the model again",
        ),
        (
            "my_features",
            (
                "the model needs the module my_features, which cannot be imported here; if it is yours, put it beside "
                "models.yaml, else install the library that the model was trained with"
            ),
        ),
    ],
)
def test_only_what_is_known_is_named_to_be_installed(name: str, said: str, serve: Serve) -> None:
    assert said == told(serve, **written(b"\x80\x04c" + name.encode() + b"\nThing\n."))


def test_what_goes_wrong_with_an_accepted_version_blames_the_version(serve: Serve) -> None:
    data = pickle.dumps(KNeighborsClassifier().fit(X, y)).replace(sklearn.__version__.encode(), b"1.0.2")
    said = told(serve, **written(data), allow_version_mismatch=True, runtime="numpy")
    assert said.startswith('the runtime "numpy" cannot serve this model: ')
    assert said.endswith(
        f"; the model was saved by scikit-learn 1.0.2, and this is {sklearn.__version__}: train it again"
    )


def test_a_folder_that_nothing_describes_is_no_model_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, model: m}]")
    lack = "is a folder without MLmodel, by which MLflow describes a model, or config.json, as skops does"

    def refusal(name: str) -> str:
        (tmp_path / "models.yaml").write_text(f"models: {{m: {{file: {name}, input: {ROW}}}}}")
        with pytest.raises(SpecError) as refused:
            load_spec(tmp_path / "routes.yaml")
        return message(refused)

    assert f'file "mine/" {lack}; name a file, or a model folder' == refusal("mine/")
    (tmp_path / "mine" / "MLmodel").touch()
    assert f'file "." {lack}; did you mean "mine" in it?' == refusal(".")
    assert "the file is empty; save the model again" == refusal("mine")


def test_what_is_named_to_be_installed_is_a_distribution_by_its_own_name() -> None:
    from engine.models.estimators.unreadable import DISTRIBUTIONS

    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in DISTRIBUTIONS.values())


def test_estimators_without_tags_have_no_kind() -> None:
    from engine.models.estimators.inspection import is_classifier, kind_of

    assert (False, "estimator") == (is_classifier(Plain()), kind_of(Plain()))
    assert (True, "classifier") == (is_classifier(LogisticRegression()), kind_of(LogisticRegression()))
