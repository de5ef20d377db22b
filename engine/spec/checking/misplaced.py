"""Properties written beside `properties`, or in its place: the commonest slip in a schema of an object."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from engine.diagnostics import Diagnostic
from engine.schema import TYPE_NAMES
from engine.schema.documents import HOLDS_LIST, HOLDS_MAP, HOLDS_ONE
from engine.spec.checking.schemas import KEYWORDS
from engine.spec.reading.node import Node

_TAKES_MAPPING = HOLDS_ONE | HOLDS_LIST | HOLDS_MAP | {"const", "default", "dependentRequired", "$vocabulary"}
_OF_OBJECTS = ("properties", "required", "additionalproperties")
_LONGEST, _LONGEST_LINE = 60, 100


def misplaced_names(schema: Node) -> list[str]:
    """Return the keys of a parameters' schema that are no keywords, or that cannot have the mapping they have."""
    return [name for name, _, value in schema.pairs() if _is_misplaced(name, value)]


def misplaced_in_body(schema: Node) -> list[str]:
    """Return the same of a body's schema, where a key without a schema may be somebody's own keyword."""
    if "properties" in schema:
        return []
    return [name for name in misplaced_names(schema) if _is_schema(schema[name]) or schema[name].text in TYPE_NAMES]


def declared_names(declared: Node) -> list[str]:
    """Return the names of all parameters that something declares, or would if it were written as it should be."""
    if declared.fields is None:
        return [item.text for item in declared.items or (declared,) if item.text is not None]
    meant = [key for name, _, value in declared.pairs() if _is_misspelt(name, value) for key, _, _ in value.pairs()]
    properties = declared["properties"]
    listed = [item.text for item in properties.items if item.text is not None]
    return [*misplaced_names(declared), *meant, *listed, *(name for name, _, _ in properties.pairs())]


def check_misplaced(key: str, schema: Node, names: list[str]) -> Iterator[Diagnostic]:
    """Report each of the names, which stand beside `properties`; `key` is the key of the schema."""
    meant = {name: _meant_schema(schema[name]) for name in names if not _is_misspelt(name, schema[name])}
    every = ", ".join(f"{name}: {value}" for name, value in meant.items())
    for name in names:
        at, value = schema.key(name), schema[name]
        if _is_misspelt(name, value):
            near = get_close_matches(name.lower(), _OF_OBJECTS, n=1)[0].replace("lp", "lP")
            yield at.error(f'unknown schema keyword "{name}" (did you mean "{near}"?)')
        else:
            kind = "type: object, " if key == "input" else ""
            line = (
                f"{key}: {{{kind}properties: {{{every if len(every) <= _LONGEST_LINE else f'{name}: {meant[name]}'}}}}}"
            )
            yield at.error(f'"{name}" must be under properties; write {line}')


def _is_misplaced(name: str, value: Node) -> bool:
    if name.startswith("x-") and not _is_schema(value):
        return False
    if name == "<<":  # reported elsewhere
        return False
    return name not in KEYWORDS or (value.fields is not None and name not in _TAKES_MAPPING)


def _is_misspelt(name: str, value: Node) -> bool:
    """Return whether a key is nearly one of the keywords for objects, with a value that is not one parameter's."""
    is_near = bool(get_close_matches(name.lower(), _OF_OBJECTS, n=1, cutoff=0.7)) and name not in KEYWORDS
    return is_near and not _is_schema(value)


def _is_schema(value: Node) -> bool:
    return bool(value.fields) and all(key in KEYWORDS for key, _, _ in value.pairs())


def _meant_schema(value: Node) -> str:
    if value.text in TYPE_NAMES:
        return f"{{type: {value.text}}}"
    is_shown = _is_schema(value) and value.written.startswith("{") and len(value.written) <= _LONGEST
    return value.written if is_shown and "\n" not in value.written else "{type: string}"
