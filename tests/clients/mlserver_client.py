"""What MLServer's codecs make of a service's answers, with what they send; the only argument is its URL."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import requests
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec, StringRequestCodec
from mlserver.types import InferenceRequest, InferenceResponse, RequestOutput

ROWS = np.array([[5.9, 3.0, 5.1, 1.8], [7.9, 2.8, 4.0, 1.3]])
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
PEOPLE = pd.DataFrame({"plan": ["a", "b"], "age": [20, 50], "score": [np.nan, 2.0], "member": [True, False]})
PEOPLE["plan"] = PEOPLE["plan"].astype(object)  # MLServer knows no other texts


def infer(url: str, model: str, asked: InferenceRequest) -> InferenceResponse:
    answer = requests.post(f"{url}/v2/models/{model}/infer", json=asked.model_dump(), timeout=60)
    answer.raise_for_status()
    return InferenceResponse.model_validate_json(answer.text)


def ask(url: str) -> dict[str, Any]:
    frame = pd.DataFrame(ROWS, columns=list(NAMES))
    by_frame = PandasCodec.encode_request(frame, use_bytes=False)
    first = PandasCodec.encode_request(frame, use_bytes=False)
    first.outputs = [RequestOutput(name="predict"), RequestOutput(name="labels")]
    people = PandasCodec.encode_request(PEOPLE, use_bytes=False)
    as_json = PandasCodec.encode_request(PEOPLE.astype({"age": object, "score": object}), use_bytes=False)
    by_array = NumpyRequestCodec.encode_request(ROWS)
    answered = infer(url, "species", by_frame)
    return {
        "numpy": NumpyRequestCodec.decode_response(infer(url, "species", by_array)).tolist(),
        "numpy of one output": NumpyCodec.decode_output(answered.outputs[1]).tolist(),
        "text of one output": StringCodec.decode_output(answered.outputs[2]),
        "outputs": [one.name for one in answered.outputs],
        "pandas": PandasCodec.decode_response(infer(url, "species", first)).to_dict("list"),
        "people": StringCodec.decode_output(infer(url, "people", people).outputs[0]),
        "json texts": [
            [one.parameters.content_type for one in as_json.inputs if one.parameters],
            StringCodec.decode_output(infer(url, "people", as_json).outputs[0]),
        ],
        "text": StringRequestCodec.decode_response(
            infer(url, "mood", StringRequestCodec.encode_request(["good day", "bad day"], use_bytes=False))
        ),
    }


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1])))
