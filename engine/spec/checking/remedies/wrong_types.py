"""A value of the wrong type → how it is written; a table by the key that has the value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.schema import Path
from engine.spec.choices import advise_format
from engine.spec.protocol_records import SINGLE
from engine.spec.reading.node import Node

_LONGEST = 60
_ALL_METHODS = "GET, POST, PUT, PATCH, DELETE"
_PARAMETERS = ("query", "headers", "cookies", "path_parameters")


def remedy_for_type(path: Path, node: Node) -> str:
    """Say how the value at a path is written; empty for most keys."""
    kind = "mapping" if node.fields is not None else "list" if node.items else "scalar"
    if path[-1:] and path[-1] in _PARAMETERS and isinstance(path[-2], int):  # not in a response
        return _parameters(str(path[-1]), node)
    if path[-2:-1] == ("protocols",) and kind == "scalar":
        return _protocol(str(path[-1]), node)
    remedy = _REMEDIES.get((_key_of(path), kind))
    return "" if remedy is None else remedy(node)


def _key_of(path: Path) -> str:
    """Return the key of a value; that of an entry is the key of its list, or of its mapping of any names, with `[]`."""
    if path[-1:] and isinstance(path[-1], int):
        return f"{path[-2]}[]" if len(path) > 1 else ""
    if path[-2:-1] in (("models",), ("error_bodies",)):
        return f"{path[-2]}[]"
    return str(path[-1]) if path else ""


def _shown(node: Node) -> str:
    """Return a value as it is written, if that is short."""
    return node.written if len(node.written) <= _LONGEST and "\n" not in node.written else "…"


def _parameters(key: str, node: Node) -> str:
    named = next((text for item in node.items or (node,) if (text := item.text or item["name"].text)), "name")
    return f"declare each parameter: {key}: {{properties: {{{named}: {{type: string}}}}}}"


def _header(node: Node) -> str:
    first = node.items[0]
    own = next(((name, value) for name, _, value in first.pairs() if "name" not in first), None)
    name, value = (
        (own[0], own[1].written) if own else (first["name"].text or first.text or "X-Name", first["value"].text or "…")
    )
    return f"write headers: {{{name}: {value}}}"


def _format(node: Node) -> str:
    meant = advise_format(node.text or "").removeprefix("; write ")
    return f"write it in brackets: [{meant if meant.isalpha() else _shown(node)}]"


def _methods(node: Node) -> str:
    return f"write it in brackets: [{_ALL_METHODS if node.text == '*' else _shown(node).upper()}]"


def _model(node: Node) -> str:
    return f"write {{file: {_shown(node)}, input: {{type: object, properties: {{…}}}}}}"


def _models(node: Node) -> str:
    name = next((text for item in node.items if (text := item["name"].text)), "iris")
    return f"write each model under its name: models: {{{name}: {{file: …, input: …}}}}"


def _protocol(name: str, node: Node) -> str:
    if name not in SINGLE:
        return f"write {name}: {{}} for all models"
    return f"write {name}: {{model: {_shown(node) if node.text else '…'}}}"


def _weights(node: Node) -> str:
    named = dict.fromkeys(text for item in node.items if (text := item.text))
    return f"give each model its weight: average: {{{', '.join(f'{name}: 1' for name in named or ('a', 'b'))}}}"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value > 0 and value is not True


_REMEDIES: Mapping[tuple[str, str], Callable[[Node], str]] = {
    ("accepts", "scalar"): lambda node: _format(node) if node.text else "",
    ("api_keys[]", "scalar"): lambda _: "name the variable that has the key: {name: web, env: WEB_KEY}",
    ("average", "list"): _weights,
    ("cors", "scalar"): lambda node: f"write cors: {{origins: [{_shown(node)}]}}" if node.text != "*" else _ANY_ORIGIN,
    ("cors", "list"): lambda node: f"write cors: {{origins: {_shown(node)}}}",
    ("error_bodies[]", "scalar"): lambda node: f"write {{text: {_shown(node)}}}",
    ("headers", "list"): _header,
    ("input", "scalar"): lambda node: (
        f'write input: {{$ref: "{node.text}"}}' if (node.text or "").endswith((".yaml", ".yml", ".json")) else ""
    ),
    ("methods", "scalar"): lambda node: _methods(node) if node.text else "",
    ("models", "list"): _models,
    ("models[]", "scalar"): lambda node: _model(node) if node.text else "",
    ("not", "list"): lambda _: "write {all: […]} or {any: […]}",
    ("not", "scalar"): lambda _: "write a name and its value, as in {query.page: 1}",
    ("rate_limit", "scalar"): lambda node: f"write {node.written}/minute" if isinstance(node.plain, int) else "",
    ("response", "list"): lambda node: f"write response: {{json: {_shown(node)}}}",
    ("responses[]", "scalar"): lambda node: f"write {{response: {_shown(node)}}}",
    ("scale", "scalar"): lambda node: f"write scale: {{max: {node.plain if _is_count(node.plain) else 4}}}",
    ("sequence", "list"): lambda _: "put the list under responses: {responses: […]}",
    ("when", "list"): lambda _: "write {all: […]} or {any: […]}",
    ("when", "scalar"): lambda _: "write a name and its value, as in {query.page: 1}",
}
_ANY_ORIGIN = 'write cors: {origins: ["*"]}'
