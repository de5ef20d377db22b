"""The formats of model files: one row for each, with everything that differs between them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine.models.files.contents import COMPRESSED, advise_name, misnamed
from engine.spec import FileModel, ModelFolder

_TO_COMPILE = ("joblib", "onnx", "onnxruntime", "skl2onnx", "sklearn")


@dataclass(frozen=True, slots=True)
class ModelFormat:
    """A format of model files, and the endings of their names, which alone determine it.

    `reader` is the module whose `read` returns the estimator in a file's bytes. It is named and not imported, because
    workers know the formats without any library; it is None for graphs, which contain no estimator. `imports` are the
    modules that must be installed to compile such a file, `serves_with` those that open it again where scikit-learn
    serves, and `pinned` the distributions whose versions models.lock records.
    """

    name: str
    endings: tuple[str, ...]
    reader: str | None
    pinned: tuple[str, ...]
    imports: tuple[str, ...] = _TO_COMPILE
    serves_with: tuple[str, ...] = ()
    may_be_compressed: bool = False

    @property
    def is_graph(self) -> bool:
        """Whether a file contains an ONNX graph, and no estimator."""
        return self.reader is None


FORMATS = (
    ModelFormat(
        "pickle",
        (".pkl", ".pickle", ".joblib"),
        reader="engine.models.estimators.readers.pickle_file",
        pinned=("joblib", "numpy", "scikit-learn"),
        may_be_compressed=True,
    ),
    ModelFormat(
        "skops",
        (".skops",),
        reader="engine.models.estimators.readers.skops_file",
        pinned=("numpy", "scikit-learn", "skops"),
        serves_with=("skops",),
    ),
    ModelFormat(
        "xgboost",
        (".ubj", ".json"),
        reader="engine.models.estimators.readers.xgboost_file",
        pinned=("numpy", "xgboost"),
        serves_with=("xgboost",),
    ),
    ModelFormat(
        "lightgbm",
        (".txt",),
        reader="engine.models.estimators.readers.lightgbm_file",
        pinned=("lightgbm", "numpy"),
        serves_with=("lightgbm",),
    ),
    ModelFormat(
        "catboost",
        (".cbm",),
        reader="engine.models.estimators.readers.catboost_file",
        pinned=("catboost", "numpy"),
        serves_with=("catboost",),
    ),
    ModelFormat("onnx", (".onnx",), reader=None, pinned=("onnxruntime",), imports=("onnx", "onnxruntime")),
)
_BY_ENDING = {ending: form for form in FORMATS for ending in form.endings}
_BY_NAME = {form.name: form for form in FORMATS}


def format_of(file: Path, folder: ModelFolder | None = None) -> ModelFormat | None:
    """Return a model file's format, which its name determines, or its folder's description; None if it does not."""
    if folder is not None:
        return _BY_NAME[folder.format]
    before, last = ("", "", *(ending.lower() for ending in file.suffixes))[-2:]
    inner = _BY_ENDING.get(before) if last in COMPRESSED else None
    return inner if inner is not None and inner.may_be_compressed else _BY_ENDING.get(last)


def installed_version(library: str) -> str:
    """Return the version of a library that models.lock records; raise `PackageNotFoundError`."""
    try:
        return version(library)
    except PackageNotFoundError:  # a distribution of XGBoost without the code for GPUs
        return version(f"{library}-cpu")


def installed_or_absent(library: str) -> str:
    """Return the version of a library, empty if it is not installed."""
    try:
        return installed_version(library)
    except PackageNotFoundError:
        return ""


def require_format(model: FileModel, data: bytes = b"") -> ModelFormat:
    """Return the format of a model's file; raise `SpecError` if its name has none, or none that suits its `data`.

    The content of a pinned model is left to its pin: a file put in its place must not come with advice to rename it.
    """
    found = format_of(model.file, model.model_folder)
    if found is None:
        endings = {ending: form.name for ending, form in _BY_ENDING.items()}
        raise model.error(advise_name(model.file, data, endings), "file")
    if model.model_folder is None and model.pin is None and (wrong := misnamed(model.file, data, found.name)):
        raise model.error(wrong, "file")
    return found
