"""Ask the guards, before anything else is done for a request: they apply to 404, 405 and OPTIONS too."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from engine.endpoints import Admission, Guard, Guards, Response
from engine.handling.incoming import Incoming
from engine.handling.request_body import refuse_unread
from engine.handling.routing import Router


def admit_request(incoming: Incoming, guards: Guards, router: Router) -> Response | None:
    """Return the answer to a preflight, or None; raise the problem of a request that is refused.

    A request passes its route's guard, or the service's own if no route matches. It is asked once, even if a request
    comes here again.
    """
    if incoming.admission is None:
        default = guards.default
        guard = incoming.mounted.guard if incoming.mounted is not None else default
        if incoming.environ["REQUEST_METHOD"] != "OPTIONS":
            incoming.admission = guard.admit(incoming.environ)
        else:
            found = router.mounted_at(incoming)
            by_method = {method: default if one is None else one.guard for method, one in found.items()}
            if (answer := _preflight(incoming, by_method)) is not None:
                return answer
            incoming.admission = _admit_to_all(guard, {*by_method.values()} - {guard}, incoming)
    if incoming.admission.problem is not None:
        raise refuse_unread(incoming.admission.problem, incoming)
    return None


def _preflight(incoming: Incoming, guards: dict[str, Guard]) -> Response | None:
    """Return the answer to a preflight that is allowed."""
    guard = guards.get(incoming.environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", ""))
    headers = guard.preflight(incoming.environ) if guard is not None else None
    if headers is None:
        return None
    incoming.admission = Admission(headers)
    methods = sorted(method for method, other in guards.items() if other is guard)
    return Response(HTTPStatus.NO_CONTENT, (("Access-Control-Allow-Methods", ", ".join(methods)),), b"")


def _admit_to_all(guard: Guard, others: Iterable[Guard], incoming: Incoming) -> Admission:
    """Ask the guard of a request, and the others of its path about the key: OPTIONS answers for every method."""
    admission = guard.admit(incoming.environ)
    for other in others:
        if admission.problem is None:
            admission.problem = other.identify(incoming.environ)[1]
    return admission
