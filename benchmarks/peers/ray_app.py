"""Ray Serve with batching, and 2 replicas: python ray_app.py PORT."""

from __future__ import annotations

import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import serve

NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 0.5}, max_ongoing_requests=64)
class Iris:
    """The tutorial's model; the requests that wait share one call."""

    def __init__(self) -> None:
        self.model = pickle.loads((Path(__file__).parents[2] / "build" / "model.pkl").read_bytes())

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def predict(self, requests: list[Any]) -> list[list[int]]:
        """Predict for all rows at once."""
        counts = np.cumsum([len(rows) for rows in requests])
        return [part.tolist() for part in np.split(self.model.predict(np.concatenate(requests)), counts[:-1])]

    async def __call__(self, request: Any) -> dict[str, list[int]]:
        """Answer one request."""
        body = await request.json()
        rows = np.array([[one[name] for name in NAMES] for one in body.get("instances", [body])])
        return {"result": await self.predict(rows)}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Iris.bind(), route_prefix="/predict")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
