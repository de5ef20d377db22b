"""An ordinary Flask app made from a spec: extensions work on it, test_client() does, any WSGI server runs it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import flask
from werkzeug.exceptions import BadRequest, RequestURITooLarge
from werkzeug.routing import BaseConverter, MapAdapter

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
from engine.spec import LazyRule, Route, Spec, load
from engine.telemetry import warn_if_too_late
from engine.web.body import hold_to_limits
from engine.web.counts import count_requests
from engine.web.errors import answer_errors
from engine.web.guarding import guard_requests
from engine.web.identity import name_requests
from engine.web.redirects import redirect_relatively
from engine.web.routing import FiniteFloatConverter, ReadableIntegerConverter, WholePathConverter
from engine.web.signpost import Signpost

# Under any other name, a web page could send requests by making its own name resolve to this machine (DNS rebinding).
_PLAIN_HOST = re.compile(
    r"(|localhost|[0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9a-f:.]+(%[0-9a-z._~%-]+)?\])(:[0-9]{1,5})?", re.IGNORECASE
)
# Headers that proxies and content delivery networks add: the peer passes on the request of another client.
_PROXY_HEADERS = frozenset(
    "HTTP_" + name.upper().replace("-", "_")
    for name in (
        "CDN-Loop CF-Connecting-IP CF-Ray Client-IP Fastly-Client-IP Forwarded Proxy-Client-IP True-Client-IP Via "
        "WL-Proxy-Client-IP X-Amz-Cf-Id X-Appengine-User-IP X-Azure-ClientIP X-Azure-SocketIP X-Client-IP "
        "X-Cluster-Client-IP X-Coming-From X-Envoy-External-Address X-Original-Forwarded-For X-Original-Host "
        "X-ProxyUser-Ip X-Real-IP X-Remote-Addr X-Remote-IP"
    ).split()
)


class Service(flask.Flask):
    """A Flask app whose URL rules read every number that a URL can contain, and which sorts its Allow headers."""

    url_rule_class = LazyRule

    def __init__(self, spec: Spec, mounted: tuple[Mounted, ...], meter: Meter) -> None:
        super().__init__("engine", static_folder=None, template_folder=None)
        self.spec = spec
        self.mounted = mounted
        self.meter = meter
        self._base = as_path_info(spec.service.base_path)
        self._longest_url = max(limits.url for limits in (spec.service.limits, *(one.route.limits for one in mounted)))
        self.guards = Guards(spec.service, [mount.route for mount in mounted], meter)
        own: Mapping[str, type[BaseConverter]] = {
            "int": ReadableIntegerConverter,
            "float": FiniteFloatConverter,
            "path": WholePathConverter,
        }
        self.url_map.converters = {**self.url_map.converters, **own}

    def paths(self, route: Route) -> tuple[str, ...]:
        """Return the paths that lead to a route without parameters: its own, and the one behind the base path."""
        base = self.spec.service.base_path
        return (route.path, base + route.path) if base else (route.path,)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333); one whose path begins with the base path, as if it were mounted there."""
        base, path = self._base, environ["PATH_INFO"]
        if not base or not (path == base or path.startswith(f"{base}/")):
            return super().wsgi_app(environ, start_response)
        mount = environ.get("SCRIPT_NAME", "")
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = mount + base, path[len(base) :]
        try:
            return super().wsgi_app(environ, start_response)
        finally:  # for the log of requests
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = mount, path

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """Look up the route of a URL, unless the URL is longer than any route allows: looking it up takes time too."""
        if request is not None:
            path = request.environ["PATH_INFO"]
            if len(path) > self._longest_url:
                raise RequestURITooLarge
            if not path.isascii() and _is_broken(path):
                raise BadRequest("the path is not percent-encoded UTF-8")
        return super().create_url_adapter(request)

    def make_default_options_response(self) -> flask.Response:
        """Answer OPTIONS as Flask does, in an order that is the same in every process."""
        answer = super().make_default_options_response()
        answer.headers["Allow"] = ", ".join(sorted(answer.allow))
        del answer.headers["Content-Type"]  # Flask's own error for a missing body
        return answer


def create_app(routes: str | Path = "routes.yaml", models: str | Path | None = None) -> Service:
    """Read a spec and make its app: `gunicorn 'engine:create_app()'`.

    Without `models`, the models.yaml beside `routes` is read if it exists. Raises `SpecError` with every mistake in
    both files.
    """
    warn_if_too_late()
    return build_app(load(routes, models))


def build_app(spec: Spec, predictors: Mapping[str, Predictor] | None = None, process: Process | None = None) -> Service:
    """Make the app of a loaded spec; its models are compiled unless their `predictors` are given.

    `process` tells the app the state of the service; without it, the app reports on its own process.
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
    readers = {str(number) for number, mount in enumerate(mounted) if mount.route.reads_body}
    hold_to_limits(app, limits, spec.service.limits, readers)
    redirect_relatively(app, spec.service.base_path)
    signpost = Signpost(spec.service, zip(mounted, app.guards.routes, strict=True))
    answer_errors(app, signpost, prefer_html=spec.service.errors == "html")
    return app


def as_path_info(path: str) -> str:
    """Write a path as PATH_INFO has it (PEP 3333)."""
    return path.encode().decode("latin-1")


def _is_broken(path: str) -> bool:
    """Whether a path (in the form of PEP 3333) was not UTF-8; some servers replace invalid bytes by U+FFFD."""
    try:
        return "\N{REPLACEMENT CHARACTER}" in path.encode("latin-1").decode()
    except ValueError:
        return True


def _view(endpoint: Endpoint) -> Callable[..., flask.Response]:
    def view(**path: Any) -> flask.Response:
        request, headers = flask.request, flask.request.headers
        content_type, if_none_match = headers.get("Content-Type", ""), headers.get("If-None-Match", "")
        client = _peer(request.environ)
        query = request.environ.get("QUERY_STRING", "")
        several = bool(request.environ.get("wsgi.multiprocess"))
        body, sent, accept = flask.g.body, flask.g.sent, headers.get("Accept", "")
        asked = Request(request.method, path, content_type, if_none_match, body, client, query, several, sent, accept)
        return to_flask(endpoint(asked))

    return view


def _peer(environ: Mapping[str, Any]) -> str:
    """Return the client's address; empty if the request may come from another client or was caused by a web page."""
    is_forwarded = any(name in _PROXY_HEADERS or name.startswith("HTTP_X_FORWARDED") for name in environ)
    if is_forwarded or not _PLAIN_HOST.fullmatch(environ.get("HTTP_HOST", "")):
        return ""
    return str(environ.get("REMOTE_ADDR", ""))


def _alone(predictors: Mapping[str, Predictor]) -> Process:
    """Report on this process as the whole service."""
    meter = Meter()

    def status() -> Status:
        models = show_models(predictor.facts for predictor in predictors.values())
        workers = [{"number": 1, "pid": os.getpid(), "generation": 1, "responds": True}]
        return Status(ready=True, document={"generation": 1, "degraded": [], "workers": workers, "models": models})

    return Process(status, meter.numbers, meter, is_whole=False)


def to_flask(response: Response) -> flask.Response:
    """Make Flask's response from ours, without any header that ours does not have."""
    answer = flask.Response(response.body, response.status)
    del answer.headers["Content-Type"]
    answer.headers.extend(response.headers)
    return answer
