"""Values that a route's schemas allow, and that its model never accepts: requests with them would always get 422."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import Subschema, show
from engine.spec.naming.names import Names
from engine.spec.reading.node import Node
from engine.spec.references import Name, Reference

_DECLARED_BY = {"body": "input", "path": "path_parameters"}  # the others have the same key


def check_refused(
    route: Node, key: str, value: Node, reference: Reference, feature: Subschema, names: Names
) -> Iterator[Diagnostic]:
    """Warn of each value of an `enum`, and of a default, that becomes a feature and is none of its values.

    `value` is the node of the reference, which is without mistakes.
    """
    known = names.find(reference.name)
    declared = _declaring(route, reference.name)
    model = route["model"].text or ""
    for number, choice in enumerate(known.choices or ()):
        if _is_allowed(choice, known.parts) and (detail := _refusal(choice, feature)):
            item = declared["enum"][number]
            at = item if item.present and item.plain == choice else value
            message = f'the model "{model}" refuses {show(choice)} as "{key}": {detail}'
            yield at.error(f"{message}; remove it from the enum", "warning")
    for part in known.parts if reference.default is None else ():
        if part.has_default and (detail := _refusal(part.default, feature)):
            default = declared["default"]
            at = default if default.present else value
            message = f'the model "{model}" refuses the default as "{key}": {detail}'
            yield at.error(f"{message}; change one of the two", "warning")


def _is_allowed(choice: Any, parts: Any) -> bool:
    return all(part.takes(choice) for part in parts)


def _refusal(value: Any, feature: Subschema) -> str:
    """Say why a value is none of a feature's, empty if it is."""
    found = next(feature.validator.violations(value), None)
    return "" if found is None else found.detail


def _declaring(route: Node, name: Name) -> Node:
    """Return the node of the schema that declares a value, as far as it is written in place."""
    node = route[_DECLARED_BY.get(name.root, name.root)]
    for number, step in enumerate(name.steps):
        spelled = name.spelled if name.root == "headers" and number == 0 else step
        node = node["properties"][spelled]
    return node
