"""The text of new specs and of new entries, with comments for their author."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.spec.authoring.outline import Outline, OutlinedFeature
from engine.spec.authoring.yaml_text import WIDTH, write_field, write_flow, write_quoted, write_scalar
from engine.spec.checking.grammar import GrammarName, grammar
from engine.text import join_words

MAX_NAMED = 5
TWO_CLASSES = 2
_LEAST, _MOST = 1e-300, 1e300
_PLAIN_PATH = re.compile(r"/(?:[\w./<>:~-]*[\w./<>~-])?", re.ASCII)

_HELLO = """\
service: {title: My service, version: 0.1.0}

routes:
  # A path and its response. A bare string is HTML; {text: ...}, {json: ...} and {file: ...} are the other bodies.
  - path: /
    response: "<p>Hello, World!</p>"

  # <name> is a part of the path, and ${path.name} puts it into the response; <int:id> would match only whole numbers.
  - path: /hello/<name>
    response: {json: {hello: "${path.name}"}}

  # With an input the route takes POST, and a body that violates this JSON Schema gets 422 with every violation.
  - path: /feedback
    input:
      type: object
      required: [stars]
      properties:
        stars: {type: integer, minimum: 1, maximum: 5}
        comment: {type: string, maxLength: 2000}
    response: {status: 201, json: {thanks: true}}
"""
_ROUTES = "service: {title: My service, version: 0.1.0}\n\nroutes:\n"
_MODELS = "models:\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A model's new entry: its name, its files as named in the spec, its outline, and its trusted types."""

    name: str
    file: str
    reference: str | None = None
    outline: Outline
    trusted: tuple[str, ...] = ()
    allow_version_mismatch: bool = False

    def text(self) -> str:
        """Write the entry of models.yaml, not indented."""
        return "\n".join([f"{write_scalar(self.name)}:", *self._fields()]) + "\n"

    def _fields(self) -> Iterator[str]:
        outline = self.outline
        yield from write_field("file", self.file, 2)
        yield f"  description: {write_scalar(outline.title)}  # what it predicts, for people"
        if self.reference is not None:
            yield from _comment("Real rows, for the proof that the compiled model answers as this one does.", 2)
            yield from write_field("reference", self.reference, 2)
            about = "may the docs page show some of these rows, and the example below?"
            yield f"  # show_reference: true  # {about}"
        if self.trusted:
            yield from write_field("trusted", list(self.trusted), 2)
        if self.allow_version_mismatch:
            yield from write_field("allow_version_mismatch", True, 2)
        yield from _input(outline, self.reference)
        if outline.dtypes:
            yield from _comment("The model works with these dtypes; are they those of its training?", 2)
            if any(dtype == "datetime[UTC]" for dtype in outline.dtypes.values()):
                text = "Offsets do not tell a time zone: replace UTC with that of the training, such as Europe/Berlin."
                yield from _comment(text, 2)
            yield from write_field("dtypes", dict(outline.dtypes), 2)
        if outline.response_method != "predict":
            yield from write_field("response_method", outline.response_method, 2)
        yield from _output(outline)
        if outline.example is not None:
            yield from _comment(
                "The model's own answer to an instance, which `check` and `serve` test. It is `recorded`: "
                "`lock --accept` replaces it with the next file's answer. Add cases whose answers you know.",
                2,
            )
            yield "  examples:"
            instance, result = outline.example
            yield from _item(write_field("input", instance, 6))
            yield from write_field("result", result, 6)
            yield from write_field("recorded", True, 6)


def route_text(path: str, model: str) -> str:
    """Write the route of a model, not indented."""
    written = path if _PLAIN_PATH.fullmatch(path) else write_quoted(path)
    return f"- path: {written}\n  model: {write_scalar(model)}\n"


def new_routes(modeline: str, route: str | None) -> str:
    """Write a routes.yaml: with one route, or the hello-world service."""
    if route is None:
        return f"{modeline}\n{_HELLO}"
    about = _comment('POST one instance, or {"instances": [...]} with several, and get the answer of the model.', 2)
    return f"{modeline}\n{_ROUTES}" + "\n".join(about) + "\n" + indent_lines(route, 2)


