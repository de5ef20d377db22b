"""The one door to JSON Schema 2020-12: compile a schema, judge a value, put each violation in plain words.

The schema alone decides what is valid; suggestions are added to its verdicts, never verdicts of their own.
Nothing is ever fetched: a reference leads into the same document or to a published metaschema.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from engine.errors import plural

METASCHEMA = "https://json-schema.org/draft/2020-12/schema"
TYPE_NAMES = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
SHOWN_LENGTH = 60
KEY_LENGTH = 200
SHOWN_CHOICES = 12
_BARE_WORDS = {"true": "boolean", "false": "boolean", "null": "null"}
_EXACT = 2**53  # beyond it, not every integer is a float64
_SHARED = ("$id", "$defs", "definitions")  # of a schema, what its parts may refer to

SchemaError = jsonschema_rs.ValidationError
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """One failure of a value against its schema.

    `path` leads to the value, `keyword` is the schema's keyword that failed, `schema_path` leads to that
    keyword, `name` is the property a `required` or `additionalProperties` speaks of, and `types` are those
    that the value should have been of, where that is all that is wrong. What was probably meant takes long
    to find, so `hint` is asked only for a violation that is shown.
    """

    path: Path
    verdict: str
    keyword: str
    schema_path: Path
    name: str = ""
    types: tuple[str, ...] = ()
    hint: Callable[[], str] = str

    @property
    def detail(self) -> str:
        """What is wrong, in words, and what was probably meant."""
        return self.verdict + self.hint()

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer in URI fragment form (RFC 6901, section 6)."""
        return pointer(self.path)


class Validator:
    """A compiled schema. `is_valid(value)` is the quick verdict, `violations(value)` the whole story."""

    def __init__(self, schema: Any) -> None:
        """Compile `schema`; raise `SchemaError` where it is none, or refers to what is not at hand."""
        self._schema = schema
        compiled = jsonschema_rs.Draft202012Validator(
            schema,
            validate_formats=False,
            retriever=_refuse,
            pattern_options=jsonschema_rs.RegexOptions(),
        )
        self.is_valid: Callable[[Any], bool] = compiled.is_valid
        self._iter_errors = compiled.iter_errors

    @classmethod
    def of_part(cls, schema: Mapping[str, Any], part: Any) -> Validator:
        """Compile a part of a schema, with the definitions of the whole, which it may refer to."""
        return cls({**{key: schema[key] for key in _SHARED if key in schema}, "allOf": [part]})

    def violations(self, value: Any, at: Path = ()) -> Iterator[Violation]:
        """Give every violation once, in the validator's order; `at` is where `value` stands in the whole."""
        seen = set()
        try:
            errors = iter(self._iter_errors(value))
        except ValueError:  # the validator explains to some depth, and judges to any
            yield Violation(at, "this violates the schema, and is nested too deeply to say where", "", ())
            return
        for error in errors:
            for violation in self._explain(error, value, at):
                if (violation.path, violation.verdict) not in seen:
                    seen.add((violation.path, violation.verdict))
                    yield violation

    def _explain(self, error: SchemaError, value: Any, at: Path) -> Iterator[Violation]:
        within, keyword, where = tuple(error.instance_path), error.kind.name, tuple(error.schema_path)
        path = (*at, *within)
        kind = jsonschema_rs.ValidationErrorKind
        match error.kind:
            case kind.Required(name):
                misspelt = partial(self._misspelt, name, value, within, where)
                yield Violation(path, f'"{name}" is required', keyword, where, name, hint=misspelt)
            case kind.AdditionalProperties(names) | kind.UnevaluatedProperties(names):
                known = _properties(self._schema, where)
                for name in names:
                    verdict = f'"{clip(name)}" is not a known property'
                    yield Violation((*path, name), verdict, keyword, where, name, hint=partial(_near, name, known))
            case _:
                yield Violation(path, describe(error), keyword, where, types=_types(error))

    def _misspelt(self, name: str, value: Any, within: Path, where: Path) -> str:
        value = _follow(value, within)
        known = _properties(self._schema, where)
        unknown = [key for key in value if key not in known] if isinstance(value, Mapping) else []
        near = difflib.get_close_matches(name, [key[:100] for key in unknown[:100]], n=1)
        return f'; did you mean it by "{near[0]}"?' if near else ""


def describe(error: SchemaError) -> str:
    """Say in plain words what is wrong with the value that `error` is about."""
    if types := _types(error):
        return mistyped(error.instance, types) + unquoted(error.instance, types)
    sentence = _SENTENCES.get(type(error.kind))
    return sentence(error.instance, error.kind) if sentence else clip(error.message, 300)


def pointer(path: Path) -> str:
    """Write a path as a JSON pointer in URI fragment form: `#/instances/3/petal~1width`; a long key is cut."""
    tokens = (clip(str(token), KEY_LENGTH).replace("~", "~0").replace("/", "~1") for token in path)
    return "#" + "".join("/" + quote(token, safe="!$&'()*+,;=:@~-._", errors="replace") for token in tokens)


def show(value: Any) -> str:
    """Write a JSON value for a message, cut where it is long."""
    if isinstance(value, dict | list) and len(value) > SHOWN_CHOICES:
        return "the object" if isinstance(value, dict) else "the array"
    return clip(json.dumps(value, ensure_ascii=False, default=str))


