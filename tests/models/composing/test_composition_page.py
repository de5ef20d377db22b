"""The entries that docs/composition.md shows are those of examples/houses, and what it says of itself is valid."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from engine.spec import load_spec

PAGE = (ROOT / "docs" / "composition.md").read_text()
SHOWN = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)]
EXAMPLE = yaml.safe_load((ROOT / "examples" / "houses" / "models.yaml").read_text())["models"]
ENTRIES = {name: entry for block in SHOWN if isinstance(block, dict) for name, entry in block.items()}


@pytest.mark.parametrize("name", ["linear", "price", "offer", "listed"])
def test_an_entry_is_that_of_the_example(name: str) -> None:
    assert EXAMPLE[name] == ENTRIES[name]


def test_the_stand_in_loads(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(json.dumps({"models": {"days_to_sell": ENTRIES["days_to_sell"]}}))
    (tmp_path / "routes.yaml").write_text(json.dumps({"routes": [{"path": "/", "model": "days_to_sell"}]}))
    (warning,) = load_spec(tmp_path / "routes.yaml").warnings
    assert "its examples answer until it does" in warning.message
