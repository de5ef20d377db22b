"""The body of an inference request: a JSON object, and behind it the bytes of tensors that are sent in binary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import orjson

from engine.batch.tensors.datatypes import DATATYPES, BrokenTensor, Datatype
from engine.batch.tensors.tensor import Tensor, tensor_from_bytes, tensor_from_json, texts_as_json
from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem
from engine.endpoints.requests.json_body import read_json
from engine.schema import clip, show
from engine.spec import LENGTH_HEADER
from engine.text import plural

_LENGTH_KEY = "HTTP_INFERENCE_HEADER_CONTENT_LENGTH"
_PANDAS_JSON = "pd_json"  # by which MLServer's clients mark texts of JSON, which they make of columns with gaps
_MOST_DIMENSIONS = 32
_DIGITS = 18  # which a 64-bit integer holds


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """An output that a client asks for, by one of its names."""

    name: str
    is_binary: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What a client asks; `outputs` is None for all of them. `id` is empty without one."""

    id: str
    tensors: Sequence[Tensor]
    outputs: Sequence[WantedOutput] | None
    is_binary: bool
    wants_first: bool


def read_infer_request(request: Request) -> InferRequest:
    """Read a request; raise `Problem` 400 for one that is malformed."""
    try:
        return _read(request)
    except BrokenTensor as error:
        raise _malformed(str(error)) from None


def _read(request: Request) -> InferRequest:
    head, tail = _split(request)
    body = _loaded(replace(request, body=head))
    if not isinstance(body, dict):
        raise _malformed(f'the body is no object; send {{"inputs": […]}}, not {show(body)}')
    name = body.get("id", "")
    if name is not None and not isinstance(name, str):
        raise _malformed(f"id must be a string, not {show(name)}")
    parameters = _parameters(body, "the request")
    return InferRequest(
        name or "",
        _read_tensors(body, tail),
        _read_outputs(body, is_binary=parameters.get("binary_data_output") is True),
        parameters.get("binary_data_output") is True,
        parameters.get("content_type") in ("np", "str"),
    )


def _split(request: Request) -> tuple[bytes, memoryview]:
    """Split a body where its JSON ends, which is at its end without the header."""
    body, said = request.body, request.environ.get(_LENGTH_KEY)
    if said is None:
        return body, memoryview(b"")
    text = said.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise _malformed(f"{LENGTH_HEADER} is {clip(show(said))}; send the number of bytes of the JSON")
    length = int(text)
    if length > len(body):
        raise _malformed(f"{LENGTH_HEADER} is {length:,}, but the body has only {len(body):,} bytes")
    return body[:length], memoryview(body)[length:]


def _loaded(request: Request) -> Any:
    """Read the JSON, in which Python's clients write NaN and Infinity as such."""
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        if b"NaN" not in request.body and b"Infinity" not in request.body:
            return read_json(request, strict=False)
    try:
        value = json.loads(request.body)
        orjson.dumps(value)  # refuses what no answer could repeat: long integers, and halves of surrogates
    except (ValueError, TypeError, RecursionError):
        return read_json(request, strict=False)
    return value


def _read_tensors(body: Mapping[str, Any], tail: memoryview) -> list[Tensor]:
    """Read the inputs; those in binary take their bytes one after another."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        lack = "the inputs must be a list" if inputs else "the body has no inputs"
        raise _malformed(f'{lack}; send {{"inputs": [{{"name": …, "shape": …, "datatype": …, "data": …}}]}}')
    tensors: list[Tensor] = []
    at = 0
    for place, one in enumerate(inputs):
        if not isinstance(one, dict):
            raise _malformed(f"inputs[{place}] is no object, but {show(one)}")
        head = _read_head(one, f"inputs[{place}]")
        parameters = _parameters(one, show(head[0]))
        size = parameters.get("binary_data_size")
        if size is None:
            tensor = tensor_from_json(*head, _data_of(one, head[0]))
        else:
            tensor = tensor_from_bytes(*head, _bytes_of(one, head[0], size, tail[at:]))
            at += size
        is_json = tensor.datatype.kind == "text" and parameters.get("content_type") == _PANDAS_JSON
        tensors.append(texts_as_json(tensor) if is_json else tensor)
    if left := len(tail) - at:
        raise _malformed(f"there {'is' if left == 1 else 'are'} {plural(left, 'byte')} more than the inputs take")
    return tensors


def _data_of(one: Mapping[str, Any], name: str) -> list[Any]:
    data = one.get("data")
    if isinstance(data, list):
        return data
    lack = "has no data" if data is None else f"has {show(data)} as its data"
    raise _malformed(f"{show(name)} {lack}; send a list of values, or their bytes with binary_data_size")


def _bytes_of(one: Mapping[str, Any], name: str, size: Any, left: memoryview) -> memoryview:
    if type(size) is not int or size < 0:
        raise _malformed(f"binary_data_size of {show(name)} is {show(size)}; send the number of its bytes")
    if one.get("data") is not None:
        raise _malformed(f"{show(name)} has both data and binary_data_size; send one of them")
    if size > len(left):
        raise _malformed(_lacking(name, size, len(left)))
    return left[:size]


def _read_head(one: Mapping[str, Any], place: str) -> tuple[str, tuple[int, ...], Datatype]:
    name, shape, datatype = one.get("name"), one.get("shape"), one.get("datatype")
    if not isinstance(name, str):
        raise _malformed(f"{place} has no name")
    if (
        not isinstance(shape, list)
        or len(shape) > _MOST_DIMENSIONS
        or not all(type(length) is int and length >= 0 for length in shape)
    ):
        found = "has no shape" if shape is None else f"has {show(shape)} as its shape"
        raise _malformed(f"{show(name)} {found}; send a list of lengths, such as [2, 4]")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        found = "has no datatype" if datatype is None else f"has the datatype {show(datatype)}"
        raise _malformed(f"{show(name)} {found}; send one of {', '.join(DATATYPES)}")
    return name, tuple(shape), DATATYPES[datatype]


def _read_outputs(body: Mapping[str, Any], *, is_binary: bool) -> list[WantedOutput] | None:
    """Read which outputs are wanted; an empty list means all of them, as without one."""
    outputs = body.get("outputs")
    if outputs is None or outputs == []:
        return None
    if not isinstance(outputs, list):
        raise _malformed(f"outputs is {show(outputs)}; send a list of objects with a name")
    wanted: dict[str, WantedOutput] = {}
    for place, one in enumerate(outputs):
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise _malformed(f"outputs[{place}] has no name")
        name = one["name"]
        if name in wanted:
            raise _malformed(f"outputs names {show(name)} twice")
        own = _parameters(one, show(name)).get("binary_data")
        wanted[name] = WantedOutput(name, own if isinstance(own, bool) else is_binary)
    return [*wanted.values()]


def _parameters(one: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    found = one.get("parameters")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _malformed(f"the parameters of {place} are {show(found)}; send an object")
    return found


def _lacking(name: str, size: int, left: int) -> str:
    if not left:
        return (
            f"{show(name)} has {size:,} bytes by its binary_data_size, but there are none behind the JSON; "
            f"send them there, and the length of the JSON as {LENGTH_HEADER}"
        )
    return f"{show(name)} has {size:,} bytes by its binary_data_size, but only {left:,} are left"


def _malformed(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail)
