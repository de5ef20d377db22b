"""Routes that shape a model's answer, tried with the model's examples: which cases answer, and what they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from engine.diagnostics import Diagnostic
from engine.endpoints import Problem
from engine.endpoints.shaped import ShapedEndpoint
from engine.endpoints.shaping.example_requests import example_request
from engine.handling.handler import Handler
from engine.spec import DeclaredResponse, Route
from engine.text import join_words


@dataclass(frozen=True, slots=True)
class RouteTrial:
    """What became of a model's examples on one route.

    `answers` are the statuses and shapes of its cases, each once, and `cases` counts the examples that each case has
    answered, from 1. `mistakes` are the examples that got no answer: errors where the service failed, warnings where
    it refused them. It `has_cases` if more than one can answer.
    """

    route: str
    answers: tuple[str, ...]
    cases: Mapping[int, int] = field(default_factory=dict)
    mistakes: tuple[Diagnostic, ...] = ()
    has_cases: bool = False


def try_routes(handler: Handler) -> tuple[RouteTrial, ...]:
    """Send every model's examples to the routes that shape its answers."""
    shaped = ((mounted.route, mounted.endpoint) for mounted in handler.mounted)
    return tuple(
        _try_route(route, endpoint, handler) for route, endpoint in shaped if isinstance(endpoint, ShapedEndpoint)
    )


def _try_route(route: Route, endpoint: ShapedEndpoint, handler: Handler) -> RouteTrial:
    cases, mistakes = Counter[int](), list[Diagnostic]()
    for number, example in enumerate(handler.spec.models[route.model or ""].examples, 1):
        request = example_request(route, example.input)
        if request is None:
            continue
        try:
            cases[endpoint.choose_case(request)] += 1
            endpoint(request)
        except Problem as problem:
            mistakes.append(_mistake(route, number, problem))
        except Exception as error:  # noqa: BLE001 - whatever fails here would be a 500
            failed = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
            mistakes.append(_mistake(route, number, failed))
    answers = dict.fromkeys(shape for case in route.cases for one in case.responses for shape in _shapes(one))
    name = f"{' '.join(route.methods)} {route.path}"
    own = ("200 with the model's own answer",)
    counted = dict(sorted(cases.items()))
    return RouteTrial(name, tuple(answers) if route.cases else own, counted, tuple(mistakes), len(route.cases) > 1)


def _mistake(route: Route, number: int, problem: Problem) -> Diagnostic:
    is_ours = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    reasons = "; ".join(f"{one['pointer']}: {one['detail']}" for one in problem.errors) or problem.detail
    key = "instance" if route.instance is not None else "input" if route.input is not None else "model"
    message = f"example {number} of the model, sent to this route, gets {problem.status}: {reasons}"
    return Diagnostic(route.place(key), message, "error" if is_ours else "warning")


def _shapes(response: DeclaredResponse) -> Iterator[str]:
    """Describe what a response answers, in a few words."""
    if not response.bodies:
        yield str(response.status)
    for body in response.bodies:
        shape = body.kind
        if body.kind == "json" and isinstance(body.content, dict) and body.content:
            shape = f"{{{', '.join(body.content)}}}"
        yield f"{response.status} {shape}"


def describe_trial(trial: RouteTrial) -> str:
    """Write what a trial has found in one line."""
    counted = [f"case {case} ×{count}" for case, count in trial.cases.items()]
    tried = f"; examples: {', '.join(counted)}" if counted and trial.has_cases else ""
    return f"{trial.route}: {join_words(trial.answers, 'or')}{tried}"
