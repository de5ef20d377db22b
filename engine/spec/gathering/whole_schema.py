"""One schema that is made whole: each target of its references is put among its `$defs`, once."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Protocol

from engine.errors import SpecError
from engine.schema.documents import HOLDS_LIST, HOLDS_MAP, HOLDS_ONE, write_fragment
from engine.schema.documents import Place as Pointer
from engine.spec.gathering.schema_places import (
    ANNOTATIONS,
    HAS_SCHEME,
    allow_anything,
    base_in,
    follow,
    is_file_reference,
    is_place_of_schema,
    mapping_with,
    name_of_file,
    references_of,
)
from engine.spec.reading.node import Node

Target = tuple[str, Pointer]
"""A schema in a file: the file's normalized name, and the place in it."""

_NAMES = ("$id", "$anchor")  # of schemas that are copied: every reference to them is a pointer
_CIRCLE = "$ref: these references lead in a circle, and to no schema"
_BELOW_ID = "$ref: below an $id, no file can be referred to; remove the $id"


class Files(Protocol):
    """The files that references lead to."""

    def target(self, at: Node, reference: str, home: str | None = None, base: str = "") -> Target: ...
    def inside(self, reference: str, home: str | None, base: str, at: Node) -> Pointer | None: ...
    def root(self, name: str, at: Node) -> Node: ...
    def base(self, name: str, at: Node) -> str: ...
    def count(self, at: Node, node: Node) -> None: ...
    def report(self, error: SpecError) -> None: ...


class WholeSchema:
    """One schema that is made whole; `known` has the reference to each target that is in it already."""

    def __init__(self, files: Files, schema: Node, target: Target | None = None) -> None:
        """Begin with a schema; `target` is its place if its references start from a file, as those of targets do."""
        self._files = files
        self._schema = schema
        self._own = references_of(schema.plain)
        self._home = None if target is None else target[0]
        self._known: dict[Target, str] = {} if target is None else {target: "#"}
        self._taken = set(schema["$defs"].fields or ())
        self._definitions: dict[str, tuple[Node, Node]] = {}
        self._waiting: list[tuple[str, str, Node]] = []

    def make(self) -> Node:
        """Return the schema with all that it refers to; a schema that only refers to another one is that one."""
        schema, home = self._schema, self._home
        while (found := self._stand_in(schema, home)) is not None:
            target, schema = found
            if target in self._known:
                self._files.report(SpecError([self._schema["$ref"].error(_CIRCLE)]))
                return allow_anything(self._schema)
            home, self._known[target] = target[0], "#"
            self._files.count(self._schema["$ref"], schema)
        self._taken |= set(schema["$defs"].fields or ())
        copy = self._copy(schema, home, "" if home is None else self._files.base(home, self._schema))
        while self._waiting:
            name, file, node = self._waiting.pop(0)
            key = Node(node.source, node.start, node.end, name)
            self._definitions[name] = key, self._copy(node, file, self._files.base(file, node))
        return self._with_definitions(copy)

    def _stand_in(self, schema: Node, home: str | None) -> tuple[Target, Node] | None:
        """Return the target of a schema that only refers to it, with its own annotations; None for any other schema."""
        reference = schema["$ref"]
        others = {key for key, _, _ in schema.pairs()} - {"$ref"} - ANNOTATIONS
        if reference.text is None or others or (home is None and not self._leads_to_file(reference, "")):
            return None
        try:
            base = "" if home is None else self._files.base(home, reference)
            target = self._files.target(reference, reference.text, home, base)
            node = follow(self._files.root(target[0], reference), target[1])
        except SpecError as error:
            self._files.report(error)
            return None
        beside = {key: (name, value) for key, name, value in schema.pairs() if key != "$ref"}
        return target, mapping_with(node, {**node.fields, **beside}) if node.fields is not None and beside else node

    def _copy(self, node: Node, home: str | None, base: str) -> Node:
        """Return a schema with its references led to their targets; `home` is its file, None for the schema's own."""
        if node.fields is None:
            return node
        base = base_in(node.plain, base)
        fields: dict[str, tuple[Node, Node]] = {}
        for keyword, key, value in node.pairs():
            if keyword == "$ref" and value.text is not None:
                led = self._lead(value, home, base)
                if led is not None:
                    fields[keyword] = key, led
            elif home is None or keyword not in _NAMES:
                fields[keyword] = key, self._copy_below(keyword, value, home, base)
        same = len(fields) == len(node.fields) and all(node[key] is value for key, (_, value) in fields.items())
        return node if same else mapping_with(node, fields)

    def _copy_below(self, keyword: str, value: Node, home: str | None, base: str) -> Node:
        """Return the value of a keyword, with the schemas in it copied; itself if none of them changes."""
        if keyword in HOLDS_ONE:
            return self._copy(value, home, base)
        if keyword in HOLDS_LIST:
            items = [self._copy(item, home, base) for item in value.items]
            same = all(one is other for one, other in zip(items, value.items, strict=True))
            return value if same else replace(value, items=items, plain=[item.plain for item in items])
        if keyword in HOLDS_MAP and value.fields is not None:
            fields = {name: (key, self._copy(one, home, base)) for name, (key, one) in value.fields.items()}
            same = all(value[name] is one for name, (_, one) in fields.items())
            return value if same else mapping_with(value, fields)
        return value

    def _lead(self, reference: Node, home: str | None, base: str) -> Node | None:
        """Return a reference that leads to its target inside the whole schema; None for one that leads nowhere."""
        text = reference.text or ""
        if home is None and not self._leads_to_file(reference, base):
            return reference
        try:
            self._require_own_base(reference, home, base)
            if HAS_SCHEME.match(text) and self._files.inside(text, home, base, reference) is None:
                return reference  # reported with all others that lead out
            target = self._files.target(reference, text, home, base)
            return replace(reference, plain=self._known_as(target, reference))
        except SpecError as error:
            self._files.report(error)
            return None

    def _require_own_base(self, reference: Node, home: str | None, base: str) -> None:
        if home is None and base != base_in(self._schema.plain):
            raise reference.mistake(_BELOW_ID)

    def _leads_to_file(self, reference: Node, base: str) -> bool:
        return is_file_reference(reference) and self._own.target(base, reference.text or "") is None

    def _known_as(self, target: Target, at: Node) -> str:
        """Return the reference to a target; one that is not in the whole schema yet is put there."""
        file, pointer = target
        for length in range(len(pointer), -1, -1):
            found = self._known.get((file, pointer[:length]))
            if found is not None and is_place_of_schema(pointer[length:]):
                return found + write_fragment(pointer[length:])
        node = follow(self._files.root(file, at), pointer)
        self._files.count(at, node)
        name = self._free_name(pointer[-1] if pointer else name_of_file(file))
        self._taken.add(name)
        self._known[target] = "#" + write_fragment(("$defs", name))
        self._waiting.append((name, file, node))
        return self._known[target]

    def _free_name(self, wanted: str) -> str:
        name, number = re.sub(r"[^A-Za-z0-9_-]+", "_", wanted) or "schema", 2
        free = name
        while free in self._taken:
            free, number = f"{name}{number}", number + 1
        return free

    def _with_definitions(self, copy: Node) -> Node:
        if not self._definitions or copy.fields is None:
            return copy
        own = copy["$defs"]
        definitions = replace(mapping_with(own, {**(own.fields or {}), **self._definitions}), present=True)
        return mapping_with(copy, {**copy.fields, "$defs": (copy.key("$defs"), definitions)})
