"""The libraries that a model needs beside numpy, to be compiled and to be served, and what to say where one lacks."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from engine.models.files.model_file import format_of
from engine.models.restoring.prepared import PreparedModel
from engine.models.runtime.program import names_of_steps
from engine.spec import Model
from engine.text import join_words

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
# Those that are imported to open a pickle and to make candidates of it; those of an ONNX graph.
_TO_COMPILE = ("joblib", "onnx", "onnxruntime", "skl2onnx", "sklearn")
_TO_COMPILE_GRAPH = ("onnx", "onnxruntime")
_GRAPHS = frozenset(("Graph", "OnnxTrees"))


def to_compile(suffix: str) -> str:
    """Say what is to be installed before a model file with this ending can be opened; empty where all is there."""
    modules = _TO_COMPILE_GRAPH if suffix.lower() == ".onnx" else _TO_COMPILE
    what = "to open and compile a model file"
    return lacking(what, {module: _DISTRIBUTIONS.get(module, module) for module in modules})


def to_serve(model: Model, prepared: PreparedModel) -> Mapping[str, str]:
    """Name the modules that serving a model imports beside numpy, each with what `pip install` takes for it."""
    needed: dict[str, str] = {}
    if any(_GRAPHS & names_of_steps(program) for program in prepared.compiled.programs):
        needed["onnxruntime"] = "onnxruntime"
    if prepared.compiled.needs_estimator:
        needed["sklearn"] = f"scikit-learn=={prepared.compiled.trained_with}"
        if prepared.columns(model).form == "table":
            needed["pandas"] = "pandas"
        if format_of(model.file) == "skops":
            needed["skops"] = "skops"
    return needed


def lacking(what: str, needed: Mapping[str, str]) -> str:
    """Say which modules `what` lacks and how to install them; empty where it lacks none."""
    packages = [package for module, package in needed.items() if find_spec(module) is None]
    if not packages:
        return ""
    named = [package.partition("=")[0] for package in packages]
    verb = "are" if len(named) > 1 else "is"
    return f"{join_words(named, 'and')} {verb} needed {what}, and not installed: pip install {' '.join(packages)}"
