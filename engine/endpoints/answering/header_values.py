"""References filled into headers: no value adds a header, an attribute of a cookie, or another site."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from werkzeug.urls import iri_to_uri

from engine.endpoints.bodies.filling import Written, as_text, fill_text
from engine.endpoints.requests.values import Values, read_reference
from engine.spec import URI_HEADERS, Names, Reference, parse_template, references_in

_WITH_URIS = frozenset(("link", "refresh"))  # between other words
_VISIBLE = "".join(map(chr, range(0x20, 0x7F)))
_IN_URIS = "/:?#[]@!$&'()*+,;=%~"
_SAFE = {  # in the value of a reference, by the header that contains it
    "set-cookie": "!#$%&'()*+-./:<=>?@[]^_`{|}~",  # all of a cookie-octet (RFC 6265, section 4.1.1)
}
# Up to the first slash of a URI. Browsers read a Refresh with fractions and blanks too, and a backslash as a slash.
_FIRST_SLASH = re.compile(r"(?:\A\s*(?:[0-9.]+\s*[;,]?\s*(?:url\s*=\s*)?)?[\"']?|<\s*)[/\\]\Z", re.IGNORECASE)
_UNQUOTED = _VISIBLE.replace('"', "").replace("\\", "")  # what a value may have inside of quotes


def write_header(name: str, text: str, names: Names) -> Written:
    """Make a header's value; characters that are not allowed in a header, or in its URI, are percent-encoded."""
    is_uri = name.lower() in URI_HEADERS
    if (is_uri or name.lower() in _WITH_URIS) and references_in(parse_template(text)):
        return _write_target(text, names, _IN_URIS if is_uri else _VISIBLE)
    safe = _SAFE.get(name.lower(), _UNQUOTED if '"' in text else _VISIBLE)
    written = fill_text(text, names, lambda value: quote(value, safe=safe))
    return _as_uri(written) if is_uri and isinstance(written, str) else written


def _write_target(text: str, names: Names, literal: str) -> Callable[[Values], str]:
    """Make a URI in which the value of each reference is one segment, or one value of the query.

    The exceptions are a path parameter that takes slashes, and a choice at the beginning, which the author has written.
    A first segment that is empty would make a host of the second one, and gets a dot before it (RFC 3986, section 4.2).
    Characters of the text itself stay if they are `literal`.
    """
    parts: list[str | Callable[[Values], str]] = []
    for part in parse_template(text):
        if isinstance(part, str):
            parts.append(quote(part, safe=literal))
        elif not parts and names.find(part.name).is_choice:
            parts.append(_quoting(part, names, _IN_URIS))
        else:
            takes_slashes = part.name.root == "path" and names.find(part.name).schema.takes("a/b")
            parts.append(_quoting(part, names, "/" if takes_slashes else ""))

    def write(values: Values) -> str:
        made = ""
        for part in parts:
            written = part if isinstance(part, str) else part(values)
            made += "./" + written if written[:1] in ("/", "\\") and _FIRST_SLASH.search(made) else written
        return made

    return write


def _quoting(reference: Reference, names: Names, safe: str) -> Callable[[Values], str]:
    read = read_reference(reference, names)
    return lambda values: quote(as_text(read(values)), safe=safe)


def _as_uri(text: str) -> str:
    """Return the URI of an IRI, which is what people write (RFC 3987)."""
    try:
        return iri_to_uri(text)
    except ValueError:  # nobody can follow it
        return text
