"""An ordinary Flask app out of a spec: extensions work on it, test_client() does, any WSGI server runs it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flask
from werkzeug.routing import BaseConverter

from engine.endpoints import (
    Endpoint,
    Guards,
    Meter,
    Mounted,
    Process,
    Request,
    Response,
    Status,
    build_endpoints,
    show_models,
)
from engine.models import Predictor, compile_models
from engine.spec import LazyRule, Spec, load
from engine.web.body import hold_to_limits
from engine.web.counts import count_requests
from engine.web.errors import answer_errors
from engine.web.guarding import guard_requests
from engine.web.identity import name_requests
from engine.web.routing import FiniteFloatConverter, ReadableIntegerConverter

# By another name, a page of the web could ask that has its own name lead here (DNS rebinding).
_NAMES_OF_HERE = re.compile(r"(|localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


class Service(flask.Flask):
    """A Flask app whose URL rules read every number that a URL can hold, and which sorts its Allow headers."""

    url_rule_class = LazyRule

    def __init__(self, spec: Spec, mounted: tuple[Mounted, ...], meter: Meter) -> None:
        super().__init__("engine", static_folder=None, template_folder=None)
        self.spec = spec
        self.mounted = mounted
        self.meter = meter
        self.guards = Guards(spec.service, [mount.route for mount in mounted], meter)
        numbers: Mapping[str, type[BaseConverter]] = {"int": ReadableIntegerConverter, "float": FiniteFloatConverter}
        self.url_map.converters = {**self.url_map.converters, **numbers}

    def make_default_options_response(self) -> flask.Response:
        """Answer OPTIONS as Flask does, in an order that does not change from process to process."""
        answer = super().make_default_options_response()
        answer.headers["Allow"] = ", ".join(sorted(answer.allow))
        return answer


def create_app(routes: str | Path = "routes.yaml", models: str | Path | None = None) -> Service:
    """Read a spec and make its app: `gunicorn 'engine:create_app()'`.

    Without `models`, the models.yaml beside `routes` is read if it is there. Raises `SpecError` with every
    mistake in both files.
    """
    return build_app(load(routes, models))


def build_app(spec: Spec, predictors: Mapping[str, Predictor] | None = None, process: Process | None = None) -> Service:
    """Make the app of a spec in hand; its models are compiled unless their `predictors` are given.

    `process` is what the app asks how the service is; without it, the app speaks for its own process.
    """
    predictors = compile_models(spec) if predictors is None else predictors
    process = process or _alone(predictors)
    mounted = build_endpoints(spec, predictors, process)
    app = Service(spec, mounted, process.meter)
    count_requests(app, process.meter)
    name_requests(app)
    if app.guards.stand:
        guard_requests(app, app.guards)
    for number, mount in enumerate(mounted):
        app.add_url_rule(mount.route.path, str(number), _view(mount.endpoint), methods=list(mount.route.methods))
    limits = {str(number): mount.route.limits for number, mount in enumerate(mounted)}
    hold_to_limits(app, limits, spec.service.limits)
    answer_errors(app, prefer_html=spec.service.errors == "html")
    return app


def _view(endpoint: Endpoint) -> Callable[..., flask.Response]:
    def view(**path: Any) -> flask.Response:
        request, headers = flask.request, flask.request.headers
        content_type, if_none_match = headers.get("Content-Type", ""), headers.get("If-None-Match", "")
        passed_on = any(name in headers for name in _FORWARDED) or not _NAMES_OF_HERE.fullmatch(headers.get("Host", ""))
        client = "" if passed_on else request.remote_addr or ""
        query = request.environ.get("QUERY_STRING", "")
        return to_flask(
            endpoint(Request(request.method, path, content_type, if_none_match, flask.g.body, client, query))
        )

    return view


def _alone(predictors: Mapping[str, Predictor]) -> Process:
    """Speak for this process, which is all there is of the service."""
    meter = Meter()

    def status() -> Status:
        models = show_models(predictor.facts for predictor in predictors.values())
        workers = [{"number": 1, "pid": os.getpid(), "generation": 1, "responds": True}]
        return Status(ready=True, document={"generation": 1, "degraded": [], "workers": workers, "models": models})

    return Process(status, meter.numbers, meter)


def to_flask(response: Response) -> flask.Response:
    """Make Flask's response of ours, with no header that ours does not have."""
    answer = flask.Response(response.body, response.status)
    del answer.headers["Content-Type"]
    answer.headers.extend(response.headers)
    return answer
