"""`engine ray` on two machines: the same answers as those of `serve`, from all replicas together."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_clusters import PYTHON, Answer, Cluster, open_cluster, open_folder, under_load

pytestmark = pytest.mark.cluster

SPEC = """\
service: {title: Turns}
routes:
  - path: /
    response: "NUMBER"
  - path: /turns
    sequence: {responses: [{response: first}, {response: second}, {response: third}, {response: later}]}
"""
ROW = {"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder("serving") as folder:
        yield folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with open_cluster([1, 1], RAY_SERVE_ENABLE_HA_PROXY="1") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def served(cluster: Cluster, folder: Path) -> Cluster:
    write(folder, 1)
    said = cluster.deploy(folder, "--replicas", "2")
    assert "turns: 2 replicas on 2 nodes, generation 1" in said
    return cluster


def write(folder: Path, number: int, spec: str = SPEC) -> None:
    (folder / "routes.yaml").write_text(spec.replace("NUMBER", str(number)))


def generations(cluster: Cluster, folder: Path) -> list[int]:
    told = json.loads(cluster.engine("ray", "status", "--address", "auto", "--json", folder=folder))
    return [one["generation"] for one in told["workers"]]


def requests_counted(cluster: Cluster, path: str) -> float:
    text = cluster.get("/metrics").decode()
    found = re.findall(rf'^engine_requests_total{{[^}}]*route="{path}",status="200"}} (\S+)', text, re.MULTILINE)
    return sum(map(float, found))


def test_replicas_stand_on_all_machines(served: Cluster, folder: Path) -> None:
    assert [b"1", b"1"] == [served.get("/", machine) for machine in served.machines]
    told = json.loads(served.engine("ray", "status", "--address", "auto", "--json", folder=folder))
    assert ("turns", "RUNNING", []) == (told["application"], told["state"], told["degraded"])
    assert [machine.address for machine in served.machines] == [one["address"] for one in told["workers"]]
    assert [True, True] == [one["responds"] for one in told["workers"]]
    assert 2 == len({one["node"] for one in told["workers"]})


def test_a_sequence_counts_for_all_replicas(served: Cluster) -> None:
    answers = [served.get("/turns", served.machines[number % 2]) for number in range(6)]
    assert [b"first", b"second", b"third", b"later", b"later", b"later"] == answers


def test_what_all_replicas_have_counted_is_added_up(served: Cluster) -> None:
    time.sleep(2)  # replicas report every second
    before = requests_counted(served, "/turns")
    for number in range(20):
        served.get("/turns", served.machines[number % 2])
    time.sleep(2)
    assert 20 == requests_counted(served, "/turns") - before


def test_the_status_is_not_for_clients_that_nobody_knows(served: Cluster) -> None:
    """HAProxy does not say who the client is, and connects from this very machine."""
    assert 403 == served.ask("/-/status").status


def test_ids_are_those_of_rays_log(served: Cluster) -> None:
    given = served.ask("/none", None, None, **{"X-Request-ID": "of-a-client"})
    assert (404, "of-a-client") == (given.status, given.headers["X-Request-ID"])
    logs = [
        machine.run("sh", "-c", "cat /tmp/ray/session_latest/logs/serve/replica_turns_Service*")
        for machine in served.machines
    ]
    assert any("of-a-client -- GET" in log for log in logs)


def test_twenty_updates_lose_no_request(served: Cluster, folder: Path) -> None:
    command = ("-m", "engine", "ray", "--address", "auto", "--replicas", "2", "--watch")
    watching = served.head.start(PYTHON, *command, cwd=folder, env=served.environment, stdout=-3, stderr=-3)

    def ask(number: int) -> Answer:
        return served.ask("/", served.machines[number % 2])

    def update() -> None:
        for number in range(2, 22):
            write(folder, number)
            deadline = time.monotonic() + 60
            while {str(number).encode()} != {served.ask("/", one).body for one in served.machines for _ in range(4)}:
                assert time.monotonic() < deadline, number
                time.sleep(0.1)

    try:
        answers = under_load(ask, update)
    finally:
        served.head.kill(served.head.pids("engine ray.*--watch")[-1])
        watching.wait()
    assert Counter({200: len(answers)}) == Counter(answer.status for answer in answers)
    assert {str(number).encode() for number in range(1, 22)} >= {answer.body for answer in answers}
    assert {21, 22} >= {*generations(served, folder)}


def test_a_wrong_spec_changes_nothing(served: Cluster, folder: Path) -> None:
    before, body = generations(served, folder), served.get("/")
    write(folder, 99, SPEC.replace("response:", "respons:"))
    said = served.engine("ray", "--address", "auto", folder=folder, fails=True)
    assert 'routes.yaml:4:5: error: unknown key "respons" in a route (did you mean "response"?)' in said
    write(folder, 21)
    assert (before, body) == (generations(served, folder), served.get("/"))
