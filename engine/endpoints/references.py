"""The references in a JSON Schema that is put into another document: where each leads, by `$id`, anchor or pointer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urldefrag, urljoin

from engine.jsonschemas import HOLDS_LIST, HOLDS_MAP, HOLDS_ONE

Place = tuple[str, ...]
"""Where a schema stands in its document: the tokens of a JSON pointer."""

_NAMES = ("$id", "$anchor")  # of no use where every reference is a pointer
_SAFE = "!$&'()*+,;=:@~"  # what a fragment may have as it is (RFC 3986, section 3.5)


class References:
    """The schemas of a document that references can lead to by name."""

    def __init__(self, document: Any) -> None:
        self._places: dict[str, Place] = {"": ()}
        self._note(document, (), "")

    def moved(self, schema: Any, base: str, lead: Callable[[Place], str]) -> Any:
        """Rewrite a schema whose references start from `base`: each as `lead` writes the place that it leads to.

        What leads out of the document stays as it is, and so does what only looks like a reference.
        """
        if not isinstance(schema, Mapping):
            return schema
        base = base_of(schema, base)
        moved: dict[str, Any] = {}
        for keyword, value in schema.items():
            if keyword == "$ref" and isinstance(value, str):
                place = self._target(base, value)
                moved[keyword] = value if place is None else lead(place)
            elif keyword in HOLDS_ONE:
                moved[keyword] = self.moved(value, base, lead)
            elif keyword in HOLDS_LIST:
                moved[keyword] = [self.moved(item, base, lead) for item in value]
            elif keyword in HOLDS_MAP:
                moved[keyword] = {name: self.moved(item, base, lead) for name, item in value.items()}
            elif keyword not in _NAMES:
                moved[keyword] = value
        return moved

    def _note(self, schema: Any, place: Place, base: str) -> None:
        if not isinstance(schema, Mapping):
            return
        base = base_of(schema, base)
        if "$id" in schema:
            self._places[base] = place
        for keyword in ("$anchor", "$dynamicAnchor"):
            if keyword in schema:
                self._places[f"{base}#{schema[keyword]}"] = place
        for step, part in _parts(schema):
            self._note(part, (*place, *step), base)

    def _target(self, base: str, reference: str) -> Place | None:
        address, name = urldefrag(reference)
        home, name = urljoin(base, address) if address else base, unquote(name)
        if name and not name.startswith("/"):
            return self._places.get(f"{home}#{name}")
        if home not in self._places:
            return None
        tokens = (token.replace("~1", "/").replace("~0", "~") for token in name.split("/")[1:])
        return (*self._places[home], *tokens)


def base_of(schema: Any, base: str = "") -> str:
    """Give the URI that a schema's references start from, itself in one that has this `base`."""
    return urldefrag(urljoin(base, schema["$id"])).url if isinstance(schema, Mapping) and "$id" in schema else base


def fragment(place: Place) -> str:
    """Write a place as the end of a reference (RFC 6901, section 6)."""
    return "".join("/" + quote(token.replace("~", "~0").replace("/", "~1"), safe=_SAFE) for token in place)


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """Give the schemas in a schema, and how each is reached."""
    for keyword, value in schema.items():
        if keyword in HOLDS_ONE:
            yield (keyword,), value
        elif keyword in HOLDS_LIST:
            yield from (((keyword, str(number)), item) for number, item in enumerate(value))
        elif keyword in HOLDS_MAP:
            yield from (((keyword, name), item) for name, item in value.items())
