"""The look of the docs page for the HTML of errors, in themselves: they load nothing, and the docs may be closed."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from engine.endpoints import Headers

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


def dress(page: str) -> tuple[str, Headers]:
    """Style a page that is written as Werkzeug writes its own; return the headers that this calls for too."""
    title, end, rest = page.partition("</title>\n")
    if not end:  # of other code
        return page, ()
    return f"{title}{end}{_HEAD}<main>\n{rest}</main>\n", _HEADERS
