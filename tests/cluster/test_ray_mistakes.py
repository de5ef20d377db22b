"""Mistakes that people make with a cluster: each gets an answer soon, and says how to mend it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_clusters import PYTHON, Cluster, open_cluster, open_folder, send_request

pytestmark = pytest.mark.cluster

SPEC = """\
service: {title: Mine}
routes:
  - {path: /, response: hello}
"""
SERVE = "import sys; from ray.serve.scripts import cli; sys.argv[0] = 'serve'; cli()"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder("mistakes") as folder:
        (folder / "routes.yaml").write_text(SPEC)
        yield folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with open_cluster([4]) as cluster:
        yield cluster


def listens(cluster: Cluster, port: int) -> bool:
    return f":{port} " in cluster.head.run("ss", "-ltn")


def test_looking_starts_nothing(cluster: Cluster, folder: Path) -> None:
    for command in ("status", "stop"):
        said = cluster.engine("ray", command, "--address", "auto", folder=folder, fails=True)
        assert 'error: the cluster has no application "mine"; it has: none' in said
    assert not listens(cluster, 8000)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", '"" is not the address of a cluster: auto, HOST:PORT or ray://HOST:PORT'),
        ("10.77.0.11", '"10.77.0.11" is not the address of a cluster: auto, HOST:PORT or ray://HOST:PORT'),
        ("http://10.77.0.11:8265", "is not the address of a cluster: auto, HOST:PORT or ray://HOST:PORT"),
        (
            "10.77.0.11:6380",
            "error: no cluster of Ray answers at 10.77.0.11:6380: Connection refused; the port is 6379, unless its",
        ),
        (
            "ray://10.77.0.11:6379",
            "error: 6379 is the port of addresses without ray://; try --address 10.77.0.11:6379\n",
        ),
    ],
)
def test_a_wrong_address(address: str, said: str, cluster: Cluster, folder: Path) -> None:
    assert said in cluster.engine("ray", "status", "--address", address, folder=folder, fails=True)


def test_the_address_of_something_else(cluster: Cluster, folder: Path) -> None:
    server = cluster.head.start(PYTHON, "-m", "http.server", "8001", stderr=-3, stdout=-3, cwd=folder)
    cluster.head.run("sh", "-c", "until ss -ltn | grep -q :8001; do sleep 0.1; done")
    said = cluster.engine("ray", "status", "--address", f"{cluster.head.address}:8001", folder=folder, fails=True)
    cluster.head.kill(*cluster.head.pids("http.server 8001"))
    server.wait(10)
    about = f"what answers at {cluster.head.address}:8001 is not Ray's head node; the port is 6379, unless its head"
    assert f"error: {about} node was started with another\n" in said


def test_a_port_in_use(cluster: Cluster, folder: Path) -> None:
    cluster.deploy(folder)
    said = cluster.engine("ray", folder=folder, fails=True)
    assert "error: port 8000 on 127.0.0.1 is already in use; choose a free port, such as --port 8001\n" in said


def test_an_answer_has_one_id(cluster: Cluster, folder: Path) -> None:
    cluster.deploy(folder)
    for given in ({}, {"X-Request-ID": "mine"}):
        answer = cluster.network.call(send_request, cluster.head.address, "/", None, given)
        ids = [value for name, value in answer.headers.items() if name.lower() == "x-request-id"]
        assert 1 == len(ids)
        assert given.get("X-Request-ID", ids[0]) == ids[0]


def test_serve_run(cluster: Cluster, folder: Path) -> None:
    """Ray calls the builder before it is connected to the cluster."""
    (folder / "run.yaml").write_text(SPEC.replace("Mine", "Run, base_path: /run"))
    words = ("run", "engine.ray:build", "routes=run.yaml", "--name", "run", "--route-prefix", "/run")
    run = cluster.head.start(PYTHON, "-c", SERVE, *words, cwd=folder, env=cluster.environment, stdout=-3, stderr=-3)
    deadline = time.monotonic() + 60
    while cluster.ask("/run/").status != 200 and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.2)
    assert b"hello" == cluster.get("/run/")
    cluster.head.kill(*cluster.head.pids("engine.ray:build"))
    run.wait(10)
