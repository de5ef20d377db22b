"""The table of boosters in docs/compiled-models.md: each library, alone and inside scikit-learn, as `check` sees it.

python benchmarks/boosters_table.py [--write]
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from boosting import DEPTH, FEATURES, MAKE, NAMES, TREES
from contest import ROOT
from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from engine.models import compile_models
from engine.spec import load_spec

BEGIN = "<!-- python benchmarks/boosters_table.py --write -->\n"
END = "<!-- the end of this table -->\n"
AROUND: Mapping[str, Callable[[Any], Any]] = {
    "alone": lambda model: model,
    "in a pipeline": lambda model: make_pipeline(StandardScaler(), model),
    "in a search": lambda model: GridSearchCV(make_pipeline(StandardScaler(), model), {}, cv=2),
    "calibrated": lambda model: CalibratedClassifierCV(model, cv=2),
}


def table() -> list[str]:
    """Compile each, and write what came of it."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(1_000, FEATURES))
    target = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=1_000) > 0).astype(int)
    lines = [
        f"{TREES} trees of depth {DEPTH} over {FEATURES} columns (InterpretML: {TREES} rounds, the usual pairs), two "
        "classes with probabilities; how many times faster than the library on one thread:",
        "",
        "| library | | runtime | verdict | 1 row | 1,000 rows |",
        "|---|---|---|---|---:|---:|",
    ]
    for library, make in {**MAKE, "InterpretML": explainable}.items():
        for where, wrap in AROUND.items():
            report = _compiled(wrap(make()).fit(rows, target)).facts.report
            times = f"{report.speed_up_one:.0f} | {report.speed_up_many:.1f}"
            lines.append(f"| {library} | {where} | `{report.runtime}` | {report.verdict} | {times} |")
    return lines


def explainable() -> Any:
    """Make InterpretML's model, which is no contestant elsewhere."""
    return ExplainableBoostingClassifier(max_rounds=TREES, outer_bags=2, n_jobs=1, random_state=0)


def _compiled(estimator: Any) -> Any:
    properties = {name: {"type": "number"} for name in NAMES}
    entry = {
        "file": "model.pkl",
        "input": {"type": "object", "required": NAMES, "properties": properties},
        "output": {"probabilities": True},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["ENGINE_CACHE_DIR"] = name
        (folder / "model.pkl").write_bytes(pickle.dumps(estimator))
        (folder / "models.yaml").write_text(json.dumps({"models": {"m": entry}}))
        (folder / "routes.yaml").write_text(json.dumps({"routes": [{"path": "/", "model": "m"}]}))
        return compile_models(load_spec(folder / "routes.yaml"))["m"]


def main() -> None:
    """Print the table, or put it into docs/compiled-models.md."""
    warnings.filterwarnings("ignore", "X does not have valid feature names")
    lines = table()
    print("\n".join(lines))
    if "--write" in sys.argv:
        page = ROOT / "docs" / "compiled-models.md"
        before, _, rest = page.read_text().partition(BEGIN)
        page.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
