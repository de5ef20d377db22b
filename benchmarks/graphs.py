"""How long a graph with ten inputs takes: onnxruntime's own call, a script around it, and a prediction by the engine.

python benchmarks/graphs.py: no server and no network; one thread, the calls in turn, the quickest of some rounds.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common import data_types as types
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.models import compile_models
from engine.spec import load_spec

GRAPHS_HEADING = "## Graphs of columns"
ROUNDS, PEOPLE = 15, 300
KINDS: Mapping[str, tuple[Any, Any, str]] = {
    "f": (types.FloatTensorType, np.float32, "number"),
    "i": (types.Int64TensorType, np.int64, "integer"),
    "s": (types.StringTensorType, object, "string"),
    "b": (types.BooleanTensorType, np.bool_, "boolean"),
}


def people() -> pd.DataFrame:
    """Make rows of five fractions, two integers, two texts and a boolean."""
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {f"f{place}": random.normal(size=PEOPLE) for place in range(5)}
    columns |= {f"i{place}": random.integers(0, 9, PEOPLE) for place in range(2)}
    columns |= {f"s{place}": random.choice(["a", "b", "c"], PEOPLE) for place in range(2)}
    return pd.DataFrame({**columns, "b": random.random(PEOPLE) > 0.5})  # noqa: PLR2004


def graph_of(last: Any, rows: pd.DataFrame) -> bytes:
    """Convert a pipeline of the usual steps, with an input for each column."""
    steps = [
        ("numbers", StandardScaler(), [name for name in rows if name[0] in "fi"]),
        ("texts", OneHotEncoder(), ["s0", "s1"]),
        ("truths", "passthrough", ["b"]),
    ]
    model = make_pipeline(ColumnTransformer(steps), last).fit(rows, np.where(rows["f0"] > 0, "yes", "no"))
    data: bytes = to_onnx(
        model, initial_types=[(name, KINDS[name[0]][0]([None, 1])) for name in rows]
    ).SerializeToString()
    return data


def predictor_of(graph: bytes, names: list[str]) -> Any:
    """Serve a graph in this process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "m.onnx").write_bytes(graph)
        (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "m"}]}')
        schema = {
            "type": "object",
            "required": names,
            "properties": {name: {"type": KINDS[name[0]][2]} for name in names},
        }
        (folder / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.onnx", "input": schema}}}))
        return compile_models(load_spec(folder / "routes.yaml"))["m"]


def measured() -> Iterator[tuple[str, int, list[float]]]:
    """Measure each graph with one instance and with all: its name, their number, and the µs of each call."""
    rows = people()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for name, last in (("a line", LogisticRegression()), ("100 boosted trees", GradientBoostingClassifier())):
        graph = graph_of(last, rows)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        wanted, predictor = [session.get_outputs()[0].name], predictor_of(graph, [*rows])
        plan = [(column, KINDS[column[0]][1]) for column in rows]
        for count in (1, PEOPLE):
            instances = json.loads(rows[:count].to_json(orient="records"))

            def tensors(of: list[Any] = instances, plan: list[Any] = plan) -> dict[str, Any]:
                return {key: np.array([[one[key]] for one in of], dtype) for key, dtype in plan}

            ready = tensors()
            calls: list[Callable[[], Any]] = [
                lambda: session.run(wanted, ready),  # noqa: B023 - called in this round
                lambda: session.run(wanted, tensors())[0].tolist(),  # noqa: B023, PLW0108 - the call is measured
                lambda: predictor(instances),  # noqa: B023
            ]
            assert calls[1]() == calls[2]().result
            yield name, count, quickest(calls, 1000 // count + 10)


def quickest(calls: list[Callable[[], Any]], times: int) -> list[float]:
    """Return the microseconds of each call, in turn."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            begin = time.perf_counter()
            for _ in range(times):
                call()
            best[number] = min(best[number], (time.perf_counter() - begin) / times)
    return [seconds * 1e6 for seconds in best]


def graph_lines() -> list[str]:
    """Write the table of docs/benchmarks.md."""
    return [
        "",
        GRAPHS_HEADING,
        "",
        "A pipeline of ten columns (five fractions, two integers, two texts, a boolean) as skl2onnx converts it, with "
        "an input for each (`python benchmarks/graphs.py`): onnxruntime's call with tensors that are ready, a script "
        "that makes them of the same instances, and a prediction by the engine, which also refuses what a tensor "
        "cannot hold.",
        "",
        "| graph | instances | ready tensors, µs | a script | the engine | engine / ready | engine / script |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {name} | {count} | {ready:.0f} | {script:.0f} | {own:.0f} | {own / ready:.1f} | {own / script:.1f} |"
            for name, count, (ready, script, own) in measured()
        ),
    ]


if __name__ == "__main__":
    print("\n".join(graph_lines()[4:]))
