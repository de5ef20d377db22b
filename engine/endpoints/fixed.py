"""Endpoints with the spec's own responses, and with files that we make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus

from engine.endpoints.answering.condition_tests import Test, build_test
from engine.endpoints.answering.counters import Counters
from engine.endpoints.answering.responding import Answer, build_answer, is_kept, tag_file
from engine.endpoints.answering.turns import build_sequence
from engine.endpoints.faults import Faults
from engine.endpoints.messages import Endpoint, Headers, Request, Response
from engine.endpoints.requests.request_reader import RequestReader
from engine.endpoints.requests.values import Values
from engine.spec import Case, Model, Names, Route, cases_with_names, route_names, used_roots


@dataclass(frozen=True)
class FixedEndpoint(Endpoint):
    """Returns the same response every time."""

    response: Response

    @property
    def constant(self) -> Response:
        return self.response

    def __call__(self, request: Request) -> Response:  # noqa: ARG002 - the shape of every endpoint
        return self.response


@dataclass(frozen=True, slots=True)
class Means:
    """What the answers of a route need besides its spec: what draws its faults, if any, and counters for sequences.

    With `formats`, conditions check the keyword `format`.
    """

    faults: Faults | None
    counters: Counters
    formats: bool


class DeclaredEndpoint(Endpoint):
    """Reads the values that a route declares, and answers with the first case whose condition they meet."""

    def __init__(self, route: Route, names: Names, means: Means) -> None:
        reader = RequestReader(route, is_exact="body" in used_roots(route))
        self._read: Callable[[Request], Values] = Values if reader.is_idle else reader.read
        self._cases = build_cases(route, names, means)
        self._always = self._cases[0][1].respond if self._cases[0][0] is None else None
        is_constant = reader.is_idle and self._always is not None
        self._constant = self._cases[0][1].constant if is_constant else None
        self._is_quick = all(case.sequence is None for case in route.cases)

    @property
    def constant(self) -> Response | None:
        return self._constant

    @property
    def is_quick(self) -> bool:
        return self._is_quick

    @property
    def repeated(self) -> Sequence[bytes]:
        return [body for _, answer in self._cases for body in answer.kept]

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for one that violates what the route declares."""
        values = self._read(request)
        if self._always is not None:
            return self._always(values)
        return answer_by_case(self._cases, values)


def build_cases(route: Route, names: Names, means: Means) -> list[tuple[Test | None, Answer]]:
    """Prepare the cases of a route, each with the test of its condition."""
    name, cases = f"{' '.join(route.methods)} {route.path}", []
    for number, (case, assumed) in enumerate(cases_with_names(route.cases, names)):
        answer = _answer_of(case, f"{name} {number}", assumed, means)
        condition = _build_condition(case, names, means)
        cases.append((condition, _inject(case, means.faults, answer)))
    return cases


def _answer_of(case: Case, name: str, names: Names, means: Means) -> Answer:
    """Prepare what a case answers; `name` is that of its counter."""
    answers = [build_answer(response, names) for response in case.responses]
    if case.sequence is None:
        return answers[0]
    return build_sequence(case.sequence, answers, names, means.counters(name))


def _build_condition(case: Case, names: Names, means: Means) -> Test | None:
    test = None if case.when is None else build_test(case.when, names, formats=means.formats)
    faults = means.faults
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

    return Answer(respond_faultily, several=answer.kept)


def answer_by_case(cases: list[tuple[Test | None, Answer]], values: Values) -> Response:
    """Answer with the first case whose condition is true; the last one has none."""
    for test, answer in cases:
        if test is None or test(values):
            return answer.respond(values)
    raise AssertionError("the last case has a condition")  # which `check` refuses


def build_declared(route: Route, models: Mapping[str, Model], means: Means) -> Endpoint:
    """Make the endpoint of a route without a model."""
    endpoint = DeclaredEndpoint(route, route_names(route, models), means)
    constant = endpoint.constant
    return endpoint if constant is None or is_kept(route.responses[0]) else FixedEndpoint(constant)


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