def new_models(modeline: str, entry: str) -> str:
    """Write a models.yaml with one entry."""
    return f"{modeline}\n{_MODELS}{indent_lines(entry, 2)}"


def editor_modeline(name: GrammarName) -> str:
    """Write the line that tells an editor with the YAML language server where the grammar is."""
    return f"# yaml-language-server: $schema={schema_name(name)}"


def schema_name(name: GrammarName) -> str:
    """Return the name of a grammar's file, relative to the spec's folder."""
    return f".engine/{name}.schema.json"


def schema_text(name: GrammarName) -> str:
    """Write a grammar as the file that a modeline names."""
    return json.dumps(grammar(name), indent=2, ensure_ascii=False) + "\n"


def indent_lines(text: str, by: int) -> str:
    """Indent every line."""
    return textwrap.indent(text, " " * by)


def _comment(text: str, indent: int) -> Iterator[str]:
    below = "  " if text.startswith("- ") else ""
    lines = textwrap.wrap(
        text, WIDTH - indent - 2, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    )
    yield from (" " * indent + "# " + line for line in lines)


def _item(lines: Iterable[str]) -> Iterator[str]:
    """Write a mapping's first lines as an item of a list."""
    first, *others = lines
    place = len(first) - len(first.lstrip())
    yield first[: place - 2] + "- " + first[place:]
    yield from others


def _input(outline: Outline, reference: str | None) -> Iterator[str]:
    for text in _advice(outline, reference):
        yield from _comment(text, 2)
    schema = outline.schema
    if outline.form != "object":
        yield from write_field("input", schema, 2)
        return
    yield "  input:"
    yield "    type: object"
    if "required" in schema:
        yield from write_field("required", schema["required"], 4)
    yield "    properties:"
    for feature, (name, below) in zip(outline.features, schema["properties"].items(), strict=True):
        first, *others = write_field(write_scalar(name), below, 6)
        yield f"{first}  # {_bounds(feature)}" if feature.minimum is not None and not others else first
        yield from others


def _bounds(feature: OutlinedFeature) -> str:
    """Write the bounds of a feature's sample with a margin of a tenth, without crossing zero."""
    low, high = feature.minimum or 0, feature.maximum or 0
    spread = high - low or abs(high) or 1
    if not _LEAST <= spread <= _MOST:
        return f"minimum: {low}, maximum: {high}"
    digit = 10.0 ** (math.floor(math.log10(spread)) - 1)  # the second digit of the spread
    step = max(1, int(digit)) if feature.kind == "integer" else digit
    least, most = math.floor((low - spread / 10) / step) * step, math.ceil((high + spread / 10) / step) * step
    least, most = max(least, 0) if low >= 0 else least, min(most, 0) if high <= 0 and low < 0 else most
    return f"minimum: {least:.12g}, maximum: {most:.12g}"


def _advice(outline: Outline, reference: str | None) -> Iterator[str]:
    """Say what to review in the input."""
    yield "One instance, as JSON Schema 2020-12; others get 422. Review:"
    if outline.form == "text":
        yield "- maxLength: the longest text that is worth an answer."
        return
    if outline.named_by == "nobody":
        yield from _nameless(outline)
    elif outline.named_by == "reference":
        yield f"- the names: the model knows none, so they are those of {reference}, in the order of its columns."
    elif outline.named_by == "signature":
        yield "- the names: the model knows none, so they are those of its signature, in the order of its columns."
    used = [one for one in outline.features if not one.is_unused]
    yield from _about_types(used, reference)
    yield from _about_numbers([one for one in used if not (one.choices or one.is_guess)], reference)
    if ignored := [one.name for one in outline.features if one.choices and one.ignores_others]:
        yield (
            f"- enum: the categories that the encoder knows. Any other {_named(ignored, 'or')} would be encoded as "
            "none of these; to allow others, replace enum by a type."
        )
    elif any(one.choices for one in outline.features):
        yield "- enum: the categories that the encoder knows; it refuses all others."
    if unused := [one.name for one in outline.features if one.is_unused]:
        yield f"- {_named(unused)}: in the training rows, but not used by the model; optional or null."
    if optional := [one.name for one in used if one.may_be_absent]:
        yield f"- {_named(optional)}: optional in the model's signature, and the model handles missing values."
    if gaps := [one.name for one in used if one.gaps and not one.may_be_absent]:
        yield f"- {_named(gaps)}: may be null: the model handles missing values."


