"""The files that responses send: their checks, their names and their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from engine.diagnostics import Diagnostic
from engine.spec.named_files import Home, normal_name
from engine.spec.reading.node import Node
from engine.spec.references import (
    ReferenceMistake,
    parse_template,
    references_in,
)


def files_of(file: Node, home: Home) -> list[str]:
    """Return the names of the files that a response can send: one, or those that its references can name."""
    try:
        template = parse_template(file_text(file))
        return home.match(template) if references_in(template) else ["".join(map(str, template))]
    except ValueError:  # reported elsewhere
        return []


def file_text(file: Node) -> str:
    """Return the name of a file as it is written, but relative to the folder of the spec."""
    text, folder = file.text or "", file.source.folder
    if not folder:
        return text
    begin, reference, end = text.partition("${")
    head, _, tail = begin.rpartition("/")
    return f"{normal_name(head or '.', folder)}/{tail}{reference}{end}"


def response_nodes(route: Node) -> Iterator[Node]:
    """Yield the responses of a route, wherever they stand in it."""
    for place in (route, route["on_failure"], *route["cases"].items):
        yield place["response"]
        yield from (step["response"] for step in place["sequence"]["responses"].items)
    yield route["on_failure"]["response"]


def response_files(routes: Iterable[Node], home: Home) -> Iterator[str]:
    """Yield the names of all files that responses can send, and of the folders in which others may appear."""
    for route in routes:
        for response in response_nodes(route):
            if (file := response["file"]).text:
                found = files_of(file, home)
                yield from found
                yield from {str(PurePosixPath(name).parent) for name in found} if "${" in file.text else ()


def read_files(file: Node, home: Home) -> Mapping[str, bytes]:
    """Read the files of a response by their names; raise `SpecError` for one that has vanished."""
    try:
        return {name: home.read(name) for name in files_of(file, home)}
    except ValueError as error:
        raise file.mistake(f"the file cannot be served: {error}") from None


def check_file(file: Node, home: Home) -> Iterator[Diagnostic]:
    """Report a file that cannot be sent."""
    if not file.text:
        return
    try:
        template = parse_template(file_text(file))
        found = references_in(template)
        if not found:
            home.require("".join(map(str, parse_template(file.text))), file.source.folder)
        if found and not home.match(template):
            yield file.error(f'no file in the folder of the spec has a name of the form "{file.text}"')
    except ReferenceMistake:  # reported elsewhere
        return
    except ValueError as error:
        yield file.error(str(error))
