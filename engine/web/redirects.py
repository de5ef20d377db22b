"""The router's redirects, made relative so that they work behind a proxy that adds a prefix."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import flask
from werkzeug.routing import RequestRedirect
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

_SAFE = "!$&'()*+,/:;=@"  # Werkzeug does not encode these in a path either


def redirect_relatively(app: flask.Flask) -> None:
    """Have the app answer the router's redirects with a relative `Location` (RFC 3986, section 4.2)."""

    def answer() -> Response | None:
        found = flask.request.routing_exception
        if not isinstance(found, RequestRedirect):
            return None
        asked = quote(flask.request.root_path + flask.request.path, safe=_SAFE)
        target = urlsplit(found.new_url)
        # Clients resolve ".." after an empty segment in different ways.
        path = target.path if "//" in asked.lstrip("/") else relative_path(asked, target.path)
        return redirect(f"{path}?{target.query}" if target.query else path, found.code)

    app.before_request(answer)


def relative_path(asked: str, target: str) -> str:
    """Return the relative reference from one absolute path to another."""
    here, there = asked.split("/")[1:-1], target.split("/")[1:]
    same = next((place for place, pair in enumerate(zip(here, there[:-1], strict=False)) if pair[0] != pair[1]), None)
    if same is None:
        same = min(len(here), len(there) - 1)
    steps = [".."] * (len(here) - same) + there[same:]
    needs_dot = not steps[0] or ":" in steps[0]  # else it would be read as an authority or a scheme
    return "/".join([".", *steps] if needs_dot else steps)
