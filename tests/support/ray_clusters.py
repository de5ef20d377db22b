"""Clusters of Ray on machines of their own, started with the Python of build/ray, which `make build/ray` makes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import pytest
from conftest import ROOT
from machines import Machine, Network, open_network

PYTHON = str(ROOT / "build" / "ray" / "bin" / "python")
# Nothing is sent to anybody, and slow machines get the time that they need.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "180", "PYTHONUNBUFFERED": "1"}
_PORT = 6379


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

    def get(self, path: str, machine: Machine | None = None, body: bytes | None = None) -> bytes:
        """Ask the service on a machine, by default the head."""
        url = f"http://{(machine or self.head).address}:8000{path}"
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self.network.call(lambda: urlopen(Request(url, body, headers), timeout=30).read())

    def _start(self, machine: Machine, cpus: int) -> None:
        where = ["--head", f"--port={_PORT}", "--include-dashboard=false"]
        if machine is not self.head:
            where = [f"--address={self.head.address}:{_PORT}"]
        size = [f"--num-cpus={cpus}", "--object-store-memory=200000000"]
        options = [f"--node-ip-address={machine.address}", "--disable-usage-stats", *size]
        self.python("-m", "ray.scripts.scripts", "start", *where, *options, machine=machine)


@contextmanager
def open_cluster(cpus: list[int], **variables: str) -> Iterator[Cluster]:
    """Start a cluster of machines with so many CPUs each; skip the test where that is impossible."""
    if not os.access(PYTHON, os.X_OK):
        pytest.skip("there is no environment with Ray: make build/ray/installed")
    with open_network() as network:
        yield Cluster(network, cpus, **variables)
