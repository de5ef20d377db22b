"""The page of an error: with the look of the docs page, and the way there for those who may read it.

The look is in the page itself, which loads nothing: the docs may be closed, or elsewhere.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from urllib.parse import quote

from engine.endpoints import Headers, Mounted
from engine.handling.incoming import Incoming
from engine.spec import Service

_STYLE = (
    ":root{color-scheme:light dark;--ground:#f7f7f5;--text:#1d1d1b;--accent:#0b665a}"
    "@media(prefers-color-scheme:dark){:root{--ground:#131416;--text:#ececea;--accent:#62cbb8}}"
    "body{margin:0 auto;max-width:68rem;padding:1.75rem 1.25rem;background:var(--ground);color:var(--text);"
    'font:1rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}'
    "h1{margin:0;font-size:clamp(1.5rem,4vw,2rem);font-weight:650;letter-spacing:-.02em;line-height:1.2}"
    "a{color:var(--accent);text-underline-offset:.2em}"
    ":focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:.25rem}"
)
# `data:` is for the empty icon, without which a browser asks for /favicon.ico.
_HEAD = (
    '<meta name=viewport content="width=device-width, initial-scale=1">\n'
    f'<link rel=icon href="data:,">\n<style>{_STYLE}</style>\n'
)
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Headers = (("Content-Security-Policy", _POLICY),)


class Signpost:
    """Leads to the docs page of a service, if it has one that is open to the client."""

    def __init__(self, service: Service, mounted: Iterable[Mounted]) -> None:
        # The page is the first of the paths that the docs take.
        self._docs = next((one for one in mounted if one.route.built_in == "docs"), None)
        self._title = service.title

    def path(self, incoming: Incoming) -> str:
        """Return the path of the docs page; empty without one that this client may read."""
        if self._docs is None or self._docs.guard.identify(incoming.environ)[1] is not None:
            return ""
        return self._docs.route.path

    def mark(self, page: str, incoming: Incoming) -> str:
        """Add to an error's page where the endpoints are listed; at `/`, that is all there is to say."""
        path = self.path(incoming)
        if not path:
            return page
        # Relative, so that it also works behind a proxy that puts a prefix before the path.
        href = "./" + "../" * (incoming.path.count("/") - 1) + quote(path.lstrip("/"))
        link = f'<p>The endpoints of this service are listed at <a href="{escape(href)}">{escape(path)}</a>.</p>\n'
        if incoming.path != "/" or "<h1>Not Found</h1>" not in page:
            return page + link
        name = escape(self._title)
        head = f"<!doctype html>\n<html lang=en>\n<title>{name}</title>\n<h1>{name}</h1>\n"
        return f"{head}<p>There is no page at this address.</p>\n{link}"


def dress(page: str) -> tuple[str, Headers]:
    """Style a page that is written as Werkzeug writes its own; return the headers that this calls for too."""
    title, end, rest = page.partition("</title>\n")
    if not end:  # of other code
        return page, ()
    return f"{title}{end}{_HEAD}<main>\n{rest}</main>\n", _HEADERS
