"""Why a model's file cannot be read, or contains no model that can be served, with advice."""

from __future__ import annotations

import codecs
import pickle
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import sklearn

from engine.models.files.modules import is_script, missing_attribute, missing_name, raised_at
from engine.schema import clip, show
from engine.spec import RESPONSE_METHODS

MAX_MEMBERS = 5
_DAMAGE = (EOFError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error)
_UNFITTING = (LookupError, ValueError)
# The beginning of an estimator's state in a pickle: the key, a memo of it, and a short text.
_VERSION = re.compile(rb"_sklearn_version(?:\x94|q.|r.{4})?(?:\x8c.|X.{4})(\d+\.[\w.+]+)", re.DOTALL)
_BEGIN = 1024
_OLD_PICKLE = re.compile(rb"\(|c[\w.]+\n\w+\n")
_OF_CPP = re.compile(r"\[\d\d:\d\d:\d\d\] \S+:\d+: ")  # the time and the line of code in errors of XGBoost
_SEARCH = b"sklearn.model_selection._search"

# Advice to install names only these: a distribution with the same name as a module may be by a stranger.
DISTRIBUTIONS: Mapping[str, str] = {
    "catboost": "catboost",
    "category_encoders": "category-encoders",
    "cloudpickle": "cloudpickle",
    "feature_engine": "feature-engine",
    "hdbscan": "hdbscan",
    "imblearn": "imbalanced-learn",
    "interpret": "interpret-core",
    "keras": "keras",
    "lightgbm": "lightgbm",
    "mlxtend": "mlxtend",
    "numpy": "numpy",
    "pandas": "pandas",
    "polars": "polars",
    "pygam": "pygam",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "skrub": "skrub",
    "statsmodels": "statsmodels",
    "tensorflow": "tensorflow",
    "torch": "torch",
    "umap": "umap-learn",
    "xgboost": "xgboost",
}
NONE_PINNED: Mapping[str, str] = {}
# Objects with a predict that does not take rows, by the library and the class.
_SAVE_INSTEAD: Mapping[tuple[str, str], str] = {
    ("xgboost", "Booster"): "save the XGBClassifier or XGBRegressor, not its booster",
    ("lightgbm", "Booster"): "save the LGBMClassifier or LGBMRegressor, not its booster",
}


def to_install(library: str, versions: Mapping[str, str]) -> str:
    """Return what `pip install` takes for a library, in the version that the requirements of its folder pin."""
    distribution = DISTRIBUTIONS.get(library, library)
    return f"{distribution}=={versions[distribution]}" if distribution in versions else distribution


def why_unreadable(
    error: BaseException, data: bytes, trained_with: str | None = None, versions: Mapping[str, str] = NONE_PINNED
) -> str:
    """Say why unpickling failed; `trained_with` is another version of scikit-learn, if that is already known.

    `versions` are those of libraries in the requirements of the model's folder.
    """
    said = _OF_CPP.sub("", " ".join(str(error).split()).partition(" Stack trace:")[0])
    reason = clip(f"{type(error).__name__}: {said}", 200).rstrip(": ")
    if not data:
        return "the model's file is empty; train the model again"
    if data.startswith(b"version https://git-lfs"):
        return "the model's file is a Git LFS pointer, not the model; run: git lfs pull"
    if isinstance(error, _DAMAGE) or _is_text(data):
        return _damaged(reason, data)
    if isinstance(error, ModuleNotFoundError):
        return _missing_module(error.name or "", data, trained_with, raised_at(error), versions)
    name, module = missing_attribute(error)
    if is_script(module):
        return _from_a_script(name, data)
    if lack := missing_name(error):
        return f"the model cannot be loaded: {lack}; put it back, or train the model again with that module"
    if place := raised_at(error):
        return f"the model cannot be loaded: {place} raised {reason}; correct that module"
    version = trained_with or _other_version(data)
    if version is not None:
        return _saved_by(version, reason)
    if isinstance(error, _UNFITTING):
        return _damaged(reason, data)
    return f"the model cannot be loaded ({reason}); train it again"


