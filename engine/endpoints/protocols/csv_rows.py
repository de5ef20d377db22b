"""CSV as clients of MLflow and SageMaker send and expect it: rows with or without a header, answers without one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from engine.batch.tensors.fitting import feature_order
from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem
from engine.endpoints.protocols.sent import LineInstances, pointer_steps
from engine.endpoints.row_bodies import RowReader
from engine.models import Facts
from engine.spec import Model

_SEPARATORS = ",;\t|"
_MOST_HEADER = 1024**2
_BOM = b"\xef\xbb\xbf"


class CsvRows:
    """Reads the rows of a model; without a header where that `is_guessed`, and the first line is none."""

    def __init__(self, model: Model, facts: Facts, most: int, *, is_guessed: bool) -> None:
        self._model, self._facts, self._most = model, facts, most
        self._is_guessed = is_guessed
        self._schema = model.input.instance

    @cached_property
    def _reader(self) -> RowReader:
        """Made for the first request that needs it, because of what it imports."""
        return RowReader(self._model, self._facts, (), self._most)

    @cached_property
    def _nameless(self) -> RowReader:
        order = feature_order(self._model, self._facts) if self._schema.form == "object" else ()
        return RowReader(self._model, self._facts, (), self._most, order=order)

    def read(self, request: Request) -> tuple[LineInstances, int]:
        """Read the rows of a body, and return their approximate length as JSON too; raise `Problem`."""
        has_header = not self._is_guessed or self._has_header(request)
        if has_header or "header" in request.content_type.lower():
            found = self._reader.read(request, "csv")
        else:
            # Ended, because one line is no mistake here.
            body = request.body if request.body.endswith(b"\n") else request.body + b"\n" * bool(request.body)
            declared = replace(request, content_type=f"{request.content_type}; header=absent", body=body)
            found = self._nameless.read(declared, "csv")
        return LineInstances(found.instances, found.lines, broken=found.broken), found.size

    def _has_header(self, request: Request) -> bool:
        """Whether the first line has the names of all required features."""
        if self._schema.form != "object":
            return False
        line = io.BytesIO(request.body).readline(_MOST_HEADER).removeprefix(_BOM).decode(errors="replace").strip("\r\n")
        required, known = {*self._schema.required}, {*self._schema.properties}
        for separator in _SEPARATORS:
            try:
                cells = {*next(csv.reader([line], delimiter=separator), ())}
            except csv.Error:
                continue
            if required <= cells and known & cells:
                return True
        return False


def in_lines(call: Callable[[], Any]) -> Any:
    """Call something, and say in words at which line of a CSV a problem is."""
    try:
        return call()
    except Problem as problem:
        problem.errors = [{**one, "pointer": _place(one["pointer"])} for one in problem.errors]
        raise


def _place(pointer: str) -> str:
    """Say in words which cell a pointer `#/line/feature` leads to."""
    line, *rest = pointer_steps(pointer) or ("",)
    return ", ".join([f"line {line}", *["/".join(rest)] * bool(rest)]) if line else pointer


def write_csv(result: Sequence[Any]) -> bytes:
    """Write a line for each prediction, without a header; a prediction of several values has a cell for each."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([_cell(value) for value in one] if isinstance(one, list) else [_cell(one)] for one in result)
    return stream.getvalue().encode()


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
