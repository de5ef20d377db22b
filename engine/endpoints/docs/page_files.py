"""The docs page, the raw reference beside it, and the files of both, each under its name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from engine.endpoints.docs.page import write_page, write_reference
from engine.endpoints.fixed import GeneratedEndpoint
from engine.endpoints.messages import Endpoint, Headers, encode_any_json
from engine.endpoints.openapi.document import describe_spec
from engine.errors import EngineError
from engine.models import Facts
from engine.spec import DOCS_FILES, Route, Spec, docs_file_path

# Nothing is loaded from anywhere else, nothing runs that is not in a file of ours, and no other site shows us in a
# frame. `data:` is for the empty icon.
_STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# The docs page moreover makes no markup out of text; Swagger UI does.
_NO_MARKUP = f"{_STRICT}; require-trusted-types-for 'script'; trusted-types 'none'"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".json": "application/json"}
_HTML = "text/html; charset=utf-8"
_SWAGGER_UI = "flask_swagger_ui"  # a package of assets to us; importing it would import Flask


def build_docs(route: Route, spec: Spec, facts: Mapping[str, Facts]) -> Iterator[tuple[str, Endpoint]]:
    """Make the endpoint of each path that the docs take; each is written when somebody asks for the first time."""

    def document() -> dict[str, Any]:
        return describe_spec(spec, facts, docs_file_path(route.path, "document.json"))

    yield route.path, _generated(_HTML, lambda: write_page(route.path, spec, document(), facts), _NO_MARKUP)
    for name in DOCS_FILES:
        path = docs_file_path(route.path, name)
        if name == "reference":
            yield path, _generated(_HTML, partial(write_reference, path, spec))
        elif name == "document.json":
            yield path, _generated(_TYPES[".json"], lambda: encode_any_json(document()))
        else:
            yield path, _generated(_TYPES[Path(name).suffix], partial(_read, name))


def _generated(content_type: str, write: Callable[[], bytes], policy: str = _STRICT) -> Endpoint:
    headers: Headers = (
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    )
    return GeneratedEndpoint(content_type, write, headers)


def _read(name: str) -> bytes:
    """Read a file of ours, or one of Swagger UI's."""
    if not name.startswith("swagger-ui"):
        return Path(__file__).with_name(name).read_bytes()
    package = importlib.util.find_spec(_SWAGGER_UI)
    if package is None or package.origin is None:
        raise EngineError(f"the package {_SWAGGER_UI}, which has {name}, is not installed")
    return Path(package.origin).with_name("dist").joinpath(name).read_bytes()
