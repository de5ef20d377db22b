"""BentoML with adaptive batching, and 2 workers: bentoml serve bentoml_app:Iris."""

from __future__ import annotations

import pickle
from pathlib import Path

import bentoml
import numpy as np


@bentoml.service(workers=2, traffic={"timeout": 60, "max_concurrency": 64})
class Iris:
    """The tutorial's model; a request's rows are part of a batch."""

    def __init__(self) -> None:
        self.model = pickle.loads((Path(__file__).parents[2] / "build" / "model.pkl").read_bytes())

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=1000, max_latency_ms=1000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict for all rows at once."""
        return self.model.predict(rows)
