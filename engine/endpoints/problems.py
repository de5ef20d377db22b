"""Errors in HTTP: RFC 9457 problem details, made in one place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from itertools import chain, islice
from typing import Any

from engine.endpoints.messages import Headers, Response, encode_json
from engine.errors import EngineError, Overloaded
from engine.schema import Budget, Violation
from engine.text import plural

MEDIA_TYPE = "application/problem+json"
MAX_VIOLATIONS = 100
FULL = Overloaded("the service is at its limit of concurrent requests")

# RFC 9110's names, which Python's http.HTTPStatus has only from 3.13 on.
_TITLES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}


class Problem(EngineError):
    """An answer that is an error: the client's fault if `status` is 4xx, ours if it is 5xx.

    `errors` are the single violations, each with its JSON pointer; `request_id` identifies a failure of ours in the
    log.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[dict[str, str]] = (),
        headers: Headers = (),
        request_id: str = "",
    ) -> None:
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers
        self.request_id = request_id
        super().__init__(detail)

    def response(self) -> Response:
        """Write the problem as its JSON answer (RFC 9457, section 3)."""
        return Response(self.status, (("Content-Type", MEDIA_TYPE), *self.headers), encode_json(problem_members(self)))


def problem_members(problem: Problem) -> dict[str, Any]:
    """Return the members of a problem's JSON object."""
    status = problem.status
    members: dict[str, Any] = {"type": "about:blank", "title": status_title(status), "status": int(status)}
    members["detail"] = problem.detail
    if problem.errors:
        members["errors"] = list(problem.errors)
    if problem.request_id:
        members["request_id"] = problem.request_id
    return members


def violations_problem(
    violations: Iterable[Violation], budget: Budget | None = None, *, are_all: bool = True
) -> Problem:
    """Make the 422 for a body that its schema does not allow: all violations, or the first 100 and the count.

    If not all violations were found, or the budget for finding them is spent, the count says "at least". Suggestions
    are made as long as the budget has enough left for one.
    """
    rest = iter(violations)
    first = list(islice(rest, MAX_VIOLATIONS))
    count = len(first) + sum(1 for _ in rest)
    shown = [
        {
            **({"in": found.part} if found.part else {}),
            "pointer": found.pointer,
            "detail": found.detail if budget is None or budget.allows_suggestion() else found.verdict,
        }
        for found in first
    ]
    are_all = are_all and not (budget is not None and budget.is_spent)
    detail = plural(count, "violation") if are_all else f"at least {plural(count, 'violation')}"
    if count > len(shown):
        detail += f", the first {MAX_VIOLATIONS} of them here"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=shown)


def overload_problem(busy: Overloaded) -> Problem:
    """Make the 503 for a request that may succeed a little later."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(busy), headers=(("Retry-After", "1"),))


def list_once(violations: Iterable[Violation]) -> Iterator[Violation]:
    """Yield violations; those of a part that all items of a request share, such as its query, once."""
    seen = set()
    for found in violations:
        same = (found.part, found.path, found.verdict)
        if not found.part or same not in seen:
            yield found
        if found.part:
            seen.add(same)


def require_none(violations: Iterator[Violation], budget: Budget) -> None:
    """Raise the 422 for a body that has violations."""
    first = next(violations, None)
    if first is not None:
        raise violations_problem(chain((first,), violations), budget)


def status_title(status: int) -> str:
    """Return a status code's name."""
    try:
        return _TITLES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Error"
