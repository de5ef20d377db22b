"""Count every request that the app answers, whatever the answer."""

from __future__ import annotations

from time import perf_counter

import flask

from engine.endpoints import NO_ROUTE, Meter

BEGIN = "engine.begin"  # environ key of the time at which the request arrived


def count_requests(app: flask.Flask, meter: Meter) -> None:
    """Make the app count its requests by route, method and status, with their durations."""

    def begin() -> None:
        flask.request.environ.setdefault(BEGIN, perf_counter())

    def end(response: flask.Response) -> flask.Response:
        request = flask.request
        route = request.url_rule.rule if request.url_rule is not None else NO_ROUTE
        seconds = perf_counter() - request.environ[BEGIN]
        meter.requests(route, request.method, response.status_code).add(seconds)
        return response

    app.before_request(begin)
    app.after_request(end)
