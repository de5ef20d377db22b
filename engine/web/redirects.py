"""The router's redirects, made relative so that they work behind a proxy that adds a prefix."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import flask
from werkzeug.routing import RequestRedirect
from werkzeug.utils import redirect
from werkzeug.wrappers import Response


def redirect_relatively(app: flask.Flask, base: str) -> None:
    """Have the app answer the router's redirects with a relative `Location` (RFC 3986, section 4.2).

    `base` is the base path of the service, which a proxy may have removed.
    """

    def answer() -> Response | None:
        found = flask.request.routing_exception
        if not isinstance(found, RequestRedirect):
            return None
        target = urlsplit(found.new_url)
        path = target.path if flask.request.root_path else quote(base) + target.path
        if "//" not in flask.request.path:  # then only the slash at its end was missing
            path = "./" + path.rpartition("/")[0].rpartition("/")[2] + "/"
        # Otherwise "..", which clients resolve in different ways after an empty segment, would be needed.
        return redirect(f"{path}?{target.query}" if target.query else path, found.code)

    app.before_request(answer)
