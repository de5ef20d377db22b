"""Measure `predict --on ray` on machines of 1 CPU each: two against one, and the memory that many rows take.

python benchmarks/clusters/ray_data.py [--calls 8000] [--rows 10000000] [--only waits|computes|memory] [--write]

The machines are namespaces of this one (tests/support/machines.py), and share its cores with Ray's own processes: a
model that waits 10 ms a call shows what a second machine adds, and one that computes 10 ms shows how much of that the
cores here allow. Needs `make build/ray/installed`, and a user who may make namespaces.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "support")]

from machines import Machine, open_network  # noqa: E402
from ray_clusters import PYTHON, open_cluster, open_folder  # noqa: E402

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROWS_A_CALL, NOTE_BYTES = 160, 390  # a block of 64 KiB
PAGE, HEADING, NEXT = ROOT / "docs" / "predict.md", "### Measured", "## Rows by HTTP"
TITLES = {"waits": "waits 10 ms a call", "computes": "computes 10 ms a call"}
MODULE = '''
import time
from sklearn.base import BaseEstimator, RegressorMixin

class Slow(RegressorMixin, BaseEstimator):
    """Answers the sum of a row, after 10 ms of one kind of time."""

    def __init__(self, waits=True):
        self.waits = waits

    def fit(self, rows, answers=None):
        self.n_features_in_ = 4
        return self

    def predict(self, rows):
        if self.waits:
            time.sleep(0.01)
        else:
            end = time.thread_time() + 0.01
            while time.thread_time() < end:
                pass
        return rows.sum(axis=1)
'''
MAKE = "import joblib, slow; joblib.dump(slow.Slow(waits={}).fit(None), '{}.pkl')"


def make_service(folder: Path) -> None:
    """Write a spec with a model that waits, one that computes, and the tutorial's forest."""
    (folder / "slow.py").write_text(MODULE)
    for name, waits in (("waits", True), ("computes", False)):
        subprocess.run([PYTHON, "-c", MAKE.format(waits, name)], cwd=folder, check=True)
    (folder / "forest.pkl").symlink_to(ROOT / "build" / "model.pkl")
    row = {"type": "object", "required": NAMES, "properties": {name: {"type": "number"} for name in NAMES}}
    models: dict[str, object] = {
        name: {"file": f"{name}.pkl", "runtime": "sklearn", "input": row} for name in ("waits", "computes")
    }
    models["forest"] = {"file": "forest.pkl", "input": row, "output": {"probabilities": True}}
    (folder / "models.yaml").write_text(json.dumps({"models": models}))
    (folder / "routes.yaml").write_text('{"routes": [{"path": "/", "model": "forest"}]}')
    subprocess.run([PYTHON, "-m", "engine", "compile"], cwd=folder, check=True, capture_output=True)


def write_notes(file: Path, calls: int) -> None:
    """Write rows that are long, so that a block has few of them."""
    row = f"5.9,3.0,5.1,1.8,{'x' * NOTE_BYTES}\n"
    file.write_text(",".join([*NAMES, "note"]) + "\n" + row * (calls * ROWS_A_CALL))


