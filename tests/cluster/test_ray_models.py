"""Models with deployments of their own, and updates that replicas cannot take."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
from ray_clusters import PYTHON, Cluster, open_cluster, open_folder
from sklearn.neighbors import KNeighborsClassifier

pytestmark = pytest.mark.cluster

random = np.random.default_rng(0)
X = random.normal(size=(200, 2))
NEIGHBOURS = KNeighborsClassifier(3).fit(X, np.where(X[:, 0] > X[:, 1], "above", "below"))

ROUTES = """\
service: {title: Apart}
routes:
  - {path: /near, model: near}
  - {path: /both, model: both}
  - {path: /plain, response: "NUMBER"}
"""
MODELS = """\
models:
  near:
    file: near.pkl
    input: &input
      type: object
      properties: {a: {type: number}, b: {type: number}}
      required: [a, b]
      additionalProperties: false
    features: [a, b]
    output: {probabilities: true}
    scale: {min: 1, max: 2, target: 4, cpus: 0.5}
    batch: {max_size: 32}
  both:
    average: {near: 1, near2: 1}
    input: *input
  near2:
    file: near.pkl
    input: *input
    features: [a, b]
    output: {probabilities: true}
"""
# A model whose code needs what only some machines have.
ELSEWHERE = """\
from pathlib import Path

if Path("/tmp/not-here").exists():
    raise ImportError("the licence of this machine has expired")


class Constant:
    def fit(self, X, y):
        return self

    def predict(self, X):
        return [7 for _ in X]
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder("models") as folder:
        (folder / "routes.yaml").write_text(ROUTES.replace("NUMBER", "1"))
        (folder / "models.yaml").write_text(MODELS)
        joblib.dump(NEIGHBOURS, folder / "near.pkl")
        yield folder


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    with open_cluster([0, 1, 1], RAY_SERVE_ENABLE_HA_PROXY="1", OTEL_TRACES_EXPORTER="console") as cluster:
        cluster.deploy(folder)
        yield cluster


def predict(cluster: Cluster, path: str, rows: list[list[float]]) -> list[object]:
    body = json.dumps({"instances": [{"a": a, "b": b} for a, b in rows]}).encode()
    answer = cluster.ask(path, body=body)
    assert 200 == answer.status, answer.body
    return list(json.loads(answer.body)["result"])


def test_check_says_what_stands_apart_and_why(cluster: Cluster, folder: Path) -> None:
    said = cluster.engine("check", folder=folder)
    assert "near: under engine ray, it has a deployment of its own: scikit-learn serves it" in said
    listing = (
        "import ray; from ray.serve import status; ray.init('auto'); print(*status().applications['apart'].deployments)"
    )
    deployments = cluster.python("-c", listing).splitlines()[-1].split()
    assert {"Service", "Register", "model-near"} == {*deployments}


def test_its_answers_are_the_estimators(cluster: Cluster) -> None:
    rows = random.normal(size=(50, 2)).tolist()
    assert NEIGHBOURS.predict(rows).tolist() == predict(cluster, "/near", rows)
    body = json.dumps({"a": rows[0][0], "b": rows[0][1]}).encode()
    answer = json.loads(cluster.ask("/near", body=body).body)
    assert NEIGHBOURS.predict_proba(rows[:1])[0].tolist() == [*answer["probabilities"][0].values()]
    assert NEIGHBOURS.predict(rows).tolist() == predict(cluster, "/both", rows)


def test_a_trace_goes_on_in_the_process_of_the_model(cluster: Cluster) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = cluster.ask("/near", body=b'{"a": 1, "b": 2}', traceparent=f"00-{trace}-b7ad6b7169203331-01")
    assert 200 == answer.status
    spans: dict[str, dict[str, str]] = {}
    deadline = time.monotonic() + 30
    while "compute near" not in spans or "POST /near" not in spans:
        assert time.monotonic() < deadline, spans.keys()
        time.sleep(1)
        logs = [one.run("sh", "-c", "cat /tmp/ray/session_latest/logs/worker*.out") for one in cluster.machines]
        found = [json.loads(one) for log in logs for one in re.findall(r"^{$.*?^}$", log, re.MULTILINE | re.DOTALL)]
        spans = {one["name"]: one for one in found if one["context"]["trace_id"] == f"0x{trace}"}
    ids = {name: one["context"]["span_id"] for name, one in spans.items()}
    assert ids["predict near"] == spans["compute near"]["parent_id"]
    assert ids["POST /near"] == spans["predict near"]["parent_id"]
    assert "0xb7ad6b7169203331" == spans["POST /near"]["parent_id"]


def test_an_update_that_a_replica_cannot_take_is_undone(cluster: Cluster, folder: Path) -> None:
    before = cluster.get("/plain")
    for machine in cluster.machines:
        if machine is not cluster.head:
            machine.run("touch", "/tmp/not-here")
    (folder / "elsewhere.py").write_text(ELSEWHERE)
    cluster.python(
        "-c",
        textwrap.dedent("""
        import joblib, elsewhere; joblib.dump(elsewhere.Constant(), "constant.pkl")
    """),
        cwd=folder,
    )
    models, routes = (folder / "models.yaml").read_text(), (folder / "routes.yaml").read_text()
    (folder / "models.yaml").write_text(
        models
        + "  constant: {file: constant.pkl, input: {type: array, items: {type: number}, minItems: 1, maxItems: 1}}\n"
    )
    (folder / "routes.yaml").write_text(ROUTES.replace("NUMBER", "2") + "  - {path: /constant, model: constant}\n")
    said = cluster.engine("ray", "--address", "auto", folder=folder, fails=True)
    assert "the licence of this machine has expired" in said
    assert "generation 1 is served as before" in said
    assert before == cluster.get("/plain")
    (folder / "models.yaml").write_text(models)
    (folder / "routes.yaml").write_text(routes.replace('"1"', '"3"'))
    assert "generation 3" in cluster.deploy(folder)
    assert b"3" == cluster.get("/plain")


def test_the_replica_of_a_model_is_killed(cluster: Cluster) -> None:
    """What it had in hand fails as overload does, and another one takes its place."""
    found = [(machine, machine.pids("ray::.*model-near")) for machine in cluster.machines]
    assert any(pids for _, pids in found)
    for machine, pids in found:
        machine.kill(*pids)
    deadline = time.monotonic() + 60
    statuses = []
    while (status := cluster.ask("/near", body=b'{"a": 1, "b": 2}').status) != 200:
        statuses.append(status)
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert {503} >= {*statuses}


def test_more_replicas_than_there_is_room_for(cluster: Cluster, folder: Path) -> None:
    """Ray says what it waits for, in time; what was served is served as before."""
    before = cluster.get("/plain")
    impatient = "import engine.ray.deploying as one; one.RUN_SECONDS = 45; from engine.commands import main; main()"
    command = (PYTHON, "-c", impatient, "ray", "--address", "auto", "--replicas", "9")
    asked = cluster.head.start(*command, cwd=folder, env=cluster.environment, stdout=-3, stderr=subprocess.PIPE)
    _, said = asked.communicate(timeout=200)
    assert "Ray did not run all replicas within 45 s (Deployment 'Service'" in said
    assert "is served as before" in said
    assert before == cluster.get("/plain")
