"""What CONTRIBUTING says of adding one more is done, in a copy of the package, and what was added is used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
FILES = dict(re.findall(r"^`(engine/[\w/]+\.py)`:\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
CHANGES = re.findall(r"^```diff\n\+\+\+ (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

ROUTES = """\
routes:
  - path: /predict
    model: curve
  - path: /hello/<name>
    response: {xml: "<hello>${path.name}</hello>"}
"""
MODELS = """\
models:
  curve:
    file: curve.cloudpickle
    input: {type: object, required: [x], properties: {x: {type: number}}}
"""

pytestmark = pytest.mark.exhaustive


def change(file: Path, hunk: str) -> None:
    """Add a hunk's lines after those that stand before them, which the file must have once."""
    before = re.sub(r"^ ", "", re.sub(r"^\+.*\n", "", hunk, flags=re.MULTILINE), flags=re.MULTILINE)
    added = "".join(line[1:] + "\n" for line in hunk.splitlines() if line.startswith("+"))
    text = file.read_text()
    assert text.count(before) == 1, f"{file.name} does not have this once: {before}"
    file.write_text(text.replace(before, before + added))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with everything added that the page adds, and a service that uses it."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("engine", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        assert not (folder / name).exists(), name
        (folder / name).write_text(text)
    for name, hunks in CHANGES:
        for hunk in hunks.split("@@\n"):
            change(folder / name, hunk)
    run(folder, "docs/generate.py")
    rows, values = np.arange(20.0).reshape(-1, 1), np.random.default_rng(1).normal(size=20)
    model = IsotonicRegression(out_of_bounds="clip").fit(rows, values)
    (folder / "curve.cloudpickle").write_bytes(cloudpickle.dumps(model))
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "models.yaml").write_text(MODELS)
    return folder


def run(folder: Path, *arguments: str) -> str:
    """Run Python in the folder, with the package that is there."""
    places = {"PYTHONPATH": str(folder), "ENGINE_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-W", "error::SyntaxWarning", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **places}, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr.strip()) == (0, ""), done.stderr + done.stdout
    return done.stdout


def test_the_page_adds_one_of_each() -> None:
    assert {Path(name).parent.name for name in FILES} == {"lowering", "bodies", "readers", "commands"}
    assert len(CHANGES) == 5  # a row for each, and the body's key in the grammar


def test_the_estimator_is_compiled_and_the_format_is_read(copy: Path) -> None:
    checked = json.loads(run(copy, "-m", "engine", "check", "--json"))["models"][0]
    assert (checked["report"]["runtime"], checked["report"]["verdict"]) == ("numpy", "exact")
    model = cloudpickle.loads((copy / "curve.cloudpickle").read_bytes())
    answer = json.loads(run(copy, "-m", "engine", "call", "POST", "/predict", "-d", '{"x": 7.25}'))
    assert {"result": model.predict([[7.25]]).tolist()} == answer


def test_the_body_is_sent_and_described(copy: Path) -> None:
    assert run(copy, "-m", "engine", "call", "GET", "/hello/a%3Cb") == "<hello>a&lt;b</hello>"
    document = json.loads(run(copy, "-m", "engine", "openapi"))
    assert list(document["paths"]["/hello/{name}"]["get"]["responses"]["200"]["content"]) == ["application/xml"]
    assert "| `xml` | string |" in (copy / "docs" / "reference.md").read_text()


def test_the_command_runs(copy: Path) -> None:
    listed = json.loads(run(copy, "-m", "engine", "models", "--json"))
    assert [("curve", "curve.cloudpickle")] == [(one["name"], Path(one["file"]).name) for one in listed]
    assert "models   List the models." in run(copy, "-m", "engine", "--help")
