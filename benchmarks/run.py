"""Run every contestant side by side, in turn and in several rounds, and write docs/benchmarks.md.

python benchmarks/run.py [--rounds 3] [--seconds 5] [--peers]

Needs wrk. All servers bind 127.0.0.1 and run on 2 workers; one of them runs at a time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from boosting import boosting_lines
from contest import ROOT, WORKLOADS, Contestant, Measured, load, running
from contestants import contestants, peers, prepare
from costs import costs
from duels import PAIRS, SECONDS, duels
from graphs import graph_lines
from large_spec import measure
from predict import HEADING
from references import reference_costs
from shaping import shaping
from shares import share_lines
from walks import walk_lines
from wires import AS_JSON, BINARY, LINEAR, OWN, wires

PAGE = ROOT / "docs" / "benchmarks.md"


def peer_ratios(found: dict[str, Contestant]) -> list[tuple[str, float, str]]:
    """Hold the bars against the other servers."""
    batching = [one for name, one in found.items() if name.endswith("batching on")]
    others = [*batching, found["FastAPI, uvicorn"], found["MLflow, 2 workers"]]

    def best(servers: list[Contestant], workload: str) -> float:
        return max(one.results[workload].rate for one in servers)

    def rate(name: str, workload: str) -> float:
        return found[name].results[workload].rate

    fastapi, uncompiled = "FastAPI, uvicorn", "engine, `runtime: sklearn`"
    return [
        ("static route, 16 connections, engine / FastAPI", rate("engine", "static") / rate(fastapi, "static"), "≥ 4"),
        ("static route, 16 connections, limit / FastAPI", rate("limit", "static") / rate(fastapi, "static"), ""),
        ("one instance, 16 connections, engine / best peer", rate("engine", "one-16") / best(others, "one-16"), "≥ 30"),
        (
            "one instance, 16 connections, `runtime: sklearn` / best batching peer",
            rate(uncompiled, "one-16") / best(batching, "one-16"),
            "≥ 1.5",
        ),
        ("1,000 instances, 8 connections, engine / best peer", rate("engine", "many") / best(others, "many"), "≥ 3"),
    ]


def ratios(found: dict[str, Contestant]) -> list[tuple[str, float, str]]:
    """Hold the bars that this run can hold."""

    def rate(name: str, workload: str) -> float:
        return found[name].results[workload].rate

    return [
        (
            "memory of a worker, compiled / `runtime: sklearn`",
            found["engine"].memory / found["engine, `runtime: sklearn`"].memory,
            "≤ 0.55",
        ),
        ("start with a warm cache / `import sklearn`", found["engine"].start / import_seconds(), "≤ 1.0"),
        (
            "one instance, 16 connections, engine / the tutorial's way",
            rate("engine", "one-16") / rate("Flask and scikit-learn, gunicorn", "one-16"),
            "",
        ),
    ]


def import_seconds() -> float:
    """Measure `import sklearn` in a process of its own, with an estimator, as a service would import it."""
    taken = []
    for _ in range(3):
        begin = time.monotonic()
        subprocess.run([sys.executable, "-c", "import sklearn.ensemble"], check=True)
        taken.append(time.monotonic() - begin)
    return min(taken)


def holds(value: float, bar: str) -> str:
    """Say whether a ratio is on the right side of its bar, such as `≥ 0.80`; nothing where there is none."""
    if not bar:
        return ""
    side, _, bound = bar.partition(" ")
    met = value >= float(bound) if side == "≥" else value <= float(bound)
    return "yes" if met else "no"


def page(found: dict[str, Contestant], arguments: argparse.Namespace, against: list[tuple[str, float, str]]) -> str:
    """Write the page."""
    cores = len(os.sched_getaffinity(0))
    libraries = ("granian", "flask", "numpy", "onnxruntime", "scikit-learn", "gunicorn")
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`: every contestant in turn on the same machine, "
        f"{arguments.rounds} rounds of {arguments.seconds} seconds each. The median round is shown.",
        "",
        f"{platform.machine()}, {cores} cores, Linux, Python {platform.python_version()}; "
        + ", ".join(f"{library} {version(library)}" for library in libraries)
        + ". wrk makes the load on the same cores. All servers have 2 workers.",
        "",
        "The *limit* is a WSGI callable written by hand for only these two routes (orjson, jsonschema-rs, "
        "onnxruntime; no framework, no routing, no limits, no errors), with the same Granian settings.",
        "",
    ]
    for key, workload in WORKLOADS.items():
        lines += [f"## {workload.name[0].upper()}{workload.name[1:]}", ""]
        lines += ["| contestant | requests/s | p50 ms | p99 ms | relative to the limit | failures |"]
        lines += ["|---|---:|---:|---:|---:|---:|"]
        limit = found["limit"].results[key].rate
        for contestant in found.values():
            if key in contestant.results:
                measured = contestant.results[key]
                p50, p99 = statistics.median(measured.p50), statistics.median(measured.p99)
                lines.append(
                    f"| {contestant.name} | {measured.rate:,.0f} | {p50:.2f} | {p99:.2f} "
                    f"| {measured.rate / limit:.3f} | {measured.failures} |"
                )
        lines.append("")
    lines += [
        "## Memory and start",
        "",
        "| contestant | largest process, MiB | start to first answer, s |",
        "|---|---:|---:|",
    ]
    lines += [f"| {one.name} | {one.memory:.0f} | {one.start:.2f} |" for one in found.values()]
    lines += ["", "## Ratios", ""]
    lines += [
        f"The first {len(against)} were measured side by side: both servers run, and get {PAIRS} bursts of {SECONDS} "
        "seconds each, in turn; the median of the pairs is shown (`python benchmarks/duels.py`). The tables above were "
        "measured minutes apart, on a shared machine.",
        "",
    ]
    lines += ["| ratio | measured | target | met |", "|---|---:|---|---|"]
    held = against + ratios(found) + (peer_ratios(found) if arguments.peers else [])
    lines += [f"| {name} | {value:.2f} | {bar} | {holds(value, bar)} |" for name, value, bar in held]
    lines += [
        "",
        "## The cost of metrics, guards, logs and traces",
        "",
        "The engine's own Python between the HTTP server and the answer, timed without a network "
        "(`python benchmarks/costs.py`). In the tables above, the engine always counts its requests.",
        "",
        "| work | µs per request |",
        "|---|---:|",
        *(f"| {kind} | {microseconds:.2f} |" for kind, microseconds in costs()),
        "",
        *share_lines(),
        *measure(),
        "## The cost of references and cases",
        "",
        "Endpoints called in turn in one process, each beside the same route with a constant in place of the reference "
        "(`python benchmarks/references.py`): the medians of 200 rounds.",
        "",
        "| in the answer | µs beyond the same route without it | µs of that route |",
        "|---|---:|---:|",
        *(f"| {kind} | {more:.2f} | {plain:.2f} |" for kind, more, plain in reference_costs()),
        *_shaping_lines(),
        *walk_lines(),
        *graph_lines(),
        "",
        *boosting_lines(http=arguments.peers),
        *_wire_lines(),
    ]
    return "\n".join(lines) + "\n"


def _shaping_lines() -> list[str]:
    """Write what it costs to shape a model's answer."""
    return [
        "",
        "## The cost of shaping a model's answer",
        "",
        "One instance of the forest through the handler, without a network (`python benchmarks/shaping.py`). Each "
        "route is compared with the same route without `response` and `cases`.",
        "",
        "| route | µs per request | times the same, unshaped |",
        "|---|---:|---:|",
        *(f"| {kind} | {microseconds:.1f} | {times:.2f} |" for kind, microseconds, times in shaping()),
    ]


