"""Clusters of Ray on machines of their own, started with the Python of build/ray, which `make build/ray` makes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import ROOT
from machines import Machine, Network, open_network

PYTHON = str(ROOT / "build" / "ray" / "bin" / "python")
# Nothing is sent to anybody, and slow machines get the time that they need.
_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "RAY_AUTH_MODE": "disabled",  # or it would depend on a file in the home of whoever runs the tests
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "180",
}
_RAY_PORT = 6379
# Where Ray Serve answers.
PORT = 8000


class Answer(NamedTuple):
    """The answer to a request; a status of 0 says that there was none."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    began: float
    seconds: float


def send_request(host: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Send one request over a connection of its own."""
    began = time.monotonic()
    connection = HTTPConnection(host, PORT, timeout=60)
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        content = response.read()
        return Answer(response.status, content, response.headers, began, time.monotonic() - began)
    except (OSError, HTTPException) as error:
        return Answer(0, repr(error).encode(), {}, began, time.monotonic() - began)
    finally:
        connection.close()


class Cluster:
    """A cluster of Ray: the first machine is its head."""

    def __init__(self, network: Network, cpus: list[int], **variables: str) -> None:
        self.network = network
        self.environment = {**os.environ, **_ENVIRONMENT, **variables}
        self.machines = [network.add_machine() for _ in cpus]
        for machine, count in zip(self.machines, cpus, strict=True):
            self._start(machine, count)

    @property
    def head(self) -> Machine:
        return self.machines[0]

    def add_machine(self, cpus: int) -> Machine:
        """Add a machine to the cluster."""
        machine = self.network.add_machine()
        self.machines.append(machine)
        self._start(machine, cpus)
        return machine

    def python(self, *words: str, machine: Machine | None = None, **options: Any) -> str:
        """Run Python on a machine, by default the head; return what it printed."""
        return (machine or self.head).run(PYTHON, *words, env=self.environment, **options)

    def engine(self, *words: str, folder: Path, fails: bool = False) -> str:
        """Run a command of the engine on the head; return what it printed."""
        command, head = (PYTHON, "-m", "engine", *words), self.head
        done = head.start(*command, cwd=folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said, complaints = done.communicate(timeout=300)
        assert fails == bool(done.returncode), (said, complaints)
        return complaints if fails else said

    def deploy(self, folder: Path, *words: str) -> str:
        """Deploy the spec in a folder; return what was printed."""
        return self.engine("ray", "--address", "auto", *words, folder=folder)

    def ask(self, path: str, machine: Machine | None = None, body: bytes | None = None, **headers: str) -> Answer:
        """Ask the service on a machine, by default the head."""
        where = (machine or self.head).address
        return self.network.call(send_request, where, path, body, headers)

    def get(self, path: str, machine: Machine | None = None) -> bytes:
        """Return the body of an answer of 200."""
        answer = self.ask(path, machine)
        assert 200 == answer.status, answer
        return answer.body

    def _start(self, machine: Machine, cpus: int) -> None:
        where = ["--head", f"--port={_RAY_PORT}", "--include-dashboard=false"]
        if machine is not self.head:
            where = [f"--address={self.head.address}:{_RAY_PORT}"]
        size = [f"--num-cpus={cpus}", "--object-store-memory=200000000"]
        options = [f"--node-ip-address={machine.address}", "--disable-usage-stats", *size]
        start = ("-m", "ray.scripts.scripts", "start", *where, *options)
        try:
            self.python(*start, machine=machine, stderr=subprocess.PIPE)
        except subprocess.CalledProcessError as error:
            message = f"Ray does not start on {machine.address}: {error.stdout[-2000:]}{error.stderr[-2000:]}"
            raise OSError(message) from None


def under_load(ask: Callable[[int], Answer], meanwhile: Callable[[], object], clients: int = 4) -> list[Answer]:
    """Do something while clients, each with its number, ask without a pause; return their answers."""
    answers: list[Answer] = []
    ended = threading.Event()

    def keep_asking(number: int) -> None:
        while not ended.is_set():
            answers.append(ask(number))

    threads = [threading.Thread(target=keep_asking, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        meanwhile()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    return answers


@contextmanager
def open_folder(name: str) -> Iterator[Path]:
    """Make a folder that all machines see."""
    home = ROOT / "build" / "cluster"
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=home) as folder:
        yield Path(folder)


@contextmanager
def open_cluster(cpus: list[int], **variables: str) -> Iterator[Cluster]:
    """Start a cluster of machines with so many CPUs each; skip the test where that is impossible."""
    if not os.access(PYTHON, os.X_OK):
        pytest.skip("there is no environment with Ray: make build/ray/installed")
    with open_network() as network:
        yield Cluster(network, cpus, **variables)
