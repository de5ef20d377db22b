"""What tritonclient.http gets from a service; the only argument is its address, and the answers are printed as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

ROWS = np.array([[5.9, 3.0, 5.1, 1.8], [7.9, 2.8, 4.0, 1.3], [5.1, 3.5, 1.4, 0.2]])
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
VALUES = [[0, 1, 2], [3, 4, 100]]
DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)


def tensor(name: str, cells: Any, *, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput(name, list(cells.shape), np_to_triton_dtype(cells.dtype))
    return made.set_data_from_numpy(cells, binary_data=binary)


def listed(result: triton.InferResult, *names: str) -> list[Any]:
    return [[as_text(result.as_numpy(name).tolist()), str(result.as_numpy(name).dtype)] for name in names]


def as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [as_text(one) for one in value]
    return value.decode() if isinstance(value, bytes) else value


def refusal(call: Any) -> list[str]:
    try:
        call()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return ["", "answered"]


def ask(client: triton.InferenceServerClient) -> dict[str, Any]:
    outputs = ("predict", "predict_proba", "labels")
    whole = [tensor("rows", ROWS)]
    narrow = [tensor("rows", ROWS.astype(np.float32))]
    apart = [tensor(name, ROWS[:, [place]].astype(np.float32)) for place, name in enumerate(NAMES)]
    as_json = [tensor(name, ROWS[:, place], binary=False) for place, name in enumerate(NAMES)]
    wanted = {flag: [triton.InferRequestedOutput(name, binary_data=flag) for name in outputs] for flag in (True, False)}

    def infer(inputs: list[triton.InferInput], **keys: Any) -> list[Any]:
        return listed(client.infer("species", inputs, **keys), *outputs)

    version = client.get_model_metadata("species")["versions"][0]
    coded = {
        f"{sent}, {wished}": infer(
            whole, request_compression_algorithm=sent, response_compression_algorithm=wished, outputs=wanted[True]
        )
        for sent in ("gzip", "deflate", None)
        for wished in ("gzip", "deflate", None)
    }
    mixed = [triton.InferRequestedOutput("labels"), triton.InferRequestedOutput("output-0", binary_data=False)]
    answered = client.infer("species", whole, outputs=mixed, request_id="42")
    return {
        "live": [client.is_server_live(), client.is_server_ready(), client.is_model_ready("species")],
        "versions": [client.is_model_ready("species", version), client.is_model_ready("species", "1")],
        "server": client.get_server_metadata(),
        "model": client.get_model_metadata("people", client.get_model_metadata("people")["versions"][0]),
        "index": [one["name"] for one in client.get_model_repository_index()],
        "default": infer(whole),
        "narrow": infer(narrow),
        "apart": infer(apart),
        "json": infer(as_json, outputs=wanted[False]),
        "json in, binary out": infer(as_json, outputs=wanted[True]),
        "binary in, json out": infer(whole, outputs=wanted[False]),
        "of a version": infer(whole, model_version=version),
        "coded": coded,
        "mixed": [answered.get_response()["id"], listed(answered, "labels", "output-0"), answered.as_numpy("predict")],
        "parameters": infer(whole, sequence_id=7, priority=3, timeout=5, parameters={"of": "mine"}),
        "numbers": {name: number_answers(client, np.array(VALUES, name)) for name in DTYPES},
        "texts": [
            listed(client.infer("mood", [tensor("text", cells, binary=flag)]), "predict")
            for cells in (np.array(["good day", "bad é"], object), np.array([[b"good day"], [b"bad"]], np.bytes_))
            for flag in (True, False)
        ],
        "people": listed(
            client.infer(
                "people",
                [
                    tensor("plan", np.array(["a", "b"], object)),
                    tensor("age", np.array([20, 50], np.int32)),
                    tensor("score", np.array([np.nan, 2.0], np.float32), binary=False),
                    tensor("member", np.array([True, False])),
                ],
            ),
            "predict",
            "predict_proba",
        ),
        "refused": {
            "model": refusal(lambda: client.get_model_metadata("none")),
            "version": refusal(lambda: client.infer("species", whole, model_version="1")),
            "output": refusal(lambda: client.infer("species", whole, outputs=[triton.InferRequestedOutput("x")])),
            "shape": refusal(lambda: client.infer("species", [tensor("rows", ROWS[:, :3])])),
            "value": refusal(lambda: client.infer("species", [tensor("rows", ROWS + 1)])),
            "config": refusal(lambda: client.get_model_config("species")),
        },
    }


def number_answers(client: triton.InferenceServerClient, cells: Any) -> list[Any]:
    """What the model that changes nothing answers, by each way; BOOL is no number for it."""
    found = []
    for flag in (True, False):
        try:
            found += listed(client.infer("same", [tensor("x", cells, binary=flag)]), "transform")
        except InferenceServerException as error:
            found.append(error.status())
    return found


if __name__ == "__main__":
    with triton.InferenceServerClient(sys.argv[1]) as opened:
        print(json.dumps(ask(opened)))
