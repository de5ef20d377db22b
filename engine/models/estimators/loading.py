"""A model's file → the estimator in it. The file's name determines the format, which is never guessed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from engine.errors import SpecError
from engine.models.estimators.unreadable import is_estimator, save_instead, why_no_estimator, why_unreadable
from engine.models.files.formats import require_format
from engine.models.files.modules import Modules, Opens, hash_modules, require_pinned
from engine.spec import FileModel


@dataclass(frozen=True, slots=True)
class Artifact:
    """An estimator as it is in its file, with the modules beside models.yaml that it needs."""

    estimator: Any
    bytes: int
    trained_with: str | None
    modules: Modules


class Artifacts:
    """Opens model files, each of them once; `opens` is called with the modules that are read for them."""

    def __init__(self, opens: Opens = lambda _: None) -> None:
        self._opened: dict[tuple[str, str, tuple[str, ...]], Artifact] = {}
        self._opens = opens

    def open(self, model: FileModel, data: bytes, sha256: str, files: Mapping[str, bytes] | None = None) -> Artifact:
        """Load a model from its file's bytes; raise `SpecError` at its key in the spec if that fails.

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


def _open(model: FileModel, data: bytes, modules: Modules) -> Artifact:
    reader = import_module(require_format(model).reader or "")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = reader.read(data, model)
        except (SpecError, MemoryError):
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - unpickling may raise anything
            raise model.error(why_unreadable(error, data, _trained_with(caught), model.saved_with), "file") from None
    if not is_estimator(estimator):
        raise model.error(why_no_estimator(estimator), "file")
    if (instead := save_instead(estimator)) is not None:
        raise model.error(instead, "file")
    return Artifact(estimator, len(data), _trained_with(caught), modules)


def _trained_with(caught: list[warnings.WarningMessage]) -> str | None:
    """Find the version of scikit-learn that is named in its warnings while it loads a model."""
    mismatches = [one.message for one in caught if isinstance(one.message, InconsistentVersionWarning)]
    return str(mismatches[0].original_sklearn_version) if mismatches else None


@contextmanager
def blaming_version(trained_with: str | None) -> Iterator[None]:
    """Add to an error of a model that another version of scikit-learn saved it."""
    try:
        yield
    except SpecError as error:
        if trained_with is None:
            raise
        blame = f"the model was saved by scikit-learn {trained_with}, and this is {sklearn.__version__}: train it again"
        found = [replace(one, message=f"{one.message}; {blame}") for one in error.diagnostics]
        raise SpecError(found) from None
