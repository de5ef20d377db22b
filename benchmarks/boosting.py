"""Compiled boosters beside their libraries: calls in one process, and one row through HTTP beside FastAPI.

python benchmarks/boosting.py [--http] [--write]

300 trees of depth 6 over 20 features, on one thread. `--http` needs wrk and build/peers/boosting (make bench-peers);
`--write` puts the tables into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pickle
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import treelite
from catboost import CatBoostClassifier
from contest import ROOT, Contestant, Measured, load, running
from lightgbm import LGBMClassifier
from xgboost import XGBClassifier

from engine.models.lowering.lower import lower_estimator
from engine.models.runtime.native_trees import NativeTrees, build_library

BOOSTING_HEADING = "## Boosters of other libraries\n"
FEATURES, TREES, DEPTH, ROWS = 20, 300, 6, 4_000
ROUNDS, SECONDS = 9, 0.05
PAIRS, BURST = 5, 2
NAMES = [f"x{place}" for place in range(1, FEATURES + 1)]
MAKE: Mapping[str, Callable[..., Any]] = {
    "LightGBM": lambda threads=1: LGBMClassifier(
        n_estimators=TREES, max_depth=DEPTH, num_leaves=2**DEPTH, n_jobs=threads, verbose=-1
    ),
    "XGBoost": lambda threads=1: XGBClassifier(n_estimators=TREES, max_depth=DEPTH, n_jobs=threads),
    "CatBoost": lambda threads=1: CatBoostClassifier(
        iterations=TREES, depth=DEPTH, thread_count=threads, verbose=0, allow_writing_files=False
    ),
}


def trained(threads: int | None = 1) -> dict[str, Any]:
    """Train one model of each library, for so many threads, None for as many as the library itself takes."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(ROWS, FEATURES))
    target = rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=ROWS) > 0
    return {name: make(threads).fit(rows, target.astype(int)) for name, make in MAKE.items()}


def ways(name: str, model: Any) -> dict[str, Callable[[Any], Any]]:
    """Return each way to a model's classes and probabilities, or to its probabilities alone."""
    library = build_library()
    program = lower_estimator(model, "predict", lambda table: NativeTrees(table, library), probabilities=True)
    found: dict[str, Callable[[Any], Any]] = {"compiled": program, "estimator": model.predict_proba}
    if name == "LightGBM":
        found["booster"] = model.booster_.predict
        found["treelite"] = _treelite(treelite.frontend.from_lightgbm(model.booster_))
    elif name == "XGBoost":
        found["booster"] = model.get_booster().inplace_predict
        found["treelite"] = _treelite(treelite.frontend.from_xgboost(model.get_booster()))
    else:
        found["booster"] = lambda rows: model.predict(rows, prediction_type="RawFormulaVal")
    return found


def _treelite(model: Any) -> Callable[[Any], Any]:
    return lambda rows: treelite.gtil.predict(model, rows, nthread=1)


