"""The names of schemas in an OpenAPI document, of which programs make the names of types."""

from __future__ import annotations

import re

from engine.spec import Route, path_template

_PARTS = 3


def pascal_case(text: str) -> str:
    """Write a name in the form of a type: `iris-v2` as `IrisV2`."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    return "".join(word[0].upper() + word[1:] for word in words) or "Unnamed"


def route_name(route: Route) -> str:
    """Name a route by the last parts of its path: `/v2/customers/<int:id>/churn` as `CustomersIdChurn`."""
    parts = [part for part in path_template(route.path).split("/") if part]
    return pascal_case(" ".join(parts[-_PARTS:]) or "root")
