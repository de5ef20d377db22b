"""The guards in front of Flask's dispatcher, so that 404, 405 and OPTIONS have them too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flask
from werkzeug.exceptions import HTTPException

from engine.endpoints import Admission, Guard, Guards
from engine.web.body import refused

ADMISSION = "engine.admission"  # where an environ has what the guards have said of its request


def guard_requests(app: flask.Flask, guards: Guards) -> None:
    """Have every request pass its route's guard, or the service's own where no route matches."""
    by_endpoint = {str(number): guard for number, guard in enumerate(guards.routes)}

    def stand() -> flask.Response | None:
        request = flask.request
        environ = request.environ
        if ADMISSION not in environ:
            environ[ADMISSION] = _admission(_guards_of(request, by_endpoint, guards.default), environ)
        admission: Admission = environ[ADMISSION]
        if admission.preflight and (methods := _methods(request)):
            return flask.Response(status=204, headers={"Access-Control-Allow-Methods": ", ".join(methods)})
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


def _guards_of(request: flask.Request, by_endpoint: Mapping[str, Guard], default: Guard) -> list[Guard]:
    """Give the guard of the route that matches; for OPTIONS, which asks about every method, those of all of them."""
    if request.endpoint is None or request.method != "OPTIONS":
        return [by_endpoint.get(request.endpoint or "", default)]
    adapter = flask.globals.request_ctx.url_adapter
    found: dict[str, Guard] = {}
    for method in _methods(request):
        try:
            endpoint, _ = adapter.match(method=method) if adapter is not None else ("", {})
        except HTTPException:
            continue
        found[endpoint] = by_endpoint.get(endpoint, default)
    return list(found.values()) or [default]


def _admission(guards: list[Guard], environ: Mapping[str, Any]) -> Admission:
    """Ask each guard; the first that refuses decides."""
    said = [guard.admit(environ) for guard in guards]
    return next((admission for admission in said if admission.problem is not None), said[0])


def _methods(request: flask.Request) -> list[str]:  # noqa: ARG001 - the adapter is that of this request
    adapter = flask.globals.request_ctx.url_adapter
    return sorted(adapter.allowed_methods()) if adapter is not None else []
