"""The docs page out of a spec and its OpenAPI document; complete, and readable where no script runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from engine.endpoints.docs.cards import MODELS, cards_of
from engine.endpoints.docs.curl import SAFE
from engine.endpoints.docs.fields import write_json
from engine.endpoints.openapi.responses import path_to
from engine.endpoints.openapi.summaries import ENGINE_TAG
from engine.endpoints.requests.body_reader import TYPES
from engine.models import Facts
from engine.spec import BATCH_KEY, Spec, docs_file_path

MAX_OUTCOMES = 5  # that are shown before Responses is opened
MANY_ROUTES = 10  # from here on, the list of endpoints stays beside them

_CODE = re.compile(r"`([^`\n]+)`")
_PART = re.compile(r"[^( ]+\(?|[( ]")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def write_page(path: str, spec: Spec, document: Mapping[str, Any], models: Mapping[str, Facts]) -> bytes:
    """Write the page that stands at `path`."""
    cards = tuple(cards_of(spec, document, models))
    headings = dict.fromkeys(sorted((card.heading for card in cards), key=_rank))
    openapi = next((route.path for route in spec.built_in if route.built_in == "openapi"), "")
    return _render(
        "page.html",
        path=path,
        service=spec.service,
        sections=[(heading, [card for card in cards if card.heading == heading]) for heading in headings],
        is_long=len(spec.routes) >= MANY_ROUTES,
        wants_key=any(card.key for card in cards),
        below="./" + "".join(f"{quote(end, safe='')}/" for end in path.split("/")[-1:] if end),
        root=_root(path),
        openapi=_link(openapi) if openapi else "",
        batch_key=BATCH_KEY,
        max_outcomes=MAX_OUTCOMES,
        types=TYPES | {"binary": "a file"},
        engine_tag=ENGINE_TAG,
        errors_at=write_json(_errors_at(spec)),
    )


def _errors_at(spec: Spec) -> tuple[str, ...]:
    """Return the names that lead to the violations in the body of a 422; none where no JSON has them."""
    body = spec.error_bodies.get("422") or spec.error_bodies.get("default")
    return ("errors",) if body is None else path_to("problem.errors", body)


def _rank(heading: str) -> int:
    """Order sections: models, what the spec declares, what the engine adds."""
    return {MODELS: 0, ENGINE_TAG: 2}.get(heading, 1)


def write_reference(path: str, spec: Spec) -> bytes:
    """Write the page around Swagger UI that stands at `path`, below the docs' own."""
    docs = next(route.path for route in spec.built_in if path == docs_file_path(route.path, "reference"))
    return _render("reference.html", service=spec.service, root=_root(path), docs=_link(docs))


def _render(name: str, **values: Any) -> bytes:
    return _templates().get_template(name).render(values).encode()


@cache
def _templates() -> jinja2.Environment:
    def load(name: str) -> str:
        return files(__package__).joinpath(name).read_text("utf-8")

    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(dump=write_json, link=_link, marked=_marked, breakable=_breakable)
    return templates


def _marked(text: str) -> Markup:
    """Show as code what stands between backticks."""
    parts = (Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in enumerate(_CODE.split(text)))
    return Markup().join(parts)


def _breakable(code: str) -> Markup:
    """Let a line break between the parts of a name, and between the words of one that is longer than a line."""
    parts = (Markup("<wbr>").join(_WORD.split(part)) for part in _PART.findall(code))
    return Markup().join(part if part == " " else Markup("<span>{}</span>").format(part) for part in parts)


def _root(path: str) -> str:
    """Lead from a page to where the service begins, also behind a proxy that puts a prefix before it."""
    return "./" + "../" * (path.count("/") - 1)


def _link(path: str) -> str:
    """Write a path as a URL that is relative to where the service begins."""
    return quote(path.lstrip("/"), safe=SAFE)
