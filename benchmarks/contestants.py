"""Who takes part: the limit, the engine in its forms, the tutorial's way, and the other servers."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import joblib
from contest import ROOT, WORKLOADS, Contestant, free_port

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


def prepare(folder: Path) -> None:
    """Check and pin the specs, so that every start has a warm cache; convert the limit's model."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    subprocess.run([sys.executable, "-c", "import limit; limit.convert()"], check=True, cwd=ROOT / "benchmarks")
    for spec in folder.glob("*-spec/routes.yaml"):
        for command in ("check", "lock"):
            subprocess.run([sys.executable, "-m", "engine", command, "-r", str(spec)], check=True, capture_output=True)


def peers(folder: Path) -> list[Contestant]:
    """Name the other servers, each in its own environment under build/peers, with batching where they have it."""
    home, environments = ROOT / "benchmarks" / "peers", ROOT / "build" / "peers"
    predictions = ("one-1", "one-16", "one-64", "many")

    def python(environment: str, *variables: str) -> list[str]:
        return ["env", *variables, str(environments / environment / "bin" / "python")]

    def requests(path: str, wrap: Callable[[list[list[float]]], object]) -> dict[str, tuple[str, str]]:
        counts = {key: 1000 if key == "many" else 1 for key in predictions}
        return {key: (path, json.dumps(wrap(rows(count)))) for key, count in counts.items()}

    def tensor(rows: list[list[float]]) -> object:
        return {"inputs": [{"name": "rows", "shape": [len(rows), 4], "datatype": "FP64", "data": rows}]}

    uvicorn = ["-m", "uvicorn", "--app-dir", str(home), "fastapi_app:app", "--workers", "2"]
    bento = ["-m", "bentoml", "serve", "bentoml_app:Iris", "--working-dir", str(home), "--host", "127.0.0.1"]
    mlserver = ["env", "MLSERVER_HTTP_PORT={port}", f"MLSERVER_GRPC_PORT={free_port()}"]
    mlserver.append(str(environments / "mlserver" / "bin" / "mlserver"))
    path = f"PATH={environments / 'mlflow' / 'bin'}:{os.environ['PATH']}"
    mlflow = [*python("mlflow", path, "MLFLOW_DISABLE_TELEMETRY=true"), "-m", "mlflow", "models", "serve"]
    return [
        Contestant(
            "FastAPI, uvicorn",
            [*python("fastapi"), *uvicorn, "--port", "{port}", "--log-level", "warning"],
            ("static", *predictions),
        ),
        Contestant(
            "LitServe, batching on", [*python("litserve"), str(home / "litserve_app.py"), "{port}"], predictions
        ),
        Contestant(
            "MLServer, batching on",
            [*mlserver, "start", str(mlserver_folder(folder))],
            predictions,
            requests=requests("/v2/models/iris/infer", tensor),
        ),
        Contestant(
            "BentoML, batching on",
            [*python("bentoml", "BENTOML_DO_NOT_TRACK=True"), *bento, "--port", "{port}"],
            predictions,
            requests=requests("/predict", lambda rows: {"rows": rows}),
        ),
        Contestant(
            "Ray Serve, batching on",
            [*python("ray", "RAY_USAGE_STATS_ENABLED=0"), str(home / "ray_app.py"), "{port}"],
            predictions,
        ),
        Contestant(
            "MLflow, 2 workers",
            [*mlflow, "-m", str(mlflow_folder(folder)), "--env-manager", "local", "-w", "2", "-p", "{port}"],
            predictions,
            requests=requests("/invocations", lambda rows: {"inputs": rows}),
        ),
    ]


def rows(count: int) -> list[list[float]]:
    """Make the workloads' instances as rows of numbers."""
    return [[5.9, 3.0, 5.1, 0.1 + number % 25 / 10] for number in range(count)]


def mlserver_folder(folder: Path) -> Path:
    """Configure MLServer: 2 workers, adaptive batching."""
    home = folder / "mlserver"
    home.mkdir()
    joblib.dump(pickle.loads((ROOT / "build" / "model.pkl").read_bytes()), home / "model.joblib")
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


def mlflow_folder(folder: Path) -> Path:
    """Save the model as MLflow has it."""
    script = (
        "import pickle, sys, mlflow; mlflow.sklearn.save_model("
        "pickle.load(open(sys.argv[1], 'rb')), sys.argv[2], serialization_format='cloudpickle')"
    )
    home = folder / "mlflow"
    python = ROOT / "build" / "peers" / "mlflow" / "bin" / "python"
    command = [str(python), "-c", script, str(ROOT / "build" / "model.pkl"), str(home)]
    subprocess.run(command, check=True, capture_output=True)
    return home
