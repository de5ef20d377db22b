"""Endpoints with the spec's own responses, and with files that we make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus

from engine.endpoints.condition_tests import Test, build_test
from engine.endpoints.faults import Faults
from engine.endpoints.messages import Endpoint, Headers, Request, Response
from engine.endpoints.requests.request_reader import RequestReader
from engine.endpoints.requests.values import Values
from engine.endpoints.responding import Answer, build_answer, is_kept, tag_file
from engine.spec import Case, Model, Names, Route, cases_with_names, route_names


@dataclass(frozen=True)
class FixedEndpoint(Endpoint):
    """Returns the same response every time."""

    response: Response

    @property
    def constant(self) -> Response:
        return self.response

    def __call__(self, request: Request) -> Response:  # noqa: ARG002 - the shape of every endpoint
        return self.response


class DeclaredEndpoint(Endpoint):
    """Reads the values that a route declares, and answers with the first case whose condition they meet."""

    def __init__(self, route: Route, names: Names, faults: Faults | None, *, formats: bool) -> None:
        reader = RequestReader(route, is_exact=True)
        self._read: Callable[[Request], Values] = Values if reader.is_idle else reader.read
        self._cases = build_cases(route, names, faults, formats=formats)
        self._always = self._cases[0][1].respond if self._cases[0][0] is None else None
        is_constant = reader.is_idle and self._always is not None
        self._constant = self._cases[0][1].constant if is_constant else None

    @property
    def constant(self) -> Response | None:
        return self._constant

    @property
    def is_quick(self) -> bool:
        return True

    @property
    def repeated(self) -> Sequence[bytes]:
        constants = [answer.constant for _, answer in self._cases if answer.constant is not None]
        return [one.body for one in constants if isinstance(one.body, bytes)]

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for one that violates what the route declares."""
        values = self._read(request)
        if self._always is not None:
            return self._always(values)
        return answer_by_case(self._cases, values)


def build_cases(
    route: Route, names: Names, faults: Faults | None, *, formats: bool
) -> list[tuple[Test | None, Answer]]:
    """Prepare the cases of a route, each with the test of its condition; `faults` draws what a case has of them."""
    return [
        (
            _build_condition(case, names, faults, formats=formats),
            _inject(case, faults, build_answer(case.response, assumed)),
        )
        for case, assumed in cases_with_names(route.cases, names)
    ]


def _build_condition(case: Case, names: Names, faults: Faults | None, *, formats: bool) -> Test | None:
    test = None if case.when is None else build_test(case.when, names, formats=formats)
    chance = case.chance
    if faults is None or chance is None:
        return test
    if test is None:
        return lambda _: faults.happens(chance)
    return lambda values: test(values) and faults.happens(chance)


def _inject(case: Case, faults: Faults | None, answer: Answer) -> Answer:
    """Return an answer that is sent as the faults of its own case say."""
    if faults is None or not case.has_fault:
        return answer
    fault, respond = case.fault, answer.respond

    def respond_faultily(values: Values) -> Response:
        faults.inject(fault, values.request)
        return respond(values)

    return Answer(respond_faultily)


def answer_by_case(cases: list[tuple[Test | None, Answer]], values: Values) -> Response:
    """Answer with the first case whose condition is true; the last one has none."""
    for test, answer in cases:
        if test is None or test(values):
            return answer.respond(values)
    raise AssertionError("the last case has a condition")  # which `check` refuses


def build_declared(route: Route, models: Mapping[str, Model], faults: Faults | None, *, formats: bool) -> Endpoint:
    """Make the endpoint of a route without a model."""
    endpoint = DeclaredEndpoint(route, route_names(route, models), faults, formats=formats)
    constant = endpoint.constant
    return endpoint if constant is None or is_kept(route.cases[0].response) else FixedEndpoint(constant)


class GeneratedEndpoint(Endpoint):
    """Returns the output of `write`, or 304 to a client that has it."""

    def __init__(self, content_type: str, write: Callable[[], bytes], headers: Headers = ()) -> None:
        self._headers = (("Content-Type", content_type), ("Cache-Control", "no-cache"), *headers)
        self._write = write

    @cached_property
    def _file(self) -> Callable[[Request], Response]:
        return tag_file(HTTPStatus.OK, self._headers, self._write())

    def __call__(self, request: Request) -> Response:
        return self._file(request)
