"""Run every contestant side by side, in turn and in several rounds, and write docs/benchmarks.md.

python benchmarks/run.py [--rounds 3] [--seconds 5] [--peers]

Needs wrk. All servers bind 127.0.0.1 and run on 2 workers; one of them runs at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
INSTANCE = {"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}
START_SECONDS = 120
SERVICE = """routes:
  - path: /hello
    response: {json: {hello: world}}
  - path: /predict
    model: iris
"""
MODELS = """models:
  iris:
    file: %s
    runtime: %s
    input:
      type: object
      required: [sepal_length, sepal_width, petal_length, petal_width]
      properties:
        sepal_length: {type: number}
        sepal_width: {type: number}
        petal_length: {type: number}
        petal_width: {type: number}
"""


@dataclass(frozen=True)
class Workload:
    """A request, and how many connections send it."""

    name: str
    path: str
    body: str
    connections: int


ONE = json.dumps(INSTANCE)
MANY = json.dumps({"instances": [{**INSTANCE, "petal_width": 0.1 + number % 25 / 10} for number in range(1000)]})
WORKLOADS = {
    "static": Workload("static route, 16 connections", "/hello", "", 16),
    "one-1": Workload("one instance, 1 connection", "/predict", ONE, 1),
    "one-16": Workload("one instance, 16 connections", "/predict", ONE, 16),
    "one-64": Workload("one instance, 64 connections", "/predict", ONE, 64),
    "many": Workload("1,000 instances, 8 connections", "/predict", MANY, 8),
}


@dataclass
class Measured:
    """What wrk said: requests a second of each round, and latencies in milliseconds."""

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def rate(self) -> float:
        """The median round."""
        return statistics.median(self.rates)


@dataclass
class Contestant:
    """A server: its command, with {port} in it, and the workloads it takes part in."""

    name: str
    command: list[str]
    workloads: tuple[str, ...]
    results: dict[str, Measured] = field(default_factory=dict)
    memory: float = 0.0
    start: float = 0.0
    requests: dict[str, tuple[str, str]] = field(default_factory=dict)

    def request(self, key: str) -> Workload:
        """Give a workload as this server takes it: the path and the body may be its own."""
        path, body = self.requests.get(key, (WORKLOADS[key].path, WORKLOADS[key].body))
        return replace(WORKLOADS[key], path=path, body=body)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(contestant: Contestant, folder: Path) -> Iterator[int]:
    """Start a server, wait until it answers, and end it."""
    port = free_port()
    command = [part.replace("{port}", str(port)) for part in contestant.command]
    begin = time.monotonic()
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() - begin > START_SECONDS:
                raise SystemExit(f"{contestant.name} did not start:\n{(folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.01)
        contestant.start = time.monotonic() - begin
        yield port
        contestant.memory = max(contestant.memory, largest_child(process.pid))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def largest_child(pid: int) -> float:
    """Give the resident memory of the largest process that a server started, or its own, in MiB."""
    found = [pid]
    for process in found:
        children = Path(f"/proc/{process}/task/{process}/children")
        with contextlib.suppress(OSError):
            found += [int(child) for child in children.read_text().split()]
    sizes = []
    for process in found[1:] or found:
        with contextlib.suppress(OSError):
            match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
            sizes.append(int(match[1]) / 1024 if match else 0.0)
    return max(sizes, default=0.0)


def load(workload: Workload, port: int, seconds: int, folder: Path, measured: Measured) -> None:
    """Send requests for some seconds, after one that warms up."""
    script = folder / "request.lua"
    method = "POST" if workload.body else "GET"
    script.write_text(
        f'wrk.method = "{method}"\nwrk.body = {json.dumps(workload.body)}\n'
        'wrk.headers["Content-Type"] = "application/json"\n'
        "done = function(summary, latency, requests)\n"
        "  local e = summary.errors\n"
        '  io.write(string.format("RESULT %f %f %f %d\\n", summary.requests / summary.duration * 1e6,'
        " latency:percentile(50) / 1000, latency:percentile(99) / 1000,"
        " e.status + e.connect + e.read + e.write + e.timeout))\nend\n"
    )
    require_answer(workload, port)
    threads = min(2, workload.connections)
    command = ["wrk", "-t", str(threads), "-c", str(workload.connections), "-s", str(script), "--timeout", "30s"]
    url = f"http://127.0.0.1:{port}{workload.path}"
    subprocess.run([*command, "-d", "1s", url], check=True, capture_output=True)
    done = subprocess.run([*command, "-d", f"{seconds:.0f}s", url], check=True, capture_output=True, text=True)
    match = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", done.stdout)
    if match is None:
        raise SystemExit(f"wrk said nothing of use:\n{done.stdout}{done.stderr}")
    measured.rates.append(float(match[1]))
    measured.p50.append(float(match[2]))
    measured.p99.append(float(match[3]))
    measured.failures += int(match[4])


def require_answer(workload: Workload, port: int) -> None:
    """Ask once, and look at the answer: a server that fails quickly wins nothing."""
    data = workload.body.encode() or None
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{workload.path}", data=data, headers=headers)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
            break
        except urllib.error.URLError as error:  # some servers listen before their model is loaded
            if time.monotonic() > deadline:
                raise SystemExit(f"no answer to {workload.name}: {error}") from None
            time.sleep(0.5)
    results = answer["outputs"][0]["data"] if "outputs" in answer else answer.get("result", [])
    expected = 1000 if workload.name == WORKLOADS["many"].name else 1
    if answer != {"hello": "world"} and (len(results) != expected or results[0] not in (0, 1, 2)):
        raise SystemExit(f"a wrong answer to {workload.name}: {answer}")


def contestants(folder: Path) -> list[Contestant]:
    """Make the specs, and name everybody who takes part."""
    model = ROOT / "build" / "model.pkl"
    for name, runtime in (("engine", "auto"), ("sklearn", "sklearn")):
        (folder / f"{name}-spec").mkdir()
        (folder / f"{name}-spec" / "routes.yaml").write_text(SERVICE)
        (folder / f"{name}-spec" / "models.yaml").write_text(MODELS % (model, runtime))
    (folder / "many-spec").mkdir()
    pages = "".join(f"  - path: /page/{number}\n    response: x\n" for number in range(9_998))
    (folder / "many-spec" / "routes.yaml").write_text(SERVICE + pages)
    (folder / "many-spec" / "models.yaml").write_text(MODELS % (model, "auto"))
    everything = tuple(WORKLOADS)
    python, limit = sys.executable, str(ROOT / "benchmarks" / "limit.py")

    def serve(name: str) -> list[str]:
        return [
            python,
            "-m",
            "engine",
            "serve",
            "-w",
            "2",
            "-p",
            "{port}",
            "-r",
            str(folder / f"{name}-spec" / "routes.yaml"),
        ]

    gunicorn = [python, "-m", "gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "--chdir", str(ROOT / "benchmarks")]
    return [
        Contestant("limit", [python, limit, "limit", "{port}"], everything),
        Contestant("engine", serve("engine"), everything),
        Contestant(
            "engine, plain Flask app",
            [python, limit, "flask", "{port}", str(folder / "engine-spec" / "routes.yaml")],
            everything,
        ),
        Contestant("engine, 10,000 routes", serve("many"), ("static", "one-16")),
        Contestant("engine, `runtime: sklearn`", serve("sklearn"), ("one-1", "one-16", "many")),
        Contestant("Flask and scikit-learn, gunicorn", [*gunicorn, "tutorial:app"], everything),
    ]


def peers(folder: Path) -> list[Contestant]:
    """Name the other servers, each in its own environment under build/peers, with batching where they have it."""
    home, environments = ROOT / "benchmarks" / "peers", ROOT / "build" / "peers"
    predictions = ("one-1", "one-16", "one-64", "many")
    uvicorn = [str(environments / "fastapi" / "bin" / "python"), "-m", "uvicorn", "--app-dir", str(home)]
    mlserver = mlserver_folder(folder)
    environment = ["env", "MLSERVER_HTTP_PORT={port}", f"MLSERVER_GRPC_PORT={free_port()}"]
    return [
        Contestant(
            "FastAPI, uvicorn",
            [*uvicorn, "fastapi_app:app", "--workers", "2", "--port", "{port}", "--log-level", "warning"],
            ("static", *predictions),
        ),
        Contestant(
            "LitServe, batching on",
            [str(environments / "litserve" / "bin" / "python"), str(home / "litserve_app.py"), "{port}"],
            predictions,
        ),
        Contestant(
            "MLServer, batching on",
            [*environment, str(environments / "mlserver" / "bin" / "mlserver"), "start", str(mlserver)],
            predictions,
            requests={key: v2_request(1000 if key == "many" else 1) for key in predictions},
        ),
    ]


def mlserver_folder(folder: Path) -> Path:
    """Configure MLServer: 2 workers, adaptive batching."""
    home = folder / "mlserver"
    home.mkdir()
    shutil.copy(ROOT / "build" / "model.pkl", home / "model.joblib")
    settings = {"host": "127.0.0.1", "metrics_port": free_port(), "parallel_workers": 2, "debug": False}
    model = {
        "name": "iris",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(home / "model.joblib")},
        "max_batch_size": 64,
        "max_batch_time": 0.002,
    }
    (home / "settings.json").write_text(json.dumps(settings))
    (home / "model-settings.json").write_text(json.dumps(model))
    return home


def v2_request(count: int) -> tuple[str, str]:
    """Write the same instances as the Open Inference Protocol has them."""
    rows = [[5.9, 3.0, 5.1, 0.1 + number % 25 / 10] for number in range(count)]
    tensor = {"name": "rows", "shape": [count, 4], "datatype": "FP64", "data": rows}
    return "/v2/models/iris/infer", json.dumps({"inputs": [tensor]})


def peer_ratios(found: dict[str, Contestant]) -> list[tuple[str, float, str]]:
    """Hold the bars against the other servers."""
    batching = [one for name, one in found.items() if name.endswith("batching on")]
    others = [*batching, found["FastAPI, uvicorn"]]

    def best(servers: list[Contestant], workload: str) -> float:
        return max(one.results[workload].rate for one in servers)

    def rate(name: str, workload: str) -> float:
        return found[name].results[workload].rate

    fastapi, uncompiled = "FastAPI, uvicorn", "engine, `runtime: sklearn`"
    return [
        ("static route, 16 connections, engine / FastAPI", rate("engine", "static") / rate(fastapi, "static"), "≥ 4"),
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

    def median(name: str, workload: str) -> float:
        return statistics.median(found[name].results[workload].p50)

    return [
        ("one instance, 16 connections, engine / limit", rate("engine", "one-16") / rate("limit", "one-16"), "≥ 0.80"),
        ("static route, 16 connections, engine / limit", rate("engine", "static") / rate("limit", "static"), "≥ 0.85"),
        (
            "one instance, 1 connection, median latency, engine / limit",
            median("engine", "one-1") / median("limit", "one-1"),
            "≤ 1.25",
        ),
        (
            "10,000 routes / 4 routes, static",
            rate("engine, 10,000 routes", "static") / rate("engine", "static"),
            "≥ 0.95",
        ),
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


def page(found: dict[str, Contestant], arguments: argparse.Namespace) -> str:
    """Write the page."""
    cores = len(os.sched_getaffinity(0))
    libraries = ("granian", "flask", "numpy", "onnxruntime", "scikit-learn", "gunicorn")
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`: every contestant in turn on the same machine, "
        f"{arguments.rounds} rounds of {arguments.seconds} seconds each, the median round shown.",
        "",
        f"{platform.machine()}, {cores} cores, Linux, Python {platform.python_version()}; "
        + ", ".join(f"{library} {version(library)}" for library in libraries)
        + ". Load by wrk on the same cores. All servers have 2 workers.",
        "",
        "The *limit* is a WSGI callable written by hand for these two routes alone (orjson, jsonschema-rs, "
        "onnxruntime; no framework, no routing, no limits, no errors), under the same Granian settings.",
        "",
    ]
    for key, workload in WORKLOADS.items():
        lines += [f"## {workload.name[0].upper()}{workload.name[1:]}", ""]
        lines += ["| contestant | requests/s | p50 ms | p99 ms | against the limit | failures |"]
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
    lines += ["", "## Ratios", "", "| ratio | measured | bar |", "|---|---:|---|"]
    held = ratios(found) + (peer_ratios(found) if arguments.peers else [])
    lines += [f"| {name} | {value:.2f} | {bar} |" for name, value, bar in held]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run everything, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="take other servers along: make bench-peers")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    subprocess.run([sys.executable, "-c", "import limit; limit.convert()"], check=True, cwd=ROOT / "benchmarks")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taking_part = contestants(folder) + (peers(folder) if arguments.peers else [])
        found = {one.name: one for one in taking_part}
        for spec in folder.glob("*-spec/routes.yaml"):  # so that every start has a warm cache
            subprocess.run([sys.executable, "-m", "engine", "check", "-r", str(spec)], check=True, capture_output=True)
        for turn in range(arguments.rounds):
            for contestant in found.values():
                with running(contestant, folder) as port:
                    for key in contestant.workloads:
                        measured = contestant.results.setdefault(key, Measured())
                        load(contestant.request(key), port, arguments.seconds, folder, measured)
                        print(
                            f"round {turn + 1}  {contestant.name:35} {key:8} {measured.rates[-1]:10,.0f}/s", flush=True
                        )
        PAGE.write_text(page(found, arguments))
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
