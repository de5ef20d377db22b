"""A model's file → the estimator in it. The format follows from the file's name and is never guessed."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import joblib
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from engine.errors import SpecError
from engine.models.modules import Modules, Opens, hash_modules, require_pinned
from engine.spec import Model
from engine.validation import clip

RESPONSE_METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples")


@dataclass(frozen=True, slots=True)
class Artifact:
    """An estimator as its file has it, with the modules beside models.yaml that it needs.

    `trained_with` is a version of scikit-learn other than this one.
    """

    estimator: Any
    bytes: int
    trained_with: str | None
    modules: Modules


class Artifacts:
    """Opens model files, each of them once; `opens` is told of the modules that are read for them."""

    def __init__(self, opens: Opens = lambda _: None) -> None:
        self._opened: dict[tuple[str, str, tuple[str, ...]], Artifact] = {}
        self._opens = opens

    def open(self, model: Model, data: bytes, sha256: str, files: Mapping[str, bytes] | None = None) -> Artifact:
        """Load a model from its file's bytes; raise `SpecError` at its key in the spec where that fails.

        `files` are the modules that it needs; without them, they are read from the folder of models.yaml.
        """
        key = (sha256, model.file.suffix, model.trusted)
        if key not in self._opened:
            modules = Modules(model, files, self._opens)
            try:
                with modules.active():
                    self._opened[key] = _open(model, data, modules)
            except SpecError:
                modules.follow_missing()
                raise
        artifact = self._opened[key]
        require_pinned(model, hash_modules(artifact.modules.all_files()))
        if artifact.trained_with and not model.allow_version_mismatch:
            raise model.error(
                f"the model was saved by scikit-learn {artifact.trained_with}, and this is {sklearn.__version__}; "
                "train it again, install that version, or accept the risk with allow_version_mismatch: true",
                "file",
            )
        return artifact


def _open(model: Model, data: bytes, modules: Modules) -> Artifact:
    reader = FORMATS.get(model.file.suffix.lower())
    if reader is None:
        known = ", ".join((*FORMATS, ".onnx"))
        raise model.error(f'unknown model format "{model.file.suffix}" (there are: {known})', "file")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = reader(data, model)
        except (SpecError, MemoryError):
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - unpickling may raise anything
            raise model.error(_why_unreadable(error, data), "file") from None
    mismatches = [w.message for w in caught if isinstance(w.message, InconsistentVersionWarning)]
    if isinstance(estimator, type) or not any(hasattr(estimator, method) for method in ("fit", *RESPONSE_METHODS)):
        what = f"the class {estimator.__name__}" if isinstance(estimator, type) else _a(type(estimator).__name__)
        raise model.error(f"the file holds {what}, not a trained estimator (an object with predict)", "file")
    trained_with = str(mismatches[0].original_sklearn_version) if mismatches else None
    return Artifact(estimator, len(data), trained_with, modules)


def _read_joblib(data: bytes, model: Model) -> Any:  # noqa: ARG001 - the shape of every reader
    """Read what joblib.dump or pickle.dump wrote; joblib reads both."""
    return joblib.load(io.BytesIO(data))


def _read_skops(data: bytes, model: Model) -> Any:
    """Read a skops file with no type beyond the safe ones and those that the spec lists."""
    refused = untrusted_types(data, model)
    import skops.io  # noqa: PLC0415 - an optional extra

    if refused:
        named = ", ".join(refused)
        raise model.error(
            f"the file contains types that are not trusted; if you know them to be safe, say trusted: [{named}]", "file"
        )
    return skops.io.loads(data, trusted=list(model.trusted))


def untrusted_types(data: bytes, model: Model) -> list[str]:
    """Name the types in a skops file that are neither safe nor listed, which opens nothing."""
    try:
        import skops.io  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise model.error("a .skops file needs skops: pip install skops", "file") from None
    return sorted(set(skops.io.get_untrusted_types(data=data)) - set(model.trusted))


FORMATS: Mapping[str, Callable[[bytes, Model], Any]] = {
    ".pkl": _read_joblib,
    ".pickle": _read_joblib,
    ".joblib": _read_joblib,
    ".skops": _read_skops,
}


def _missing_module(name: str) -> str:
    if name.startswith("sklearn."):
        return f"another version of scikit-learn saved the model (this one has no {name}); train the model again"
    return f"the model needs the module {name}, which cannot be imported here; install what has it, or put it beside"


_DAMAGE = (EOFError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, LookupError, ValueError)


def _why_unreadable(error: BaseException, data: bytes) -> str:
    reason = clip(" ".join(f"{type(error).__name__}: {error}".split()), 200).rstrip(": ")
    if not data:
        return "the model's file is empty; train the model again"
    if data.startswith(b"version https://git-lfs"):
        return "the model's file is a Git LFS pointer, not the model; run: git lfs pull"
    if isinstance(error, ModuleNotFoundError):
        return _missing_module(error.name or "")
    if isinstance(error, AttributeError) and "__main__" in reason:
        return (
            f"the model needs code that was in the script that trained it ({reason}); "
            "move that code into a module that can be imported here"
        )
    if isinstance(error, _DAMAGE):
        return f"the model's file is damaged, or not of the format that its name says ({reason}); train the model again"
    return f"the model cannot be loaded ({reason}); train it again"


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "AEIOUaeiou" else f"a {noun}"
