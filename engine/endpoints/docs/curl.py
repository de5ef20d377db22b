"""curl commands that send what a form shows at first, to the service at `$SERVICE`."""

from __future__ import annotations

import json
import re
import shlex
from urllib.parse import quote, urlencode

from engine.endpoints.docs.fields import FormField, body_fields_of, body_of
from engine.endpoints.requests.body_reader import TEXT
from engine.endpoints.row_bodies import CSV
from engine.spec import Route, path_template

MAX_LINE = 60
SAFE = "/!'()*~"  # what JavaScript's encodeURIComponent leaves as it is, and slashes
_PLAIN_COOKIE = re.compile(r"[\w!#$%&'()*+\-./:<=>?@\[\]^`{|}~]*", re.ASCII)
_NOT_IN_COOKIES = re.compile(r'[^ -~]|[",;\\]')
NO_FILE = "FILE"  # in the place of one that is not chosen yet


def curl_command(route: Route, fields: tuple[FormField, ...], key: str) -> str:
    """Write the command that sends the fields as they are at first."""
    method = route.methods[0]
    asked = body_fields_of(fields)
    in_query = [field for field in fields if field.role == "query"]
    if method == "GET":
        in_query, asked = [*in_query, *asked], []
    sent = _headers(fields) + _body(asked, fields, route.accepts[0])
    named = "" if method == ("POST" if asked else "GET") else f"-X {method} "
    return _command(named, _path(route, fields) + _query(in_query), key, sent)


def _query(fields: list[FormField]) -> str:
    """Write a query string as JavaScript's URLSearchParams does."""
    pairs = [(field.name, text) for field in fields for text in field.sent]
    return "?" + urlencode(pairs, safe="*").replace("~", "%7E") if pairs else ""


def _headers(fields: tuple[FormField, ...]) -> list[str]:
    headers = [f"{one.name}: {text}" for one in fields if one.role == "header" for text in one.sent if text]
    cookies = [f"{one.name}={_in_cookie(text)}" for one in fields if one.role == "cookie" for text in one.sent]
    written = [f"-H {shlex.quote(header)}" for header in headers]
    return [*written, *([f"-b {shlex.quote('; '.join(cookies))}"] if cookies else [])]


def _in_cookie(text: str) -> str:
    """Write a value as Werkzeug reads it: between quotation marks where it has characters that a cookie has not."""
    if _PLAIN_COOKIE.fullmatch(text):
        return text
    escaped = _NOT_IN_COOKIES.sub(lambda found: f"\\{ord(found[0]):03o}", text.encode().decode("latin-1"))
    return f'"{escaped}"'


def _body(asked: list[FormField], fields: tuple[FormField, ...], kind: str) -> list[str]:
    """Write the options that send a body in one of the formats that a route accepts."""
    if not asked:
        return []
    match kind:
        case "form":
            pairs = [f"{quote(name, safe=SAFE)}={text}" for name, text in _pairs(asked)]
            return [f"--data-urlencode {shlex.quote(pair)}" for pair in pairs] or ["--data ''"]
        case "multipart":
            texts = [f"--form-string {shlex.quote(f'{name}={text}')}" for name, text in _pairs(asked)]
            files = [field for field in asked if field.kind == "file" and field.required]
            return texts + [f"-F {shlex.quote(f'{field.name}=@{NO_FILE}')}" for field in files]
        case "text":
            return [f"-H 'Content-Type: {TEXT}'", f"--data-raw {shlex.quote(asked[0].text)}"]
        case "binary":
            return ["-H 'Content-Type: application/octet-stream'", f"--data-binary @{NO_FILE}"]
    return ["-H 'Content-Type: application/json'", f"--data-raw {shlex.quote(_laid_out(body_of(fields) or ''))}"]


def _pairs(asked: list[FormField]) -> list[tuple[str, str]]:
    return [(field.name, text) for field in asked for text in field.sent]


def curl_rows(route: Route, fields: tuple[FormField, ...], key: str) -> str:
    """Write the command that sends a CSV."""
    return _command("", _path(route, fields), key, [f"-H 'Content-Type: {CSV}'", "--data-binary @rows.csv"])


def _laid_out(body: str) -> str:
    """Write JSON in one line, or a long body over several lines, as the page's script does."""
    value = json.loads(body)
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= MAX_LINE else json.dumps(value, ensure_ascii=False, indent=2).replace("\n", "\n  ")


def _path(route: Route, fields: tuple[FormField, ...]) -> str:
    path = path_template(route.path)
    for field in fields:
        if field.role == "path":
            path = path.replace(f"{{{field.name}}}", field.text)
    return quote(path, safe=SAFE)


def _command(named: str, path: str, key: str, sent: list[str]) -> str:
    lines = [f'"$SERVICE"{shlex.quote(path)}', *([f'-H "{key}: $API_KEY"'] if key else []), *sent]
    return f"curl {named}" + " \\\n  ".join(lines)
