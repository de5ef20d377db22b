"""The path under which a proxy publishes the service, and the routes that would be taken for it."""

from __future__ import annotations

from collections.abc import Iterator

from werkzeug.routing import Map

from engine.diagnostics import Diagnostic
from engine.spec.checking.built_in import placed
from engine.spec.reading.node import Node
from engine.spec.url_rules import LazyRule, path_parameters, rule_shape


def check_base_path(root: Node) -> Iterator[Diagnostic]:
    """Report a base path that is none, and the routes that its requests could not be told apart from."""
    node = root["service"]["base_path"]
    base = node.text
    if base is None:
        return
    if (why := _why_not(base)) is not None:
        yield node.error(f'base_path "{base}": {why}')
        return
    for name, path, place in placed(root["service"]):
        if _is_below(path, base) and place.text is not None:
            yield place.error(_said_twice(path, base))
        elif _is_below(path, base):
            yield node.error(
                f'base_path "{base}": the engine\'s own "{name}" is at {path}; choose another base_path, or move it '
                f'under service: "built_in: {{{name}: /other}}"'
            )
    for route in root["routes"].items:
        path = route["path"].text or ""
        if _is_below(path, base):
            yield route["path"].error(_said_twice(path, base))
        elif path_parameters(path) and _can_match(path, base):
            message = (
                f'path "{path}" also matches the base_path "{base}": requests that begin with {base} are answered '
                "without that prefix"
            )
            yield route["path"].error(message, "warning")


def _why_not(base: str) -> str | None:
    """Say what keeps a text from being a base path."""
    if "://" in base:
        return "must be a path, not a URL; leave out the scheme and the host"
    if not base.strip("/"):
        return "adds nothing to a path; leave it out"
    if not base.startswith("/"):
        return f'must begin with "/"; write /{base.rstrip("/")}'
    if base.endswith("/"):
        return f'must not end with "/"; write {base.rstrip("/")}'
    try:
        rule_shape(base)
    except ValueError as error:
        return str(error)
    return "must not have path parameters" if path_parameters(base) else None


def _said_twice(path: str, base: str) -> str:
    rest = path[len(base) :] or "/"
    return f'path "{path}" begins with the base_path "{base}", which is put before every route; write {rest}'


def _is_below(path: str, base: str) -> bool:
    return path == base or path.startswith(f"{base}/")


def _can_match(path: str, base: str) -> bool:
    """Whether a rule with parameters matches the base path, or something below it."""
    segments, count = path.split("/"), base.count("/") + 1
    wide = next((index for index, segment in enumerate(segments) if "<path" in segment), len(segments))
    if len(segments) < count and wide == len(segments):
        return False
    try:
        rule = LazyRule("/".join(segments[: min(count, wide + 1)]))
        return Map([rule]).bind("").test(base)
    except Exception:  # noqa: BLE001 - what is no rule is reported as such
        return False
