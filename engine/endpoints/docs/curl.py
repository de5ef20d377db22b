"""curl commands that send what a form shows at first, to the service at `$SERVICE`."""

from __future__ import annotations

import json
import shlex
from urllib.parse import quote, urlencode

from engine.endpoints.docs.fields import FormField, body_of
from engine.endpoints.row_bodies import CSV
from engine.spec import Route, path_template

MAX_LINE = 60
SAFE = "/!'()*~"  # what JavaScript's encodeURIComponent leaves as it is, and slashes


def curl_command(route: Route, fields: tuple[FormField, ...], key: str) -> str:
    """Write the command that sends the fields as they are at first."""
    method = route.methods[0]
    path, body = _path(route, fields), body_of(fields)
    if method == "GET" and body is not None:
        members = [field for field in fields if field.role == "member"]
        path += "?" + urlencode([(field.name, field.query) for field in members if field.query is not None], safe="*")
        body = None
    sent = [] if body is None else ["-H 'Content-Type: application/json'", f"--data-raw {shlex.quote(_laid_out(body))}"]
    named = "" if method == ("GET" if body is None else "POST") else f"-X {method} "
    return _command(named, path, key, sent)


def curl_rows(route: Route, fields: tuple[FormField, ...], key: str) -> str:
    """Write the command that sends a CSV."""
    return _command("", _path(route, fields), key, [f"-H 'Content-Type: {CSV}'", "--data-binary @rows.csv"])


def _laid_out(body: str) -> str:
    """Write a long body over several lines, as the page's script does."""
    if len(body) <= MAX_LINE or "\n" in body:
        return body
    return json.dumps(json.loads(body), ensure_ascii=False, indent=2).replace("\n", "\n  ")


def _path(route: Route, fields: tuple[FormField, ...]) -> str:
    path = path_template(route.path)
    for field in fields:
        if field.role == "path":
            path = path.replace(f"{{{field.name}}}", field.text)
    return quote(path, safe=SAFE)


def _command(named: str, path: str, key: str, sent: list[str]) -> str:
    lines = [f'"$SERVICE"{shlex.quote(path)}', *([f'-H "{key}: $API_KEY"'] if key else []), *sent]
    return f"curl {named}" + " \\\n  ".join(lines)
