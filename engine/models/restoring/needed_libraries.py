"""The libraries that a model needs beside numpy, to be compiled and to be served, and what to say where one lacks."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from engine.installed import is_serving_only
from engine.models.files.formats import format_of, require_format
from engine.models.restoring.prepared import PreparedModel
from engine.models.runtime.program import names_of_steps
from engine.spec import FileModel, ModelFolder
from engine.text import join_words

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
_GRAPHS = frozenset(("ColumnsGraph", "Graph", "OnnxTrees"))


def to_compile(file: Path, folder: ModelFolder | None = None) -> str:
    """Say what is to be installed before a model file, maybe in a folder, can be opened; empty where all is there."""
    what, known = "to open and compile a model file", format_of(file, folder)
    modules = known.imports if known is not None else ()
    lack = describe_lack(what, {module: _DISTRIBUTIONS.get(module, module) for module in modules})
    return f"{lack}; or serve a bundle: this is the serving-only installation" if lack and is_serving_only() else lack


def to_serve(model: FileModel, prepared: PreparedModel) -> Mapping[str, str]:
    """Name the modules that serving a model imports beside numpy, each with what `pip install` takes for it."""
    needed: dict[str, str] = {}
    if any(_GRAPHS & names_of_steps(program) for program in prepared.compiled.programs):
        needed["onnxruntime"] = "onnxruntime"
    if prepared.compiled.needs_estimator:
        needed["sklearn"] = f"scikit-learn=={prepared.compiled.trained_with}"
        if prepared.columns(model).form == "table":
            needed["pandas"] = "pandas"
        needed |= {module: module for module in require_format(model).serves_with}
    return needed


def describe_lack(what: str, needed: Mapping[str, str]) -> str:
    """Say which modules `what` lacks and how to install them; empty where it lacks none."""
    packages = [package for module, package in needed.items() if find_spec(module) is None]
    if not packages:
        return ""
    named = [package.partition("=")[0] for package in packages]
    verb = "are" if len(named) > 1 else "is"
    return f"{join_words(named, 'and')} {verb} needed {what}, and not installed: pip install {' '.join(packages)}"
