"""The service's own bodies of errors: checks beyond the grammar, and their records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.diagnostics import Diagnostic
from engine.spec.checking.answering.responses import check_response, read_response
from engine.spec.naming.name_tables import problem_names
from engine.spec.reading.node import Node
from engine.spec.response_records import DeclaredResponse


def check_error_bodies(service: Node) -> Iterator[Diagnostic]:
    """Report every mistake in the bodies of errors."""
    names = problem_names()
    for _, _, body in service["error_bodies"].pairs():
        if body.fields is not None:
            yield from check_response(body, names, None)


def read_error_bodies(service: Node) -> Mapping[str, DeclaredResponse]:
    """Make the records of the bodies, by status or `default`."""
    return {status: read_response(body, None) for status, _, body in service["error_bodies"].pairs()}
