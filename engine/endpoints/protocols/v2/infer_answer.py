"""Answers to inference requests: a JSON object, and behind it the bytes of outputs that are wanted in binary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import orjson

from engine.batch.tensors.datatypes import bytes_of
from engine.batch.tensors.outputs import FIRST, DeclaredOutput, output_tensor
from engine.batch.tensors.scoring import Answered
from engine.endpoints.messages import Headers, Response
from engine.endpoints.problems import Problem
from engine.endpoints.protocols.v2.infer_request import InferRequest, WantedOutput
from engine.schema import show
from engine.spec import LENGTH_HEADER

_BINARY: Headers = (("Content-Type", "application/octet-stream"),)
_JSON: Headers = (("Content-Type", "application/json"),)
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


class AnswerWriter:
    """Writes the answers of one model; `said` is what each of them says of it."""

    def __init__(self, outputs: Sequence[DeclaredOutput], said: Mapping[str, str], headers: Headers) -> None:
        self._outputs = outputs
        self._places = {FIRST: 0} | {output.name: place for place, output in enumerate(outputs)}
        self._said = said
        self._headers = headers

    def wanted(self, asked: InferRequest) -> Sequence[WantedOutput]:
        """Return the outputs that a request wants; raise `Problem` 400 for one that the model has not."""
        if asked.outputs is None:
            count = 1 if asked.wants_first else None
            return [WantedOutput(one.name, asked.is_binary) for one in self._outputs[:count]]
        for one in asked.outputs:
            if one.name not in self._places:
                names = ", ".join(output.name for output in self._outputs)
                detail = f"there is no output {show(one.name)}; the outputs are: {names}"
                raise Problem(HTTPStatus.BAD_REQUEST, detail)
        return asked.outputs

    def write(self, answered: Answered, wanted: Sequence[WantedOutput], request_id: str) -> Response:
        """Write predictions that are finite."""
        outputs: list[dict[str, Any]] = []
        tails: list[bytes] = []
        for one in wanted:
            place = self._places[one.name]
            tensor = output_tensor(self._outputs[place], place, answered)
            output: dict[str, Any] = {"name": one.name, "shape": tensor.shape, "datatype": tensor.datatype.name}
            if one.is_binary:
                tails.append(bytes_of(tensor.cells, tensor.datatype))
                output["parameters"] = {"binary_data_size": len(tails[-1])}
            else:
                output["data"] = tensor.cells
            outputs.append(output)
        said = {**self._said, "id": request_id or str(uuid4()), "outputs": outputs}
        if not tails:
            body = orjson.dumps(said, option=_OPTIONS | orjson.OPT_APPEND_NEWLINE)
            return Response(HTTPStatus.OK, (*_JSON, *self._headers), body)
        head = orjson.dumps(said, option=_OPTIONS)
        headers = (*_BINARY, (LENGTH_HEADER, str(len(head))), *self._headers)
        return Response(HTTPStatus.OK, headers, b"".join((head, *tails)))
