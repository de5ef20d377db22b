"""Places in the nodes of JSON Schemas that have not been checked yet: where references lead, and what is there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urldefrag

from engine.schema import clip
from engine.schema.documents import HOLDS_LIST, HOLDS_MAP, HOLDS_ONE, References, base_of
from engine.schema.documents import Place as Pointer
from engine.spec.reading.node import Node
from engine.text import did_you_mean

# Beside a $ref, these say nothing of values, so that the target can stand in the place of both.
ANNOTATIONS = frozenset("$comment default deprecated description examples readOnly title writeOnly".split())
HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


def references_of(document: Any) -> References:
    """Return the schemas in a document by their names; none if it is no schema, such as a collection of some."""
    try:
        return References(document)
    except (AttributeError, TypeError, ValueError):
        return References({})


def base_in(schema: Any, base: str = "") -> str:
    """Return the base URI of a schema's references; the outer one for an `$id` that is none."""
    try:
        return base_of(schema, base)
    except (AttributeError, TypeError, ValueError):
        return base


def leads_out(schema: Node) -> bool:
    """Return whether any reference in a schema is not to a place in it, so that it has to be looked at."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if node.fields is not None:
            if is_file_reference(node["$ref"]):
                return True
            waiting += schemas_in(node)
    return False


def schemas_in(schema: Node) -> Iterator[Node]:
    """Yield the schemas that are values of keywords, but not values of `enum`, `default` and the like."""
    for keyword, _, value in schema.pairs():
        if keyword in HOLDS_ONE:
            yield value
        elif keyword in HOLDS_LIST:
            yield from value.items
        elif keyword in HOLDS_MAP:
            yield from (below for _, _, below in value.pairs())


def is_file_reference(reference: Node) -> bool:
    """Return whether a reference leads to a file, or to another schema by its name; not to a place in this one."""
    text = reference.text
    return text is not None and text[:1] not in ("", "#") and not HAS_SCHEME.match(text)


def name_of_target(schema: Node) -> str:
    """Return the name of the schema in a file to which a schema only refers; empty for any other schema."""
    reference = schema["$ref"]
    if reference.text is None or set(schema.plain) != {"$ref"} or not is_file_reference(reference):
        return ""
    address, fragment = urldefrag(reference.text)
    return unescape_step(unquote(fragment).rpartition("/")[2]) or name_of_file(unquote(address))


def name_of_file(file: str) -> str:
    """Return the name of a file without folders and endings."""
    return posixpath.basename(file).partition(".")[0]


def is_place_of_schema(pointer: Pointer) -> bool:
    """Return whether a schema has a schema at a place, and not a value that only looks like one."""
    steps = list(pointer)
    while steps:
        keyword = steps.pop(0)
        if keyword not in HOLDS_ONE and not (keyword in HOLDS_LIST | HOLDS_MAP and steps):
            return False
        if keyword not in HOLDS_ONE:
            steps.pop(0)
    return True


def allow_anything(schema: Node) -> Node:
    """Return a schema that allows every value, for one with a mistake that has been reported."""
    return replace(schema, plain={}, fields={})


def unescape_step(step: str) -> str:
    """Return a step of a JSON pointer as the key that it stands for (RFC 6901, section 4)."""
    return step.replace("~1", "/").replace("~0", "~")


def follow(root: Node, pointer: Pointer) -> Node:
    """Return the node at a place, absent if there is none."""
    node = root
    for step in pointer:
        node = node[int(step)] if node.items and step.isdecimal() and step.isascii() else node[step]
    return node


def explain_nothing(root: Node, name: str, fragment: str) -> str:
    """Say why a fragment leads to nothing in a file."""
    if not fragment.startswith("/"):
        return f'there is no anchor "{clip(fragment)}" in {name}; refer to a place in it, such as {name}#/User'
    node, steps = root, tuple(map(unescape_step, fragment.split("/")[1:]))
    for number, step in enumerate(steps):
        below = follow(node, (step,))
        if not below.present:
            where = "".join(f"/{one}" for one in steps[:number])
            known = did_you_mean(step, (key for key, _, _ in node.pairs()), "the names are")
            return f'there is no "{clip(step)}" at {name}{"#" + where if where else ""} {known}'
        node = below
    return f"{name} has nothing there"


def mapping_with(node: Node, fields: dict[str, tuple[Node, Node]]) -> Node:
    """Return a mapping with other fields in the place of a node."""
    plain: Any = {key: value.plain for key, (_, value) in fields.items()}
    return replace(node, fields=fields, plain=plain, size=1 + sum(value.size for _, value in fields.values()))
