"""Elements whose text is not read as HTML, and where each of them ends; elements that change what is one."""

from __future__ import annotations

import re

_FROM_ATTRIBUTE = (
    'put the value into an attribute, as in <div data-value="${…}">, and let the script read it from there'
)
_UNDECODED = "where browsers do not decode escapes; use another element, such as <pre>"

TEXT_ELEMENTS = frozenset(("textarea", "title"))
"""Elements whose text has character references, and no tags."""

RAW_REASONS = {
    "script": f"inside <script>, where escaping does not protect; {_FROM_ATTRIBUTE}",
    "style": "inside <style>, where escaping does not protect; choose a class of an element instead",
    **{name: f"inside <{name}>, {_UNDECODED}" for name in ("iframe", "noembed", "noframes", "plaintext", "xmp")},
    "noscript": "inside <noscript>, which browsers read in two ways; put it outside",
}
"""Elements with raw text, each with the reason why no reference belongs there."""

INTEGRATION_POINTS = frozenset("annotation-xml desc foreignobject mi mn mo ms mtext title".split())
"""Elements of SVG and MathML that have HTML inside."""

BREAKOUTS = frozenset(
    "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta "
    "nobr ol p pre ruby s small span strong strike sub sup table tt u ul var".split()
)
"""Elements of HTML that end SVG and MathML."""

IN_SELECT = frozenset(("hr", "optgroup", "option", "script"))
"""Elements in <select> that all browsers take the same way."""

_SCRIPT = re.compile(r"<!--|-->|<(/?)script(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII)
_ENDS = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII) for name in (*TEXT_ELEMENTS, *RAW_REASONS)
}


def find_end(name: str, text: str, start: int) -> int | None:
    """Find the end tag that ends an element's raw text; None if the text has no end."""
    if name == "plaintext":
        return None
    if name == "script":
        return _find_script_end(text, start)
    found = _ENDS[name].search(text, start)
    return found.start() if found else None


def _find_script_end(text: str, start: int) -> int | None:
    """Find the end of a script: an end tag, except after `<!--` and `<script`, up to `-->` or another end tag."""
    is_escaped = is_doubly = False
    position = start
    while (found := _SCRIPT.search(text, position)) is not None:
        position = found.end()
        if found[0] == "<!--":
            is_escaped = True
            position = found.start() + 2  # its dashes may belong to a -->
        elif found[0] == "-->":
            is_escaped = is_doubly = False
        elif found[1] and not is_doubly:
            return found.start()
        else:
            is_doubly = is_escaped and not found[1]
    return None
