"""A model prepared from its file or from the cache, from which a predictor is made."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.models.data.instances import Columns, fit_columns
from engine.models.files.formats import require_format
from engine.models.files.model_file import ModelFile
from engine.models.files.modules import Opens, hash_file, hash_modules, read_unchanged
from engine.models.restoring.cache import Cache
from engine.models.restoring.compiled_model import CompiledModel
from engine.models.runtime.native_trees import find_compiler
from engine.spec import FileModel


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """Everything that a predictor is made from; two with equal name and `key` are interchangeable.

    `file` is the model's own, and `modules` the other files that it needs, such as modules beside models.yaml; once
    compiled, neither is needed any more, unless scikit-learn computes batches. `note` says why what was compiled before
    is not used, and `loaded` when this was made, in seconds since 1970.
    """

    key: str
    compiled: CompiledModel
    file: ModelFile | None
    sha256: str
    modules: Mapping[str, bytes] = field(default_factory=dict)
    note: str = ""
    loaded: float = field(default_factory=time.time, compare=False)

    def without_file(self) -> PreparedModel:
        """Leave out files that are not needed."""
        return self if self.compiled.needs_estimator else replace(self, file=None, modules={})

    def identity(self, model: FileModel) -> str:
        """Return the SHA-256 of the model's file, or of that together with a graph's data in other files."""
        data = self.compiled.modules if require_format(model).is_graph else {}
        return hash_file(json.dumps([self.sha256, data]).encode()) if data else self.sha256

    def columns(self, model: FileModel) -> Columns:
        """Return the conversion of the model's instances into rows."""
        return fit_columns(model, self.compiled.wanted)


class LoadedEstimators:
    """The estimators in model files, each unpickled once; imports scikit-learn with the first.

    `opens` is called with the modules beside models.yaml that are read for them.
    """

    def __init__(self, opens: Opens = lambda _: None) -> None:
        self._artifacts: Any = None
        self.opens = opens
        self.data: dict[tuple[Path, str], Mapping[str, bytes]] = {}
        """The files with the data of graphs that were opened, by the graph's file and its SHA-256."""
        self.predictors: dict[tuple[str, str], Any] = {}
        """Those that were made to compile a model, by its name and key."""

    def open(self, model: FileModel, file: ModelFile, modules: Mapping[str, bytes] | None = None) -> Any:
        """Return the model's `Artifact`, which imports `modules` if given; raise `SpecError`."""
        from engine.models.estimators.library_warnings import show_warnings_once  # noqa: PLC0415
        from engine.models.estimators.loading import Artifacts  # noqa: PLC0415 - not where everything is compiled

        show_warnings_once()
        self._artifacts = self._artifacts or Artifacts(self.opens)
        return self._artifacts.open(model, file.data, file.sha256, modules)

    def modules(self, model: FileModel, file: ModelFile) -> Mapping[str, bytes]:
        """Return the files of the modules that an opened model needs, or those with a graph's data."""
        if require_format(model).is_graph:
            return self.data.get((model.file, file.sha256), {})
        needed: Mapping[str, bytes] = self.open(model, file).modules.all_files()
        return needed


def take_cached(
    model: FileModel, cache: Cache, key: str, file: ModelFile, opens: Opens = lambda _: None
) -> PreparedModel | None:
    """Take a model from the cache, None if it is not there or must be rebuilt.

    It must be rebuilt if its modules have changed, or if it was made without the C compiler that now exists.
    """
    compiled = cache.read(key)
    if compiled is None or (compiled.lacked_compiler and find_compiler() is not None):
        return None
    modules = read_unchanged(model, compiled.modules, opens)
    return PreparedModel(whole_key(key, modules), compiled, file, file.sha256, modules) if modules is not None else None


def whole_key(key: str, modules: Mapping[str, bytes]) -> str:
    """Add a model's modules to its key; they are known only after the model was opened."""
    return hash_file(json.dumps([key, hash_modules(modules)]).encode())
