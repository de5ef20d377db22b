"""The guards in front of Flask's dispatcher, so that they apply to 404, 405 and OPTIONS too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import flask
from werkzeug.exceptions import HTTPException

from engine.endpoints import Admission, Guard, Guards
from engine.web.body import refused

ADMISSION = "engine.admission"  # environ key of the guards' decision on the request


def guard_requests(app: flask.Flask, guards: Guards) -> None:
    """Make every request pass its route's guard, or the service's own if no route matches."""
    by_endpoint = {str(number): guard for number, guard in enumerate(guards.routes)}

    def stand() -> flask.Response | None:
        request = flask.request
        environ = request.environ
        found = _matching(request, by_endpoint, guards.default) if request.method == "OPTIONS" else {}
        wanted = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "")
        if wanted in found and (headers := found[wanted].preflight(environ)) is not None:
            methods = sorted(method for method, guard in found.items() if guard is found[wanted])
            environ[ADMISSION] = Admission(headers)
            answer = flask.Response(status=204, headers={"Access-Control-Allow-Methods": ", ".join(methods)})
            del answer.headers["Content-Type"]  # Flask's own error for a missing body
            return answer
        if ADMISSION not in environ:
            guard = by_endpoint.get(request.endpoint or "", guards.default)
            environ[ADMISSION] = _admission(guard, {*found.values()} - {guard}, environ)
        admission: Admission = environ[ADMISSION]
        if admission.problem is not None:
            raise refused(admission.problem)
        return None

    def mark(response: flask.Response) -> flask.Response:
        admission: Admission | None = flask.request.environ.get(ADMISSION)
        if admission is not None:
            response.headers.extend(admission.headers)
        return response

    app.before_request(stand)
    app.after_request(mark)


def _matching(request: flask.Request, by_endpoint: Mapping[str, Guard], default: Guard) -> dict[str, Guard]:
    """Return the guard of each allowed method at the path of a request."""
    adapter = flask.globals.request_ctx.url_adapter
    found: dict[str, Guard] = {}
    if adapter is None or request.endpoint is None:
        return found
    for method in adapter.allowed_methods():
        try:
            endpoint, _ = adapter.match(method=method)
        except HTTPException:
            continue
        found[method] = by_endpoint.get(endpoint, default)
    return found


def _admission(guard: Guard, others: Iterable[Guard], environ: Mapping[str, Any]) -> Admission:
    """Ask the guard of a request, and the others of its path about the key: OPTIONS answers for every method."""
    admission = guard.admit(environ)
    for other in others:
        if admission.problem is None:
            admission.problem = other.identify(environ)[1]
    return admission
