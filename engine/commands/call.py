"""`call`: one request in this process, without a port."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from urllib.parse import quote, unquote

import click

from engine.isolation import Progress
from engine.terminal import json_option, print_json, show_progress, spec_options

FIRST_ERROR = 400
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


@click.command(short_help="Send one request in-process, no server needed.")
@click.argument("method")
@click.argument("path")
@click.option("-d", "--data", metavar="BODY", help="The body; @FILE reads it from a file, @- from stdin.")
@click.option("-H", "--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="A header; may be repeated.")
@click.option("-i", "--include", is_flag=True, help="Print the status and the headers too.")
@spec_options
@json_option
def command(
    method: str,
    path: str,
    data: str | None,
    headers: tuple[str, ...],
    include: bool,
    routes: str,
    models: str | None,
    as_json: bool,
) -> None:
    """Send one request to the service, in this process, and print the answer's body.

    The exit status is 1 for an answer of 400 or above.

    \b
    Examples:
      python -m engine call GET /
      python -m engine call POST /predict -d '{"sepal_length": 5.9, "sepal_width": 3.0,
          "petal_length": 5.1, "petal_width": 1.8}'
      python -m engine call POST /predict -d @instance.json -i
    """  # noqa: D301
    from engine.models import run_with_models
    from engine.spec import load_spec

    asked = method.upper(), _url(path), _body(data), tuple(map(_header, headers))
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
    headers: tuple[tuple[str, str], ...],
    progress: Progress,
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Answer a request, whose URL is percent-encoded and has no host, by the code and phrase, headers and body."""
    from werkzeug.test import EnvironBuilder
    from werkzeug.wrappers import Response

    from engine.handling import Incoming, open_service

    handler, _ = open_service(routes, models, progress)
    path, _, query = url.partition("?")
    environ = EnvironBuilder(method=method, data=body, headers=headers).get_environ()
    environ |= {"PATH_INFO": unquote(path, "latin-1"), "QUERY_STRING": query, "REMOTE_ADDR": "127.0.0.1"}
    status, answered, sent = handler.respond(Incoming(environ))
    return Response(status=status).status, answered, sent if isinstance(sent, bytes) else b"".join(sent)


def _url(path: str) -> str:
    if not path.startswith("/"):
        raise click.BadParameter(f'"{path}" does not begin with "/"', param_hint="PATH")
    return quote(os.fsencode(path), safe=_URL_CHARACTERS)


def _body(data: str | None) -> bytes:
    if data is None or not data.startswith("@"):
        return os.fsencode(data or "")
    if data == "@-":
        return sys.stdin.buffer.read()
    from engine.spec import read_regular

    try:
        return read_regular(Path(data[1:]))
    except OSError as error:
        piped = "; @- reads what is piped in" if error.errno == errno.EINVAL else ""
        raise click.BadParameter(f"{data[1:]} cannot be read: {error.strerror}{piped}", param_hint="-d") from None


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or {"\r", "\n"} & set(line):
        raise click.BadParameter(f'"{line}" is not one line of the form NAME: VALUE', param_hint="-H")
    return name.strip(), value.strip()