def predict(machine: Machine, environment: dict[str, str], folder: Path, *words: str) -> float:
    """Run the command on a machine; return its seconds."""
    begin = time.perf_counter()
    command = ("env", "-C", str(folder), PYTHON, "-m", "engine", "predict", *words, "--on", "ray")
    machine.run(*command, env=environment, timeout=1800, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def measure_machines(model: str, count: int, folder: Path) -> tuple[float, float]:
    """Score the file on so many machines; return the seconds of the run, and those between its first and last part."""
    output = folder / f"{model}-{count}"
    with open_cluster([1] * count) as cluster:
        words = (model, "notes.csv", "-o", f"{output}/", "--part-size", "4 MiB", "--address", "auto")
        seconds = predict(cluster.head, cluster.environment, folder, *words)
    written = sorted(part.stat().st_mtime for part in output.glob("part-*"))
    # As many parts as there are machines begin at once.
    share = (len(written) - count) / len(written)
    return seconds, (written[-1] - written[count - 1]) / share


def race(model: str, folder: Path, rounds: int) -> str:
    """Compare two machines with one, in turn; return a line of the table."""
    found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(rounds):
        for count, runs in found.items():
            runs.append(measure_machines(model, count, folder))
    best = {count: [min(one[place] for one in runs) for place in (0, 1)] for count, runs in found.items()}
    cells = [TITLES[model], *(f"{seconds:.1f}" for seconds in (*best[1], *best[2]))]
    cells += [f"{best[1][0] / best[2][0]:.2f}", f"{best[1][1] / best[2][1]:.2f}"]
    return f"| {' | '.join(cells)} |"


class Sampler:
    """The memory of all processes of a machine, sampled while something runs there."""

    def __init__(self, machine: Machine) -> None:
        self._namespace = Path(f"/proc/{machine._pid}/ns/pid").readlink()  # noqa: SLF001 - the tests' own
        self.rss = self.pss = self.processes = 0

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Sample until the end of the context."""
        ended = threading.Event()

        def sample() -> None:
            while not ended.wait(0.5):
                self._sample()

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _sample(self) -> None:
        rss = pss = count = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "ns" / "pid").readlink() != self._namespace:
                    continue
                lines = (process / "smaps_rollup").read_text().splitlines()
            except OSError:  # it has ended
                continue
            sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
            rss, pss, count = rss + sizes.get("Rss", 0), pss + sizes.get("Pss", 0), count + 1
        self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)
        self.processes = max(self.processes, count)


def measure_memory(folder: Path, rows: int) -> str:
    """Score many rows on a cluster that is started for it; return what that took."""
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(folder / "rows.parquet", pa.schema([*((name, pa.float64()) for name in NAMES)])) as writer:
        for _ in range(rows // 1_000_000):
            cells = rng.uniform(0.1, 7.9, (1_000_000, 4)).round(2)
            writer.write_table(pa.table({name: cells[:, place] for place, name in enumerate(NAMES)}))
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "HOME": str(folder)}
    with open_network() as network:
        machine = network.add_machine()
        sampler = Sampler(machine)
        with sampler.sampling():
            seconds = predict(machine, environment, folder, "forest", "rows.parquet", "-o", "many/")
    written = sum(pq.read_metadata(part).num_rows for part in (folder / "many").glob("part-*"))
    rss, pss = (f"{size / 1024:,.0f}" for size in (sampler.rss, sampler.pss))
    return (
        f"{written:,} rows of Parquet with the forest of 300 trees, on a cluster that is started for the run with one "
        f"process for each of {os.cpu_count()} cores: {seconds:.0f} s with the start, and at most {pss} MiB of memory "
        f"in all {sampler.processes} processes (their PSS; the sum of their RSS, in which what they share counts for "
        f"each, is at most {rss} MiB)."
    )


def main() -> None:
    """Measure, and print the section for docs/predict.md, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--only", choices=(*TITLES, "memory"))
    parser.add_argument("--write", action="store_true", help="put the figures into docs/predict.md")
    options = parser.parse_args()
    lines = [HEADING, ""]
    with open_folder("rows") as folder:
        make_service(folder)
        if options.only != "memory":
            write_notes(folder / "notes.csv", options.calls)
            lines += [
                f"Machines of 1 CPU each, which are namespaces of one machine with {os.cpu_count()} cores, and "
                f"{options.calls:,} calls of the model (`make bench-ray-data`). Seconds of the whole run include Ray's "
                "start of processes; those of scoring are from the first part to the last, for all parts:",
                "",
                "| a model that | 1 machine, whole | scoring | 2 machines, whole | scoring | ratio, whole | scoring |",
                "|---|---:|---:|---:|---:|---:|---:|",
            ]
            lines += [race(model, folder, options.rounds) for model in TITLES if options.only in (None, model)]
            lines.append("")
        if options.only in (None, "memory"):
            lines += [measure_memory(folder, options.rows), ""]
    lines = [line if line.startswith("|") else fill(line, 120, break_on_hyphens=False) for line in lines]
    print("\n".join(lines))
    if options.write:
        text = PAGE.read_text()
        before, _, after = text.partition(NEXT)
        PAGE.write_text(before.partition(HEADING)[0] + "\n".join(lines) + f"\n{NEXT}{after}")


if __name__ == "__main__":
    main()
