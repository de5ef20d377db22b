"""The entries of `routes`: routes, groups of routes, and included files, told apart by their keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from engine.schema import clip
from engine.spec.reading.node import Node

EntryKind = Literal["route", "group", "include"]

INCLUDED_FILE = "included file"
INCLUDED_KEYS = ("routes", "$defs")
# The keys that show a kind, in the order in which they are asked; a route has none of them.
_SHOWN_BY: Mapping[str, EntryKind] = {"include": "include", "routes": "group", "prefix": "group"}

_OF_RESPONSE = ("status", "json", "text", "html", "file", "redirect", "redirect_to", "location")
# What other tools call a key, by the kind of what has it.
_MEANT_KEYS: Mapping[str, Mapping[str, str]] = {
    "case": {
        **dict.fromkeys(("condition", "if", "match", "on"), "when"),
        **dict.fromkeys(("default", "else", "otherwise", "return", "then", *_OF_RESPONSE), "response"),
    },
    "group": {"$ref": "routes"},
    "model": {
        **dict.fromkeys(("artifact", "filename", "model", "path", "pickle", "uri"), "file"),
        **dict.fromkeys(("autoscaling", "autoscaling_config", "replicas"), "scale"),
    },
    "on_failure": dict.fromkeys(_OF_RESPONSE, "response"),
    "response": {
        **dict.fromkeys(("code", "status_code", "statuscode"), "status"),
        **dict.fromkeys(("body", "content"), "text"),
        "data": "json",
    },
    "route": {
        **dict.fromkeys(("endpoint", "uri", "url"), "path"),
        **dict.fromkeys(("body", "requestbody", "schema"), "input"),
        **dict.fromkeys(("parameters", "params", "query_parameters"), "query"),
        **dict.fromkeys(("return", "returns", *_OF_RESPONSE), "response"),
    },
    "scale": {
        **dict.fromkeys(("min_replicas", "minreplicas", "minimum", "least"), "min"),
        **dict.fromkeys(("max_replicas", "maxreplicas", "maximum", "most", "replicas"), "max"),
        **dict.fromkeys(("target_ongoing_requests", "concurrency"), "target"),
        **dict.fromkeys(("cpu", "num_cpus", "cores"), "cpus"),
    },
    "service": {"name": "title"},
    "step": dict.fromkeys(_OF_RESPONSE, "response"),
}


def meant_key(word: str, title: str) -> str:
    """Return the key that other tools call so, in what the grammar gives a title; empty if none is."""
    return _MEANT_KEYS.get(title, {}).get(word.lower(), "")


def is_misspelt(entry: Node, key: str) -> bool:
    """Return whether an entry lacks a key, and has another one that probably means it."""
    if key in entry:
        return False
    others = [word for word, _, _ in entry.pairs()]
    near = difflib.get_close_matches(key, others, n=1, cutoff=0.7)
    return bool(near) or any(meant_key(word, "route") == key for word in others)


def kind_of(entry: Node, parts: Mapping[str, Any]) -> EntryKind:
    """Return what an entry is, or was probably meant to be: a misspelt key counts if nothing shows a route.

    `parts` are the definitions of the grammar.
    """
    for key, kind in _SHOWN_BY.items():
        if key in entry and not (key == "prefix" and "path" in entry):
            return kind
    if "path" in entry:
        return "route"
    strange = [key for key, _, _ in entry.pairs() if key not in parts["route"]["properties"]]
    return next((kind for key, kind in _SHOWN_BY.items() if difflib.get_close_matches(key, strange, n=1)), "route")


def walk_entries(root: Node) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Yield every entry of a file, those in groups too, with the path to it."""
    waiting: list[tuple[tuple[str | int, ...], Node]] = [(("routes",), root["routes"])]
    while waiting:
        path, entries = waiting.pop()
        for number, entry in enumerate(entries.items):
            at = (*path, number)
            yield at, entry
            if "routes" in entry:
                waiting.append(((*at, "routes"), entry["routes"]))


def advise_key(key: str, beside: Mapping[str, Any], routes: Mapping[str, Any]) -> str:
    """Say where a key belongs that another kind of entry has; empty for any other key.

    `beside` are the rules of the entry's kind, and `routes` is the grammar of routes.yaml.
    """
    kind, shown, parts = beside.get("title"), f'"{clip(key)}"', routes["$defs"]
    if kind == INCLUDED_FILE and key in routes["properties"]:
        return f"{shown} belongs in routes.yaml; a file that it includes has only {' and '.join(INCLUDED_KEYS)}"
    if kind == "include" and key in parts["group"]["properties"]:
        group = "{prefix: /admin, routes: [{include: …}]}"
        return f"{shown} cannot stand beside include; put the include into a group that has it: {group}"
    if kind == "include" and key in parts["route"]["properties"]:
        return f"{shown} cannot stand beside include; begin another entry with it"
    if kind == "group" and key == "path":
        return f'{shown} belongs to a route; the paths of a group begin with its "prefix"'
    if kind == "group" and key in parts["route"]["properties"]:
        return f"{shown} belongs to a route, not to a group of routes; move it to the routes that have it"
    if kind == "route" and key == "prefix":
        return f"{shown} belongs to a group of routes: {{prefix: /api, routes: […]}}"
    return ""
