"""Broken specs: each folder in tests/invalid has a spec and, in expected.txt, every word that is said of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from engine.diagnostics import render_diagnostics
from engine.endpoints.shape_names import require_shaped_answers
from engine.errors import SpecError
from engine.models import compile_models
from engine.spec import load_spec

CASES = sorted(path.parent for path in (ROOT / "tests" / "invalid").glob("*/expected.txt"))


def told() -> str:
    """What is said of the spec in the working directory."""
    try:
        spec = load_spec("routes.yaml")
        predictors = compile_models(spec)
        require_shaped_answers(spec, {name: predictor.facts for name, predictor in predictors.items()})
    except SpecError as error:
        return str(error)
    return render_diagnostics(spec.warnings)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_spec_is_told_at_its_places(case: Path, spec_folder: Path) -> None:
    shutil.copytree(case, spec_folder, symlinks=True, dirs_exist_ok=True)
    assert (case / "expected.txt").read_text().rstrip("\n") == told()
