"""`engine ray` where several commands meet, and where what keeps the sums is killed."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ray_clusters import Answer, Cluster, open_cluster, open_folder, under_load

pytestmark = pytest.mark.cluster

SPEC = """\
service: {title: TITLE, base_path: BASE}
routes:
  - {path: /, response: "NUMBER"}
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder("commands") as folder:
        yield folder


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    with open_cluster([2], RAY_SERVE_ENABLE_HA_PROXY="1") as cluster:
        assert "generation 1" in deploy(cluster, folder, 1)
        yield cluster


def deploy(cluster: Cluster, folder: Path, number: int, base: str = "/c", title: str = "commands") -> str:
    own = folder / str(number)
    own.mkdir(exist_ok=True)
    spec = SPEC.replace("NUMBER", str(number)).replace("BASE", base).replace("TITLE", title)
    (own / "routes.yaml").write_text(spec)
    return cluster.deploy(own, "--replicas", "2", "--cpus", "0.5")


def await_that(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def told(cluster: Cluster, folder: Path) -> dict[str, object]:
    words = ("ray", "status", "--address", "auto", "--name", "commands", "--json")
    return dict(json.loads(cluster.engine(*words, folder=folder)))


def test_the_sums_go_on_where_the_register_is_killed(cluster: Cluster) -> None:
    def ask(number: int) -> Answer:
        return cluster.ask("/c/metrics" if number == 0 else "/c/")

    def kill() -> None:
        time.sleep(3)
        cluster.head.kill(*cluster.head.pids("ray::.*Register"))
        time.sleep(15)

    answers = under_load(ask, kill, 3)
    scrapes = [one for one in answers if b"engine_requests" in one.body or one.status != 200]
    assert {200, 503} == {one.status for one in scrapes}
    pattern = rb'^engine_requests_total{[^}]*route="/",status="200"} (\S+)'
    texts = [one.body for one in scrapes if one.status == 200]
    sums = [sum(map(float, re.findall(pattern, text, re.MULTILINE))) for text in texts]
    assert sums == sorted(sums)
    assert {200} == {one.status for one in answers if b"metrics" not in one.body}
    assert sums[-1] > 1.1 * sums[len(sums) // 4]


def test_of_two_commands_at_once_each_has_its_turn(cluster: Cluster, folder: Path) -> None:
    """What was deployed last is also what a new replica finds, where all are killed."""
    with ThreadPoolExecutor(2) as threads:
        said = [*threads.map(lambda number: deploy(cluster, folder, number), (2, 3))]
    generations = [int(re.findall(r"generation (\d+)", text)[-1]) for text in said]
    assert [2, 3] == sorted(generations)
    last = str(2 + generations.index(3)).encode()
    assert Counter({last: 8}) == Counter(cluster.get("/c/") for _ in range(8))
    cluster.head.kill(*cluster.head.pids("ray::.*commands:Service"))
    await_that(lambda: [200] * 4 == [cluster.ask("/c/").status for _ in range(4)])
    assert Counter({last: 8}) == Counter(cluster.get("/c/") for _ in range(8))


def test_a_prefix_that_another_application_has(cluster: Cluster, folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "routes.yaml").write_text(SPEC.replace("TITLE", "other").replace("BASE", "/c"))
    said = cluster.engine("ray", "--address", "auto", "--cpus", "0.1", folder=folder / "other", fails=True)
    assert said.endswith(
        'error: Prefix /c is being used by application "commands". Failed to deploy application "other".\n'
    )
    assert "RUNNING" == told(cluster, folder)["state"]


def test_another_base_path(cluster: Cluster, folder: Path) -> None:
    assert "/moved " in deploy(cluster, folder, 4, "/moved")
    assert b"4" == cluster.get("/moved/")
    assert 404 == cluster.ask("/c/").status


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"replicas": "nan"}, "replicas is 'nan'; it must be a whole number from 1 to 10,000"),
        ({"min": -1}, "min is -1; it must be a whole number from 0 to 10,000"),
        ({"cpus": "inf"}, "cpus is 'inf'; it must be a number from 0 to 1,024"),
        ({"locked": "maybe"}, "locked is 'maybe'; it must be true or false"),
        ({"name": "a/b"}, '"a/b" is not a name of at most 40 letters, digits, ".", "_" and "-"'),
        ({"route": "x"}, 'engine.ray:build has no argument "route" (did you mean "routes"?)'),
    ],
)
def test_wrong_arguments_of_build(cluster: Cluster, folder: Path, arguments: dict[str, object], said: str) -> None:
    code = f"from engine.ray import build\ntry: build({arguments!r})\nexcept Exception as error: print(error)"
    assert said == cluster.python("-c", code, cwd=folder / "4").splitlines()[-1]


def test_what_is_not_there(cluster: Cluster, folder: Path) -> None:
    words = ("ray", "stop", "--address", "auto", "--name", "none")
    assert 'the cluster has no application "none"; it has: commands' in cluster.engine(
        *words, folder=folder, fails=True
    )
