"""How far the literal beginning of an address settles where it leads, whatever follows (https://url.spec.whatwg.org).

Browsers ignore control characters and blanks in front, and tabs and line breaks anywhere. A character reference before
that point settles nothing, since a value could continue it.
"""

from __future__ import annotations

import re
from typing import Literal

Settled = Literal["query", "path", "host", "scheme", "script"]
"""What a value can still change: the query or fragment, also the path, also the host, also the scheme, or a script."""

_IGNORED = str.maketrans("", "", "\t\n\r")
_IN_FRONT = "".join(map(chr, range(0x21)))
_AFTER_HOST = re.compile(r"(?:https?:)?[/\\]{2,}[^/?#\\&]+[/?#\\]")
_RELATIVE = re.compile(r"/[^/\\&]|[^a-z/\\&]|[a-z][a-z0-9+.-]*[^a-z0-9+.:&-]")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):")
_MESSAGES = ("mailto:", "sms:", "tel:")
_IMAGE = re.compile(r"data:image/(?:avif|gif|jpeg|png|webp);base64,")


def settle_address(literal: str, *, is_image: bool = False) -> Settled:
    """Return what a value that follows a literal beginning can still change."""
    text = literal.lstrip(_IN_FRONT).translate(_IGNORED).lower()
    if _AFTER_HOST.match(text) or _RELATIVE.match(text):
        return "query" if "?" in text or "#" in text else "path"
    if text.startswith(_MESSAGES) or (is_image and _IMAGE.match(text)):
        return "path"
    if (scheme := _SCHEME.match(text)) is not None and scheme[1] not in ("http", "https"):
        return "script"
    return "host" if scheme is not None or text[:1] in ("/", "\\") else "scheme"
