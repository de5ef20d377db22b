"""What a contest is made of: workloads, servers, and what wrk measures of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
INSTANCE = {"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}
START_SECONDS = 120


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
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(contestant: Contestant, folder: Path) -> Iterator[int]:
    """Start a server, wait until it answers, and end it."""
    port = free_port()
    command = [part.replace("{port}", str(port)) for part in contestant.command]
    begin = time.monotonic()
    output = folder / f"{port}.log"
    with output.open("w") as log:
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
                raise SystemExit(f"{contestant.name} did not start:\n{output.read_text()[-2000:]}")
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
    results = results_of(answer)
    expected = 1000 if workload.name == WORKLOADS["many"].name else 1
    if answer != {"hello": "world"} and (len(results) != expected or results[0] not in (0, 1, 2)):
        raise SystemExit(f"a wrong answer to {workload.name}: {answer}")


def results_of(answer: Any) -> list[Any]:
    """Find the predictions in an answer, wherever a server puts them."""
    if isinstance(answer, list):
        return answer
    if "outputs" in answer:
        answer = answer["outputs"][0]
    return list(answer.get("result") or answer.get("predictions") or answer.get("data") or [])