def _is_text(data: bytes) -> bool:
    """Return whether a file begins as a text does, and not as a pickle of the old protocol, which is text too."""
    try:
        begin = codecs.getincrementaldecoder("utf-8")().decode(data[:_BEGIN])
    except UnicodeDecodeError:
        return False
    return not _OLD_PICKLE.match(data) and "".join(begin.split()).isprintable()


def why_no_estimator(found: Any) -> str:
    """Say why an object cannot be served, and which object in it could be."""
    what = f"the class {found.__name__}" if isinstance(found, type) else _a(type(found).__name__)
    return f"the file contains {what}, not a trained estimator (an object with predict){_saved_with_others(found)}"


def save_instead(found: Any) -> str | None:
    """Say what to save in place of an object whose predict does not take rows; None for all others."""
    kind = type(found)
    library = kind.__module__.partition(".")[0]
    instead = _SAVE_INSTEAD.get((library, kind.__name__))
    if instead is None:
        return None
    return f"the file contains {_a(kind.__name__)} of {library}, which is not an estimator; {instead}"


def is_estimator(found: Any) -> bool:
    """Return whether an object can be trained or asked; a class cannot."""
    return not isinstance(found, type) and any(hasattr(found, method) for method in ("fit", *RESPONSE_METHODS))


def _missing_module(name: str, data: bytes, trained_with: str | None, place: str, versions: Mapping[str, str]) -> str:
    library = name.partition(".")[0]
    if library in ("dill", "__builtin__"):
        by = "dill" if library == "dill" or b"dill" in data else "dill, or by Python 2"
        return f"the model was written by {by}, and not as a plain pickle; save it with pickle, joblib or cloudpickle"
    version = trained_with or _other_version(data)
    if version is not None and (library == "sklearn" or library.startswith("_")):  # Cython's modules have no package
        return _saved_by(version, f"this one has no module {name}")
    if library.startswith("_"):
        return f"another version of a library saved the model (there is no module {name} here); train the model again"
    if library != name and _is_here(library):
        known = "scikit-learn" if library == "sklearn" else library
        return f"another version of {known} saved the model (this one has no {name}); train the model again"
    if library in DISTRIBUTIONS:
        return f"the model needs {library}, which is not installed here: pip install {to_install(library, versions)}"
    importer = f" (for {place})" * bool(place)
    return (
        f"the model needs the module {name}{importer}, which cannot be imported here; if it is yours, put it beside "
        "models.yaml, else install the library that the model was trained with"
    )


def _is_here(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ValueError:  # for code outside libraries, such as the script that runs
        return False


def _from_a_script(name: str, data: bytes) -> str:
    search = "save search.best_estimator_ if only the search needs it, or " if _SEARCH in data else ""
    return (
        f'the model needs "{name}", which was in the script that trained it; '
        f"{search}move it into a module beside models.yaml, and train the model again with that"
    )


def _other_version(data: bytes) -> str | None:
    """Find the version of scikit-learn in a pickle that is not compressed; None if it is this one."""
    found = _VERSION.search(data)
    version = found[1].decode() if found is not None else sklearn.__version__
    return version if version != sklearn.__version__ else None


def _saved_by(version: str, reason: str) -> str:
    return (
        f"the model was saved by scikit-learn {version}, and this is {sklearn.__version__}, which cannot load it "
        f"({reason}); train it again, or install that version"
    )


def _damaged(reason: str, data: bytes) -> str:
    if _is_text(data):
        return "the model's file is a text, and contains no model; save the model again"
    return f"the model's file is damaged, or not in the format that its name indicates ({reason}); save the model again"


def _saved_with_others(found: Any) -> str:
    """Say what to save instead, naming the members of a dict or a sequence that are estimators."""
    members = [
        f"{show(key) if isinstance(key, str) else key} ({type(member).__name__})"
        for key, member in _members(found)
        if is_estimator(member)
    ]
    if not members:
        return "; save only the estimator"
    if len(members) == 1:
        return f"; save its member {members[0]} alone"
    return f"; of its members {' and '.join(members[:MAX_MEMBERS])}, save one alone, or several as one Pipeline"


def _members(found: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(found, Mapping):
        yield from found.items()
    elif isinstance(found, list | tuple):
        yield from enumerate(found)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "AEIOUaeiou" else f"a {noun}"
