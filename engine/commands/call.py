"""`call`: one request in this process, without a port."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

import click

from engine.isolation import Progress
from engine.terminal import json_option, print_json, show_progress, spec_options

if TYPE_CHECKING:
    from engine.endpoints.requests.form_writing import FormPart

Headers = tuple[tuple[str, str], ...]

FIRST_ERROR = 400
_FORM = "application/x-www-form-urlencoded"
_MEDIA_TYPE = re.compile(r"[!#$&^_.+\w-]+/[!#$&^_.+\w-]+(;[^\r\n]*)?", re.ASCII)
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


@click.command(short_help="Send one request in-process, no server needed.")
@click.argument("target", nargs=-1, required=True, metavar="[METHOD] PATH")
@click.option("-d", "--data", metavar="BODY", help="The body; @FILE reads it from a file, @- from stdin.")
@click.option(
    "-F",
    "--form",
    metavar="NAME=VALUE",
    multiple=True,
    help="A part of a multipart form: a value, or @FILE, to which ;type=TYPE and ;filename=NAME may be added; may be "
    "repeated.",
)
@click.option(
    "--form-string", metavar="NAME=VALUE", multiple=True, help="The same; the value is sent as it is, even with @ or ;."
)
@click.option(
    "--data-urlencode",
    "encoded",
    metavar="NAME=VALUE",
    multiple=True,
    help="A value of a form without files; NAME@FILE reads it from a file; may be repeated.",
)
@click.option("-H", "--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="A header; may be repeated.")
@click.option("-i", "--include", is_flag=True, help="Print the status and the headers too.")
@spec_options
@json_option
def command(
    target: tuple[str, ...],
    data: str | None,
    form: tuple[str, ...],
    form_string: tuple[str, ...],
    encoded: tuple[str, ...],
    headers: tuple[str, ...],
    include: bool,
    routes: str,
    models: str | None,
    as_json: bool,
) -> None:
    """Send one request to the service, in this process, and print the answer's body.

    METHOD is GET by default, or POST if there is a body. The exit status is 1 for an answer of 400 or above.

    \b
    Examples:
      python -m engine call /
      python -m engine call POST /predict -d '{"sepal_length": 5.9, "sepal_width": 3.0,
          "petal_length": 5.1, "petal_width": 1.8}'
      python -m engine call POST /predict -d @instance.json -i
      python -m engine call POST /photos -F title=Lamp -F "file=@lamp.png;type=image/png"
      python -m engine call POST /reviews --data-urlencode stars=5 --data-urlencode "text=Bright & warm"
    """  # noqa: D301
    from engine.models import run_with_models
    from engine.spec import load_spec

    if sum(map(bool, (data is not None, form or form_string, encoded))) > 1:
        raise click.UsageError("a request has one body; use only one of -d, -F and --data-urlencode")
    method, path = _method_and_path(target, has_body=bool(data is not None or form or form_string or encoded))
    own = tuple(map(_header, headers))
    if form or form_string:
        body, own = _multipart([*map(_part, form), *map(_text_part, form_string)], own)
    elif encoded:
        body, own = _urlencoded(encoded, own)
    else:
        body = _read(data, "-d") if data is not None and data.startswith("@") else os.fsencode(data or "")
    asked = method, _url(path), body, own
    with show_progress() as show:
        status, answered, body = run_with_models(
            load_spec(routes, models), _answer, routes, models, *asked, progress=show
        )
    code = int(status.partition(" ")[0])
    if as_json:
        print_json({"status": code, "headers": answered, "body": body.decode(errors="replace")})
    else:
        if include:
            click.echo(f"HTTP/1.1 {status}")
            click.echo("".join(f"{name}: {value}\n" for name, value in answered))
        sys.stdout.flush()
        click.echo(body, nl=False)
    if code >= FIRST_ERROR:
        raise click.exceptions.Exit(1)


def _answer(
    routes: str,
    models: str | None,
    method: str,
    url: str,
    body: bytes,
    headers: Headers,
    progress: Progress,
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Answer a request, whose URL is percent-encoded and has no host, by the code and phrase, headers and body."""
    from werkzeug.test import EnvironBuilder

    from engine.endpoints.problems import status_title
    from engine.handling import Incoming, open_service

    handler, _ = open_service(routes, models, progress)
    path, _, query = url.partition("?")
    environ = EnvironBuilder(method=method, data=body, headers=headers).get_environ()
    environ |= {"PATH_INFO": unquote(path, "latin-1"), "QUERY_STRING": query, "REMOTE_ADDR": "127.0.0.1"}
    status, answered, sent = handler.respond(Incoming(environ))
    return f"{int(status)} {status_title(status)}", answered, sent if isinstance(sent, bytes) else b"".join(sent)