def _about_types(features: Sequence[OutlinedFeature], reference: str | None) -> Iterator[str]:
    if guessed := [one.name for one in features if one.is_guess]:
        yield (
            f"- {_named(guessed)}: the model does not reveal the type, so number is a guess. For texts write "
            "{type: string}, for dates {type: string, format: date}; or run init with --reference ROWS.csv."
        )
    if dates := [one.name for one in features if one.has_dates]:
        yield f"- {_named(dates)}: {reference} has only dates there; remove format to allow other texts."


def _about_numbers(features: Sequence[OutlinedFeature], reference: str | None) -> Iterator[str]:
    numbers = [one for one in features if one.kind in ("number", "integer")]
    if numbers and not any(one.minimum is not None for one in numbers):
        yield "- the numbers: bounds such as minimum: 0 keep out values that make no sense."
        return
    if numbers:
        yield (
            f"- minimum, maximum: the comments have the bounds of {reference} with a margin; move those that always "
            "hold into the schema."
        )
    if any(one.kind == "integer" for one in numbers):
        yield f"- integer: {reference} has no fractions there; if there may be some, write number."
    for one in (one for one in numbers if one.padded):
        yield (
            f"- {one.name}: {reference} has {one.padded} there, but a number has no leading zeros. If the model was "
            "trained on texts, write string."
        )


def _nameless(outline: Outline) -> Iterator[str]:
    if outline.count is None:
        yield "- the number of columns: the model does not know it. Declare it with minItems and maxItems."
    elif outline.form == "array":
        yield (
            "- the columns, whose names the model does not know. To name them: type: object, with one property for "
            "each column, in their order, and required."
        )
    else:
        first, last = outline.features[0].name, outline.features[-1].name
        names = first if first == last else f"{first} to {last}"
        yield (
            f"- the names: the model knows none. Rename {names} here and in the examples, and keep the order: it is "
            "that of the columns."
        )


def _output(outline: Outline) -> Iterator[str]:
    classes = outline.classes
    if outline.is_outlier_detector:
        yield from _comment("The result is 1 for an inlier, -1 for an outlier.", 2)
    if classes is None:
        return
    is_named = all(isinstance(one, str) for one in classes)  # and the result is the name already
    names = [f"name of {write_flow(one)}" for one in classes]
    listed = write_flow(names) if len(names) <= MAX_NAMED else write_flow(names[:2])[:-1] + ", ...]"
    about = f"to name the classes {_classes(classes)}, in this order"
    if outline.probabilities:
        yield "  output:"
        if not is_named:
            yield f"    # labels: {listed}  # {about}"
        yield "    probabilities: true"
    elif not is_named:
        yield f"  # output: {{labels: {listed}}}  # {about}"
    if outline.probabilities and len(classes) == TWO_CLASSES and not outline.has_threshold:
        first, second = (f'"{one}"' if is_named else write_flow(one) for one in classes)
        example = f"{{{write_flow(classes[0])}: 0.3}}"
        yield f"  # threshold: 0.3  # {second} is the answer from this probability on; {example} sets that of {first}"


def _classes(classes: Sequence[Any]) -> str:
    return _named([write_flow(one) for one in classes])


def _named(names: Sequence[str], conjunction: str = "") -> str:
    """List some names, and count the rest."""
    if len(names) > MAX_NAMED:
        return join_words([*names[:MAX_NAMED], f"{len(names) - MAX_NAMED} more"], conjunction or "and")
    return join_words(names, conjunction) if conjunction else ", ".join(names)
