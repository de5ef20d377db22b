"""Events → nodes: strict about keys, aliases, depth and size, so that later stages need no such checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.spec.reading.environment import (
    BEGIN,
    asked_variables,
    hide_secrets,
    is_asking,
    substitute_variables,
)
from engine.spec.reading.events import Event, read_events
from engine.spec.reading.node import Node
from engine.spec.reading.scalars import resolve_scalar
from engine.spec.reading.source import Source
from engine.spec.references import ReferenceMistake

MAX_DEPTH = 200
MAX_VALUES = 1_000_000
QUOTES = ('"', "'", "|", ">")


@dataclass(slots=True)
class _Open:
    """A collection that is still being read."""

    event: Event
    fields: dict[str, tuple[Node, Node]] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    key: Node | None = None
    size: int = 1

    def close(self, source: Source, end: int) -> Node:
        """Make the node; the place of a block collection is the beginning of its first line."""
        if self.event.kind == "sequence":
            plain: Any = [item.plain for item in self.items]
            end = end if self.event.flow else self.event.start + 1
            return Node(source, self.event.start, end, plain, items=self.items, size=self.size)
        plain = {key: value.plain for key, (_, value) in self.fields.items()}
        if not self.event.flow and self.fields:
            end = next(iter(self.fields.values()))[0].end
        return Node(source, self.event.start, end, plain, fields=self.fields, size=self.size)


def compose_document(source: Source, *, environment: bool = True) -> Node:
    """Read a whole document, with values of the `environment` where it refers to them.

    Raises `SpecError` with all duplicate keys, or at the first place that cannot be read.
    """
    composer = _Composer(source, environment)
    for event in read_events(source):
        composer.take(event)
    if composer.root is None:
        raise source.error(0, 0, "the file is empty; a spec begins with its first key, such as routes: or models:")
    if composer.mistakes:
        raise SpecError(composer.mistakes)
    source.definitions = frozenset(composer.root["$defs"].fields or ())
    return composer.root


class _Composer:
    def __init__(self, source: Source, environment: bool) -> None:
        self.source = source
        self.environment = environment
        self.root: Node | None = None
        self.mistakes: list[Diagnostic] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}

    def take(self, event: Event) -> None:
        match event.kind:
            case "mapping" | "sequence":
                if len(self._open) == MAX_DEPTH:
                    raise self.source.error(event.start, event.end, f"nested deeper than {MAX_DEPTH} levels")
                if event.anchor:
                    self._anchors[event.anchor] = None
                self._open.append(_Open(event))
            case "end":
                closed = self._open.pop()
                self._place(closed.close(self.source, event.end), closed.event)
            case "alias":
                self._place(self._target(event), event)
            case "scalar":
                self._place(Node(self.source, event.start, event.end, self._value(event)), event)

    def _value(self, event: Event) -> Any:
        """Return a scalar's value, with environment variables substituted; an unquoted one is read again after that."""
        asks = self.environment and isinstance(event.value, str) and BEGIN in event.value
        if not asks or self._awaits_key():
            return event.value
        try:
            text = substitute_variables(event.value, self.source.secrets)
            quoted = self.source.text[event.start : event.start + 1] in QUOTES
            return text if quoted else resolve_scalar(text)
        except ReferenceMistake as error:
            at = self.source.text.find(error.fragment, event.start, event.end)
            start = at if at >= 0 else event.start
            end = start + len(error.fragment) if at >= 0 else event.end
            self.mistakes.append(Diagnostic(self.source.place(start, end), str(error)))
            return event.value
        except ValueError as error:
            raise self.source.error(event.start, event.end, hide_secrets(str(error), self.source.secrets)) from None

    def _awaits_key(self) -> bool:
        return bool(self._open) and self._open[-1].event.kind == "mapping" and self._open[-1].key is None

    def _target(self, alias: Event) -> Node:
        name = alias.anchor or ""
        if name not in self._anchors:
            raise self.source.error(alias.start, alias.end, f"the alias *{name} has no anchor &{name} above it")
        target = self._anchors[name]
        if target is None:
            raise self.source.error(alias.start, alias.end, f"the alias *{name} is inside its own anchor")
        return target

    def _place(self, node: Node, event: Event) -> None:
        if event.anchor and event.kind != "alias":
            self._anchors[event.anchor] = node
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        if parent.size > MAX_VALUES:
            message = f"more than {MAX_VALUES:,} values, with aliases expanded; keep data out of the spec"
            raise self.source.error(event.start, event.end, message)
        if parent.event.kind == "sequence":
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(node, event)
        else:
            self._add(parent, parent.key, node)
            parent.key = None

    def _key(self, node: Node, event: Event) -> Node:
        """Turn a key into a string, as JSON requires: `404:` is the key "404"."""
        if node.fields is not None or node.items or isinstance(node.plain, list):
            raise self.source.error(event.start, event.end, "a key must be a string, not a list or a mapping")
        text = node.plain if isinstance(node.plain, str) else event.text or str(node.plain)
        key = Node(node.source, event.start, event.end, text)
        if text == "<<" and self.source.text[event.start : event.start + 1] not in QUOTES:
            self.mistakes.append(
                key.error(
                    "merge keys (<<) are not part of YAML 1.2; repeat the keys, or use an alias for the whole value"
                )
            )
        return key

    def _add(self, parent: _Open, key: Node, value: Node) -> None:
        if key.plain in parent.fields:
            first = parent.fields[key.plain][0].place
            message = f'the key "{key.plain}" is a duplicate (first on line {first.line})'
            self.mistakes.append(key.error(message))
            return
        parent.fields[key.plain] = (key, value)


def walk_nodes(node: Node) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Yield `node` and every node below it, with its path."""
    waiting: list[tuple[tuple[str | int, ...], Node]] = [((), node)]
    while waiting:
        path, current = waiting.pop()
        yield path, current
        waiting += [((*path, index), item) for index, item in enumerate(current.items)]
        waiting += [((*path, key), value) for key, _, value in current.pairs()]


def asking_names(source: Source) -> Iterator[Node]:
    """Yield the names of files to include or to refer to that ask for values of the environment."""
    for _, node in walk_nodes(compose_document(source, environment=False)):
        for key in ("include", "$ref"):
            if node[key].text is not None and is_asking(node[key].text or ""):
                yield node[key]


def asking_places(source: Source) -> frozenset[int]:
    """Return where those scalars of a file stand that ask for values of the environment."""
    nodes = (node for _, node in walk_nodes(compose_document(source, environment=False)))
    return frozenset(node.start for node in nodes if node.text is not None and is_asking(node.text))


def variables_in(source: Source) -> Iterator[tuple[str, bool]]:
    """Yield the variables of the environment that a file asks for, and whether each has to be set."""
    for _, node in walk_nodes(compose_document(source, environment=False)):
        if node.text is not None:
            yield from asked_variables(node.text)