def _method_and_path(target: tuple[str, ...], *, has_body: bool) -> tuple[str, str]:
    match target:
        case (path,) if path.startswith("/"):
            return "POST" if has_body else "GET", path
        case (word,) if word.isalpha():
            raise click.UsageError(f"{word} is a method without a path; write: call {word} /")
        case (path,):
            return "", path  # which is refused
        case (method, path):
            return method.upper(), path
    raise click.UsageError(f"expected a method and a path, got {len(target)} words: {' '.join(target)}")


def _url(path: str) -> str:
    if not path.startswith("/"):
        raise click.BadParameter(f'"{path}" does not begin with "/"', param_hint="PATH")
    return quote(os.fsencode(path), safe=_URL_CHARACTERS)


def _read(file: str, option: str) -> bytes:
    """Read the file that is named after an @, or standard input."""
    if file == "@-":
        return sys.stdin.buffer.read()
    from engine.spec import read_regular

    try:
        return read_regular(Path(file[1:]))
    except OSError as error:
        piped = "; @- reads what is piped in" if error.errno == errno.EINVAL else ""
        raise click.BadParameter(f"{file[1:]} cannot be read: {error.strerror}{piped}", param_hint=option) from None


def _part(text: str) -> FormPart:
    """Read a part of a form as curl does: a text or a file, with its type."""
    from engine.endpoints.bodies.file_body import type_of_file
    from engine.endpoints.requests.form_writing import FormPart

    name, value = _named(text, "-F", "NAME=VALUE or NAME=@FILE")
    is_file = value.startswith("@")
    value, *options = re.split(r";\s*(type|filename)=" if is_file else r";\s*(type)=", value)
    given = dict(zip(options[::2], options[1::2], strict=True))
    media_type = given.get("type", type_of_file(value) if is_file else "")
    if media_type and not _MEDIA_TYPE.fullmatch(media_type):
        raise click.BadParameter(f'"{media_type}" is not a media type, such as image/png', param_hint="-F")
    if not is_file:
        return FormPart(name, os.fsencode(value), media_type)
    return FormPart(name, _read(value, "-F"), media_type, given.get("filename", Path(value[1:]).name))


def _text_part(text: str) -> FormPart:
    from engine.endpoints.requests.form_writing import FormPart

    name, value = _named(text, "--form-string", "NAME=VALUE")
    return FormPart(name, os.fsencode(value))


def _named(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f'"{text}" is not of the form {form}', param_hint=option)
    return name, value


def _multipart(parts: list[FormPart], headers: Headers) -> tuple[bytes, Headers]:
    from engine.endpoints.requests.form_writing import write_multipart

    if _has_type(headers):
        message = "-F writes the Content-Type itself, since it has the boundary of the parts; remove it here"
        raise click.BadParameter(message, param_hint="-H")
    media_type, body = write_multipart(parts)
    return body, (*headers, ("Content-Type", media_type))


def _urlencoded(values: tuple[str, ...], headers: Headers) -> tuple[bytes, Headers]:
    body = "&".join(_pairs(values)).encode()
    return body, headers if _has_type(headers) else (*headers, ("Content-Type", _FORM))


def _pairs(values: tuple[str, ...]) -> Iterator[str]:
    """Encode the values of a form; a name before them is encoded already, as for curl."""
    for text in values:
        name, equals, value = text.partition("=")
        if not equals and "@" in text:
            name, _, file = text.partition("@")
            content = _read(f"@{file}", "--data-urlencode")
        else:
            name, content = (name, os.fsencode(value)) if equals else ("", os.fsencode(text))
        yield (f"{name}=" if name else "") + quote_plus(content)


def _has_type(headers: Headers) -> bool:
    return any(name.lower() == "content-type" for name, _ in headers)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or {"\r", "\n"} & set(line):
        raise click.BadParameter(f'"{line}" is not one line of the form NAME: VALUE', param_hint="-H")
    return name.strip(), value.strip()
