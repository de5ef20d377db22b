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
from engine.endpoints.docs.fields import ABSENT, FormField, body_fields, path_fields
from engine.endpoints.docs.previews import Preview, preview_of
from engine.endpoints.instance_reader import BATCH_KEY
from engine.endpoints.openapi.document import KEY_HEADER, UNTAGGED, summary_of, tags_of, without_features
from engine.endpoints.openapi.responses import description_of
from engine.endpoints.problems import status_title
from engine.models import Facts, key_of
from engine.spec import Model, Route, Spec, path_template, route_names

MODELS = "Models"
MAX_CHIPS = 12
MAX_NAME = 30
TWO = 2
HALF = 0.5

_TIME = "a date or time, such as 2024-01-31 or 2024-01-31T12:00:00Z"


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
    """What the page shows of one route; `key` names the header of its API key, if it requires one.

    A model's `facts` are in its first card, whose id the others have as `described_at`. Of a model with two classes,
    `threshold` is the positive one, the other, and the probability from which the positive one is answered.
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
    key: str
    curl: str
    curl_rows: str = ""
    examples: tuple[Chip, ...] = ()
    rows: tuple[Chip, ...] = ()
    facts: tuple[Fact, ...] = ()
    described_at: str = ""
    threshold: tuple[str, str, float] | None = None
    is_open: bool = False

    @property
    def heading(self) -> str:
        """The section that the card is in."""
        return MODELS if self.route.model is not None else self.tags[0]

    @property
    def other_tags(self) -> tuple[str, ...]:
        """The tags that are not the section's name."""
        return tuple(tag for tag in self.tags if tag not in (self.heading, UNTAGGED))

    @property
    def opens_by_link(self) -> bool:
        """Whether a form can ask it without a script, and a link too; neither sends a key."""
        return "GET" in self.route.methods and not self.route.parameters and not self.key

    @property
    def takes_batches(self) -> bool:
        """Whether several instances can be sent at once."""
        return self.route.model is not None and all(field.name != BATCH_KEY for field in self.fields)


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
        fields = _fields(route, spec)
        key = KEY_HEADER if route.allowed is not None else ""
        model = spec.models[route.model] if route.model is not None else None
        facts = models[route.model] if route.model is not None else None
        paragraph, _, rest = (said := description_of(route, spec, models)).partition("\n\n")
        words = rest if facts is not None and paragraph == facts.estimator else said  # which is in the facts
        card = Card(
            id=name,
            route=route,
            path=path_template(route.path),
            tags=tags_of(route),
            summary=route.summary or (summary_of(route) if route.built_in or (route.model and not words) else ""),
            description=words,
            fields=fields,
            answers=tuple(_answers(operations, document)),
            preview=preview_of(route, model, facts, route_names(route, spec.models))
            if model or _may_see(readers, route)
            else None,
            key=key,
            curl=curl_command(route, fields, key),
            is_open=route is first,
        )
        if model is None or facts is None:
            yield card
            continue
        known = described.setdefault(model.name, name)
        about = () if known != name else tuple(facts_about(model, facts))
        yield replace(card, facts=about, described_at=known, **_of_model(route, spec, model, facts, key))


def _may_see(readers: tuple[str, ...] | None, route: Route) -> bool:
    """Tell whether all readers of the docs may also ask a route."""
    return route.allowed is None or (readers is not None and {*readers} <= {*route.allowed})


def _of_model(route: Route, spec: Spec, model: Model, facts: Facts, key: str) -> dict[str, Any]:
    """Return what the card of a model has beside that of another route."""
    is_binary = model.output.probabilities and len(facts.keys) == TWO
    bars = facts.threshold or ({facts.keys[1]: HALF} if is_binary else {})
    positive, bar = next(iter(bars.items()), ("", HALF))
    negative = next((key for key in facts.keys if key != positive), "")
    named = [(_name_of(example.result, model, facts), example.input) for example in model.shown_examples]
    listed = [(f"Row {number}", row) for number, row in enumerate(facts.rows, 1)]
    return {
        "curl_rows": curl_rows(route, _fields(route, spec), key) if "POST" in route.methods else "",
        "examples": tuple(_chips(route, spec, named)),
        "rows": tuple(_chips(route, spec, listed)),
        "threshold": (positive, negative, bar) if is_binary else None,
    }


def _name_of(result: Any, model: Model, facts: Facts) -> str:
    """Name an example by its result, or by the label of that."""
    labels = dict(zip(map(key_of, facts.classes or ()), model.output.labels or (), strict=False))
    return labels.get(key_of(result)) or shorten(key_of(result), MAX_NAME, placeholder="…")


def _chips(route: Route, spec: Spec, named: list[tuple[str, Any]]) -> Iterator[Chip]:
    """Make a chip of each instance that the route's form can show; of equal names, the later ones get a number."""
    counts = Counter[str]()
    form = [(field.role, field.name) for field in _fields(route, spec)]
    for name, instance in named[:MAX_CHIPS]:
        fields = _fields(route, spec, instance)
        if form == [(field.role, field.name) for field in fields]:
            counts[name] += 1
            yield Chip(
                name=name if counts[name] == 1 else f"{name} {counts[name]}", texts=[field.texts for field in fields]
            )


def _shape(template: str) -> str:
    """Return what is equal for paths that OpenAPI cannot tell apart."""
    return re.sub(r"\{[^}]*\}", "{}", template)


def _fields(route: Route, spec: Spec, instance: Any = ABSENT) -> tuple[FormField, ...]:
    """Make the fields of a route's form, filled in as in an instance, by default the model's first example."""
    if route.model is None:
        body = () if route.input is None else body_fields(route.input.instance)
        return (*path_fields(route, {}), *body)
    model = spec.models[route.model]
    if instance is ABSENT and model.shown_examples:
        instance = model.shown_examples[0].input
    in_path = path_fields(route, instance if isinstance(instance, Mapping) else {})
    left = instance if instance is ABSENT else without_features(instance, route)
    fields = body_fields(model.input.instance.without(route.parameters), left)
    times = {name for name, dtype in model.dtypes.items() if dtype.startswith("datetime")}
    return (*in_path, *(_as_time(one) if one.name in times else one for one in fields))


def _as_time(field: FormField) -> FormField:
    """Say how a time is written, which a schema of type string does not tell."""
    return replace(field, limits=", ".join(filter(None, (field.limits, _TIME))))


def _answers(operations: list[dict[str, Any]], document: Mapping[str, Any]) -> Iterator[ShownAnswer]:
    found = {status: answer for one in operations for status, answer in one["responses"].items()}
    shared = document["components"].get("responses", {})
    for status, answer in sorted(found.items()):
        told = shared[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
        means = told["description"]
        name = status_title(int(status))
        means = "" if means == name else means
        yield ShownAnswer(status=status, name=name, means=means, media_types=tuple(told.get("content", ())))
