"""Counting every request that the app answers, whatever it answers."""

from __future__ import annotations

from time import perf_counter

import flask

from engine.endpoints import NO_ROUTE, Meter

BEGIN = "engine.begin"  # where an environ has the time at which its request came


def count_requests(app: flask.Flask, meter: Meter) -> None:
    """Have the app count its requests by route, method and status, with the seconds that they take."""

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
