"""What Ray costs and gives: `engine ray` against a bare deployment of Ray Serve and against `serve`, and two nodes.

python benchmarks/clusters/ray_serving.py: each node is a machine of namespaces (tests/support/machines.py) with as many
CPUs as it says to Ray; all of them, and the load, share the cores of this one. What is compared takes turns.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "support")]

from ray_clusters import PYTHON, Cluster, open_cluster, open_folder  # noqa: E402 - found by the lines above

ROUNDS, SECONDS = 3, 2
ROW = '{"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}'

BARE = '''
from ray import serve
from starlette.responses import Response

CONSTANT = b"<p>Hello, World!</p>"


@serve.deployment(max_ongoing_requests=128)
class Bare:
    """The least that a deployment can do."""

    async def __call__(self, request):
        if request.method == "POST":
            await request.body()
        return Response(CONSTANT, media_type="text/html")


app = Bare.bind()
'''

WAITING = '''
import time


class Waiting:
    """Waits 10 ms in each call, as a model does that asks another service."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        time.sleep(0.01)
        return [0 for _ in X]


class Computing(Waiting):
    """Computes for 10 ms, on one core."""

    def predict(self, X):
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass
        return [0 for _ in X]
'''

MODELS = """\
models:
  waiting:
    file: waiting.pkl
    input: &input {type: array, items: {type: number}, minItems: 1, maxItems: 1}
    batch: {max_size: 1}
  computing:
    file: computing.pkl
    input: *input
    batch: {max_size: 1}
"""


PYTHON_PROXY = "the proxy in Python"
INGRESSES = {
    "HAProxy": {"RAY_SERVE_ENABLE_HA_PROXY": "1"},
    "HAProxy, throughput optimized": {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
    PYTHON_PROXY: {"RAY_SERVE_ENABLE_HA_PROXY": "0"},
}


def main() -> None:
    """Measure everything, and print the tables."""
    with open_folder("bench") as folder:
        for name, variables in INGRESSES.items():
            costs(folder, name, **variables)
        for count in (1, 2):
            nodes(folder, count)


def costs(folder: Path, title: str, **variables: str) -> None:
    """Compare what one request costs: bare Ray Serve, the engine behind it, and `serve`, in turn."""
    (folder / "bare.py").write_text(BARE)
    with open_cluster([2], PYTHONPATH=str(folder), **variables) as cluster:
        cluster.engine("ray", "--address", "auto", "-r", str(ROOT / "routes.yaml"), "--name", "ours", folder=ROOT)
        run = "serve.run(bare.app, name='bare', route_prefix='/bare')"
        deploy = f"import ray, bare; from ray import serve; ray.init('auto'); {run}"
        cluster.python("-c", deploy, stderr=subprocess.DEVNULL)
        served = cluster.head.start(
            PYTHON,
            "-m",
            "engine",
            "serve",
            "-w",
            "1",
            "-p",
            "5000",
            "-H",
            "0.0.0.0",
            cwd=ROOT,
            env=cluster.environment,
            stderr=-3,
            stdout=-3,
        )
        # Ray gives the first replica of a node this port, for direct ingress.
        own_port: dict[str, Callable[[int], float]] = {
            "its own port, static": lambda clients: rate(cluster, ":30000/", clients),
            "its own port, prediction": lambda clients: rate(cluster, ":30000/predict", clients, ROW),
        }
        wanted: dict[str, Callable[[int], float]] = {
            "bare Ray Serve, a constant": lambda clients: rate(cluster, ":8000/bare/", clients),
            "the same, for a body": lambda clients: rate(cluster, ":8000/bare/", clients, ROW),
            "engine ray, static": lambda clients: rate(cluster, ":8000/", clients),
            "engine ray, prediction": lambda clients: rate(cluster, ":8000/predict", clients, ROW),
            **({} if title == PYTHON_PROXY else own_port),
            "serve -w 1, static": lambda clients: rate(cluster, ":5000/", clients),
            "serve -w 1, prediction": lambda clients: rate(cluster, ":5000/predict", clients, ROW),
        }
        for clients in (1, 16):
            found: dict[str, list[float]] = {name: [] for name in wanted}
            for _ in range(ROUNDS):
                for name, measure in wanted.items():
                    found[name].append(measure(clients))
            bare = found["bare Ray Serve, a constant"]
            print(
                f"\n{title}, {clients} connections: requests a second, and the cost of one, in those of the first line"
            )
            for name, rates in found.items():
                cost = statistics.median(one / own for one, own in zip(bare, rates, strict=True))
                print(f"  {name:28} {statistics.median(rates):9,.0f} {cost:7.2f}")
        served.terminate()


def nodes(folder: Path, count: int) -> None:
    """Measure a model that waits, and one that computes, on so many nodes of one CPU."""
    (folder / "waits.py").write_text(WAITING)
    (folder / "models.yaml").write_text(MODELS)
    (folder / "routes.yaml").write_text(
        "service: {title: Bench}\nroutes:\n"
        "  - {path: /waiting, model: waiting, limits: {concurrent: 64}}\n"
        "  - {path: /computing, model: computing, limits: {concurrent: 64}}\n"
    )
    with open_cluster([1] * count, RAY_SERVE_ENABLE_HA_PROXY="1") as cluster:
        names = "('waiting', 'computing')"
        dump = f"import joblib, waits; [joblib.dump(getattr(waits, name.title())(), name + '.pkl') for name in {names}]"
        cluster.python("-c", dump, cwd=folder)
        cluster.engine("ray", "--address", "auto", "--replicas", str(count), folder=folder)
        for path in ("/waiting", "/computing"):
            rates = [rate(cluster, f":8000{path}", 16, "[1]") for _ in range(ROUNDS)]
            print(f"{count} nodes, {path[1:]:10} {statistics.median(rates):7,.0f} requests a second")


def rate(cluster: Cluster, target: str, clients: int, body: str = "") -> float:
    """Measure the requests of some connections in a second; raise `ValueError` where one is not answered by 200."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if body:
            header = 'wrk.headers["Content-Type"] = "application/json"'
            script.write(f'wrk.method = "POST"\n{header}\nwrk.body = {json.dumps(body)}\n')
            script.flush()
        options = ["-t1", f"-c{clients}", f"-d{SECONDS}s", *(["-s", script.name] if body else [])]
        said = cluster.network.run("wrk", *options, f"http://{cluster.head.address}{target}")
    if "Non-2xx" in said or "Socket errors" in said:
        raise ValueError(said)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


if __name__ == "__main__":
    main()
