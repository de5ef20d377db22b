"""LitServe with batching, and 2 workers: python litserve_app.py PORT."""

import pickle
import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np

NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


class Iris(litserve.LitAPI):
    """The tutorial's model; a request's instances are one entry of a batch."""

    def setup(self, device: Any) -> None:  # noqa: ARG002 - the framework's signature
        """Load the model."""
        self.model = pickle.loads((Path(__file__).parents[2] / "build" / "model.pkl").read_bytes())

    def decode_request(self, request):  # noqa: ANN001, ANN201 - an annotation would make it a query parameter
        """Make rows of a body."""
        return np.array([[one[name] for name in NAMES] for one in request.get("instances", [request])])

    def batch(self, inputs: list[Any]) -> Any:
        """Put the rows of several requests together."""
        self.counts = [len(rows) for rows in inputs]
        return np.concatenate(inputs)

    def predict(self, rows: Any) -> Any:
        """Predict for all rows at once."""
        return self.model.predict(rows)

    def unbatch(self, output: Any) -> list[Any]:
        """Give each request its own results."""
        return np.split(output, np.cumsum(self.counts)[:-1])

    def encode_response(self, output: Any) -> dict[str, list[int]]:
        """Make the answer."""
        return {"result": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Iris(max_batch_size=64, batch_timeout=0.002), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False)