def calls(models: Mapping[str, Any]) -> list[str]:
    """Time calls with one row and with 1,000: each way in turn, many rounds, the median of the best."""
    lines = [
        "| library | rows | compiled, µs | estimator, µs | times | booster, µs | times | treelite, µs | times |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    rows = np.random.default_rng(1).normal(size=(1_000, FEATURES))
    for name, model in models.items():
        for count in (1, 1_000):
            known = ways(name, model)
            taken: dict[str, list[float]] = {way: [] for way in known}
            for _ in range(ROUNDS):
                for way, call in known.items():
                    taken[way].append(_best(call, rows[:count]))
            micro = {way: statistics.median(found) * 1e6 for way, found in taken.items()}
            cells = [f"{micro['compiled']:,.0f}"]
            for way in ("estimator", "booster", "treelite"):
                cells += [f"{micro[way]:,.0f}", f"{micro[way] / micro['compiled']:.1f}"] if way in micro else ["", ""]
            lines.append(f"| {name} | {count:,} | {' | '.join(cells)} |")
    return lines


def _best(call: Callable[[Any], Any], rows: Any) -> float:
    best, end = float("inf"), perf_counter() + SECONDS
    while perf_counter() < end:
        begin = perf_counter()
        call(rows)
        best = min(best, perf_counter() - begin)
    return best


def requests(models: Mapping[str, Any], folder: Path) -> list[str]:
    """Send one row by HTTP to the engine and to FastAPI, in bursts in turn; both have two workers."""
    lines = [
        "| library | engine, requests/s | FastAPI with an array | times | FastAPI with a table | times |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    properties = {name: {"type": "number"} for name in NAMES}
    schema = {"type": "object", "required": NAMES, "properties": properties}
    body = json.dumps(dict.fromkeys(NAMES, 0.25))
    for name, model in models.items():
        own = folder / name
        own.mkdir()
        (own / "model.pkl").write_bytes(pickle.dumps(model))
        entry = {"file": "model.pkl", "input": schema}
        (own / "models.yaml").write_text(json.dumps({"models": {"m": entry}}))
        (own / "routes.yaml").write_text(json.dumps({"routes": [{"path": "/predict", "model": "m"}]}))
        spec = [*("-w", "2", "-p", "{port}", "-r"), str(own / "routes.yaml")]
        peer = [str(ROOT / "build/peers/boosting/bin/python"), "-m", "uvicorn", "boosting_app:app", "--port", "{port}"]
        there = ["--app-dir", str(ROOT / "benchmarks/peers"), "--workers", "2", "--log-level", "warning"]
        asked = {"one-16": ("/predict", body)}
        servers = [Contestant("engine", [sys.executable, "-m", "engine", "serve", *spec], ("one-16",), requests=asked)]
        for rows in ("array", "table"):
            variables = ["env", f"BOOSTER={own / 'model.pkl'}", f"ROWS={rows}"]
            servers.append(Contestant(rows, [*variables, *peer, *there], ("one-16",), requests=asked))
        own_rates, *others = in_turn(servers, folder)
        cells = [f"{statistics.median(own_rates):,.0f}"]
        for rates in others:
            ratio = statistics.median(one / two for one, two in zip(own_rates, rates, strict=True))
            cells += [f"{statistics.median(rates):,.0f}", f"{ratio:.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def in_turn(servers: list[Contestant], folder: Path) -> list[list[float]]:
    """Return the rates of each server in bursts in turn."""
    rates: list[list[float]] = [[] for _ in servers]
    with contextlib.ExitStack() as started:
        ports = [started.enter_context(running(server, folder)) for server in servers]
        for _ in range(PAIRS):
            for server, port, found in zip(servers, ports, rates, strict=True):
                measured = Measured()
                load(server.request("one-16"), port, BURST, folder, measured)
                found.append(measured.rate)
    return rates


def boosting_lines(*, http: bool) -> list[str]:
    """Write the section of the page."""
    models = trained()
    lines = [
        BOOSTING_HEADING,
        f"{TREES} trees of depth {DEPTH} over {FEATURES} features, two classes, one thread "
        "(`python benchmarks/boosting.py`): calls in one process, in turn. The compiled program answers the class and "
        "the probabilities, the estimator with `predict_proba`, its booster by the library's shortest way, and "
        "treelite with its interpreter (it has none for CatBoost).",
        "",
        *calls(models),
    ]
    if http:
        with tempfile.TemporaryDirectory() as name:
            lines += [
                "",
                "One row by HTTP, 16 connections, two workers, bursts in turn. FastAPI has the estimators",
                "",
            ]
            lines[-2] += " as their constructors make them, with as many threads as they take:"
            lines += requests(trained(None), Path(name))
    return lines


def write(lines: list[str], page: Path) -> None:
    """Put the section in place of the one on the page, or before the last section."""
    begin, _, rest = page.read_text().partition(BOOSTING_HEADING)
    after = rest[rest.index("\n## ") + 1 :] if rest else ""
    if not rest:
        place = begin.rindex("\n## ") + 1
        begin, after = begin[:place], begin[place:]
    page.write_text(begin + "\n".join(lines) + "\n\n" + after)


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--http", action="store_true", help="ask FastAPI too")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", "X does not have valid feature names")
    lines = boosting_lines(http=arguments.http)
    print("\n".join(lines))
    if arguments.write:
        write(lines, ROOT / "docs" / "benchmarks.md")


if __name__ == "__main__":
    main()
