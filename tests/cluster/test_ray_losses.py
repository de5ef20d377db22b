"""What is lost under load while a part of a cluster is killed: what that part had in hand, and nothing after."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ray_clusters import Answer, Cluster, open_cluster, open_folder, under_load

pytestmark = pytest.mark.cluster

SPEC = "service: {title: Losses}\nroutes:\n  - path: /\n    response: {json: {}}\n    delay: 20ms\n"
CLIENTS = 4
# How long Ray's ingress may send requests to what is no longer there, and how long answers may take longer than usual.
BLIND_SECONDS, DISTURBED_SECONDS = 0.2, 2.0


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder("losses") as folder:
        (folder / "routes.yaml").write_text(SPEC)
        yield folder


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    with open_cluster([0, 1, 1, 1], RAY_SERVE_ENABLE_HA_PROXY="1") as cluster:
        cluster.deploy(folder, "--replicas", "2")
        yield cluster


def workers(cluster: Cluster, folder: Path) -> list[dict[str, object]]:
    told = json.loads(cluster.engine("ray", "status", "--address", "auto", "--json", folder=folder))
    return list(told["workers"])


def await_replicas(cluster: Cluster, folder: Path) -> None:
    deadline = time.monotonic() + 300
    while len(workers(cluster, folder)) != 2:
        assert time.monotonic() < deadline
        time.sleep(1)


def lose(cluster: Cluster, kill: Callable[[], object], seconds: float = 20.0) -> tuple[float, list[Answer]]:
    """Kill something under load; return when, and the answers that clients got from the head's ingress."""
    killed: list[float] = []

    def meanwhile() -> None:
        time.sleep(3)
        killed.append(time.monotonic())
        kill()
        time.sleep(seconds)

    answers = under_load(lambda _: cluster.ask("/"), meanwhile, CLIENTS)
    return killed[0], answers


def judge(killed: float, answers: list[Answer]) -> None:
    """Hold the answers against the promise: what was in hand fails, and after a short while all is as before."""
    failed = [(one.began - killed, one.status, one.body) for one in answers if one.status != 200]
    slow = [one.began + one.seconds - killed for one in answers if one.seconds > 1.0]
    assert len(answers) > 500
    assert len(failed) <= 2 * CLIENTS, failed
    assert all(began < BLIND_SECONDS for began, _, _ in failed), failed
    assert all(ended < DISTURBED_SECONDS for ended in slow), slow


def counted(cluster: Cluster) -> float:
    text = cluster.get("/metrics").decode()
    return sum(map(float, re.findall(r'^engine_requests_total{[^}]*route="/",status="200"} (\S+)', text, re.MULTILINE)))


def test_a_replica_is_killed(cluster: Cluster, folder: Path) -> None:
    before = counted(cluster)
    one = workers(cluster, folder)[0]
    machine = next(machine for machine in cluster.machines if machine.address == one["address"])
    pid = int(str(one["pid"]))
    killed, answers = lose(cluster, lambda: machine.kill(pid))
    judge(killed, answers)
    await_replicas(cluster, folder)
    time.sleep(2)
    # What the killed replica has counted since its last report is lost, and nothing before that.
    told = [one for one in answers if one.status == 200 and not killed - 2 < one.began < killed]
    assert counted(cluster) - before >= len(told)


def test_the_controller_is_killed(cluster: Cluster, folder: Path) -> None:
    controller = cluster.head.pids("ServeController")
    assert controller
    killed, answers = lose(cluster, lambda: cluster.head.kill(*controller))
    assert [] == [one for one in answers if one.status != 200]
    judge(killed, answers)
    await_replicas(cluster, folder)


def test_a_node_is_killed(cluster: Cluster, folder: Path) -> None:
    address = workers(cluster, folder)[0]["address"]
    machine = next(machine for machine in cluster.machines if machine.address == address)
    assert machine is not cluster.head
    killed, answers = lose(cluster, lambda: machine.kill(*machine.pids("ray")), 30.0)
    judge(killed, answers)
    await_replicas(cluster, folder)
