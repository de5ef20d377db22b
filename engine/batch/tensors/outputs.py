"""Predictions → the tensors of an answer, and what is known of these before there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson

from engine.batch.tensors.datatypes import DATATYPES, Cells, Datatype
from engine.batch.tensors.scoring import Answered
from engine.models import Facts
from engine.models.data.dtypes import EXACT
from engine.spec import Model

FIRST = "output-0"
"""Another name of the first output, which MLServer's clients know it by."""
PROBABILITIES, LABELS = "predict_proba", "labels"
_BY_TYPE = {"boolean": "BOOL", "integer": "INT64", "number": "FP64", "string": "BYTES"}
_BY_KIND = {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64"}
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class DeclaredOutput:
    """An output of a model: its name, its datatype, and the lengths of what there is for each row."""

    name: str
    datatype: Datatype
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """An output with its values in row-major order, none of them a gap."""

    shape: tuple[int, ...]
    datatype: Datatype
    cells: Cells


def declared_outputs(model: Model, facts: Facts) -> tuple[DeclaredOutput, ...]:
    """Return a model's outputs: by its response method, then the probabilities, then the labels."""
    lengths = facts.result.lengths if facts.result is not None else ()
    first = DeclaredOutput(facts.response_method, DATATYPES[_datatype_of_result(facts)], lengths)
    more = []
    if model.output.probabilities:
        more.append(DeclaredOutput(PROBABILITIES, DATATYPES["FP64"], (len(facts.keys),)))
    if model.output.labels is not None:
        more.append(DeclaredOutput(LABELS, DATATYPES["BYTES"]))
    return (first, *(one for one in more if one.name != first.name))


def output_tensor(output: DeclaredOutput, place: int, answered: Answered) -> OutputTensor:
    """Make the tensor of an output, which is the one at a `place` among a model's."""
    if place and output.name == LABELS:
        labels = answered.labels or []
        return OutputTensor((len(labels),), output.datatype, labels)
    values = answered.probabilities if place else answered.result
    if isinstance(values, np.ndarray) and values.dtype.kind in _BY_KIND:
        return _of_array(values, output.datatype)
    return _of_list(values.tolist() if isinstance(values, np.ndarray) else values, output.datatype)


def _datatype_of_result(facts: Facts) -> str:
    """Name the datatype of results: by the classes if they are these, else by the form of the one that is known."""
    if facts.classes is not None and facts.answers_classes:
        kinds = {type(one) for one in facts.classes}
        return (
            "BOOL" if kinds == {bool} else "INT64" if kinds == {int} else "FP64" if kinds <= {int, float} else "BYTES"
        )
    name = facts.result.type if facts.result is not None else ""
    # A number that is whole in one result may have a fraction in the next.
    return "FP64" if name == "integer" and facts.kind == "regressor" else _BY_TYPE.get(name, "FP64")


def _of_array(values: Any, declared: Datatype) -> OutputTensor:
    """Take an array as it is, as integers only if it has them; integers that no float holds stay what they are."""
    name = _BY_KIND[values.dtype.kind]
    if name == "INT64" and (values.dtype.kind == "u" and _exceeds_int64(values)):
        name = "FP64"
    if name == "INT64" and declared.name == "FP64" and not _exceeds_floats(values):
        name = "FP64"
    datatype = DATATYPES[name]
    flat = np.ascontiguousarray(values, np.bool_ if name == "BOOL" else datatype.dtype).reshape(-1)
    return OutputTensor(values.shape, datatype, flat)


def _exceeds_floats(values: Any) -> bool:
    return bool(values.size) and max(int(values.max()), -int(values.min())) > EXACT


def _exceeds_int64(values: Any) -> bool:
    return bool(values.size) and int(values.max()) not in _INT64


def _of_list(values: Sequence[Any], declared: Datatype) -> OutputTensor:
    """Make a tensor of results; those that are not all of one form become texts in JSON, one for each row."""
    lengths, flat = [len(values)], list(values)
    while flat and all(isinstance(one, list) for one in flat):
        counts = {len(one) for one in flat}
        if len(counts) > 1:
            break
        lengths.append(counts.pop())
        flat = list(chain.from_iterable(flat))
    kinds = {*map(type, flat)}
    shape = tuple(lengths)
    if kinds <= {str}:
        return OutputTensor(shape, DATATYPES["BYTES"], flat)
    if kinds == {bool}:
        return OutputTensor(shape, DATATYPES["BOOL"], np.array(flat, np.bool_))
    if kinds <= {int, float}:
        is_kept = declared.name != "FP64" or any(abs(one) > EXACT for one in flat)
        is_whole = kinds == {int} and is_kept and all(one in _INT64 for one in flat)
        datatype = DATATYPES["INT64" if is_whole else "FP64"]
        return OutputTensor(shape, datatype, np.array(flat, datatype.dtype))
    texts = [one if isinstance(one, str) else orjson.dumps(one).decode() for one in values]
    return OutputTensor((len(texts),), DATATYPES["BYTES"], texts)
