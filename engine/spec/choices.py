"""What an entry may choose from: response methods, runtimes, with all that differs by them, and bodies' formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ResponseMethodName = Literal["predict", "predict_proba", "decision_function", "transform", "score_samples"]
RuntimeName = Literal["sklearn", "numpy", "onnx", "native"]


@dataclass(frozen=True, slots=True)
class ResponseMethod:
    """A method of an estimator that can answer.

    If it `answers_classes`, a classifier's results are its classes, which can have labels and a threshold. `init` tries
    those with `is_default` in the order of the table. `graph_output` is the output of an ONNX graph that has its
    answer, None if graphs have none.
    """

    answers_classes: bool = False
    is_default: bool = True
    graph_output: int | None = None


RESPONSE_METHODS: Mapping[ResponseMethodName, ResponseMethod] = {
    "predict": ResponseMethod(answers_classes=True, graph_output=0),
    "predict_proba": ResponseMethod(is_default=False, graph_output=1),  # a spec adds probabilities to predict
    "decision_function": ResponseMethod(),
    "transform": ResponseMethod(),
    "score_samples": ResponseMethod(),
}


@dataclass(frozen=True, slots=True)
class Runtime:
    """What computes a model: its `title` in words, and what computes the same where its library cannot be loaded."""

    title: str
    replacement: RuntimeName | None = None


RUNTIMES: Mapping[RuntimeName, Runtime] = {
    "sklearn": Runtime("scikit-learn"),
    "numpy": Runtime("NumPy arrays"),
    "onnx": Runtime("ONNX Runtime"),
    "native": Runtime("Trees compiled to C", replacement="numpy"),
}

_FORMATS_MEANT = {  # what a body is called elsewhere, without the part of a media type before the slash
    **dict.fromkeys(("urlencoded", "url-encoded", "x-www-form-urlencoded", "formurlencoded"), "form"),
    **dict.fromkeys(("form-data", "formdata", "file", "files", "upload"), "multipart"),
    **dict.fromkeys(("plain", "plaintext", "string", "txt"), "text"),
    **dict.fromkeys(("bytes", "octet-stream", "raw", "stream"), "binary"),
}
_FORMATS_OF_ROWS = ("csv", "jsonl", "jsonlines", "ndjson", "x-ndjson")


def advise_format(word: str) -> str:
    """Say which format of a body is meant by a word of another tool; empty if none is."""
    last = word.lower().rpartition("/")[2]
    if last in _FORMATS_OF_ROWS:
        return "; a route with a model reads CSV and NDJSON anyway: remove it; elsewhere, write text"
    kind = word.lower().partition("/")[0]
    meant = "multipart" if kind == "multipart" else "json" if last.endswith("json") else _FORMATS_MEANT.get(last)
    return f"; write {meant}" if meant else ""
