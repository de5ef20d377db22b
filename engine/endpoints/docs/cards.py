"""A spec and its OpenAPI document → the cards of the docs page, one for each route."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Any

from engine.endpoints.docs.about import Fact, facts_about
from engine.endpoints.docs.curl import curl_command, curl_rows
from engine.endpoints.docs.fields import FormField, body_fields, body_fields_of
from engine.endpoints.docs.filled_forms import fill_form
from engine.endpoints.docs.previews import Preview, preview_of
from engine.endpoints.docs.route_fields import Filled, fields_of
from engine.endpoints.docs.shown_cases import ShownCase, shown_cases
from engine.endpoints.openapi.document import KEY_HEADER
from engine.endpoints.openapi.responses import description_of
from engine.endpoints.openapi.summaries import UNTAGGED, summary_of, tags_of
from engine.endpoints.openapi.wires import example_of_wire
from engine.endpoints.problems import status_title
from engine.endpoints.shape_names import takes_many
from engine.models import Facts, key_of
from engine.schema import InstanceSchema
from engine.spec import Model, Route, Spec, path_template, route_names

MODELS = "Models"
MAX_CHIPS = 12
MAX_NAME = 30
TWO = 2
HALF = 0.5
GROUPS = {"query": "Query", "header": "Headers", "cookie": "Cookies"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """What a route may answer."""

    status: str
    name: str
    means: str
    media_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A set of values that fills a form: its name, and the text of each field in their order."""

    name: str
    texts: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the page shows of one route: a `preview` of its only answer, or its `cases`.

    `key` names the header of its API key, if it requires one. A model's `facts` are in its first card, whose id the
    others have as `described_at`. Of a model with two classes, `threshold` is the positive one, the other, and the
    probability from which the positive one is answered. One that `takes_batches` can be sent several instances at once.
    """

    id: str
    route: Route
    path: str
    tags: tuple[str, ...]
    summary: str
    description: str
    fields: tuple[FormField, ...]
    answers: tuple[ShownAnswer, ...]
    preview: Preview | None
    cases: tuple[ShownCase, ...]
    key: str
    curl: str
    curl_rows: str = ""
    examples: tuple[Chip, ...] = ()
    rows: tuple[Chip, ...] = ()
    facts: tuple[Fact, ...] = ()
    described_at: str = ""
    threshold: tuple[str, str, float] | None = None
    takes_batches: bool = False
    is_open: bool = False

    @property
    def heading(self) -> str:
        """The section that the card is in."""
        return MODELS if self.route.model is not None and self.route.wire is None else self.tags[0]

    @property
    def other_tags(self) -> tuple[str, ...]:
        """The tags besides the one whose section has the card."""
        return tuple(tag for tag in self.tags if tag not in (self.heading, UNTAGGED))

    @property
    def opens_by_link(self) -> bool:
        """Whether a form can ask it without a script, and a link too; neither sends a key."""
        is_plain = all(
            field.role in ("query", "member") and field.kind not in ("list", "file") for field in self.fields
        )
        return "GET" in self.route.methods and not self.route.parameters and not self.key and is_plain

    @property
    def groups(self) -> Mapping[str, tuple[FormField, ...]]:
        """The fields of parameters besides the path, by what they are called."""
        named = {word: tuple(one for one in self.fields if one.role == role) for role, word in GROUPS.items()}
        return {word: fields for word, fields in named.items() if fields}

    @property
    def body_fields(self) -> list[FormField]:
        """The fields of the body, or of the query string that has it in a GET."""
        return body_fields_of(self.fields)

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats in which the page can send the body, the usual one first."""
        return self.route.accepts if self.body_fields else ()

    @property
    def is_listed(self) -> bool:
        """Whether the list of endpoints has it: those of the spec, and where a protocol predicts."""
        return not self.route.is_added or (self.route.model is not None and not self.route.parameters)

    @property
    def is_plain(self) -> bool:
        """Whether the answer is the model's own."""
        return self.route.model is not None and self.route.wire is None and not self.route.cases


