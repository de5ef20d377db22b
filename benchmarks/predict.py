"""Measure `predict` beside a script of one's own: pandas.read_csv, predict_proba, to_csv.

python benchmarks/predict.py [--rows 1000000] [--rounds 2] [--write]

Two models: the tutorial's forest of 300 trees, and a linear pipeline with categories. Each contestant is a process of
its own, and they run in turn; figures include the start of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
LIMIT = 60
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEADING, BOUND = "## Files of rows", "What bounds it"
INTRODUCTION = (
    "`predict` beside a script as tutorials have it: `pandas.read_csv`, `predict_proba`, `to_csv`. Each is a process "
    "of its own, they run in turn, and the time includes the start (`python benchmarks/predict.py --write`)."
)
TITLES = {"linear": "A linear pipeline with categories", "forest": "The forest of 300 trees"}
CITIES = ["Bern", "Oslo", "Paris", "Rome"]
SCRIPT = """
import sys, joblib, pandas as pd
model = joblib.load(sys.argv[1])
if hasattr(model, "n_jobs"):
    model.n_jobs = {"None": None, "-1": -1}[sys.argv[4]]
rows = pd.read_csv(sys.argv[2])
features = rows[list(model.feature_names_in_)]
chances = model.predict_proba(features)
rows["prediction"] = model.classes_[chances.argmax(axis=1)]
for place, name in enumerate(model.classes_):
    rows[f"probability_{name}"] = chances[:, place]
rows.to_csv(sys.argv[3], index=False)
"""


def forest(rng: np.random.Generator, rows: int) -> tuple[object, pd.DataFrame, dict[str, object]]:
    """Return the tutorial's forest, rows over the ranges of iris, and the schema of its features."""
    x, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(300, random_state=1234).fit(pd.DataFrame(x, columns=NAMES), y)
    cells = rng.uniform(x.min(axis=0), x.max(axis=0), (rows, 4)).round(2)
    return model, pd.DataFrame(cells, columns=NAMES), {name: {"type": "number"} for name in NAMES}


def linear(rng: np.random.Generator, rows: int) -> tuple[object, pd.DataFrame, dict[str, object]]:
    """Return a linear pipeline with categories, rows, and the schema of its features."""
    frame = pd.DataFrame(
        {
            "age": rng.uniform(18, 90, rows).round(1),
            "income": rng.integers(10_000, 200_000, rows),
            "city": rng.choice(CITIES, rows),
            "plan": rng.choice(["basic", "plus"], rows),
        }
    )
    columns = ColumnTransformer([("n", StandardScaler(), ["age", "income"]), ("c", OneHotEncoder(), ["city", "plan"])])
    some = frame.head(2000)
    model = make_pipeline(columns, LogisticRegression()).fit(
        some, (some.age + 10 * (some.plan == "plus") > LIMIT).astype(int)
    )
    schema = {"age": {"type": "number", "minimum": 0}, "income": {"type": "integer"}}
    return model, frame, {**schema, "city": {"enum": CITIES}, "plan": {"enum": ["basic", "plus"]}}


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; return its seconds, and its seconds of CPU in all processes."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


def race(name: str, folder: Path, rounds: int, jobs: list[str], rows: int) -> list[str]:
    """Run the contestants in turn; return a table of the best of each."""
    engine = [sys.executable, "-m", "engine", "predict", "m", "rows.csv", "-o", "engine.csv"]
    subprocess.run([sys.executable, "-m", "engine", "compile"], cwd=folder, check=True, capture_output=True)
    contestants = {"predict": engine, "predict -j 1": [*engine, "-j", "1"]}
    for job in jobs:
        script = [sys.executable, "-c", SCRIPT, "model.pkl", "rows.csv", "script.csv", job]
        contestants[f"script, n_jobs={job}"] = script
    found: dict[str, list[tuple[float, float]]] = {label: [] for label in contestants}
    for _ in range(rounds):
        for label, command in contestants.items():
            found[label].append(timed(command, folder))
    ours, theirs = pd.read_csv(folder / "engine.csv"), pd.read_csv(folder / "script.csv")
    chances = [column for column in ours if column.startswith("probability")]
    apart = float(np.abs(ours[chances].to_numpy() - theirs[chances].to_numpy()).max())
    best = [min(one[place] for one in found["predict"]) for place in (0, 1)]
    lines = [
        f"{TITLES[name]}, {rows:,} rows; the largest difference of a probability is {apart:.1e}:",
        "",
        "| contestant | s | s of CPU | rows/s | times the time of `predict` | times its CPU |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for label, runs in found.items():
        seconds, cpu = (min(one[place] for one in runs) for place in (0, 1))
        rate = rows / seconds
        lines.append(
            f"| {label} | {seconds:.1f} | {cpu:.1f} | {rate:,.0f} | {seconds / best[0]:.1f} | {cpu / best[1]:.1f} |"
        )
    return [*lines, ""]


def main() -> None:
    """Race over both models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=("forest", "linear"))
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args()
    lines = [HEADING, "", INTRODUCTION, ""]
    rng = np.random.default_rng(0)
    for make, jobs in ((linear, ["None"]), (forest, ["None", "-1"])):
        if options.only not in (None, make.__name__):
            continue
        with tempfile.TemporaryDirectory() as path:
            folder = Path(path)
            model, frame, properties = make(rng, options.rows)
            joblib.dump(model, folder / "model.pkl")
            frame.insert(0, "id", np.arange(len(frame)))
            frame.to_csv(folder / "rows.csv", index=False)
            schema = {"type": "object", "required": [*properties], "properties": properties}
            entry = {"file": "model.pkl", "input": schema, "output": {"probabilities": True}}
            (folder / "models.yaml").write_text(json.dumps({"models": {"m": entry}}))
            (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
            lines += race(make.__name__, folder, options.rounds, jobs, options.rows)
    lines.append(f"{os.cpu_count()} cores; the best of {options.rounds} rounds; load {os.getloadavg()[0]:.1f}.")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        before, _, after = PAGE.read_text().partition(HEADING)
        _, bound, explained = after.partition(BOUND)
        PAGE.write_text(before + text + "\n" + bound + explained)


if __name__ == "__main__":
    main()
