"""A parsed document whose values know their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.diagnostics import Diagnostic, Place, Severity
from engine.errors import SpecError
from engine.spec.reading.environment import BEGIN, hide_pieces, hide_secrets
from engine.spec.reading.source import Source


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value and its place; `plain` is its JSON value.

    A mapping's `fields` are its (key node, value node) pairs by key, a sequence's `items` its nodes. Looking up a
    missing key returns the nearest existing node, marked absent, so that a check can ask for
    `node["response"]["status"].text` and get `None`.
    """

    source: Source
    start: int
    end: int
    plain: Any
    fields: Mapping[str, tuple[Node, Node]] | None = None
    items: Sequence[Node] = ()
    size: int = 1
    present: bool = True
    _absent: Node | None = field(default=None, init=False, repr=False)  # made when something is looked up in vain

    def __getitem__(self, step: str | int) -> Node:
        if isinstance(step, str) and self.fields is not None and step in self.fields:
            return self.fields[step][1]
        if isinstance(step, int) and 0 <= step < len(self.items):
            return self.items[step]
        if not self.present:
            return self
        if self._absent is None:
            object.__setattr__(self, "_absent", Node(self.source, self.start, self.end, None, present=False))
        return self._absent  # type: ignore[return-value]

    def __contains__(self, key: str) -> bool:
        return self.fields is not None and key in self.fields

    def pairs(self) -> Iterator[tuple[str, Node, Node]]:
        """Return key, key node and value node of each field, in the order of the file."""
        for key, (key_node, value) in (self.fields or {}).items():
            yield key, key_node, value

    @property
    def text(self) -> str | None:
        """The value if it is a string."""
        return self.plain if isinstance(self.plain, str) else None

    @property
    def written(self) -> str:
        """The value as written in the file: `1.10`, where `plain` is 1.1."""
        return self.source.text[self.start : self.end]

    def follow(self, path: Sequence[str | int]) -> Node:
        """Go down a path as far as it leads."""
        node = self
        for step in path:
            below = node[step]
            if not below.present:
                break
            node = below
        return node

    def key(self, name: str) -> Node:
        """Return the node of a key, or the mapping itself if it has no such key."""
        return self.fields[name][0] if self.fields is not None and name in self.fields else self

    @property
    def place(self) -> Place:
        return self.source.place(self.start, self.end)

    def place_of(self, fragment: str, number: int = 0) -> Place:
        """Return the place of a piece of a string, or that of the whole string if escapes or folding hide it.

        Of several equal pieces, it is that with this number, from 0.
        """
        start = self.source.text.find(fragment, self.start, self.end) if fragment else -1
        for _ in range(number):
            start = self.source.text.find(fragment, start + 1, self.end) if start >= 0 else -1
        return self.source.place(start, start + len(fragment)) if start >= 0 else self.place

    def error(self, message: str, severity: Severity = "error") -> Diagnostic:
        return Diagnostic(self.place, self.hidden(message), severity)

    def mistake(self, message: str) -> SpecError:
        """Make the error that ends the reading of what the node says."""
        return SpecError([self.error(message)])

    def hidden(self, message: str) -> str:
        """Return a message without values from the environment."""
        secrets = self.source.secrets
        if not secrets:
            return message
        own_last = dict(sorted(secrets.items(), key=lambda pair: pair[0] in self.written))
        hidden = hide_secrets(message, own_last)
        if self.fields is not None or self.items or BEGIN not in self.written:
            return hidden
        return hide_pieces(hidden, self.written, self.plain, secrets)
