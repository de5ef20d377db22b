"""A library that lacks is named in the version that a model folder pins, and so is one that it needs itself."""

from __future__ import annotations

import json
import re
import shutil
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import pytest
from modelling import NUMBER, OBJECT, Serve, message, row

from engine.diagnostics import Diagnostic, Place, render_diagnostics
from engine.errors import SpecError
from engine.models import compile_models
from engine.spec import load_spec

FOLDERS = Path(__file__).parents[2] / "model_folders" / "mlflow3"


class Lacking(MetaPathFinder):
    """Finds a library whose own import fails."""

    def __init__(self, library: str, error: ImportError) -> None:
        self.library = library
        self.error = error

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:  # noqa: ARG002
        if name == self.library:
            raise self.error


@pytest.mark.parametrize(
    ("folder", "what"),
    [
        ("lightgbm-booster", "the model needs lightgbm: "),
        ("lightgbm-classifier", "the model needs lightgbm, which is not installed here: "),
    ],
)
def test_the_version_that_a_folder_pins_is_to_be_installed(
    folder: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FOLDERS / folder, tmp_path / "m")
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "m", "input": OBJECT}}}))
    (tmp_path / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
    pinned = re.search(r"^lightgbm==(\S+)", (tmp_path / "m" / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    spec = load_spec(tmp_path / "routes.yaml")
    for name in [name for name in sys.modules if name.partition(".")[0] == "lightgbm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(SpecError) as refused:
        compile_models(spec)
    assert f"{what}pip install lightgbm=={pinned[1]}" == message(refused)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ModuleNotFoundError("No module named 'pandas'", name="pandas"),
            "which needs pandas, and that is not installed here: pip install pandas",
        ),
        (
            ModuleNotFoundError("No module named 'graphviz.x'", name="graphviz.x"),
            "which cannot be imported here: No module named 'graphviz.x'",
        ),
        (ImportError("libgomp.so.1: no such file"), "which cannot be imported here: libgomp.so.1: no such file"),
    ],
)
def test_what_a_library_lacks_itself_is_named(
    error: ImportError, said: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.cbm").write_bytes(b"CBM1")
    for name in [name for name in sys.modules if name.partition(".")[0] == "catboost"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Lacking("catboost", error), *sys.meta_path])
    with pytest.raises(SpecError) as refused:
        serve(None, file="m.cbm", input=row(a=NUMBER))
    assert f"a .cbm file needs catboost, {said}" == message(refused)


def test_bytes_that_are_no_text_are_not_shown() -> None:
    """There is nothing to underline in a pickle that is named as a spec."""
    found = Diagnostic(Place("m.pkl", 1, 1, 1, "\ufffd"), "the file is not UTF-8")
    assert "m.pkl:1:1: error: the file is not UTF-8\n1 error" == render_diagnostics([found])
