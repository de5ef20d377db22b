"""The file MLmodel, by which MLflow describes the model in a folder: its flavors, its signature, its example."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from engine.schema import show
from engine.spec.model_folders.folder_records import ModelFolder
from engine.spec.model_folders.inner_files import require_inside
from engine.spec.model_folders.requirements import COMPUTING, canonical_name, pinned_versions
from engine.spec.model_folders.signature import read_signature
from engine.spec.reading.node import Node
from engine.text import join_words

MLMODEL, REQUIREMENTS = "MLmodel", "requirements.txt"
_PYTHON = "python_function"
_CODE_OF_ITS_OWN = "mlflow.pyfunc.model"
_PICKLED = {"cloudpickle": "pickle", "pickle": "pickle", "skops": "skops"}

_WITHOUT_CODE = ("catboost", "lightgbm", "onnx", "xgboost")  # whatever the folder has beside these files

# What each flavor says of its model's file: its format, its name, and the class that reads it.
FileOf = Callable[[Node], tuple[str, Node, str]]


def read_mlmodel(path: Path, files: Mapping[str, bytes], root: Node) -> ModelFolder:
    """Make the record of a document; raise `SpecError` at the place in it that cannot be served."""
    flavor, said = _chosen_flavor(root)
    form, file, class_name = _FLAVORS[flavor](said)
    function = root["flavors"][_PYTHON]
    code = next((one for one in (said["code"], function["code"]) if one.text and form not in _WITHOUT_CODE), None)
    example = root["saved_input_example_info"]["artifact_path"]
    requirements = files.get(REQUIREMENTS, b"").decode(errors="replace")
    return ModelFolder(
        path=path,
        files=files,
        description=MLMODEL,
        format=form,
        file=require_inside(file),
        class_name=class_name,
        code=require_inside(code) if code is not None else None,
        predict=function["predict_fn"].text or "predict",
        signature=read_signature(root["signature"]["inputs"]),
        versions={**_stated_versions(flavor, said), **pinned_versions(requirements.splitlines())},
        example_file=require_inside(example) if example.text else None,
    )


def _chosen_flavor(root: Node) -> tuple[str, Node]:
    """Return the flavor to read, and what is said of it; raise `SpecError` if there is none."""
    flavors = root["flavors"]
    if not flavors.fields:
        where = flavors if flavors.present else root
        raise where.mistake("there are no flavors, by which MLflow says what a folder contains; log the model again")
    for name in _FLAVORS:
        if name in flavors:
            return name, flavors[name]
    readable = join_words([*_FLAVORS], "and")
    found = [*flavors.fields]
    if found != [_PYTHON]:
        named = join_words(found, "and")
        raise root.key("flavors").mistake(
            f"the flavors are {named}, and those that can be read are {readable}; export the model to ONNX: "
            "mlflow.onnx.log_model",
        )
    loader = flavors[_PYTHON]["loader_module"].text or ""
    what = "it is Python code, a PythonModel" if loader == _CODE_OF_ITS_OWN else f"it is loaded by {show(loader)}"
    raise root.key("flavors").mistake(
        f"the only flavor is {_PYTHON}: {what}, which only MLflow can run; log the estimator inside it by itself, such "
        f"as with mlflow.sklearn.log_model (flavors that can be read: {readable})",
    )


def _stated_versions(flavor: str, said: Node) -> dict[str, str]:
    """Return the version that a flavor states of its own library, for a folder without requirements."""
    key, distribution = _VERSIONS[flavor]
    version, name = said[key].text, canonical_name(distribution)
    return {name: version} if version and name in COMPUTING else {}


def _named(said: Node, key: str) -> Node:
    """Return the name of a file; raise `SpecError` if there is none."""
    if not said[key].text:
        raise said.mistake(f'"{key}" is missing, the name of the model\'s file; log the model again')
    return said[key]


def _pickled(said: Node) -> str:
    """Return the format that a Python object is saved in; raise `SpecError` for others."""
    form = said["serialization_format"]
    if form.text is not None and form.text not in _PICKLED:
        known = join_words([*_PICKLED], "or")
        raise form.mistake(f"{show(form.text)} is not a format that can be read; log the model with {known}")
    return _PICKLED[form.text or "pickle"]


def _sklearn(said: Node) -> tuple[str, Node, str]:
    return _pickled(said), _named(said, "pickled_model"), ""


def _xgboost(said: Node) -> tuple[str, Node, str]:
    return "xgboost", _named(said, "data"), _class_name(said["model_class"])


def _lightgbm(said: Node) -> tuple[str, Node, str]:
    """Return the text of a booster, or the pickle of an estimator."""
    if (name := _class_name(said["model_class"])) == "Booster":
        return "lightgbm", _named(said, "data"), name
    return _pickled(said), _named(said, "data"), ""


def _catboost(said: Node) -> tuple[str, Node, str]:
    form = said["save_format"]
    if form.text not in (None, "cbm"):
        raise form.mistake(f'{show(form.text)} is not a format that can be read; log the model with format="cbm"')
    return "catboost", _named(said, "data"), said["model_type"].text or ""


def _onnx(said: Node) -> tuple[str, Node, str]:
    return "onnx", _named(said, "data"), ""


def _class_name(node: Node) -> str:
    """Return the name of a class without its module; MLflow before 1.20 saved only boosters, and named none."""
    return (node.text or "Booster").rpartition(".")[2]


_FLAVORS: Mapping[str, FileOf] = {
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
    "onnx": _onnx,
}
_VERSIONS: Mapping[str, tuple[str, str]] = {
    "sklearn": ("sklearn_version", "scikit-learn"),
    "xgboost": ("xgb_version", "xgboost"),
    "lightgbm": ("lgb_version", "lightgbm"),
    "catboost": ("catboost_version", "catboost"),
    "onnx": ("onnx_version", "onnx"),
}
