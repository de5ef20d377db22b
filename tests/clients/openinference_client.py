"""What the protocol's own client, open-inference-openapi, gets from a service; the only argument is its URL."""

from __future__ import annotations

import json
import sys
from typing import Any

from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.types import InferenceRequest, RequestInput, TensorData


def request(*values: float) -> InferenceRequest:
    return InferenceRequest(
        id="42",
        inputs=[
            RequestInput(name="rows", shape=[1, len(values)], datatype="FP32", data=TensorData(__root__=list(values)))
        ],
    )


def refusal(call: Any) -> list[Any]:
    try:
        call()
    except ApiError as error:  # of which its other errors are
        return [error.status_code, error.body["error"]]
    return [200, "answered"]


def ask(url: str) -> dict[str, Any]:
    client = OpenInferenceClient(base_url=url)
    client.check_server_liveness()
    client.check_server_readiness()
    client.check_model_readiness("species")
    described = client.read_model_metadata("species")
    version = described.versions[0]
    client.check_model_version_readiness("species", version)
    rows = request(5.9, 3.0, 5.1, 1.8)
    return {
        "server": json.loads(client.read_server_metadata().json()),
        "inputs": [json.loads(one.json()) for one in described.inputs],
        "same": described == client.read_model_version_metadata("species", version),
        "answer": json.loads(client.model_infer("species", request=rows).json()),
        "of a version": client.model_version_infer("species", version, request=rows).model_version == version,
        "malformed": refusal(lambda: client.model_infer("species", request=rows.copy(update={"inputs": []}))),
        "missing": refusal(lambda: client.read_model_metadata("none")),
    }


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1])))