def cards_of(spec: Spec, document: Mapping[str, Any], models: Mapping[str, Facts]) -> Iterator[Card]:
    """Make the cards of all routes, in their order; `document` describes the service in OpenAPI."""
    items = {_shape(template): item for template, item in document["paths"].items()}
    readers = next(route.allowed for route in spec.built_in if route.built_in == "docs")
    first = next((route for route in spec.routes if route.model is not None), None)
    taken: set[str] = set()
    described: dict[str, str] = {}  # model → the id of its first card
    for number, route in enumerate((*spec.routes, *spec.built_in)):
        item = items[_shape(path_template(route.path))]
        operations = [item[method.lower()] for method in route.methods]
        name = operations[0]["operationId"].replace("_", "-")
        name = f"{name}-{number}" if name in taken else name
        taken.add(name)
        key = KEY_HEADER if route.allowed is not None else ""
        asks_model = route.model is not None and route.wire is None  # a protocol has bodies of its own
        model = spec.models[route.model or ""] if asks_model else None
        facts = models[route.model or ""] if asks_model else None
        fields = fields_of(route, model, _filled_at_first(route, model))
        if (example := example_of_wire(route, spec, models)) is not None:
            fields += body_fields(InstanceSchema({"type": "object"}), example)
        paragraph, _, rest = (said := description_of(route, spec, models)).partition("\n\n")
        words = rest if facts is not None and paragraph == facts.estimator else said  # which is in the facts
        names = route_names(route, spec.models)
        preview = preview_of(route, model, facts, names)
        plain, may_see = model is not None and not route.cases, _may_see(readers, route)
        card = Card(
            id=name,
            route=route,
            path=path_template(route.path),
            tags=tags_of(route),
            summary=route.summary or (summary_of(route) if route.is_added or (route.model and not words) else ""),
            description=words,
            fields=fields,
            answers=tuple(_answers(operations, document)),
            preview=preview if plain or may_see else None,
            cases=shown_cases(route, names) if may_see and (preview is None or plain) else (),
            key=key,
            curl=curl_command(route, fields, key),
            takes_batches=model is not None and takes_many(route, spec),
            is_open=route is first,
        )
        if model is None or facts is None:
            yield card
            continue
        known = described.setdefault(model.name, name)
        about = () if known != name else tuple(facts_about(model, facts))
        yield replace(card, facts=about, described_at=known, **_of_model(card, model, facts))


def _may_see(readers: tuple[str, ...] | None, route: Route) -> bool:
    """Tell whether all readers of the docs may also ask a route."""
    return route.allowed is None or (readers is not None and {*readers} <= {*route.allowed})


def _filled_at_first(route: Route, model: Model | None) -> Filled:
    """Fill a form in with the model's first example."""
    if model is None or not model.shown_examples:
        return Filled()
    return fill_form(route, model.shown_examples[0].input) or Filled()


def _of_model(card: Card, model: Model, facts: Facts) -> dict[str, Any]:
    """Return what the card of a model has beside that of another route."""
    route = card.route
    is_binary = model.output.probabilities and len(facts.keys) == TWO
    bars = facts.threshold or ({facts.keys[1]: HALF} if is_binary else {})
    positive, bar = next(iter(bars.items()), ("", HALF))
    negative = next((key for key in facts.keys if key != positive), "")
    named = [(_name_of(example.result, model, facts), example.input) for example in model.shown_examples]
    listed = [(f"Row {number}", row) for number, row in enumerate(facts.rows, 1)]
    takes_rows = card.is_plain and route.input is None and route.instance is None and not route.is_single
    return {
        "curl_rows": curl_rows(route, card.fields, card.key) if takes_rows and "POST" in route.methods else "",
        "examples": tuple(_chips(card, model, named)),
        "rows": tuple(_chips(card, model, listed)),
        "threshold": (positive, negative, bar) if is_binary else None,
    }


def _name_of(result: Any, model: Model, facts: Facts) -> str:
    """Name an example by its result, or by the label of that."""
    labels = dict(zip(map(key_of, facts.classes or ()), model.output.labels or (), strict=False))
    return labels.get(key_of(result)) or shorten(key_of(result), MAX_NAME, placeholder="…")


def _chips(card: Card, model: Model, named: list[tuple[str, Any]]) -> Iterator[Chip]:
    """Make a chip of each instance that the card's form can show; of equal names, the later ones get a number."""
    counts = Counter[str]()
    form = [(field.role, field.name) for field in card.fields]
    for name, instance in named[:MAX_CHIPS]:
        filled = fill_form(card.route, instance)
        fields = () if filled is None else fields_of(card.route, model, filled)
        if fields and form == [(field.role, field.name) for field in fields]:
            counts[name] += 1
            yield Chip(
                name=name if counts[name] == 1 else f"{name} {counts[name]}", texts=[field.texts for field in fields]
            )


def _shape(template: str) -> str:
    """Return what is equal for paths that OpenAPI cannot tell apart."""
    return re.sub(r"\{[^}]*\}", "{}", template)


def _answers(operations: list[dict[str, Any]], document: Mapping[str, Any]) -> Iterator[ShownAnswer]:
    found = {status: answer for one in operations for status, answer in one["responses"].items()}
    shared = document["components"].get("responses", {})
    for status, answer in sorted(found.items()):
        told = shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
        means = told["description"]
        name = status_title(int(status))
        means = "" if means == name else means
        yield ShownAnswer(status=status, name=name, means=means, media_types=tuple(told.get("content", ())))
