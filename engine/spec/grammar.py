"""Hold a document against its grammar, a JSON Schema shipped beside this file, and place each mistake."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from engine.errors import Diagnostic, did_you_mean
from engine.spec.node import Node
from engine.validation import Path, Validator, Violation, clip, show

GrammarName = Literal["routes", "models"]


@cache
def grammar(name: GrammarName) -> dict[str, Any]:
    """Read a grammar: the JSON Schema of `routes.yaml` or of `models.yaml`."""
    schema: dict[str, Any] = json.loads(files(__package__).joinpath(f"{name}.schema.json").read_bytes())
    return schema


@cache
def _validator(name: GrammarName) -> Validator:
    return Validator(grammar(name))


def check_grammar(name: GrammarName, root: Node) -> Iterator[Diagnostic]:
    """Give every mistake that the grammar alone can see."""
    for violation in _validator(name).violations(root.plain):
        node = root.follow(violation.path)
        beside = _beside(grammar(name), violation.schema_path)
        match violation.keyword:
            case "additionalProperties":
                yield _unknown_key(root, violation, beside)
            case "propertyNames":
                yield from _bad_names(node, violation)
            case "required":
                if not _misspelt(node, [violation.name], beside):
                    yield node.error(f'"{violation.name}" is missing in {_a(beside)}')
            case "pattern":
                size = "a number of bytes, or a size such as 512 KiB or 1 MiB"
                yield node.error(f"{violation.path[-1]}: {show(node.plain)} is not a size; write {size}")
            case "oneOf":
                yield from _alternatives(node, beside)
            case "enum":
                yield node.error(_not_one_of(node, violation, beside))
            case _:
                yield node.error(_in_context(violation) + _quotes(node, violation))


def _unknown_key(root: Node, violation: Violation, beside: dict[str, Any]) -> Diagnostic:
    key = root.follow(violation.path[:-1]).key(violation.name)
    if violation.name == "<<":
        return key.error(
            "merge keys (<<) are not part of YAML 1.2; repeat the keys, or use an alias for the whole value"
        )
    known = did_you_mean(violation.name, beside["properties"], f"{_a(beside)} has")
    return key.error(f'unknown key "{clip(violation.name)}" in {_a(beside)} {known}')


def _bad_names(node: Node, violation: Violation) -> Iterator[Diagnostic]:
    what = "model" if violation.path == ("models",) else "header"
    allowed = "letters, digits, _ . and -, a letter first" if what == "model" else "letters, digits and -"
    for name, key, _ in node.pairs():
        if f"name {show(name)} " in violation.detail:
            yield key.error(f"{show(name)} is not a {what} name; use {allowed}")


def _alternatives(node: Node, beside: dict[str, Any]) -> Iterator[Diagnostic]:
    """Explain a oneOf of required keys: one too many stands at the second, none at the whole."""
    if node.fields is None:
        return
    names = [branch["required"][0] for branch in beside["oneOf"] if "required" in branch]
    found = [name for name in node.fields if name in names]
    optional = len(names) < len(beside["oneOf"])
    listed = " or ".join(f'"{name}"' for name in names)
    if not found and not optional and not _misspelt(node, names, beside):
        yield node.error(f"{_a(beside)} needs {listed}")
    for name in found[1:]:
        count = "at most one" if optional else "exactly one"
        yield node.key(name).error(f'"{name}" cannot stand beside "{found[0]}": {_a(beside)} has {count} of {listed}')


def _misspelt(node: Node, names: list[str], beside: dict[str, Any]) -> bool:
    """Tell whether an unknown key, reported as such, was meant to be one of `names`."""
    unknown = [key.lower() for key, _, _ in node.pairs() if key not in beside["properties"]]
    return any(difflib.get_close_matches(name, unknown, n=1) for name in names)


def _not_one_of(node: Node, violation: Violation, beside: dict[str, Any]) -> str:
    value, choices = node.plain, beside["enum"]
    if value in ("HEAD", "OPTIONS") and "GET" in choices:
        why = "with GET" if value == "HEAD" else "on every route"
        return f"{value} is answered by itself {why}; leave it out"
    if not isinstance(value, str):
        return _in_context(violation)
    return f"unknown {_noun(violation.path)} {show(value)} {did_you_mean(value, map(str, choices), 'there are')}"


def _in_context(violation: Violation) -> str:
    """Name the key that a value belongs to: `status: "ok" is not an integer`."""
    where = next((step for step in reversed(violation.path) if isinstance(step, str)), "")
    return f"{where}: {violation.detail}" if where else violation.detail


def _quotes(node: Node, violation: Violation) -> str:
    """Advise quotes where a string is wanted and YAML reads something else, as in `version: 1.0`."""
    if not violation.detail.endswith("is not a string") or not isinstance(node.plain, int | float):
        return ""
    return f'; put it in quotes: "{node.source.text[node.start : node.end]}"'


def _noun(path: Path) -> str:
    name = next((step for step in reversed(path) if isinstance(step, str)), "value")
    return {"methods": "method"}.get(name, name)


def _a(beside: dict[str, Any]) -> str:
    title = beside["title"]
    return title if title.endswith((".yaml", "s")) or title in ("output", "service") else f"a {title}"


def _beside(schema: dict[str, Any], path: Path) -> dict[str, Any]:
    found: Any = schema
    for step in path[:-1]:
        found = found[step]
    return found if isinstance(found, dict) else {}
