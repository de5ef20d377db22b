"""Sequences of responses in routes.yaml: checks beyond the grammar, and their records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from engine.diagnostics import Diagnostic
from engine.spec.checking.responses import check_response, read_response
from engine.spec.named_files import Home
from engine.spec.reading.node import Node
from engine.spec.records import Sequence as SequenceRecord
from engine.spec.records import SequenceStep
from engine.text import did_you_mean


def check_sequence(sequence: Node, path: str, home: Home, names: Iterable[str]) -> Iterator[Diagnostic]:
    """Report every mistake in a sequence of a route with this path; `names` are what `per` may name."""
    steps, per = sequence["responses"].items, sequence["per"]
    for step in steps:
        yield from check_response(step["response"], path, home)
    if len(steps) == 1:
        message = "a sequence of one response is the same as that response; write response in place of sequence"
        yield sequence["responses"].error(message, "warning")
    elif steps and "times" in steps[-1] and sequence["repeat"].plain is not True:
        message = "times has no effect here: the last response stays; add repeat: true to begin again after it"
        yield steps[-1].key("times").error(message, "warning")
    if per.text is not None:
        yield from _check_name(per, per.text, [*names])


def _check_name(per: Node, text: str, known: Sequence[str]) -> Iterator[Diagnostic]:
    if text in known:
        return
    inner = text.removeprefix("${").removesuffix("}").strip()
    meant = inner if inner in known else f"path.{inner}"
    if meant in known:
        yield per.error(f'per: "{text}" is not the name of a value; write {meant}')
    else:
        yield per.error(f'unknown name "{text}" {did_you_mean(inner, known, "this route has")}')


def response_nodes(place: Node) -> Iterator[Node]:
    """Return the responses of a route, wherever they stand in it."""
    yield place["response"]
    for step in place["sequence"]["responses"].items:
        yield step["response"]


def read_sequence(node: Node, files: Mapping[str, bytes]) -> SequenceRecord:
    """Make a sequence's record from a document without mistakes; `files` are the files' bytes by name."""
    steps = (
        SequenceStep(node=step, times=int(step["times"].plain or 1), response=read_response(step["response"], files))
        for step in node["responses"].items
    )
    return SequenceRecord(node=node, steps=tuple(steps), repeat=bool(node["repeat"].plain), per=node["per"].plain)