def clip(text: str, length: int = SHOWN_LENGTH) -> str:
    """Cut a text that is too long for a message."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _refuse(uri: str) -> Any:
    raise LookupError(f"{uri} is not part of the document, and nothing is fetched")


def mistyped(value: Any, types: Sequence[str]) -> str:
    """Say that a value is of none of the types."""
    return f"{show(value)} is not {_either(types)}"


def _types(error: SchemaError) -> tuple[str, ...]:
    """Name the types that a value should have been of, where alternatives that all ask for a type are one question."""
    kind = error.kind
    if isinstance(kind, _Kind.Type):
        return tuple(kind.types)
    if not isinstance(kind, _Kind.AnyOf | _Kind.OneOfNotValid):
        return ()
    types: list[str] = []
    for branch in kind.context:
        first = branch[0].kind if branch else None
        if not isinstance(first, _Kind.Type) or branch[0].instance != error.instance:
            return ()
        types += first.types
    return tuple(dict.fromkeys(types))


def _either(types: Sequence[str]) -> str:
    names = [TYPE_NAMES[name] for name in types if not (name == "integer" and "number" in types)]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _listed(options: list[Any]) -> str:
    rest = f" or {len(options) - SHOWN_CHOICES:,} more" if len(options) > SHOWN_CHOICES else ""
    return ", ".join(map(show, options[:SHOWN_CHOICES])) + rest


def _near(word: Any, options: Any) -> str:
    if not isinstance(word, str):
        return ""
    words = {option.lower(): option for option in options if isinstance(option, str)}
    near = difflib.get_close_matches(word[:100].lower(), words, n=1)
    return f' (did you mean "{words[near[0]]}"?)' if near else ""


def unquoted(value: Any, types: Sequence[str]) -> str:
    """Advise against the quotes of what is wanted without them, and on how JSON writes a number."""
    if not isinstance(value, str):
        return ""
    if _BARE_WORDS.get(value) in types:
        return "; write it without the quotes"
    number = _number(value, whole="number" not in types) if {"number", "integer"} & {*types} else ""
    return f"; write it {'without the quotes' if number == value else f'as {number}'}" if number else ""


def _number(text: str, *, whole: bool) -> str:
    """Write a number as JSON does, as it is where it is JSON already; empty where it is none that is wanted."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if not math.isfinite(number) or (whole and not number.is_integer()):
        return ""
    if JSON_NUMBER.fullmatch(text):
        return text
    return str(int(number)) if number.is_integer() and abs(number) < _EXACT else repr(number)


def _fits_none(value: Any, branches: list[list[SchemaError]]) -> str:
    """List what each alternative says."""
    reasons = dict.fromkeys(describe(branch[0]) for branch in branches[:3] if branch)
    return f"{show(value)} fits none of the {len(branches)} alternatives: {'; or '.join(reasons)}"


def _follow(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def _properties(schema: Any, where: Path) -> list[str]:
    """List the properties that stand beside a keyword in the schema."""
    beside = _follow(_follow(schema, where[:-1]), ("properties",))
    return list(beside) if isinstance(beside, Mapping) else []


def _count(singular: str, what: str, limit_name: str) -> Callable[[Any, Any], str]:
    verb = "allowed" if limit_name == "most" else "needed"

    def sentence(value: Any, kind: Any) -> str:
        found = f"there {_be(len(value))} {len(value):,} {what if len(value) != 1 else singular}"
        return f"{found}; at {limit_name} {kind.limit} {_be(kind.limit)} {verb}"

    return sentence


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


_Kind = jsonschema_rs.ValidationErrorKind
_SENTENCES: Mapping[type[jsonschema_rs.ValidationErrorKind], Callable[[Any, Any], str]] = {
    _Kind.Enum: lambda value, kind: f"{show(value)} is not one of {_listed(kind.options)}{_near(value, kind.options)}",
    _Kind.Constant: lambda value, kind: f"{show(value)} is not {show(kind.expected_value)}",
    _Kind.Minimum: lambda value, kind: f"{show(value)} is less than the minimum of {kind.limit}",
    _Kind.Maximum: lambda value, kind: f"{show(value)} is greater than the maximum of {kind.limit}",
    _Kind.ExclusiveMinimum: lambda value, kind: f"{show(value)} is not greater than {kind.limit}",
    _Kind.ExclusiveMaximum: lambda value, kind: f"{show(value)} is not less than {kind.limit}",
    _Kind.MultipleOf: lambda value, kind: f"{show(value)} is not a multiple of {kind.multiple_of}",
    _Kind.MinLength: lambda value, kind: f"{show(value)} is shorter than {plural(kind.limit, 'character')}",
    _Kind.MaxLength: lambda value, kind: f"{show(value)} is longer than {plural(kind.limit, 'character')}",
    _Kind.Pattern: lambda value, kind: f"{show(value)} does not match the pattern {clip(kind.pattern)}",
    _Kind.MinItems: _count("item", "items", "least"),
    _Kind.MaxItems: _count("item", "items", "most"),
    _Kind.AdditionalItems: _count("item", "items", "most"),
    _Kind.MinProperties: _count("property", "properties", "least"),
    _Kind.MaxProperties: _count("property", "properties", "most"),
    _Kind.UniqueItems: lambda _, __: "the items are not all different",
    _Kind.Required: lambda _, kind: f'"{kind.property}" is required',
    _Kind.FalseSchema: lambda value, _: f"{show(value)} is not allowed here",
    _Kind.Not: lambda value, _: f"{show(value)} is of a form that is not allowed",
    _Kind.AnyOf: lambda value, kind: _fits_none(value, kind.context),
    _Kind.OneOfNotValid: lambda value, kind: _fits_none(value, kind.context),
    _Kind.OneOfMultipleValid: lambda value, _: f"{show(value)} fits more than one of the alternatives, not exactly one",
    _Kind.PropertyNames: lambda _, kind: f"the property name {describe(kind.error)}",
    _Kind.Contains: lambda _, __: "too few or too many of the items are what the array must contain",
}
