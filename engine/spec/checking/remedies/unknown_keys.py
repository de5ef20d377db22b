"""A key that is unknown where it stands → where it belongs, or what does the same."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from engine.spec.gathering.entries import meant_key
from engine.spec.reading.node import Node

_HAVE_RESPONSE = ("route", "case", "step", "on_failure")
_REDIRECTS = ("redirect", "redirect_to", "location")
_LAST_CASE = ("default", "else", "otherwise")
_ON_COMMAND_LINE = {"port": "serve -p 8080", "host": "serve --host 0.0.0.0", "workers": "serve --workers 2"}
_OPENAPI = "an OpenAPI document, which describes routes but does not say what they answer"
_LONGEST = 40


def remedy_for_key(key: str, value: Node, inside: Node, title: str, response: Mapping[str, Any]) -> str:
    """Say what to write for a key of `inside`, whose rules have a title; empty for most keys.

    `response` are the keys of a response.
    """
    shown = _shown(value)
    more = ", …" if inside["response"].present else ""
    if title == "service" and key in _ON_COMMAND_LINE:
        return f"it is an option of the command: {_ON_COMMAND_LINE[key]}"
    if title == "case" and key in _LAST_CASE:
        answer = shown if value.fields is not None and "response" in value else "{response: …}"
        return f"the last case has no when: {answer}"
    if title in ("route", "group") and key == "$ref":
        return f"write include: {shown}"
    if title == "response" and key in _REDIRECTS:
        status = "" if "status" in inside else "status: 302, "
        return f"write {status}headers: {{Location: {shown}}}"
    if title in _HAVE_RESPONSE and key in _REDIRECTS:
        return f"write response: {{status: 302, headers: {{Location: {shown}}}}}"
    if title in _HAVE_RESPONSE and key in response:
        return f"it belongs in the response: response: {{{key}: {shown}{more}}}"
    is_strange = not any(
        meant_key(one, "response") or get_close_matches(one, response, 1) for one in inside.fields or ()
    )
    if title == "response" and is_strange:
        return f"a mapping is sent under json: {{json: {_shown(inside)}}}"
    return ""


def _shown(node: Node) -> str:
    return node.written if len(node.written) <= _LONGEST and "\n" not in node.written else "…"


def foreign_document(root: Node) -> str:
    """Say that a file is one of another tool's, and what a spec looks like; empty for a spec."""
    if root.fields is None or "routes" in root or "service" in root:
        return ""
    if {"openapi", "swagger"} & root.fields.keys():
        return f"this is {_OPENAPI}; write routes: [{{path: /users, response: {{json: […]}}}}]"
    lists = [key for key, _, value in root.pairs() if value.items and not any(map(_is_entry, value.items))]
    if lists and not {"include", "models", "version", "$defs"} & root.fields.keys():
        line = f"routes: [{{path: /{lists[0]}, response: {{json: […]}}}}]"
        return f'this file has data but no "routes"; write a route for each list: {line}'
    return ""


def _is_entry(item: Node) -> bool:
    return not item.fields or bool({"path", "include", "routes"} & item.fields.keys())
