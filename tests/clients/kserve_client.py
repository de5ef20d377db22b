"""What kserve.InferenceRESTClient gets from a service, by both protocols; the only argument is its URL."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ROWS = np.array([[5.9, 3.0, 5.1, 1.8], [7.9, 2.8, 4.0, 1.3]])
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def request(dtype: str, *, binary: bool, outputs: list[RequestedOutput] | None = None) -> InferRequest:
    cells = ROWS.astype(dtype)
    tensor = InferInput("rows", list(cells.shape), {"f2": "FP16", "f4": "FP32", "f8": "FP64"}[dtype])
    tensor.set_data_from_numpy(cells, binary_data=binary)
    return InferRequest("species", [tensor], request_id="42", request_outputs=outputs)


async def refusal(call: Any) -> str:
    try:
        await call
    except httpx.HTTPStatusError as error:
        return str(error).partition(", '4")[0]
    return "answered"


async def ask(url: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    v2, v1 = (InferenceRESTClient(RESTConfig(protocol=name)) for name in ("v2", "v1"))
    async with v2, v1:

        async def infer(asked: InferRequest) -> list[Any]:
            answer = await v2.infer(url, asked, model_name="species")
            return [answer.id, answer.model_name, {one.name: one.as_numpy().tolist() for one in answer.outputs}]

        found["v2 live"] = [
            await v2.is_server_live(url),
            await v2.is_server_ready(url),
            await v2.is_model_ready(url, "species"),
            await v2.is_model_ready(url, "none"),
        ]
        found["v2"] = {
            f"{dtype}, {binary}": await infer(request(dtype, binary=binary))
            for dtype in ("f4", "f8", "f2")
            for binary in (True, False)
            if binary or dtype != "f2"
        }
        predict, labels = RequestedOutput("predict", {"binary_data": True}), RequestedOutput("labels")
        found["v2 wanted"] = await infer(request("f8", binary=True, outputs=[predict]))
        answer = await v2.infer(url, request("f8", binary=True, outputs=[labels]), "species")
        found["v2 labels"] = answer.outputs[0].data
        unknown = request("f8", binary=True, outputs=[RequestedOutput("x")])
        found["v2 refused"] = await refusal(v2.infer(url, unknown, "species"))
        instances = [dict(zip(NAMES, row, strict=True)) for row in ROWS.tolist()]
        found["v1 live"] = [await v1.is_server_live(url), await v1.is_model_ready(url, "species")]
        found["v1"] = [
            await v1.infer(url, {"instances": instances}, model_name="species"),
            await v1.infer(url, {"instances": ROWS.tolist()}, model_name="species"),
        ]
        found["v1 refused"] = await refusal(v1.infer(url, {"instances": [[1, 2]]}, model_name="species"))
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(sys.argv[1]))))
