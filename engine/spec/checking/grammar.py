"""Check a document against its grammar, a JSON Schema of engine/spec, and place each mistake."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from engine.diagnostics import Diagnostic
from engine.schema import TYPE_NAMES, Path, Validator, Violation, advise_unquoted, clip, show
from engine.spec.checking.answering.faults import EXPLAINED
from engine.spec.checking.remedies.unknown_keys import foreign_document, remedy_for_key
from engine.spec.checking.remedies.wrong_types import remedy_for_type
from engine.spec.choices import advise_format
from engine.spec.gathering.entries import INCLUDED_FILE, INCLUDED_KEYS, advise_key, kind_of, meant_key, walk_entries
from engine.spec.reading.node import Node
from engine.text import did_you_mean, join_words

GrammarName = Literal["routes", "models", "lock", "included"]

_YAML_TYPES = {**TYPE_NAMES, "array": "a list", "object": "a mapping", "boolean": "true or false"}
_NEEDS_RESPONSE = "needs a response too, which its documentation shows; add one, such as response: {status: 503}"
_IN_HEADERS = "letters, digits and -"
_PERCENTAGE = re.compile(r"(\d{1,3}(?:[.,]\d+)?) *(%?)")
_LACKS_SPACE = re.compile(r"(?P<key>[a-z_]+)(:| +:?)(?P<value>\S.*)")


@cache
def grammar(name: GrammarName) -> dict[str, Any]:
    """Read a grammar: the JSON Schema of `routes.yaml`, of a file it includes, of `models.yaml` or `models.lock`."""
    if name == "included":
        return _included(grammar("routes"))
    schema: dict[str, Any] = json.loads(files("engine.spec").joinpath(f"{name}.schema.json").read_bytes())
    return schema


def _included(routes: dict[str, Any]) -> dict[str, Any]:
    """Return the grammar of an included file, which has only some keys of routes.yaml."""
    allowed = {key: value for key, value in routes["properties"].items() if key in INCLUDED_KEYS}
    return {**routes, "title": INCLUDED_FILE, "properties": allowed}


def own_rules(name: GrammarName) -> dict[str, Any]:
    """Return a grammar without its rules for JSON Schemas and for the kinds of entries, which are for editors.

    `schemas` checks the schemas in a spec, and each entry is checked as the kind that its keys show.
    """
    rules = grammar(name)
    return {**rules, "$defs": {**rules["$defs"], "schema": True, "entry": True}}


@cache
def _validator(name: GrammarName, part: str | None = None) -> Validator:
    """Compile a grammar, or the rules of a part of it."""
    rules = own_rules(name)
    return Validator(rules if part is None else {"$ref": f"#/$defs/{part}", "$defs": rules["$defs"]})


def check_grammar(name: GrammarName, root: Node) -> Iterator[Diagnostic]:
    """Return every mistake that the grammar alone shows."""
    if name == "routes" and (foreign := foreign_document(root)):
        yield root.error(foreign)
        return
    yield from _mistakes(name, _validator(name), root, ())
    for path, entry in walk_entries(root) if name in ("routes", "included") else ():
        validator = _validator(name, kind_of(entry, grammar(name)["$defs"]))
        if not validator.is_valid(entry.plain):  # much faster than listing violations
            yield from _mistakes(name, validator, root, path)


def check_included(root: Node) -> Iterator[Diagnostic]:
    """Return every mistake in a file that routes.yaml includes that the grammar alone shows."""
    if "models" in root and "routes" not in root:
        yield root.key("models").error("this is a file of models, which is not included; name only files with routes")
    else:
        yield from check_grammar("included", root)


def _mistakes(name: GrammarName, validator: Validator, root: Node, at: Path) -> Iterator[Diagnostic]:
    """Explain the violations of the value at a path."""
    for violation in validator.violations(root.follow(at).plain, at):
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
            case "oneOf":
                yield from _alternatives(node, beside)
            case _:
                about = _about_fault(violation, node.plain) or _about_value(node, violation, beside)
                yield node.error(about + _of_percentage(violation, node.plain))


def _about_value(node: Node, violation: Violation, beside: dict[str, Any]) -> str:
    match violation.keyword:
        case "pattern" if isinstance(violation.path[-1], int):
            return f"{show(node.plain)} is not a header name; use {_IN_HEADERS}"
        case "pattern" | "type" if _is_duration(beside):
            return f"{_where(violation)}: {show(node.plain)} is not a duration; write a number and a unit, such as 30s"
        case "pattern":
            size = "a number of bytes, or a size such as 512 KiB or 1 MiB"
            return f"{_where(violation)}: {show(node.plain)} is not a size; write {size}"
        case "anyOf" if violation.path[-2:-1] == ("dtypes",):
            known = [*beside["anyOf"][0]["enum"], "datetime[ZONE]"]
            return f"unknown dtype {show(node.plain)} {did_you_mean(str(node.plain), known, 'allowed')}"
        case "enum":
            return _not_one_of(node, violation, beside)
        case "type":
            return _of_wrong_type(node, violation, beside)
        case "minItems" | "minProperties":
            return f"{_where(violation)} is empty; it needs at least one entry"
        case "maxProperties":
            return f"{_where(violation)} has {len(node.plain)} entries; keep {beside['maxProperties']} of them"
        case "minLength":
            return f"{_where(violation)} is empty"
    return f"{_where(violation)}: {violation.detail}"


def _about_fault(violation: Violation, value: Any) -> str:
    """Explain what is wrong with a delay or a failure; empty for any other value."""
    defined, name = [*map(str, violation.schema_path), "", ""][:2]
    return EXPLAINED[name](value) if defined == "$defs" and name in EXPLAINED else ""


def _of_percentage(violation: Violation, value: Any) -> str:
    """Advise to write a threshold as a probability; empty for any other key or value."""
    found = _PERCENTAGE.fullmatch(str(value)) if violation.path[2:3] == ("threshold",) else None
    if found is None or not (found[2] or (isinstance(value, int | float) and value > 1)):
        return ""
    return f"; a threshold is a probability: write {float(found[1].replace(',', '.')) / 100:g}"


def _is_duration(rules: dict[str, Any]) -> bool:
    return str(rules.get("pattern", "")).endswith("(ms|s|m|h)$")


def _unknown_key(root: Node, violation: Violation, beside: dict[str, Any]) -> Diagnostic:
    key = root.follow(violation.path[:-1]).key(violation.name)
    if beside.get("title") == "route limits" and violation.name in grammar("routes")["$defs"]["limits"]["properties"]:
        return key.error(f'"{violation.name}" applies to the whole service; move it to limits under service')
    if beside.get("title") == "routes.yaml" and violation.name in grammar("routes")["$defs"]["service"]["properties"]:
        return key.error(f'"{violation.name}" belongs under service; move it there')
    if advice := advise_key(violation.name, beside, grammar("routes")):
        return key.error(advice)
    inside, response = root.follow(violation.path[:-1]), grammar("routes")["$defs"]["response"]["properties"]
    if remedy := remedy_for_key(violation.name, inside[violation.name], inside, beside.get("title", ""), response):
        return key.error(f'unknown key "{clip(violation.name)}" in {_a(beside)}; {remedy}')
    known = did_you_mean(violation.name, beside["properties"], f"{_a(beside)} has")
    if meant := meant_key(violation.name, beside.get("title", "")):
        is_data = meant == "text" and isinstance(root.follow(violation.path).plain, dict | list)
        known = f'(did you mean "{"json" if is_data else meant}"?)'
    return key.error(f'unknown key "{clip(violation.name)}" in {_a(beside)} {known}')


def _bad_names(node: Node, violation: Violation) -> Iterator[Diagnostic]:
    if violation.path[-1:] == ("error_bodies",):
        for name, key, _ in node.pairs():
            if f"name {show(name)} " in violation.detail:
                yield key.error(f"{show(name)} is not the status of an error; use one from 400 to 599, or default")
        return
    what = "model" if violation.path == ("models",) else "header"
    allowed = "letters, digits, _ . and -, a letter first" if what == "model" else _IN_HEADERS
    for name, key, _ in node.pairs():
        if f"name {show(name)} " in violation.detail:
            yield key.error(f"{show(name)} is not a {what} name; use {allowed}")


def _alternatives(node: Node, beside: dict[str, Any]) -> Iterator[Diagnostic]:
    """Explain a oneOf of required keys: one too many is reported at the second, none at the whole."""
    if node.fields is None:
        return
    if "file" in node and beside["title"] == "response":
        others = [name for name in node.fields if beside["oneOf"][0]["properties"].get(name) is False]
        yield from (
            node.key(name).error(f'"{name}" cannot be combined with "file"; keep one of them') for name in others
        )
        return
    branches = {branch["required"][0]: branch for branch in beside["oneOf"] if "required" in branch}
    names = [*branches]
    found = [name for name in node.fields if name in names]
    if beside["title"] == "route" and len(found) > 1:  # a model goes with each of the others
        found = [name for name in found if name != "model"]
        names.remove("model")
    listed = join_words([f'"{name}"' for name in names], "or")
    if not found and not _misspelt(node, names, beside):
        message = f"{_a(beside)} with fail {_NEEDS_RESPONSE}" if node["fail"].plain else f"{_a(beside)} needs {listed}"
        yield node.error(message)
    count = "at most one" if beside["title"] == "route" else "exactly one"
    for name in found[1:]:
        message = f'"{name}" cannot be combined with "{found[0]}": {_a(beside)} has {count} of {listed}'
        yield node.key(name).error(message)
    if len(found) == 1:
        yield from _beside_alternative(node, found[0], branches, beside)


def _beside_alternative(
    node: Node, chosen: str, branches: dict[str, dict[str, Any]], beside: dict[str, Any]
) -> Iterator[Diagnostic]:
    """Report the keys that the chosen alternative lacks, and those that belong to others."""
    branch = branches[chosen]
    for name in branch["required"]:
        if name not in node and not _misspelt(node, [name], beside):
            yield node.error(f'"{name}" is missing in {_a(beside)} with "{chosen}"')
    for name, key, _ in node.pairs():
        if branch.get("properties", {}).get(name) is False:
            owners = [f'"{one}"' for one, other in branches.items() if other["properties"].get(name) is not False]
            yield key.error(f'"{name}" cannot be combined with "{chosen}"; it belongs to {join_words(owners, "and")}')


def _misspelt(node: Node, names: list[str], beside: dict[str, Any]) -> bool:
    """Return whether an unknown key, already reported, probably meant one of `names` or a key that allows them."""
    if "<<" in node:
        return True
    unknown = [key.lower() for key, _, _ in node.pairs() if key not in beside["properties"]]
    if {meant_key(key, beside.get("title", "")) for key in unknown} & {*names}:
        return True
    return any(difflib.get_close_matches(name, unknown, n=1) for name in names)


def _not_one_of(node: Node, violation: Violation, beside: dict[str, Any]) -> str:
    value, choices = node.plain, beside["enum"]
    if value in ("HEAD", "OPTIONS") and "GET" in choices:
        why = "with GET" if value == "HEAD" else "on every route"
        return f"{value} is answered automatically {why}; leave it out"
    if not isinstance(value, str) or not isinstance(choices[0], str):
        return f"{_where(violation)}: {show(value)} must be {join_words([show(choice) for choice in choices], 'or')}"
    if "accepts" in violation.path and (advice := advise_format(value)):
        return f"unknown format {show(value)}{advice}"
    return f"unknown {_noun(violation.path)} {show(value)} {did_you_mean(value, map(str, choices), 'allowed')}"


def _of_wrong_type(node: Node, violation: Violation, beside: dict[str, Any]) -> str:
    """Explain a wrong type in YAML's words, with advice: quotes for `version: 1.0`, brackets for `methods: GET`."""
    wanted = [beside["type"]] if isinstance(beside["type"], str) else beside["type"]
    where, value, source = _where(violation), node.plain, node.written
    nouns = join_words([word for name in wanted for word in _YAML_TYPES[name].split(" or ")], "or")
    if value is None and not source:
        remedy = remedy_for_type(violation.path, node)
        return f"{where} has no value; {remedy or f'it needs {nouns}'}"
    if node.fields:
        message = f"{where} must be {nouns}, not a mapping"
    elif node.items:
        message = f"{where} must be {nouns}, not a list"
    else:
        message = f"{where}: {show(value)} must be {nouns}"
    if remedy := remedy_for_type(violation.path, node):
        return f"{message}; {remedy}"
    if "string" in wanted and isinstance(value, int | float):
        return f'{message}; put it in quotes: "{source}"'
    if "array" in wanted and isinstance(value, str):
        return f"{message}; write it in brackets: [{source}]"
    if wanted == ["object"] and (key := _LACKS_SPACE.fullmatch(source)):
        return f"{message}; a colon and a space follow a key: {key['key']}: {key['value']}"
    if wanted == ["array"] and node.fields:
        return f'{message}; begin each entry with "- "'
    return message + advise_unquoted(value, wanted)


def _where(violation: Violation) -> str:
    """Name the key that contains a value."""
    if not violation.path:
        return "the file"
    last = violation.path[-1]
    return last if isinstance(last, str) else f"an entry of {violation.path[-2]}"


def _noun(path: Path) -> str:
    name = next((step for step in reversed(path) if isinstance(step, str)), "value")
    return {"methods": "method", "accepts": "format", "errors": "error format", "protocols": "protocol"}.get(name, name)


def _a(beside: dict[str, Any]) -> str:
    title: str = beside["title"]
    if title.endswith((".yaml", ".lock", "s")) or title in (
        "auth",
        "built_in",
        "on_failure",
        "output",
        "scale",
        "service",
    ):
        return title
    return f"an {title}" if title[0] in "aeiou" else f"a {title}"


def _beside(schema: dict[str, Any], path: Path) -> dict[str, Any]:
    found: Any = schema
    for step in path[:-1]:
        found = found[step]
    return found if isinstance(found, dict) else {}