def _wire_lines() -> list[str]:
    """Write how many requests of 1,000 rows are answered in each form."""
    found = wires()
    rates = {(model, form): rate for model, form, rate, _ in found}
    own, tensors = (rates[LINEAR, BINARY] / rates[LINEAR, form] for form in (OWN, AS_JSON))
    met = holds(min(own, tensors), "≥ 3")
    return [
        "",
        "## The same rows in JSON and in binary",
        "",
        "Requests of 1,000 rows to one worker on one connection, the forms in turn (`python benchmarks/wires.py`); v2 "
        f"is the Open Inference Protocol. With {LINEAR}, binary FP64 is answered {own:.1f} times as often as "
        f"`instances` in JSON, and {tensors:.1f} times as often as the same tensor in JSON (target ≥ 3; met: {met}). "
        "A forest takes most of the time itself.",
        "",
        "| model | form | requests/s | times JSON |",
        "|---|---|---:|---:|",
        *(f"| {model} | {form} | {rate:,.0f} | {times:.2f} |" for model, form, rate, times in found),
    ]


def kept(file: Path) -> str:
    """Return what another benchmark has put at the end of the page."""
    _, heading, rest = file.read_text().partition(HEADING)
    return f"\n{heading}{rest}" if heading else ""


def main() -> None:
    """Run everything, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="take other servers along: make bench-peers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taking_part = contestants(folder) + (peers(folder) if arguments.peers else [])
        found = {one.name: one for one in taking_part}
        prepare(folder)
        for turn in range(arguments.rounds):
            for contestant in found.values():
                with running(contestant, folder) as port:
                    for key in contestant.workloads:
                        measured = contestant.results.setdefault(key, Measured())
                        load(contestant.request(key), port, arguments.seconds, folder, measured)
                        print(
                            f"round {turn + 1}  {contestant.name:35} {key:8} {measured.rates[-1]:10,.0f}/s", flush=True
                        )
        PAGE.write_text(page(found, arguments, duels(found, folder)) + kept(PAGE))
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
