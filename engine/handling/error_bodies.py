"""Errors in the form that the spec declares under `error_bodies`, in place of problems."""

from __future__ import annotations

from collections.abc import Mapping

from engine.endpoints import Problem, Request, Response
from engine.endpoints.answering.responding import build_answer
from engine.endpoints.problems import problem_members
from engine.endpoints.requests.values import Values
from engine.handling.incoming import Incoming
from engine.spec import DeclaredResponse, problem_names

DEFAULT = "default"


class ErrorBodies:
    """Writes problems with the bodies that a spec declares, by status."""

    def __init__(self, declared: Mapping[str, DeclaredResponse]) -> None:
        names = problem_names()
        self._answers = {status: build_answer(response, names) for status, response in declared.items()}

    def write(self, problem: Problem, incoming: Incoming) -> Response | None:
        """Write a problem; None if the spec has no body for its status."""
        answer = self._answers.get(str(problem.status)) or self._answers.get(DEFAULT)
        if answer is None:
            return None
        environ = incoming.environ
        query, accept = environ.get("QUERY_STRING", ""), environ.get("HTTP_ACCEPT", "")
        values = Values(Request(environ["REQUEST_METHOD"], query=query, accept=accept, environ=environ))
        values.problem = {"errors": [], "request_id": "", **problem_members(problem)}
        try:
            made = answer.respond(values)
        except Problem:  # nothing that the client accepts: an error in another form says more than 406
            values.request.accept = ""
            made = answer.respond(values)
        return Response(problem.status, (*made.headers, *problem.headers), made.body)
