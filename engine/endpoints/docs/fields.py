"""A JSON Schema → the fields of a form, as far as a form can ask for its values; else one field for JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine.schema import FORMATS, JSON_TYPES, InstanceSchema, Subschema, write_pointer
from engine.schema.samples import Guess, sample

Kind = Literal["number", "choice", "text", "date", "json", "list", "file"]
Role = Literal["path", "query", "header", "cookie", "member", "item", "whole"]

ABSENT: Any = object()
MAX_FIELDS = 100
MAX_CHOICES = 200
MAX_SPAN = 1e12  # between the bounds of a slider
STEPS = 100  # that a slider has at least

_ATTRIBUTES = {"minimum": "min", "maximum": "max", "multipleOf": "step", "maxLength": "maxlength"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One thing that a form asks for.

    Its value is a parameter, or a member of the body's object, an item of its array, or all of it. `value` is what is
    filled in at first, `pointer` what an error calls it. Where it can be an empty text (`is_text`), a query string
    cannot say null; `is_any` is one that takes anything, as a column that the model ignores. `slider` are the
    attributes of one beside it, which a number between bounds has. A `list` has an item in each line.
    """

    role: Role
    name: str
    pointer: str = ""
    kind: Kind = "json"
    label: str = ""
    about: str = ""
    limits: str = ""
    required: bool = True
    nullable: bool = False
    is_text: bool = False
    is_any: bool = False
    value: Any = ABSENT
    choices: tuple[Any, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    slider: Mapping[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> str:
        """What a script puts into the field to fill it in so; the JSON of a choice."""
        return (self.json or "") if self.kind == "choice" else self.text

    @property
    def empty(self) -> str | None:
        """The JSON of what is sent where nothing is filled in; None where that is nothing."""
        if not self.required or self.kind not in ("number", "text", "date"):
            return None
        if self.nullable:
            return "null"
        return '""' if self.kind == "text" else None

    @property
    def sent(self) -> tuple[str, ...]:
        """The texts of it that a query string or a form has at first."""
        if self.kind == "list":
            return tuple(filter(None, self.text.split("\n")))
        if self.json is None:
            return ()
        if self.json == "null":
            return () if self.is_text else ("",)
        return tuple(map(_plain, self.value)) if isinstance(self.value, list) else (self.text,)

    @property
    def text(self) -> str:
        """What the field shows at first."""
        if self.value is ABSENT or self.kind == "file" or (self.value is None and self.kind != "json"):
            return ""
        if self.kind == "json":
            return json.dumps(self.value, ensure_ascii=False, indent=2)
        return "\n".join(map(_plain, self.value)) if self.kind == "list" else _plain(self.value)

    @property
    def json(self) -> str | None:
        """The JSON of what is sent at first."""
        if self.kind == "file":
            return None
        if self.value is ABSENT or (self.value is None and not self.required):
            return self.empty
        return self.text if self.kind == "json" else write_json(self.value)


def write_json(value: Any) -> str:
    """Write JSON for people."""
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> str:
    """Write a value as a text, a string without quotation marks."""
    return value if isinstance(value, str) else write_json(value)


def body_fields_of(fields: Sequence[FormField]) -> list[FormField]:
    """Return the fields of the body."""
    return [field for field in fields if field.role in ("member", "item", "whole")]


def body_of(fields: tuple[FormField, ...]) -> str | None:
    """Put the JSON of all fields together, as the page does when it sends them; None where there is no body."""
    asked = body_fields_of(fields)
    if not asked:
        return None
    if asked[0].role == "whole":
        return asked[0].json or ""
    if asked[0].role == "item":
        return f"[{', '.join(field.json or 'null' for field in asked)}]"
    return f"{{{', '.join(f'{write_json(field.name)}: {field.json}' for field in asked if field.json is not None)}}}"


def body_fields(schema: InstanceSchema, example: Any = ABSENT) -> tuple[FormField, ...]:
    """Make the fields of a body that a schema describes, filled in as in an example, or with what the schema offers."""
    value = sample(schema) if example is ABSENT else example
    if schema.form == "object" and isinstance(value, dict) and (members := member_fields(schema, value)):
        return members
    if schema.form == "array" and isinstance(value, list) and (items := _items(schema, value)):
        return items
    return (show_field(FormField(role="whole", name="body", pointer="#", value=value), schema),)


def member_fields(schema: Subschema, value: Mapping[str, Any], role: Role = "member") -> tuple[FormField, ...]:
    """Make a field for each property, those last that may be anything; none if the value has others."""
    properties = schema.said.get("properties", {})
    required = schema.said.get("required", [])
    if len(properties) > MAX_FIELDS or not properties.keys() >= {*required, *value}:
        return ()
    fields = []
    for name, part in properties.items():
        known, needed = value.get(name, ABSENT), name in required
        known = ABSENT if isinstance(known, Guess) else known
        bare = FormField(role=role, name=name, pointer=write_pointer((name,)), required=needed, value=known)
        fields.append(show_field(bare, schema.part(part)))
    return tuple(sorted(fields, key=lambda field: field.is_any and not field.required))


def _items(schema: Subschema, value: list[Any]) -> tuple[FormField, ...]:
    """Make a field for each item of an array that always has as many, each a number or the like."""
    said, part = schema.said, schema.part(schema.said.get("items", True))
    if not said.get("minItems") == said.get("maxItems") == len(value) or not 0 < len(value) <= MAX_FIELDS:
        return ()
    if "prefixItems" in said:
        return ()
    return tuple(
        show_field(FormField(role="item", name=str(number + 1), pointer=write_pointer((number,)), value=item), part)
        for number, item in enumerate(value)
    )


def show_field(bare: FormField, schema: Subschema) -> FormField:
    """Say of a field how it is shown, of the kind that its schema's types call for."""
    said, types = schema.said, schema.types
    choices = [said["const"]] if "const" in said else said.get("enum", ())
    if not choices and types - {"null"} == {"boolean"}:
        choices = [True, False, *([None] if schema.is_nullable else ())]
    kind = _kind(types - {"null"}, choices, said.get("format"))
    is_typed = kind in ("number", "text")
    attributes = _attributes(schema) if is_typed else {}
    limits = limits_of(schema, kind, is_filled=bare.value is not ABSENT and bare.value is not None)
    is_any = limits == "JSON" and bare.role != "whole"
    is_guess = kind == "number" and bare.value is ABSENT and bare.required and not schema.is_nullable
    return replace(
        bare,
        kind=kind,
        label=str(said.get("title", "")),
        about=str(said.get("description", "")),
        limits="" if is_any else limits,
        nullable=schema.is_nullable,
        is_text="string" in types and not said.get("minLength") and ("" in choices or not choices),
        is_any=is_any,
        choices=tuple(choices) if kind == "choice" else (),
        attributes=attributes | ({"placeholder": "number"} if is_guess else {}),
        slider=_slider(schema, attributes) if kind == "number" else {},
    )


def _kind(types: frozenset[str], choices: Sequence[Any], form: str | None) -> Kind:
    if choices and len(choices) <= MAX_CHOICES and not any(isinstance(choice, dict | list) for choice in choices):
        return "choice"
    if types == {"number"}:
        return "number"
    if types != {"string"}:
        return "json"
    return "date" if form == "date" else "text"


def _attributes(schema: Subschema) -> dict[str, str]:
    """Return the attributes of an input element, whose bounds are always inclusive."""
    said = schema.said
    bounds = {key: said[key] for key in _ATTRIBUTES if key in said}
    for key, sign, rounded in (("minimum", 1, math.floor), ("maximum", -1, math.ceil)):
        excluded = said.get(f"exclusive{key.capitalize()}")
        if excluded is not None and key not in bounds:
            bounds[key] = rounded(excluded) + sign if schema.is_whole else excluded
    found = {_ATTRIBUTES[key]: write_json(bound) for key, bound in bounds.items()}
    return {"step": "1" if schema.is_whole else "any", **found} if "number" in schema.types else found


def _slider(schema: Subschema, attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a slider between a number's bounds; none without both, or if they are far apart."""
    if not attributes.keys() >= {"min", "max"}:
        return {}
    low, high = float(attributes["min"]), float(attributes["max"])
    if not 0 < high - low < MAX_SPAN:
        return {}
    step = 1 if schema.is_whole else 10.0 ** math.floor(math.log10((high - low) / STEPS))
    return {"min": attributes["min"], "max": attributes["max"], "step": write_json(schema.said.get("multipleOf", step))}


def limits_of(schema: Subschema, kind: Kind, *, is_filled: bool = False) -> str:
    """Say what a schema allows, in a few words; a field that is filled in shows itself how a value is written."""
    said, words = schema.said, []
    if kind == "number":
        words += ["whole number"] * schema.is_whole
    elif kind == "json":
        words.append("JSON: " + ", ".join(sorted(schema.types)) if schema.types != JSON_TYPES else "JSON")
    if "minimum" in said and "maximum" in said:
        words.append(f"from {write_json(said['minimum'])} to {write_json(said['maximum'])}")
    else:
        words += [f"at {most} {write_json(said[key])}" for key, most in _INCLUSIVE.items() if key in said]
    words += [_limit(key, write_json(said[key])) for key in _LIMITS if key in said]
    if "format" in said and kind != "date":  # for which a browser has a form of its own
        form = FORMATS.get(said["format"], f"format {said['format']}")
        words.append(form.partition(", such as ")[0] if is_filled else form)
    if "pattern" in said:
        words.append(f"pattern {said['pattern']}")
    return ", ".join(words)


def _limit(keyword: str, bound: str) -> str:
    words = _LIMITS[keyword].format(bound)
    return words.removesuffix("s") if bound == "1" and words.endswith((" characters", " items")) else words


_INCLUSIVE = {"minimum": "least", "maximum": "most"}
_LIMITS = {
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "default": "default: {}",
}
